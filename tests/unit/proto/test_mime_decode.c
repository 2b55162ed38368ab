/* Values for people and for search: encoded words, parameters, bodies, charsets, dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "proto/mime_priv.h"

static struct buf out;

static int begin(void **state _unused_)
{
    buf_init(&out, 16 * MiB);
    return 0;
}

static int end(void **state _unused_)
{
    buf_done(&out);
    return 0;
}

static void assert_out(const char *what, const char *want)
{
    if (!sv_eq(buf_sv(&out), sv_c(want)))
        fail_msg("%s: got '" SV_FMT "', want '%s'", what, SV_ARG(buf_sv(&out)), want);
    buf_reset(&out);
}

static void encoded_words(void **state _unused_)
{
    static const struct {
        const char *in, *want;
    } cases[] = {
        { "", "" },
        { "plain text", "plain text" },
        { " folded\r\n text ", "folded text" },
        { "=?utf-8?q?J=C3=BCrgen?=", "J\xc3\xbcrgen" },
        { "=?UTF-8?B?SsO8cmdlbg==?= Schmidt", "J\xc3\xbcrgen Schmidt" },
        { "=?iso-8859-1?Q?a_b=E9?=", "a b\xc3\xa9" },
        { "=?windows-1252?q?=80?=", "\xe2\x82\xac" },
        { "=?koi8-r?B?8NLJ18XU?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
        { "=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88" },
        { "=?gb2312?B?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd" },
        { "=?utf-8*de?q?x?=", "x" },
        /* white space between encoded words goes, around them it stays */
        { "a =?utf-8?q?b?=  =?utf-8?q?c?= d", "a bc d" },
        { "=?utf-8?q?b?=\r\n =?utf-8?q?c?=", "bc" },
        { "=?utf-8?q?b?= x =?utf-8?q?c?=", "b x c" },
        /* a character in two words; a change of charset between them */
        { "=?utf-8?b?w6Q=?= =?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4\xc3\xa4" },
        { "=?utf-8?q?a?= =?iso-8859-1?q?=E4?=", "a\xc3\xa4" },
        /* broken: stay as they are */
        { "=?utf-8?q?no end", "=?utf-8?q?no end" },
        { "=?utf-8?x?y?=", "=?utf-8?x?y?=" },
        { "=?utf-8?q", "=?utf-8?q" },
        { "=??q?x?=", "=??q?x?=" },
        { "=?=?=?=?", "=?=?=?=?" },
        { "=?utf-8?b?a b?=", "=?utf-8?b?a b?=" },
        { "=?utf-8?q?a b?=", "a b" }, /* not allowed, but often seen */
        { "=?utf-8?q?=4?=", "=4" },
        { "=?utf-8?q?"
          "?=",
          "" },
        /* unknown charset: the bytes, as UTF-8 or as Latin-1 */
        { "=?x-unknown?q?=C3=A4?=", "\xc3\xa4" },
        { "=?x-unknown?q?=E4?=", "\xc3\xa4" },
        { "=?utf-8//IGNORE?q?=C3=A4?=", "\xc3\xa4" },
        { "=?../../x?q?a?=", "a" },
        /* raw 8-bit */
        { "\xc3\xa4", "\xc3\xa4" },
        { "\xe4 =?utf-8?q?=C3=A4?=", "\xc3\xa4 \xc3\xa4" },
        { "=?shift_jis?q?=83=65=FF?=", "\xe3\x83\x86?" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        mime_decode_header(sv_c(cases[i].in), &out);
        assert_out(cases[i].in, cases[i].want);
    }
}

static void params(void **state _unused_)
{
    static const struct {
        const char *value, *name, *want; /* NULL: E_NOTFOUND */
    } cases[] = {
        { "text/plain; charset=utf-8", "charset", "utf-8" },
        { "text/plain; CharSet = \"utf-8\" ; x=y", "charset", "utf-8" },
        { "text/plain", "charset", NULL },
        { "text/plain; charset", "charset", NULL },
        { "text/plain; charset=", "charset", "" },
        { "a/b; name=\"a;b\\\"c\"; x=1", "name", "a;b\"c" },
        { "a/b; name=\"a;b\"; x=1", "x", "1" },
        { "a/b; (name=1) name=2", "name", "2" },
        { "a/b; name=1; name=2", "name", "1" },
        { "a/b; filename*=utf-8'en'%C3%A4.txt", "filename", "\xc3\xa4.txt" },
        { "a/b; filename*=iso-8859-1''%E4", "filename", "\xc3\xa4" },
        { "a/b; filename*=%E4", "filename", "\xc3\xa4" },
        { "a/b; filename*=''a%", "filename", "a%" },
        { "a/b; filename*=''%zz%4", "filename", "%zz%4" },
        { "a/b; f*1=b; f*0=a; f*2=\"c d\"", "f", "abc d" },
        { "a/b; f*0*=utf-8''%C3; f*1*=%A4; f*2=%41", "f", "\xc3\xa4%41" },
        { "a/b; f*0=a; f*2=c", "f", "a" },
        { "a/b; f*1=a", "f", NULL },
        { "a/b; f*0=x; f=whole", "f", "whole" },
        { "a/b; f*x=1", "f", NULL },
        { "a/b; f*999999999999=1", "f", NULL },
        { "a/b; ff=1", "f", NULL },
        { "a/b;;; ; =; f=1", "f", "1" },
        { "a/b; f=\"open", "f", "open" },
        { "", "f", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = mime_param(sv_c(cases[i].value), sv_c(cases[i].name), &out);
        if (r != (cases[i].want ? 0 : E_NOTFOUND))
            fail_msg("%s: %d", cases[i].value, r);
        if (r == 0)
            assert_out(cases[i].value, cases[i].want);
    }
}

static void bodies(void **state _unused_)
{
    static const struct {
        const char *msg, *want;
    } cases[] = {
        { "\r\nplain \xc3\xa4", "plain \xc3\xa4" },
        { "\r\n\xe4", "\xc3\xa4" },
        { "Content-Type: text/plain; charset=iso-8859-2\r\n\r\n\xb9", "\xc5\xa1" },
        { "Content-Transfer-Encoding: base64\r\n\r\nYWJj\r\nZGVm", "abcdef" },
        { "Content-Transfer-Encoding: BASE64 (x)\r\n\r\n YW*J\r\njZA == rest", "abcd" },
        { "Content-Transfer-Encoding: base64\r\n\r\nYWJ", "ab" },
        { "Content-Transfer-Encoding: base64\r\n\r\n", "" },
        { "Content-Transfer-Encoding: quoted-printable\r\n\r\na=\r\nb=3D=3d=C3=A4 \r\nc=  \r\nd",
          "ab==\xc3\xa4 \r\ncd" },
        { "Content-Transfer-Encoding: quoted-printable\r\n\r\n=zz=4 =", "=zz=4 " },
        { "Content-Transfer-Encoding: quoted-printable\r\n\r\na=\nb", "ab" },
        { "Content-Transfer-Encoding: x-unknown\r\n\r\n=41", "=41" },
        { "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n4Q==", "\xe1" },
        { "Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n"
          "//5hAGIA",
          "ab" },
        { "Content-Type: text/plain; charset=utf-7\r\n\r\nA+AOQ-", "A\xc3\xa4" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a;
        struct mime_part *p = NULL;
        arena_init(&a, 1 * MiB);
        mime_parse(sv_c(cases[i].msg), &a, &p);
        assert_int_equal(mime_decode_body(p, &out), 0);
        assert_out(cases[i].msg, cases[i].want);
        arena_done(&a);
    }
}

static void a_body_beyond_the_bound(void **state _unused_)
{
    static const char *const encodings[] = { "base64", "quoted-printable", "7bit" };
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        struct arena a;
        struct buf msg, small;
        struct mime_part *p = NULL;
        arena_init(&a, 1 * MiB);
        buf_init(&msg, 1 * MiB);
        buf_init(&small, 1000);
        buf_addf(&msg, "Content-Transfer-Encoding: %s\r\n\r\n", encodings[i]);
        for (int k = 0; k < 5000; k++)
            buf_add_str(&msg, "QUJD");
        mime_parse(buf_sv(&msg), &a, &p);
        assert_int_equal(mime_decode_body(p, &small), -ENOMEM);
        assert_true(small.n <= 1000);
        buf_done(&small);
        buf_done(&msg);
        arena_done(&a);
    }
}

/* Every name of the table is one that iconv knows: ASCII comes out as it is. */
static void charsets(void **state _unused_)
{
    static const char *const names[] = {
        "866",           "ansi_x3.4-1968", "big5",          "cp1250",        "cp1258",
        "cp437",         "cp949",          "euc-cn",        "euc-jp",        "euc-kr",
        "euc-tw",        "gb18030",        "gb2312",        "gbk",           "georgian-ps",
        "ibm866",        "iso-2022-cn",    "iso-2022-jp-1", "iso-2022-jp-3", "iso-2022-kr",
        "iso-8859-1",    "iso-8859-10",    "iso-8859-16",   "iso-8859-2",    "iso-8859-8-i",
        "iso-8859-9",    "iso8859-15",     "iso_8859-1",    "koi8-r",        "koi8-t",
        "koi8-u",        "ks_c_5601-1987", "latin1",        "macintosh",     "ms_kanji",
        "Shift_JIS",     "sjis",           "tcvn",          "tis-620",       "utf-7",
        "viscii",        "WINDOWS-1251",   "windows-31j",   "windows-874",   "x-sjis",
        "x-windows-949", "x-gbk",          "armscii-8",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_true(mime_charset_known(sv_c(names[i])));
        assert_int_equal(mime_to_utf8(sv_c(names[i]), SV("abc"), &out), 0);
        assert_out(names[i], "abc");
    }
    assert_false(mime_charset_known(SV("utf-8"))); /* needs no conversion */
    assert_false(mime_charset_known(SV("ISO-8859-1//TRANSLIT")));
    assert_false(mime_charset_known(SV("")));
}

static void dates(void **state _unused_)
{
    static const struct {
        const char *text;
        int64_t s;
        int zone;
    } cases[] = {
        { "Mon, 5 Feb 2024 10:00:00 +0100", 1707123600, 60 },
        { " mon , 5 feb 2024 10:00 GMT", 1707127200, 0 },
        { "5 Feb 24 10:00:00 -0530 (comment)", 1707147000, -330 },
        { "Mon, 5 Feb 99 10:00:00 EST", 918226800, -300 },
        { "Mon, 5 Feb 105 10:00:00 Z", 1107597600, 0 },
        { "(c) Mon, (c) 5 (c) Feb (c) 2024 (c) 10:00:00 (c) PDT", 1707152400, -420 },
        { "5-Feb-2024 10:00:00 +0000", 1707127200, 0 },
        { "Mon, 5 February 2024 10:00:00", 1707127200, 0 },
        { "1 Jan 1970 00:00:00 +0000", 0, 0 },
        { "31 Dec 1969 23:59:59 +0000", -1, 0 },
        { "5 Feb 2024 10:00:00 +01:30", 1707121800, 90 },
        { "5 Feb 2024 10:00:00 +9999", 1707127200, 0 },
        { "5 Feb 2024 10:00:60 +0000", 1707127260, 0 },
    };
    static const char *const bad[] = {
        "",
        "x",
        "Mon",
        "32 Jan 2024 10:00:00",
        "5 Foo 2024 10:00:00",
        "5 Feb",
        "5 Feb 2024",
        "5 Feb 2024 25:00:00",
        "0 Feb 2024 10:00:00",
        "5 Feb 2024 10:61:00",
        "2024-02-05T10:00:00Z",
        "5 Feb 2024 10:00:",
    };
    int64_t s;
    int zone;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (mime_date(sv_c(cases[i].text), &s, &zone) != 0 || s != cases[i].s ||
            zone != cases[i].zone)
            fail_msg("%s: %" PRId64 " %d", cases[i].text, s, zone);
        assert_int_equal(mime_date(sv_c(cases[i].text), &s, NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (mime_date(sv_c(bad[i]), &s, NULL) != E_PARSE)
            fail_msg("'%s' is taken as a date", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoded_words), cmocka_unit_test(params),
        cmocka_unit_test(bodies),        cmocka_unit_test(a_body_beyond_the_bound),
        cmocka_unit_test(charsets),      cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
