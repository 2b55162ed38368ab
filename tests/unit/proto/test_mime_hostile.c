/* Messages made to cost time: whatever they are made of, eight times the size may cost about eight
 * times the time. Measured in CPU time, so that a busy machine does not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "proto/mime.h"

enum { SMALL = 128 * 1024, FACTOR = 8, SLACK_MS = 60 };

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void walk(const struct mime_part *p, struct buf *out)
{
    for (const struct mime_part *c = p; c; c = c->next) {
        for (unsigned i = 0; i < c->n_headers; i++) {
            struct sv v = c->headers[i].value;
            int64_t t;
            buf_reset(out);
            mime_decode_header(v, out);
            mime_param(v, SV("name"), out);
            mime_date(v, &t, NULL);
        }
        buf_reset(out);
        if (c->children)
            walk(c->children, out);
        else
            mime_decode_body(c, out);
    }
}

/* All that a server may do with a message. */
static double use(struct sv msg)
{
    struct arena a;
    struct mime_part *root = NULL;
    struct buf out;
    struct sv part;
    static struct sv names[5000];
    static char text[5000][16];
    double t = cpu_ms();
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        names[i] = sv_n(text[i], (size_t)snprintf(text[i], 16, "X-Name-%zu", i));
    arena_init(&a, 64 * MiB);
    buf_init(&out, 64 * MiB);
    mime_parse(msg, &a, &root);
    assert_non_null(root);
    mime_imap_envelope(root, &out);
    mime_imap_bodystructure(root, true, &out);
    mime_imap_bodystructure(root, false, &out);
    mime_section(root, msg, SV("1.1.1.1.1.1.TEXT"), &part);
    buf_reset(&out);
    mime_header_fields(root->header, names, ARRAY_LEN(names), false, &out);
    walk(root, &out);
    buf_done(&out);
    arena_done(&a);
    return cpu_ms() - t;
}

/* before, unit again and again, after: one message. */
struct hostile {
    const char *name, *before, *unit, *after;
};

static double measure(const struct hostile *h, size_t bytes)
{
    struct buf b;
    double t;
    size_t n = strlen(h->unit);
    buf_init(&b, 64 * MiB);
    buf_add_str(&b, h->before);
    if (buf_reserve(&b, bytes + n) < 0)
        fail();
    while (b.n < bytes)
        buf_add(&b, h->unit, n);
    buf_add_str(&b, h->after);
    t = use(buf_sv(&b));
    buf_done(&b);
    return t;
}

static void assert_linear(const struct hostile *h)
{
    double one = 1e9, many = 1e9;
    /* The better of some runs: caches and first page faults are not the question. */
    for (int i = 0; i < 3; i++) {
        double t = measure(h, SMALL);
        one = MIN(one, t);
    }
    for (int i = 0; i < 3 && many > one * FACTOR * 2 + SLACK_MS; i++) {
        double t = measure(h, (size_t)SMALL * FACTOR);
        many = MIN(many, t);
    }
    if (getenv("POSTHORN_TEST_VERBOSE"))
        print_message("%-44s %8.2f ms %8.2f ms\n", h->name, one, many);
    if (many > one * FACTOR * 2 + SLACK_MS)
        fail_msg("%s: %d KiB take %.1f ms, %d KiB take %.1f ms", h->name, SMALL / 1024, one,
                 SMALL * FACTOR / 1024, many);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static const struct hostile hostile[] = {
    { "lines of two dashes", MIXED, "--\r\n", "" },
    { "dashes without end", MIXED, "-", "" },
    { "boundaries", MIXED, "--b\r\n", "" },
    { "boundaries with blanks", MIXED, "--b \t \r\n", "" },
    { "parts", MIXED, "--b\r\n\r\nx\r\n", "" },
    { "almost boundaries", MIXED, "--bb\r\n", "" },
    { "ends of a boundary", MIXED, "--b--\r\n", "" },
    { "lone line feeds", MIXED, "\n", "" },
    { "messages in messages", "", "Content-Type: message/rfc822\r\n\r\n", "" },
    { "multiparts in multiparts", MIXED, "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n",
      "" },
    { "header fields", "", "A:\r\n", "\r\n" },
    { "header fields of one name", "", "To: a@b\r\n", "\r\n" },
    { "content types", "", "Content-Type: text/plain; charset=x\r\n", "\r\n" },
    { "lines without a colon", "", "x\r\n", "\r\n" },
    { "folds", "Subject:", " \r\n", "\r\n\r\n" },
    { "one long line", "Subject: ", "x", "\r\n\r\n" },
    { "commas", "To: ", ",", "\r\n\r\n" },
    { "addresses", "To: ", "a@b,", "\r\n\r\n" },
    { "names", "To: ", "a ", "\r\n\r\n" },
    { "semicolons", "To: ", ";", "\r\n\r\n" },
    { "groups", "To: ", "a:;", "\r\n\r\n" },
    { "colons", "To: ", ":", "\r\n\r\n" },
    { "angles", "To: ", "<", "\r\n\r\n" },
    { "angles and commas", "To: ", "<,", "\r\n\r\n" },
    { "angles, commas and quotes", "To: ", "<,\"", "\r\n\r\n" },
    { "angles with routes", "To: ", "<@a:@", "\r\n\r\n" },
    { "at signs", "To: ", "@", "\r\n\r\n" },
    { "at signs and angles", "To: ", "a@b<", "\r\n\r\n" },
    { "quotes", "To: ", "\"", "\r\n\r\n" },
    { "escaped quotes", "To: \"", "\\\"", "\r\n\r\n" },
    { "open comments", "To: ", "(", "\r\n\r\n" },
    { "comments", "To: ", "()", "\r\n\r\n" },
    { "comments behind words", "To: ", "a(", "\r\n\r\n" },
    { "comments with text", "To: ", "a(b)", "\r\n\r\n" },
    { "escapes in a comment", "To: (", "\\(", "\r\n\r\n" },
    { "dots", "To: ", " . ", "\r\n\r\n" },
    { "parameters", "Content-Type: text/plain", ";a=b", "\r\n\r\nx" },
    { "parameters of one name", "Content-Type: text/plain", ";charset=b", "\r\n\r\nx" },
    { "pieces of a parameter", "Content-Type: text/plain", ";charset*7=b", "\r\n\r\nx" },
    { "pieces of another one", "Content-Type: text/plain", ";name*0=b", "\r\n\r\nx" },
    { "semicolons in parameters", "Content-Type: text/plain", ";", "\r\n\r\nx" },
    { "quotes in parameters", "Content-Type: text/plain", ";a=\"", "\r\n\r\nx" },
    { "comments in parameters", "Content-Type: text/plain", ";(", "\r\n\r\nx" },
    { "a long boundary", "Content-Type: multipart/mixed; boundary=\"", "x", "\"\r\n\r\n--x\r\n" },
    { "languages", "Content-Language: ", "de,", "\r\n\r\n" },
    { "open encoded words", "Subject: ", "=?", "\r\n\r\n" },
    { "encoded words without end", "Subject: ", "=?a?q?x", "\r\n\r\n" },
    { "encoded words with a far end", "Subject: ", "=?a?b?x ", "?=\r\n\r\n" },
    { "encoded words", "Subject: ", "=?utf-8?q?a?= ", "\r\n\r\n" },
    { "encoded words of unknown charsets", "Subject: ", "=?x-u?q?=E4?= ", "\r\n\r\n" },
    { "encoded words of changing charsets",
      "Subject: ", "=?koi8-r?q?=E4?= =?cp1251?q?=E4?= ", "\r\n\r\n" },
    { "question marks", "Subject: ", "?", "\r\n\r\n" },
    { "soft line breaks", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=  ", "" },
    { "equal signs", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=", "" },
    { "no base64", "Content-Transfer-Encoding: base64\r\n\r\n", "*", "" },
    { "quotes in a subject", "Subject: ", "\"", "\r\n\r\n" },
    { "8-bit", "Subject: ", "\xff", "\r\n\r\n" },
};

static void time_grows_with_size_only(void **state _unused_)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    /* The sanitizer's memmem looks at the whole rest for each hit, which is quadratic by itself. */
    skip();
#endif
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
        assert_linear(&hostile[i]);
}

/* 50 open boundaries that begin alike, and lines that look like them. */
static void boundaries_that_begin_alike(void **state _unused_)
{
    static char before[200000], unit[1100];
    size_t n = 0;
    memset(unit, 'a', 1000);
    for (int depth = 1; depth <= 49; depth++)
        n += (size_t)snprintf(before + n, sizeof(before) - n,
                              "Content-Type: multipart/mixed; boundary=%.900s%02d\r\n\r\n"
                              "--%.900s%02d\r\n",
                              unit, depth, unit, depth);
    memcpy(unit, "--", 2);
    memset(unit + 2, 'a', 900);
    memcpy(unit + 902, "99\r\n", 5);
    assert_linear(&(struct hostile){ "boundaries that begin alike", before, unit, "" });
}

/* Nothing that is kept may be much larger than the message. */
static void memory_is_bounded(void **state _unused_)
{
    struct buf b, out;
    struct arena a;
    struct mime_part *root = NULL;
    buf_init(&b, 4 * MiB);
    while (b.n < 1 * MiB)
        buf_add_str(&b, "a@b,");
    arena_init(&a, 1 * MiB);
    struct mime_address *v;
    size_t n;
    assert_int_equal(mime_addresses(buf_sv(&b), &a, &v, &n), E_RANGE);
    assert_true(n > 1000);
    assert_true(sv_eq(v[0].host, SV("b")));
    arena_done(&a);
    buf_reset(&b);
    buf_add_str(&b, "To: ");
    while (b.n < 1 * MiB)
        buf_add_str(&b, "a@b,");
    arena_init(&a, 32 * MiB);
    buf_init(&out, 4 * MiB);
    assert_int_equal(mime_parse(buf_sv(&b), &a, &root), 0);
    assert_int_equal(mime_imap_envelope(root, &out), 0); /* cut, but whole in form */
    assert_true(sv_iends(buf_sv(&out), SV("(NIL NIL \"a\" \"b\")) NIL NIL NIL NIL)")));
    buf_done(&out);
    arena_done(&a);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_grows_with_size_only),
        cmocka_unit_test(boundaries_that_begin_alike),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
