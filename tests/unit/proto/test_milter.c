/* The milter protocol: packets to a milter, terms, answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/milter.h"

static void expect_bytes(struct buf *b, const char *bytes, size_t n)
{
    assert_false(b->overflow);
    assert_int_equal(b->n, n);
    assert_memory_equal(b->p, bytes, n);
    buf_reset(b);
}
#define EXPECT(b, lit) expect_bytes(b, lit, sizeof(lit) - 1)

static void test_packets(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    milter_put_negotiate(&b);
    EXPECT(&b, "\0\0\0\x0dO\0\0\0\6\0\0\1\xff\0\x1f\xf7\xff");
    milter_put_connect(&b, SV("[192.0.2.1]"), SV("192.0.2.1"), 25);
    EXPECT(&b, "\0\0\0\x1a"
               "C[192.0.2.1]\0"
               "4\0\x19"
               "192.0.2.1\0");
    milter_put_connect(&b, SV("x"), SV("2001:db8::1"), 258);
    EXPECT(&b, "\0\0\0\x12"
               "Cx\0"
               "6\1\2"
               "2001:db8::1\0");
    milter_put_connect(&b, SV("x"), SV(""), 0);
    EXPECT(&b, "\0\0\0\4"
               "Cx\0U");
    milter_put_helo(&b, SV("a\0b"));
    EXPECT(&b, "\0\0\0\3Ha\0");
    milter_put_envelope(&b, MILTER_MAIL, SV("a@b"), SV("SIZE=1  BODY=7BIT"));
    EXPECT(&b, "\0\0\0\x18M<a@b>\0SIZE=1\0BODY=7BIT\0");
    milter_put_envelope(&b, MILTER_RCPT, SV(""), SV_NULL);
    EXPECT(&b, "\0\0\0\4R<>\0");
    milter_put_header(&b, SV("A"), SV("b\n c"));
    EXPECT(&b, "\0\0\0\x08LA\0b\n c\0");
    milter_put_body(&b, SV("x\0y"));
    EXPECT(&b, "\0\0\0\4Bx\0y");
    milter_put_step(&b, MILTER_EOM);
    milter_put_abort(&b);
    milter_put_quit(&b);
    EXPECT(&b, "\0\0\0\1E\0\0\0\1A\0\0\0\1Q");
    size_t at = milter_macros_begin(&b, MILTER_CONNECT);
    milter_macros_end(&b, at);
    EXPECT(&b, "");
    at = milter_macros_begin(&b, MILTER_CONNECT);
    milter_macro(&b, SV("j"), SV("mx"));
    milter_macro(&b, SV("{a}"), SV(""));
    milter_macros_end(&b, at);
    EXPECT(&b, "\0\0\0\x0c"
               "DCj\0mx\0{a}\0\0");
    buf_done(&b);
}

static void test_lengths(void **state)
{
    (void)state;
    uint32_t n;
    assert_int_equal(milter_packet_length("\0\0\0\0", &n), E_RANGE);
    assert_int_equal(milter_packet_length("\0\4\0\1", &n), E_RANGE);
    assert_int_equal(milter_packet_length("\xff\xff\xff\xff", &n), E_RANGE);
    assert_int_equal(milter_packet_length("\0\4\0\0", &n), 0);
    assert_int_equal(n, MILTER_MAX_PACKET);
}

static void test_terms(void **state)
{
    (void)state;
    struct milter_terms t;
    struct errinfo ei;
    assert_int_equal(milter_parse_terms(SV("O\0\0\0\6\0\0\0\1\0\x10\0\x82"), &t, &ei), 0);
    assert_int_equal(t.actions, MILTER_CAN_ADD_HEADER);
    assert_true(milter_wants(t.protocol, MILTER_CONNECT));
    assert_false(milter_wants(t.protocol, MILTER_HELO));
    assert_false(milter_answers(t.protocol, MILTER_HEADER));
    assert_true(milter_answers(t.protocol, MILTER_EOM) && milter_wants(t.protocol, MILTER_EOM));
    assert_true(t.protocol & MILTER_HEADER_SPACE);
    assert_int_equal(
        milter_parse_terms(SV("O\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\2i j\0\0\0\0\5\0"), &t, &ei), 0);
    assert_true(sv_eq(t.macros[MILTER_MAIL], SV("i j")));
    assert_true(t.macros[MILTER_EOM].p && t.macros[MILTER_EOM].n == 0);
    assert_null(t.macros[MILTER_RCPT].p);
    static const struct sv bad[] = {
        { "", 0 },
        { "c", 1 },
        { "O\0\0\0\6\0\0\0\0\0\0\0", 12 },
        { "O\0\0\0\1\0\0\0\0\0\0\0\0", 13 },
        { "O\0\0\0\7\0\0\0\0\0\0\0\0", 13 },
        { "O\0\0\0\6\0\0\2\0\0\0\0\0", 13 },
        { "O\0\0\0\6\0\0\0\0\0\0\x8\0", 13 },
        { "O\0\0\0\6\0\0\0\0\x10\0\0\0", 13 },
        { "O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\x9x\0", 19 },
        { "O\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\2x", 18 },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (milter_parse_terms(bad[i], &t, &ei) >= 0)
            fail_msg("terms %zu were taken", i);
}

static void test_answers(void **state)
{
    (void)state;
    static struct milter_answer a;
    static const struct {
        struct sv packet;
        enum milter_kind kind;
        const char *name, *text;
        uint32_t index;
    } good[] = {
        { SV("c"), MILTER_CONTINUE, "", "", 0 },
        { SV("a"), MILTER_ACCEPT, "", "", 0 },
        { SV("s"), MILTER_SKIP, "", "", 0 },
        { SV("4"), MILTER_SHUTDOWN, "", "", 0 },
        { SV("f"), MILTER_SHUTDOWN, "", "", 0 },
        { SV("hX\0v\n w\0"), MILTER_ADD_HEADER, "X", "v\n w", 0 },
        { SV("i\0\0\1\2X\0\0"), MILTER_INSERT_HEADER, "X", "", 258 },
        { SV("m\0\0\0\1X\0v\0"), MILTER_CHANGE_HEADER, "X", "v", 1 },
        { SV("bbody\r\n"), MILTER_REPLACE_BODY, "", "body\r\n", 0 },
        { SV("+<a@b>\0"), MILTER_ADD_RCPT, "", "<a@b>", 0 },
        { SV("2<a@b>\0X=1\0"), MILTER_ADD_RCPT, "", "<a@b>", 0 },
        { SV("-a@b\0"), MILTER_DELETE_RCPT, "", "a@b", 0 },
        { SV("e<>\0"), MILTER_CHANGE_FROM, "", "<>", 0 },
        { SV("qwhy\0"), MILTER_QUARANTINE, "", "why", 0 },
        { SV("y550 5.7.1 No\0"), MILTER_REPLY, "", "550 5.7.1 No\r\n", 0 },
        { SV("y421\0"), MILTER_REPLY, "", "421 \r\n", 0 },
        { SV("y450 100%% of 5%\r\n\0"), MILTER_REPLY, "", "450 100% of 5%\r\n", 0 },
        { SV("y550 a\n550-b\r\n550 c\0"), MILTER_REPLY, "", "550-a\r\n550-b\r\n550 c\r\n", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct errinfo ei = { 0 };
        if (milter_parse_answer(good[i].packet, &a, &ei) < 0)
            fail_msg("answer %zu: %s", i, ei.text);
        assert_int_equal(a.kind, good[i].kind);
        assert_true(sv_eq(a.name, sv_c(good[i].name)));
        assert_true(sv_eq(a.text, sv_c(good[i].text)));
        assert_int_equal(a.index, good[i].index);
    }
    static const struct sv bad[] = {
        SV(""),
        SV("z"),
        SV("cc"),
        SV("h"),
        SV("hX\0v"),
        SV("hX\0v\0x"),
        SV("h\0v\0"),
        SV("hX Y\0v\0"),
        SV("hX:\0v\0"),
        SV("hX\r\0v\0"),
        SV("i\0\0X\0v\0"),
        SV("+\0"),
        SV("+a@b"),
        SV("+a\nb\0"),
        SV("qa\rb\0"),
        SV("y\0"),
        SV("y250 ok\0"),
        SV("y55\0"),
        SV("y550x\0"),
        SV("y550 a\rb\0"),
        SV("y550 a"),
        SV("y550 a\n551 b\0"),
        SV("y550 a\n\n550 b\0"),
        SV("y600 a\0"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (milter_parse_answer(bad[i], &a, NULL) >= 0)
            fail_msg("answer %zu was taken", i);
}

static void test_long_replies(void **state)
{
    (void)state;
    static struct milter_answer a;
    struct buf b;
    buf_init(&b, 64 * KiB);
    buf_add_c(&b, 'y');
    for (int i = 0; i < MILTER_MAX_REPLY_LINES; i++)
        buf_add_str(&b, "550 line\n");
    buf_add_c(&b, '\0');
    assert_int_equal(milter_parse_answer(buf_sv(&b), &a, NULL), 0);
    b.n--;
    buf_add_str(&b, "550 one more");
    buf_add_c(&b, '\0');
    assert_int_equal(milter_parse_answer(buf_sv(&b), &a, NULL), E_RANGE);
    for (size_t n = 400; n < 3000; n++) {
        buf_reset(&b);
        buf_add_str(&b, "y550 ");
        for (size_t i = 0; i < n; i++)
            buf_add_str(&b, i % 400 == 399 ? "\n550 " : "x");
        buf_add_c(&b, '\0');
        if (milter_parse_answer(buf_sv(&b), &a, NULL) == 0)
            assert_true(a.text.n <= sizeof(a.lines) && sv_iends(a.text, SV("\r\n")));
    }
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets),      cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_terms),        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_long_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
