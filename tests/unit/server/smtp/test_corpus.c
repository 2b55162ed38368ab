/* Messages go in by DATA and by BDAT and are in the queue as they were, octet for octet: every .eml
 * file of the corpus and some hostile ones. */
#include "fixture.h"

#include <ftw.h>

#include "../../corpus_dir.h"
#include "base/rand.h"
#include "log/log.h"

static struct fixture *fixture;
static unsigned n_messages;

/* Lone LF becomes CRLF, as a client does it. */
static void to_wire_form(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            assert_int_equal(buf_add_c(out, '\r'), 0);
        assert_int_equal(buf_add_c(out, in.p[i]), 0);
    }
}

static void stuff(struct sv in, struct buf *out)
{
    bool bol = true;
    for (size_t i = 0; i < in.n; i++) {
        if (bol && in.p[i] == '.')
            assert_int_equal(buf_add_c(out, '.'), 0);
        assert_int_equal(buf_add_c(out, in.p[i]), 0);
        bol = in.p[i] == '\n' && i && in.p[i - 1] == '\r';
    }
    assert_int_equal(buf_add_str(out, ".\r\n"), 0);
}

static struct sv below_trace(struct sv content)
{
    for (int fields = 0; content.n;) {
        bool folded = *content.p == ' ' || *content.p == '\t';
        if (!folded && fields++ == 2)
            break;
        content = sv_skip(content, (size_t)sv_find_sv(content, SV("\r\n")) + 2);
    }
    return content;
}

static void check_queued(const char *name, struct sv want)
{
    struct sv out = conn_test_output(fixture->c);
    ssize_t at = sv_find_sv(out, SV("Message id "));
    if (at < 0)
        fail_msg("%s: " SV_FMT, name, SV_ARG(out));
    char id[16];
    struct message *m;
    struct buf tmp;
    struct sv got;
    struct errinfo ei;
    (void)sv_copy(id, sizeof(id), sv_take(sv_skip(out, (size_t)at + 11), 8));
    assert_int_equal(queue_view(fixture->srv.queue, sv_c(id), &m), 0);
    buf_init(&tmp, 128 * MiB);
    must(message_read(m, &tmp, &got, &ei), &ei);
    got = below_trace(got);
    if (!sv_eq(got, want))
        fail_msg("%s: %zu octets became %zu", name, want.n, got.n);
    buf_done(&tmp);
    message_unref(m);
    must(queue_delete(fixture->srv.queue, sv_c(id), &ei), &ei);
}

static void feed(struct sv in)
{
    size_t step = rand_below(3) ? 1 + rand_below(5000) : in.n + 1;
    while (in.n) {
        conn_test_input(fixture->c, sv_take(in, step));
        in = sv_skip(in, step);
    }
}

static void start(void)
{
    expect(fixture, "MAIL FROM:<a@example.net> BODY=8BITMIME", "250 ");
    expect(fixture, "RCPT TO:<bob@example.org>", "250 ");
    conn_test_take(fixture->c);
}

static void by_data(const char *name, struct sv wire)
{
    struct buf b;
    buf_init(&b, 128 * MiB);
    to_wire_form(wire, &b);
    if (!sv_iends(buf_sv(&b), SV("\r\n")))
        assert_int_equal(buf_add_str(&b, "\r\n"), 0); /* DATA cannot say it otherwise */
    struct buf stuffed;
    buf_init(&stuffed, 128 * MiB);
    stuff(buf_sv(&b), &stuffed);
    start();
    expect(fixture, "DATA", "354 ");
    conn_test_take(fixture->c);
    feed(buf_sv(&stuffed));
    check_queued(name, buf_sv(&b));
    buf_done(&stuffed);
    buf_done(&b);
}

static void by_bdat(const char *name, struct sv wire)
{
    struct buf b;
    char line[64];
    buf_init(&b, 128 * MiB);
    to_wire_form(wire, &b);
    struct sv left = buf_sv(&b);
    start();
    while (left.n) {
        size_t n = 1 + rand_below((uint32_t)MIN(left.n, 20000));
        int len = snprintf(line, sizeof(line), "BDAT %zu%s\r\n", n, n == left.n ? " LAST" : "");
        conn_test_input(fixture->c, sv_n(line, (size_t)len));
        conn_test_take(fixture->c);
        feed(sv_take(left, n));
        left = sv_skip(left, n);
    }
    check_queued(name, buf_sv(&b));
    buf_done(&b);
}

static int each_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    struct buf b;
    struct errinfo ei;
    (void)ftw;
    if (type != FTW_F || st->st_size == 0 || !sv_iends(sv_c(path), SV(".eml")))
        return 0;
    buf_init(&b, 128 * MiB);
    must(os_read_file(path, &b, &ei), &ei);
    by_data(path, buf_sv(&b));
    by_bdat(path, buf_sv(&b));
    buf_done(&b);
    n_messages++;
    return 0;
}

static void open_session(struct fixture *f)
{
    fixture = f;
    log_set_level(LOG_SMTP, LOG_NONE);
    add_account(f, "example.org", "bob@example.org", "secret");
    dial(f, "192.0.2.1", "192.0.2.25", false);
    expect(f, "EHLO c.example", "250-");
}

static void test_hostile_messages(void **state)
{
    static const struct sv messages[] = {
        SV("\r\n"),
        SV("."),
        SV(".\r\n..\r\n.\r\n\r\n.x\r\n"),
        SV("a\rb\r\r\nNUL \0 \xff\xfe\r\n"),
        SV("\rx\r\n.\rx\r\n\r"),
        SV("Received:\r\nno end of line"),
        SV("\n.\n\n..\n"),
    };
    open_session(*state);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        by_data("built in", messages[i]);
        by_bdat("built in", messages[i]);
    }
}

static void test_large_message(void **state)
{
    open_session(*state);
    char *text = xmalloc(3 * MiB);
    for (size_t i = 0; i < 3 * MiB; i++)
        text[i] = i % 77 == 75                ? '\r'
                  : i % 77 == 76              ? '\n'
                  : i % 77 == 0 && i % 3 == 0 ? '.'
                                              : (char)('a' + i % 26);
    by_data("3 MiB", sv_n(text, 3 * MiB));
    by_bdat("3 MiB", sv_n(text, 3 * MiB));
    free(text);
}

static void test_corpus(void **state)
{
    open_session(*state);
    assert_int_equal(nftw(corpus_dir(), each_file, 16, FTW_PHYS), 0);
    print_message("%u messages, each by DATA and by BDAT\n", n_messages);
    assert_true(n_messages >= CORPUS_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_messages, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_large_message, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_corpus, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
