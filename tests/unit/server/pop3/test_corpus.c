/* Every message of the corpus comes back octet by octet by RETR, and its head by TOP. */
#include "pop3_test.h"

#include "../../proto/corpus.h"

static struct env env;
static struct conn *conn;
static unsigned number;

static int begin(void **state _unused_)
{
    env_open(&env);
    return 0;
}

static int end(void **state _unused_)
{
    env_close(&env);
    return 0;
}

static void put(const char *name _unused_, struct sv m, void *arg _unused_)
{
    if (m.n)
        env_mail(&env, "ann@example.org", &m, 1);
}

/* Header, empty line and n lines of the body. */
static struct sv head_of(struct sv m, unsigned n)
{
    bool body = false;
    size_t at = 0;
    while (at < m.n && (!body || n > 0)) {
        ssize_t eol = sv_find(sv_skip(m, at), '\n');
        size_t len = eol < 0 ? m.n - at : (size_t)eol + 1;
        struct sv line = sv_n(m.p + at, len);
        at += len;
        if (body)
            n--;
        else
            body = sv_eq(line, SV("\r\n")) || sv_eq(line, SV("\n"));
    }
    return sv_take(m, at);
}

static void assert_same(const char *name, const char *what, struct sv want, struct sv reply)
{
    struct buf got, full;
    buf_init(&got, 64 * MiB);
    buf_init(&full, 64 * MiB);
    buf_add_sv(&full, want);
    if (want.n && want.p[want.n - 1] != '\n')
        buf_add_str(&full, "\r\n"); /* POP3 cannot send an unfinished line */
    if (!pop3_body(reply, &got))
        fail_msg("%s: %s: " SV_FMT, name, what, SV_ARG(sv_take(reply, 200)));
    /* A bare LF may be followed by a dot, which is doubled too: clients that take LF for a line end
     * must not see the end there. */
    struct sv rest = buf_sv(&got);
    struct buf plain;
    buf_init(&plain, 64 * MiB);
    while (rest.n) { /* a line at a time */
        ssize_t at = sv_find(rest, '\n');
        size_t n = at < 0 ? rest.n : (size_t)at + 1;
        bool bare = at == 0 || (at > 0 && rest.p[at - 1] != '\r');
        bool dot = at >= 0 && n < rest.n && rest.p[n] == '.';
        buf_add_sv(&plain, sv_take(rest, n));
        rest = sv_skip(rest, n + (dot && bare));
    }
    if (!sv_eq(buf_sv(&plain), buf_sv(&full)))
        fail_msg("%s: %s: %zu octets, %zu expected", name, what, plain.n, full.n);
    buf_done(&plain);
    buf_done(&got);
    buf_done(&full);
}

static void fetch(const char *name, struct sv m, void *arg _unused_)
{
    if (!m.n)
        return;
    number++;
    char size[64];
    snprintf(size, sizeof(size), "+OK %u %zu\r\n", number, m.n);
    expect(pop3_cmd(conn, "LIST %u", number), size);
    assert_same(name, "RETR", m, pop3_cmd(conn, "RETR %u", number));
    for (unsigned n = 0; n < 4; n++)
        assert_same(name, "TOP", head_of(m, n * n), pop3_cmd(conn, "TOP %u %u", number, n * n));
    assert_same(name, "TOP", m, pop3_cmd(conn, "TOP %u 4000000000", number));
}

static void every_message_of_the_corpus(void **state _unused_)
{
    corpus_each(put, NULL);
    conn = pop3_login(&env, "ann@example.org");
    corpus_each(fetch, NULL);
    print_message("%u messages\n", number);
    conn_test_free(conn, CLOSE_PEER);
}

/* Under a sanitizer the memmem of pop3_stuff looks at the whole piece for each dot. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LARGE (1 * MiB)
#else
#define LARGE (20 * MiB)
#endif

static void large_messages(void **state _unused_)
{
    static const size_t sizes[] = { 256 * KiB - 1, 256 * KiB, 256 * KiB + 1, LARGE };
    struct conn *c;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *text = xmalloc(sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++)
            text[k] = "\r\n.abc\r\n..\r\n"[k % 12];
        struct sv m = sv_n(text, sizes[i]);
        env_mail(&env, "bob@example.org", &m, 1);
        c = pop3_login(&env, "bob@example.org");
        char n[16];
        snprintf(n, sizeof(n), "%zu", i + 1);
        assert_same(n, "RETR", m, pop3_cmd(c, "RETR %zu", i + 1));
        assert_same(n, "TOP", m, pop3_cmd(c, "TOP %zu 99999999", i + 1));
        conn_test_free(c, CLOSE_PEER);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_of_the_corpus),
        cmocka_unit_test(large_messages),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
