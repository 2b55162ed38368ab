/* Tests of base/codec.h: RFC vectors, malformed input, the edges of UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/rand.h"

typedef int codec_fn(struct sv in, struct buf *out);

static void expect_sv(codec_fn *fn, struct sv in, struct sv want)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_add_str(&b, "<");
    assert_int_equal(fn(in, &b), 0);
    assert_int_equal(b.n, want.n + 1);
    assert_int_equal(b.p[0], '<'); /* appended, not overwritten */
    assert_memory_equal(b.p + 1, want.p, want.n);
    buf_done(&b);
}

static void expect(codec_fn *fn, const char *in, const char *want)
{
    expect_sv(fn, sv_c(in), sv_c(want));
}

static void expect_bad(codec_fn *fn, struct sv in)
{
    struct buf b;
    buf_init(&b, 1000);
    buf_add_str(&b, "<");
    assert_int_equal(fn(in, &b), E_PARSE);
    assert_int_equal(b.n, 1);
    assert_false(b.overflow);
    buf_done(&b);
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\xfb\xff\xbf", "+/+/" },
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        expect(base64_enc, pairs[i][0], pairs[i][1]);
        expect(base64_dec, pairs[i][1], pairs[i][0]);
    }
    expect_sv(base64_dec, SV("AAAA"), SV("\0\0\0"));
    expect_sv(base64_enc, SV("\0user\0pass"), SV("AHVzZXIAcGFzcw=="));
    expect_sv(base64_enc, SV_NULL, SV(""));
    expect_sv(base64_dec, SV_NULL, SV(""));
}

static void test_base64_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",     "Zg",   "Zg=",    "=",        "==",       "====",      "Z===",
        "=Zg=",  "Z=g=", "Zg=A",   "Zm9v====", "Zg==Zg==", "Zm9=vYmFy", "Zm9vYg==\r\n",
        " Zm9v", "Zm 9", "Zm9v\n", "Zm9-",     "Zm9_",     "Zm9\xc3",   "Zm9.",
        "Zh==",  "Zm9=", "Z/==",   "Zm//Zm/=", "Zm9v=m9v", "Zm9vZg=v",  "Zm9v=g==",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_bad(base64_dec, sv_c(bad[i]));
    expect_bad(base64_dec, SV("Zm9\0"));
    /* Exactly the 64 characters are digits. */
    int good = 0;
    for (int c = 0; c < 256; c++) {
        char in[4] = { 'A', 'A', 'A', (char)c };
        struct buf b;
        buf_init(&b, 10);
        good += base64_dec(sv_n(in, 4), &b) == 0;
        buf_done(&b);
    }
    assert_int_equal(good, 65); /* and '=' in the last place */
}

static void test_round_trip(void **state)
{
    (void)state;
    unsigned char m[257];
    for (size_t n = 0; n <= sizeof(m); n++) {
        rand_bytes(m, n);
        struct buf text, back;
        buf_init(&text, 2 * sizeof(m));
        buf_init(&back, n); /* no more than the result is needed */
        assert_int_equal(base64_enc(sv_n(m, n), &text), 0);
        assert_int_equal(text.n, (n + 2) / 3 * 4);
        assert_int_equal(base64_dec(buf_sv(&text), &back), 0);
        assert_true(sv_eq(buf_sv(&back), sv_n(m, n)));
        buf_reset(&text);
        buf_reset(&back);
        assert_int_equal(hex_enc(sv_n(m, n), &text), 0);
        assert_int_equal(hex_dec(buf_sv(&text), &back), 0);
        assert_true(sv_eq(buf_sv(&back), sv_n(m, n)));
        buf_done(&text);
        buf_done(&back);
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        codec_fn *fn;
        const char *in;
        size_t out_n;
    } cases[] = {
        { base64_enc, "foob", 8 }, { base64_dec, "Zm9vYg==", 4 }, { base64_dec, "Zm9vYmE=", 5 },
        { hex_enc, "ab", 4 },      { hex_dec, "6162", 2 },        { escape_text, "a\nb", 6 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, cases[i].out_n);
        assert_int_equal(cases[i].fn(sv_c(cases[i].in), &b), 0);
        assert_int_equal(b.n, cases[i].out_n);
        buf_done(&b);
        buf_init(&b, cases[i].out_n - 1);
        assert_int_equal(cases[i].fn(sv_c(cases[i].in), &b), -ENOMEM);
        assert_true(b.overflow);
        buf_done(&b);
    }
}

static void test_hex(void **state)
{
    (void)state;
    expect_sv(hex_enc, SV("\0\x01\xab\xff"), SV("0001abff"));
    expect_sv(hex_dec, SV("0001aBFf"), SV("\0\x01\xab\xff"));
    expect_sv(hex_enc, SV_NULL, SV(""));
    expect_sv(hex_dec, SV_NULL, SV(""));
    static const char *const bad[] = {
        "0", "0g", "g0", "0 ", "0x00", "/0", ":0", "@0", "G0", "`0"
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_bad(hex_dec, sv_c(bad[i]));
}

/* The definition, bit by bit, to compare with. */
static bool utf8_reference(const unsigned char *p, size_t n)
{
    while (n) {
        uint32_t v, min;
        size_t len;
        if (p[0] < 0x80) {
            len = 1, v = p[0], min = 0;
        } else if (p[0] >> 5 == 6) {
            len = 2, v = p[0] & 31, min = 0x80;
        } else if (p[0] >> 4 == 14) {
            len = 3, v = p[0] & 15, min = 0x800;
        } else if (p[0] >> 3 == 30) {
            len = 4, v = p[0] & 7, min = 0x10000;
        } else {
            return false;
        }
        if (n < len)
            return false;
        for (size_t i = 1; i < len; i++) {
            if (p[i] >> 6 != 2)
                return false;
            v = v << 6 | (p[i] & 63);
        }
        if (v < min || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
            return false;
        p += len;
        n -= len;
    }
    return true;
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        bool valid;
    } cases[] = {
        { "", true },
        { "plain text of more than eight bytes", true },
        { "\x7f", true },
        { "\xc2\x80", true },
        { "\xdf\xbf", true },
        { "\xe0\xa0\x80", true },
        { "\xed\x9f\xbf", true },
        { "\xee\x80\x80", true },
        { "\xef\xbf\xbf", true },
        { "\xf0\x90\x80\x80", true },
        { "\xf4\x8f\xbf\xbf", true },
        { "12345678\xe2\x82\xac", true },
        { "\x80", false },
        { "\xbf", false },
        { "\xc0\x80", false }, /* overlong */
        { "\xc1\xbf", false },
        { "\xe0\x9f\xbf", false },
        { "\xf0\x8f\xbf\xbf", false },
        { "\xed\xa0\x80", false }, /* surrogates */
        { "\xed\xbf\xbf", false },
        { "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", false },
        { "\xff", false },
        { "\xc2", false }, /* cut off */
        { "\xe2\x82", false },
        { "\xf0\x9f\x98", false },
        { "\xc2"
          "a",
          false },
        { "\xe2\x82"
          "a",
          false },
        { "1234567\xe2\x82\xac"
          "abcdefgh\xc0",
          false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(utf8_valid(sv_c(cases[i].s)), cases[i].valid);
    assert_true(utf8_valid(SV_NULL));
    assert_true(utf8_valid(SV("a\0b")));
}

static void test_utf8_take(void **state)
{
    static const struct {
        size_t n;
        const char *taken;
    } cases[] = { { 0, "" },   { 1, "a" },   { 2, "a" },   { 3, "aé" },
                  { 5, "aé" }, { 6, "aé€" }, { 9, "aé€" }, { 100, "aé€𝄞" } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(sv_eq(utf8_take(SV("aé€𝄞"), cases[i].n), sv_c(cases[i].taken)));
}

static void test_utf8_exhaustive(void **state)
{
    (void)state;
    /* All pairs of leading bytes, with continuation bytes from the corners behind them. */
    static const unsigned char tail[] = { 0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff };
    for (unsigned ab = 0; ab < 0x10000; ab++) {
        for (size_t i = 0; i < ARRAY_LEN(tail) * ARRAY_LEN(tail); i++) {
            unsigned char m[4] = { (unsigned char)(ab >> 8), (unsigned char)ab, tail[i / 6],
                                   tail[i % 6] };
            for (size_t n = 1; n <= 4; n++) {
                if (utf8_valid(sv_n(m, n)) != utf8_reference(m, n))
                    fail_msg("%02x %02x %02x %02x, %zu bytes", m[0], m[1], m[2], m[3], n);
            }
        }
    }
}

static void test_8bit(void **state)
{
    (void)state;
    assert_false(sv_has_8bit(SV_NULL));
    char m[40];
    memset(m, 0x7f, sizeof(m));
    for (size_t n = 0; n <= sizeof(m); n++) {
        assert_false(sv_has_8bit(sv_n(m, n)));
        for (size_t k = 0; k < sizeof(m); k++) {
            m[k] = (char)0x80;
            assert_int_equal(sv_has_8bit(sv_n(m, n)), k < n);
            m[k] = 0x7f;
        }
    }
}

static void test_escape(void **state)
{
    (void)state;
    expect(escape_text, "", "");
    expect_sv(escape_text, SV_NULL, SV(""));
    expect(escape_text, "plain \"text\" \\", "plain \"text\" \\");
    expect_sv(escape_text, SV("a\r\n\tb\0\x7f"), SV("a\\x0d\\x0a\\x09b\\x00\\x7f"));
    expect(escape_text, "\x1b[31m", "\\x1b[31m");
    expect(escape_text, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
           "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
    expect(escape_text, "\xff\xc3", "\\xff\\xc3");
    expect(escape_text, "\xed\xa0\x80x", "\\xed\\xa0\\x80x");
    expect(escape_text,
           "\xc2\x9b"
           "1m",
           "\\xc2\\x9b"
           "1m"); /* C1: CSI */
    expect(escape_text, "\xc2\xa0", "\xc2\xa0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_bad),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_exhaustive),
        cmocka_unit_test(test_utf8_take),
        cmocka_unit_test(test_8bit),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
