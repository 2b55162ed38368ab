/* POP3's dots: whatever pieces a message is fed in, the same comes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "proto/pop3_stuff.h"

/* TOP of `lines` (-1: the whole message), fed in pieces of `piece` bytes. */
static void stuff(struct sv in, long lines, size_t piece, struct buf *out)
{
    struct pop3_stuff s;
    buf_reset(out);
    if (lines < 0)
        pop3_stuff_init(&s);
    else
        pop3_stuff_top(&s, (uint64_t)lines);
    while (in.n && !s.done) {
        struct sv part = sv_take(in, piece);
        assert_int_equal(pop3_stuff_feed(&s, part, out), 0);
        in = sv_skip(in, part.n);
    }
    assert_int_equal(pop3_stuff_feed(&s, SV(""), out), 0);
    assert_int_equal(pop3_stuff_end(&s, out), 0);
}

static void assert_stuffed(struct sv in, long lines, const char *want)
{
    struct buf out;
    buf_init(&out, 1 * MiB);
    for (size_t piece = 1; piece <= in.n + 1; piece++) {
        stuff(in, lines, piece, &out);
        if (!sv_eq(buf_sv(&out), sv_c(want)))
            fail_msg("pieces of %zu: '" SV_FMT "', want '%s'", piece, SV_ARG(buf_sv(&out)), want);
    }
    buf_done(&out);
}

static void whole_messages(void **state _unused_)
{
    assert_stuffed(SV(""), -1, ".\r\n");
    assert_stuffed(SV("."), -1, "..\r\n.\r\n");
    assert_stuffed(SV(".\r\n"), -1, "..\r\n.\r\n");
    assert_stuffed(SV("a\r\n.b\r\n..\r\n\r\n."), -1, "a\r\n..b\r\n...\r\n\r\n..\r\n.\r\n");
    assert_stuffed(SV("a.b\r\nc."), -1, "a.b\r\nc.\r\n.\r\n");
    assert_stuffed(SV("no end"), -1, "no end\r\n.\r\n");
    assert_stuffed(SV("ends in CR\r"), -1, "ends in CR\r\r\n.\r\n");
    assert_stuffed(SV("bare\n.\nlf\n"), -1, "bare\n..\nlf\n.\r\n");
    assert_stuffed(SV("\n\n.\n"), -1, "\n\n..\n.\r\n");
    assert_stuffed(SV("\r.\r\n"), -1, "\r.\r\n.\r\n");
}

static void tops(void **state _unused_)
{
    static const char m[] = "H: 1\r\n.H\r\n\r\n1\r\n.2\r\n\r\n4";
    assert_stuffed(sv_c(m), 0, "H: 1\r\n..H\r\n\r\n.\r\n");
    assert_stuffed(sv_c(m), 1, "H: 1\r\n..H\r\n\r\n1\r\n.\r\n");
    assert_stuffed(sv_c(m), 2, "H: 1\r\n..H\r\n\r\n1\r\n..2\r\n.\r\n");
    assert_stuffed(sv_c(m), 3, "H: 1\r\n..H\r\n\r\n1\r\n..2\r\n\r\n.\r\n");
    assert_stuffed(sv_c(m), 4, "H: 1\r\n..H\r\n\r\n1\r\n..2\r\n\r\n4\r\n.\r\n");
    assert_stuffed(sv_c(m), 100, "H: 1\r\n..H\r\n\r\n1\r\n..2\r\n\r\n4\r\n.\r\n");
    assert_stuffed(SV(""), 0, ".\r\n");
    assert_stuffed(SV("\r\nbody\r\n"), 0, "\r\n.\r\n");
    assert_stuffed(SV("\nbody\nmore\n"), 1, "\nbody\n.\r\n");
    assert_stuffed(SV("H: no body"), 5, "H: no body\r\n.\r\n");
    assert_stuffed(SV("H\r\r\n\r\r\n\r\nb"), 0, "H\r\r\n\r\r\n\r\n.\r\n"); /* CR CR LF is a line */
}

static void a_full_buffer(void **state _unused_)
{
    struct pop3_stuff s;
    struct buf out;
    buf_init(&out, 8);
    pop3_stuff_init(&s);
    assert_int_equal(pop3_stuff_feed(&s, SV("123456789"), &out), -ENOMEM);
    buf_reset(&out);
    pop3_stuff_top(&s, 1);
    assert_int_equal(pop3_stuff_feed(&s, SV("123456789\r\n"), &out), -ENOMEM);
    assert_int_equal(pop3_stuff_end(&s, &out), -ENOMEM);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages),
        cmocka_unit_test(tops),
        cmocka_unit_test(a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
