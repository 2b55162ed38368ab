/* The framer and the content decoder: lines, ends of DATA, chunks; the same result however the
 * input is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/rand.h"
#include "proto/smtp_body.h"
#include "proto/smtp_framer.h"

enum { MAX_LINE = 64 };

/* Feeds input in steps of at most `step` bytes (0 = all at once) and writes what came out: one
 * letter a piece, content decoded. */
struct drive {
    struct smtp_framer f;
    struct smtp_body body;
    struct buf out;
    bool bodies_open;
};

static void note_piece(struct drive *d, const struct smtp_piece *p)
{
    static const char *const names = "LOBsddcc";
    switch (p->kind) {
    case SMTP_LINE:
        assert_int_equal(buf_addf(&d->out, "L(" SV_FMT ")", SV_ARG(p->data)), 0);
        if (sv_eq(p->data, SV("DATA"))) {
            smtp_framer_data(&d->f);
            smtp_body_begin(&d->body, true, true);
        }
        return;
    case SMTP_LONG:
    case SMTP_BAD:
        assert_int_equal(buf_addf(&d->out, "%c", names[p->kind]), 0);
        return;
    case SMTP_SWALLOW:
        return;
    case SMTP_BODY:
    case SMTP_BODY_END:
    case SMTP_CHUNK:
    case SMTP_CHUNK_END:
        if (!d->bodies_open)
            assert_int_equal(buf_add_str(&d->out, "{"), 0);
        d->bodies_open = true;
        assert_int_equal(smtp_body_add(&d->body, p->data, p->has, &d->out), 0);
        if (p->kind == SMTP_BODY_END || p->kind == SMTP_CHUNK_END) {
            assert_int_equal(buf_add_str(&d->out, "}"), 0);
            d->bodies_open = false;
        }
        return;
    }
}

static char *drive(struct sv in, size_t step, unsigned *ret_has)
{
    struct drive d = { 0 };
    size_t have = 0, off = 0;
    unsigned has = 0;
    buf_init(&d.out, 1 * MiB);
    while (have < in.n) {
        size_t more = step ? 1 + rand_below((uint32_t)step) : in.n;
        have = MIN(have + more, in.n);
        struct smtp_piece p;
        while (smtp_framer_next(&d.f, sv_n(in.p + off, have - off), MAX_LINE, &p) > 0) {
            assert_true(p.used > 0 && p.used <= have - off);
            off += p.used;
            has |= p.has;
            note_piece(&d, &p);
        }
    }
    if (ret_has)
        *ret_has = has;
    return buf_take(&d.out, &have);
}

static void check(const char *in, size_t n, const char *want)
{
    char *all = drive(sv_n(in, n), 0, NULL);
    assert_string_equal(all, want);
    free(all);
    for (size_t step = 1; step < 6; step++) {
        char *cut = drive(sv_n(in, n), step, NULL);
        assert_string_equal(cut, want);
        free(cut);
    }
}
#define CHECK(in, want) check(in, sizeof(in) - 1, want)

static void test_lines(void **state)
{
    (void)state;
    CHECK("NOOP\r\nQUIT\r\n", "L(NOOP)L(QUIT)");
    CHECK("\r\n", "L()");
    CHECK("NOOP", "");
    CHECK("NOOP\r", "");
}

static void test_line_end_must_be_crlf(void **state)
{
    (void)state;
    CHECK("NOOP\nQUIT\r\nRSET\r\n", "BL(RSET)"); /* QUIT is part of the refused line */
    CHECK("NOOP\nQUIT\nRSET\r\n", "BB");
    CHECK("\n", "B");
    CHECK("NO\rOP\r\nQUIT\r\n", "BL(QUIT)");
    CHECK("NOOP\r\r\nQUIT\r\n", "BL(QUIT)");
    CHECK("NO\0OP\r\nQUIT\r\n", "BL(QUIT)");
}

static void test_long_lines(void **state)
{
    (void)state;
    char in[400];
    memset(in, 'x', sizeof(in));
    memcpy(in + 62, "\r\n", 2);
    struct smtp_framer f = { 0 };
    struct smtp_piece p;
    assert_int_equal(smtp_framer_next(&f, sv_n(in, 64), MAX_LINE, &p), 1);
    assert_int_equal(p.kind, SMTP_LINE);
    assert_int_equal(smtp_framer_next(&f, sv_n("xxx", 3), MAX_LINE, &p), 0);
    memset(in, 'x', sizeof(in));
    memcpy(in + 300, "\r\nNOOP\r\n", 8);
    for (size_t step = 0; step < 100; step += 33) {
        char *out = drive(sv_n(in, 308), step, NULL);
        assert_string_equal(out, "OL(NOOP)");
        free(out);
    }
    assert_int_equal(smtp_framer_next(&f, sv_n(in + 2, 64), MAX_LINE, &p), 1);
    assert_int_equal(p.kind, SMTP_LONG);
}

static void test_data(void **state)
{
    (void)state;
    CHECK("DATA\r\n.\r\nNOOP\r\n", "L(DATA){}L(NOOP)");
    CHECK("DATA\r\na\r\n.\r\nNOOP\r\n", "L(DATA){a\r\n}L(NOOP)");
    CHECK("DATA\r\na\r\n..\r\n.b\r\n...\r\n.\r\nQUIT\r\n", "L(DATA){a\r\n.\r\nb\r\n..\r\n}L(QUIT)");
    CHECK("DATA\r\n..a\r\nb.\r\n.\r\n", "L(DATA){.a\r\nb.\r\n}");
    CHECK("DATA\r\n\r\n\r\n.\r\n", "L(DATA){\r\n\r\n}");
    CHECK("DATA\r\n.\r\r\n.\r\n", "L(DATA){\r\r\n}");
    CHECK("DATA\r\na\rb\r\n.\r\n", "L(DATA){a\rb\r\n}");
    CHECK("DATA\r\na\r\n.", "L(DATA){a\r\n");
    CHECK("DATA\r\na\r", "L(DATA){a");
}

/* Whatever another server may take for the end of DATA: here it is content. */
static void test_smuggling(void **state)
{
    (void)state;
    CHECK("DATA\r\na\n.\nMAIL\r\n.\r\n", "L(DATA){a\r\n.\r\nMAIL\r\n}");
    CHECK("DATA\r\na\n.\r\nMAIL\r\n.\r\n", "L(DATA){a\r\n.\r\nMAIL\r\n}");
    CHECK("DATA\r\na\r\n.\nMAIL\r\n.\r\n", "L(DATA){a\r\n\r\nMAIL\r\n}");
    CHECK("DATA\r\na\r.\rMAIL\r\n.\r\n", "L(DATA){a\r.\rMAIL\r\n}");
    CHECK("DATA\r\na\r.\r\nMAIL\r\n.\r\n", "L(DATA){a\r.\r\nMAIL\r\n}");
    CHECK("DATA\r\na\r\n.\rMAIL\r\n.\r\n", "L(DATA){a\r\n\rMAIL\r\n}");
    CHECK("DATA\r\n\n.\r\n.\r\n", "L(DATA){\r\n.\r\n}");
}

static unsigned flags_of(struct sv in, size_t step)
{
    unsigned has;
    free(drive(in, step, &has));
    return has;
}

static void test_flags(void **state)
{
    (void)state;
    for (size_t step = 0; step < 5; step++) {
        assert_int_equal(flags_of(SV("DATA\r\na\r\nb\r\n.\r\n"), step), 0);
        assert_int_equal(flags_of(SV("DATA\r\n..\r\n.\r\n"), step), SMTP_HAS_DOT);
        assert_int_equal(flags_of(SV("DATA\r\na\nb\r\n.\r\n"), step), SMTP_HAS_BARE_LF);
        assert_int_equal(flags_of(SV("DATA\r\n\n\r\n.\r\n"), step), SMTP_HAS_BARE_LF);
        assert_int_equal(flags_of(SV("DATA\r\na\rb\r\n.\r\n"), step), 0);
        assert_int_equal(flags_of(SV("DATA\r\na\r.\rb\r\n.\r\n"), step), SMTP_HAS_CR_DOT);
        assert_int_equal(flags_of(SV("DATA\r\na\r.\r\nb\r\n.\r\n"), step), SMTP_HAS_CR_DOT);
        assert_int_equal(flags_of(SV("DATA\r\na\r.b\r\n.\r\n"), step), 0);
        assert_int_equal(flags_of(SV("DATA\r\n\r.\r\n.\r\n"), step), SMTP_HAS_CR_DOT);
    }
}

static unsigned chunk_flags(const char *in, size_t n, size_t step, size_t *ret_pieces)
{
    struct smtp_framer f = { 0 };
    unsigned has = 0;
    smtp_framer_bdat(&f, n, true);
    *ret_pieces = 0;
    for (size_t off = 0; off < n;) {
        struct smtp_piece p;
        assert_int_equal(smtp_framer_next(&f, sv_n(in + off, MIN(step, n - off)), MAX_LINE, &p), 1);
        off += p.used;
        has |= p.has;
        ++*ret_pieces;
        assert_int_equal(p.kind, off == n ? SMTP_CHUNK_END : SMTP_CHUNK);
    }
    assert_int_equal(f.mode, SMTP_MODE_COMMAND);
    return has;
}

static void test_chunks(void **state)
{
    (void)state;
    size_t pieces;
    for (size_t step = 1; step < 12; step++) {
        assert_int_equal(chunk_flags("a\r\n.\r\nb\r\n", 9, step, &pieces), 0);
        assert_int_equal(chunk_flags("a\nb\r\n", 5, step, &pieces), SMTP_HAS_BARE_LF);
        assert_int_equal(chunk_flags("\nb\r\n", 4, step, &pieces), SMTP_HAS_BARE_LF);
        assert_int_equal(chunk_flags("a\r.\rb", 5, step, &pieces), SMTP_HAS_CR_DOT);
        assert_int_equal(chunk_flags("a\r.b\rb", 6, step, &pieces), 0);
    }
    /* A chunk may be followed by commands in the same input, and end between CR and LF. */
    struct smtp_framer f = { 0 };
    struct smtp_piece p;
    smtp_framer_bdat(&f, 2, true);
    assert_int_equal(smtp_framer_next(&f, SV("a\rNOOP\r\n"), MAX_LINE, &p), 1);
    assert_int_equal(p.kind, SMTP_CHUNK_END);
    assert_int_equal(p.used, 2);
    smtp_framer_bdat(&f, 2, false);
    assert_int_equal(smtp_framer_next(&f, SV("\nb"), MAX_LINE, &p), 1);
    assert_int_equal(p.has, 0);
}

static void test_decode_modes(void **state)
{
    (void)state;
    struct smtp_body b;
    struct buf out;
    buf_init(&out, 1000);
    smtp_body_begin(&b, true, false);
    assert_int_equal(
        smtp_body_add(&b, SV("..a\nb\r\n.c\r\n"), SMTP_HAS_DOT | SMTP_HAS_BARE_LF, &out), 0);
    assert_true(sv_eq(buf_sv(&out), SV(".a\nb\r\nc\r\n")));
    buf_reset(&out);
    smtp_body_begin(&b, false, true);
    assert_int_equal(smtp_body_add(&b, SV(".a\r"), 0, &out), 0);
    assert_int_equal(smtp_body_add(&b, SV("\n\nx"), SMTP_HAS_BARE_LF, &out), 0);
    assert_true(sv_eq(buf_sv(&out), SV(".a\r\n\r\nx")));
    buf_done(&out);
    buf_init(&out, 4);
    assert_int_equal(smtp_body_add(&b, SV("abcdef"), 0, &out), -ENOMEM);
    buf_done(&out);
}

/* Random content, stuffed as a client does it, comes back as it was, however it is cut. */
static void test_round_trip(void **state)
{
    static const char letters[] = "\r\n..ab\r\n";
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct buf wire, plain;
        buf_init(&wire, 4096);
        buf_init(&plain, 4096);
        size_t n = rand_below(60);
        for (size_t i = 0; i < n; i++) {
            char c = letters[rand_below(sizeof(letters) - 1)];
            char last = plain.n ? plain.p[plain.n - 1] : 0;
            if (c == '\n' && last != '\r')
                assert_int_equal(buf_add_c(&plain, '\r'), 0);
            assert_int_equal(buf_add_c(&plain, c), 0);
        }
        assert_int_equal(buf_add_str(&plain, "\r\n"), 0);
        assert_int_equal(buf_add_str(&wire, "DATA\r\n"), 0);
        for (size_t i = 0; i < plain.n; i++) {
            bool bol = i == 0 || (i > 1 && plain.p[i - 1] == '\n' && plain.p[i - 2] == '\r');
            if (bol && plain.p[i] == '.')
                assert_int_equal(buf_add_c(&wire, '.'), 0);
            assert_int_equal(buf_add_c(&wire, plain.p[i]), 0);
        }
        assert_int_equal(buf_add_str(&wire, ".\r\nQ\r\n"), 0);
        char *out = drive(buf_sv(&wire), (size_t)round % 7, NULL);
        char *want = xasprintf("L(DATA){" SV_FMT "}L(Q)", SV_ARG(buf_sv(&plain)));
        assert_string_equal(out, want);
        free(out);
        free(want);
        buf_done(&wire);
        buf_done(&plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),      cmocka_unit_test(test_line_end_must_be_crlf),
        cmocka_unit_test(test_long_lines), cmocka_unit_test(test_data),
        cmocka_unit_test(test_smuggling),  cmocka_unit_test(test_flags),
        cmocka_unit_test(test_chunks),     cmocka_unit_test(test_decode_modes),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
