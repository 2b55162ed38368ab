/* SMS as text: numbers, segments, what of a message is sent, requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/sms/sms.h"

static const struct sms_plan none = { "", "" }, italy = { "39", "" }, germany = { "49", "0" };

static void number(const struct sms_plan *plan, const char *text, const char *want)
{
    char got[SMS_NUMBER_TEXT] = "";
    int r = sms_number(sv_c(text), plan, got);
    if (*want == '!')
        assert_int_equal(r, strcmp(want, "!range") == 0 ? E_RANGE : E_PARSE);
    else
        assert_string_equal(got, want);
}

static void test_numbers(void **state _unused_)
{
    number(&none, "+393331234567", "+393331234567");
    number(&none, "00393331234567", "+393331234567");
    number(&none, " +39 (333) 123-45.67 ", "+393331234567");
    number(&none, "\"+39 333 1234567\"", "+393331234567");
    number(&none, "393331234567", "+393331234567");
    number(&italy, "3331234567", "+393331234567");
    number(&italy, "0612345678", "+390612345678");
    number(&italy, "+4930123456", "+4930123456");
    number(&germany, "030123456", "+4930123456");
    number(&germany, "0030123456", "+30123456");
    number(&none, "0333123456", "!"); /* no country's code begins with 0 */
    number(&none, "", "!");
    number(&none, "+", "!");
    number(&none, "+39 333 CALLME", "!");
    number(&none, "++39333123456", "!");
    number(&none, "39+333123456", "!");
    number(&none, "+00", "!");
    number(&none, "+391", "!range");
    number(&none, "+1234567890123456", "!range");
    number(&italy, "1234567890123456789012345678901234567890123", "!range");
}

static void repeat(struct buf *b, const char *what, unsigned n)
{
    buf_reset(b);
    while (n--)
        assert_int_equal(buf_add_str(b, what), 0);
}

static void size_is(struct sv text, enum sms_encoding e, unsigned units, unsigned segments)
{
    struct sms_size s = sms_measure(text);
    assert_int_equal(s.encoding, e);
    assert_int_equal(s.units, units);
    assert_int_equal(s.segments, segments);
}

static void test_segments(void **state _unused_)
{
    struct buf b;
    buf_init(&b, 64 * KiB);
    size_is(SV(""), SMS_GSM7, 0, 0);
    size_is(SV("Ciao, città! Ω @£$"), SMS_GSM7, 18, 1);
    size_is(SV("100 €"), SMS_GSM7, 6, 1);
    size_is(SV("ê"), SMS_UCS2, 1, 1);
    size_is(SV("a`b"), SMS_UCS2, 3, 1);
    size_is(SV("\xF0\x9F\x98\x80"), SMS_UCS2, 2, 1);
    repeat(&b, "a", 160);
    size_is(buf_sv(&b), SMS_GSM7, 160, 1);
    repeat(&b, "a", 161);
    size_is(buf_sv(&b), SMS_GSM7, 161, 2);
    repeat(&b, "a", 307);
    size_is(buf_sv(&b), SMS_GSM7, 307, 3);
    repeat(&b, "€", 80);
    size_is(buf_sv(&b), SMS_GSM7, 160, 1);
    repeat(&b, "€", 153); /* 76 of them in a segment: the escape is not split */
    size_is(buf_sv(&b), SMS_GSM7, 306, 3);
    repeat(&b, "ж", 70);
    size_is(buf_sv(&b), SMS_UCS2, 70, 1);
    repeat(&b, "ж", 71);
    size_is(buf_sv(&b), SMS_UCS2, 71, 2);
    repeat(&b, "\xF0\x9F\x98\x80", 67); /* 33 pairs in a segment */
    size_is(buf_sv(&b), SMS_UCS2, 134, 3);
    buf_done(&b);
}

static void cut_is(const char *what, unsigned n, unsigned max, size_t kept)
{
    struct buf b;
    buf_init(&b, 64 * KiB);
    repeat(&b, what, n);
    size_t before = b.n;
    bool cut = sms_cut(&b, max);
    assert_int_equal(cut, kept * strlen(what) != before);
    assert_int_equal(b.n, kept * strlen(what) + 3 * cut);
    assert_true(!cut || memcmp(b.p + b.n - 3, "...", 3) == 0);
    assert_true(sms_measure(buf_sv(&b)).segments <= max);
    buf_done(&b);
}

static void test_cutting(void **state _unused_)
{
    cut_is("a", 160, 1, 160);
    cut_is("a", 161, 1, 157);
    cut_is("a", 460, 3, 456);
    cut_is("a", 459, 3, 459);
    cut_is("€", 81, 1, 78);
    cut_is("ж", 71, 1, 67);
    cut_is("\xF0\x9F\x98\x80", 100, 2, 64);
}

static void extract(const char *message, struct sms_extract how, const char *want)
{
    struct buf b;
    buf_init(&b, 1000);
    sms_extract(sv_c(message), &how, &b);
    assert_int_equal(buf_terminate(&b), 0);
    assert_string_equal(b.p, want);
    buf_done(&b);
}

#define PLAIN      "Subject: =?utf-8?q?Caff=C3=A8?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
#define BODY       ((struct sms_extract){ SMS_BODY, true, true })
#define BODY_AS_IS ((struct sms_extract){ SMS_BODY, false, false })

static void test_what_is_sent(void **state _unused_)
{
    extract(PLAIN "  Hello \r\n\r\n\r\n\r\nworld  \r\n", BODY, "Hello\n\nworld");
    extract(PLAIN
            "Yes\r\n\r\nOn Monday Ann wrote:\r\n\r\n> no?\r\n> so?\r\n\r\nBye\r\n-- \r\nBob\r\n",
            BODY, "Yes\n\nBye");
    extract(PLAIN "Yes\r\n> no?\r\n-- \r\nBob\r\n", BODY_AS_IS, "Yes\n> no?\n--\nBob");
    extract(PLAIN "Yes\r\n-----Original Message-----\r\nFrom: x\r\n", BODY, "Yes");
    extract(PLAIN "\xE2\x80\x9CHi\xE2\x80\x9D \xE2\x80\x93 you\xE2\x80\xA6", BODY,
            "\"Hi\" - you...");
    extract(PLAIN "\xE2\x80\x9CHi\xE2\x80\x9D", BODY_AS_IS, "\xE2\x80\x9CHi\xE2\x80\x9D");
    extract(PLAIN "\r\n", BODY, "Caffè");
    extract(PLAIN "a\001b\033c\177", BODY, "abc");
    extract(PLAIN "a\xFF"
                  "b",
            BODY,
            "a\xC3\xBF"
            "b"); /* taken as ISO 8859-1 */
    extract(PLAIN "text", (struct sms_extract){ SMS_SUBJECT, true, true }, "Caffè");
    extract(PLAIN "text", (struct sms_extract){ SMS_SUBJECT_BODY, true, true }, "Caffè\ntext");
    extract("Subject: only\r\n\r\n", (struct sms_extract){ SMS_SUBJECT_BODY, true, true }, "only");
    extract("X: y\r\n\r\n", BODY, "");
    extract("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
            "quoted-printable\r\n\r\nCitt=E0",
            BODY, "Città");
    extract("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
            "base64\r\n\r\nQ2l0dMOg\r\n",
            BODY, "Città");
}

#define MULTIPART "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static void test_parts(void **state _unused_)
{
    extract(MULTIPART "--b\r\nContent-Type: text/html\r\n\r\n<b>rich</b>\r\n--b\r\nContent-Type: "
                      "text/plain\r\n\r\nplain\r\n--b--\r\n",
            BODY, "plain");
    extract(MULTIPART "--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n"
                      "file\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>a &amp; b</p>\r\n--b--\r\n",
            BODY, "a & b");
    extract(MULTIPART "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ninner\r\n"
                      "--b--\r\n",
            BODY, "");
    extract(MULTIPART
            "--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b\r\nContent-Type: text/html\r\n"
            "\r\n<p>rich</p>\r\n--b--\r\n",
            BODY, "rich");
}

static void test_long_text_is_bounded(void **state _unused_)
{
    struct buf m, out;
    buf_init(&m, 8 * MiB);
    buf_init(&out, 100);
    assert_int_equal(buf_add_str(&m, "Content-Type: text/plain; charset=utf-8\r\n\r\na"), 0);
    for (unsigned i = 0; i < 400000; i++)
        assert_int_equal(buf_add_str(&m, "\xD0\xB6"), 0);
    sms_extract(buf_sv(&m), &BODY, &out);
    assert_int_equal(out.n, 99); /* one, and 49 of two bytes */
    assert_false(out.overflow);
    buf_done(&m);
    buf_done(&out);
}

static void fill(const char *template, enum sms_escape e, const char *want)
{
    const struct sms_values v = { SV("+3933312"), SV("ann@a.test"), SV("a \"b\"\\\n\001é&"),
                                  SV("id1"), SV("s{to}t") };
    struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(sms_fill(sv_c(template), &v, e, &b), 0);
    assert_int_equal(buf_terminate(&b), 0);
    assert_string_equal(b.p, want);
    buf_done(&b);
}

static void test_templates(void **state _unused_)
{
    fill("{\"to\":\"{to}\",\"t\":\"{text}\"}", SMS_JSON,
         "{\"to\":\"+3933312\",\"t\":\"a \\\"b\\\"\\\\\\n\\u0001é&\"}");
    fill("to={to}&d={digits}&t={text}", SMS_PERCENT,
         "to=%2B3933312&d=3933312&t=a%20%22b%22%5C%0A%01%C3%A9%26");
    fill("{from} {id} {secret} {other} {", SMS_AS_IS, "ann@a.test id1 s{to}t {other} {");
    struct buf b;
    buf_init(&b, 5);
    const struct sms_values v = { .to = SV("+393331234567") };
    assert_int_equal(sms_fill(SV("{to}"), &v, SMS_AS_IS, &b), -ENOMEM);
    buf_done(&b);
}

static void url_is(const char *text, bool tls, const char *host, unsigned port, const char *path)
{
    struct sms_url u;
    assert_int_equal(sms_url(sv_c(text), &u), 0);
    assert_int_equal(u.tls, tls);
    assert_true(sv_eq(u.host, sv_c(host)));
    assert_int_equal(u.port, port);
    assert_true(sv_eq(u.path, sv_c(path)));
}

static void test_urls(void **state _unused_)
{
    static const char *const bad[] = { "",
                                       "ftp://a/",
                                       "https://",
                                       "https:///x",
                                       "https://u@h/",
                                       "https://h:0/",
                                       "https://h:x/",
                                       "https://h:70000/",
                                       "https://{to}/",
                                       "https://h/ x",
                                       "https://h/#f",
                                       "https://::1/",
                                       "https://[::1/",
                                       "https://[h]/",
                                       "https://h\r\n/" };
    struct sms_url u;
    url_is("https://h.test", true, "h.test", 443, "");
    url_is("http://h.test/a/{to}?t={text}", false, "h.test", 80, "/a/{to}?t={text}");
    url_is("HTTPS://h.test:8443?x=1:2", true, "h.test", 8443, "?x=1:2");
    url_is("https://[2001:db8::1]:9/x", true, "2001:db8::1", 9, "/x");
    url_is("https://10.0.0.1/x", true, "10.0.0.1", 443, "/x");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(sms_url(sv_c(bad[i]), &u), E_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_segments),
        cmocka_unit_test(test_cutting),   cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_parts),     cmocka_unit_test(test_long_text_is_bounded),
        cmocka_unit_test(test_templates), cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
