/* ENVELOPE, BODY and BODYSTRUCTURE texts, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "proto/mime.h"

enum what { ENVELOPE, BODY, STRUCTURE };

static void assert_text(enum what what, const char *msg, const char *want)
{
    struct arena a;
    struct buf b;
    struct mime_part *p = NULL;
    arena_init(&a, 4 * MiB);
    buf_init(&b, 4 * MiB);
    assert_int_equal(mime_parse(sv_c(msg), &a, &p), 0);
    assert_int_equal(what == ENVELOPE ? mime_imap_envelope(p, &b)
                                      : mime_imap_bodystructure(p, what == STRUCTURE, &b),
                     0);
    buf_terminate(&b);
    assert_string_equal(b.p, want);
    buf_done(&b);
    arena_done(&a);
}

/* --- strings --- */

static void strings(void **state _unused_)
{
    static char longest[2002], quoted[2010];
    static const struct {
        struct sv in, want;
    } cases[] = {
        { { NULL, 0 }, { "NIL", 3 } },
        { { "", 0 }, { "\"\"", 2 } },
        { { "NIL", 3 }, { "\"NIL\"", 5 } },
        { { "a\"b\\c", 5 }, { "\"a\\\"b\\\\c\"", 9 } },
        { { "tab\there", 8 }, { "\"tab\there\"", 10 } },
        { { "a\r\nb", 4 }, { "{4}\r\na\r\nb", 9 } },
        { { "a\rb", 3 }, { "{3}\r\na\rb", 8 } },
        { { "a\nb", 3 }, { "{3}\r\na\nb", 8 } },
        { { "\xc3\xa9", 2 }, { "{2}\r\n\xc3\xa9", 7 } },
        { { "\x7f", 1 }, { "\"\x7f\"", 3 } },
        { { "a\0b\0", 4 },
          { "{4}\r\na\x80"
            "b\x80",
            9 } },
        { { "\0", 1 }, { "{1}\r\n\x80", 6 } },
    };
    struct buf b;
    buf_init(&b, 8192);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        assert_int_equal(mime_imap_string(cases[i].in, &b), 0);
        if (!sv_eq(buf_sv(&b), cases[i].want))
            fail_msg("case %zu: '" SV_FMT "'", i, SV_ARG(buf_sv(&b)));
    }
    memset(longest, 'x', sizeof(longest));
    buf_reset(&b);
    mime_imap_string(sv_n(longest, 2000), &b);
    assert_int_equal(b.n, 2002);
    buf_reset(&b);
    mime_imap_string(sv_n(longest, 2001), &b);
    snprintf(quoted, sizeof(quoted), "{2001}\r\n");
    assert_int_equal(b.n, 2001 + strlen(quoted));
    assert_memory_equal(b.p, quoted, strlen(quoted));
    buf_done(&b);
    buf_init(&b, 4);
    assert_int_equal(mime_imap_string(SV("longer"), &b), -ENOMEM);
    buf_done(&b);
}

/* --- ENVELOPE --- */

/* Only the To list of an otherwise empty envelope. */
static void assert_to(const char *value, const char *want)
{
    char msg[2000], text[2000];
    snprintf(msg, sizeof(msg), "To:%s\r\n\r\n", value);
    snprintf(text, sizeof(text), "(NIL NIL NIL NIL NIL %s NIL NIL NIL NIL)", want);
    assert_text(ENVELOPE, msg, text);
}

static void envelopes(void **state _unused_)
{
    assert_text(ENVELOPE, "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert_text(ENVELOPE,
                "Date:  Mon, 5 Feb 2024 10:00:00 +0100 \r\nSubject: a\r\n\tb  c\r\n"
                "From: \"A, B\" <a@b.org>\r\nTo: x@y.org, (c) <z@y.org>\r\nCc: c@y.org\r\n"
                "Bcc: d@y.org\r\nIn-Reply-To: <1@b> <2@b>\r\nMessage-ID:\r\n <3@b>\r\n\r\n",
                "(\"Mon, 5 Feb 2024 10:00:00 +0100\" \"a\tb  c\" ((\"A, B\" NIL \"a\" \"b.org\")) "
                "((\"A, B\" NIL \"a\" \"b.org\")) ((\"A, B\" NIL \"a\" \"b.org\")) "
                "((NIL NIL \"x\" \"y.org\")(NIL NIL \"z\" \"y.org\")) ((NIL NIL \"c\" \"y.org\")) "
                "((NIL NIL \"d\" \"y.org\")) \"<1@b> <2@b>\" \"<3@b>\")");
    /* Sender and Reply-To default to From, also when they are there and empty (RFC 3501 7.4.2). */
    assert_text(ENVELOPE, "From: a@b\r\nSender: (nobody)\r\nReply-To: c@d\r\n\r\n",
                "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) "
                "NIL NIL NIL NIL NIL)");
    assert_text(ENVELOPE, "Subject:\r\nDate: \r\n\r\n",
                "(\"\" \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert_text(ENVELOPE, "Subject: \"q\\\" \xc3\xa9\r\n\r\n",
                "(NIL {7}\r\n\"q\\\" \xc3\xa9 NIL NIL NIL NIL NIL NIL NIL NIL)");
    /* Two To fields are read together; of others the first counts. */
    assert_text(ENVELOPE, "To: a@b\r\nSubject: 1\r\nTo: c@d\r\nSubject: 2\r\n\r\n",
                "(NIL \"1\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL "
                "NIL)");
}

static void addresses(void **state _unused_)
{
    assert_to(" a@b", "((NIL NIL \"a\" \"b\"))");
    assert_to(" A <a@b>", "((\"A\" NIL \"a\" \"b\"))");
    assert_to(" A   B\r\n C <a@b>", "((\"A B C\" NIL \"a\" \"b\"))");
    assert_to(" \"A \\\"B\\\"\" <a@b>", "((\"A \\\"B\\\"\" NIL \"a\" \"b\"))");
    assert_to(" John Q. Public <a@b>", "((\"John Q. Public\" NIL \"a\" \"b\"))");
    assert_to(" =?utf-8?q?J=C3=BC?= <a@b>", "((\"=?utf-8?q?J=C3=BC?=\" NIL \"a\" \"b\"))");
    assert_to(" \xc3\xa9 <a@b>", "(({2}\r\n\xc3\xa9 NIL \"a\" \"b\"))");
    assert_to(" a@b (A (nested) B)", "((\"A (nested) B\" NIL \"a\" \"b\"))");
    assert_to(" <a@b> (A)", "((\"A\" NIL \"a\" \"b\"))");
    assert_to(" N <a@b> (A)", "((\"N\" NIL \"a\" \"b\"))");
    assert_to(" a@b (one, two), c@d", "((\"one, two\" NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))");
    assert_to(" \"a b\"@c", "((NIL NIL \"a b\" \"c\"))");
    assert_to(" a . b @ c . d", "((NIL NIL \"a.b\" \"c.d\"))");
    assert_to(" a@[127.0.0.1]", "((NIL NIL \"a\" \"[127.0.0.1]\"))");
    assert_to(" <@x,@y:a@b>", "((NIL \"@x,@y\" \"a\" \"b\"))");
    assert_to(" <\"a>b\"@c>, d@e", "((NIL NIL \"a>b\" \"c\")(NIL NIL \"d\" \"e\"))");
    assert_to(" <>", "((NIL NIL \"\" \"\"))");
    assert_to(" a@b, , ,c@d,", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))");
    assert_to(" a@b; c@d", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))");
    assert_to("", "NIL");
    assert_to(" ,,;", "NIL");
    assert_to(" (only a comment)", "NIL");
}

static void groups(void **state _unused_)
{
    assert_to(" undisclosed-recipients:;",
              "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL))");
    assert_to(" A B: a@b, C <c@d>; e@f",
              "((NIL NIL \"A B\" NIL)(NIL NIL \"a\" \"b\")(\"C\" NIL \"c\" \"d\")(NIL NIL NIL NIL)"
              "(NIL NIL \"e\" \"f\"))");
    assert_to(" G: a@b", "((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))");
    assert_to(" G: H: a@b;",
              "((NIL NIL \"G\" NIL)(NIL NIL \"H\" \"\")(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))");
}

/* What is no address still shows up where people look for it. */
static void no_addresses(void **state _unused_)
{
    assert_to(" alice", "((NIL NIL \"alice\" \"\"))");
    assert_to(" Alice Smith", "((\"Alice Smith\" NIL \"\" \"\"))");
    assert_to(" Big Bug bb@bug.com", "((\"Big Bug\" NIL \"bb\" \"bug.com\"))");
    assert_to(" a@b.org <c@d>", "((\"a@b.org\" NIL \"c\" \"d\"))");
    assert_to(" a@b.org Smith", "((NIL NIL \"a\" \"b.org\"))");
    assert_to(" a@b@c, d@e", "((NIL NIL \"a\" \"b\")(NIL NIL \"d\" \"e\"))");
    assert_to(" A <a@b", "((\"A\" NIL \"a\" \"b\"))");
    assert_to(" A <a@b, C <c@d>", "((\"A\" NIL \"a\" \"b\")(\"C\" NIL \"c\" \"d\"))");
    assert_to(" \"A <a@b>", "((\"\\\"A\" NIL \"a\" \"b\"))");
    assert_to(" A (b <a@b>", "((NIL NIL \"A\" \"\"))");
    assert_to(" @b", "((NIL NIL \"\" \"b\"))");
    assert_to(" a@", "((NIL NIL \"a\" \"\"))");
    assert_to(" <a@b><c@d>", "((NIL NIL \"a\" \"b\"))");
}

/* --- BODY and BODYSTRUCTURE --- */

static void leaves(void **state _unused_)
{
    assert_text(BODY, "Subject: x\r\n\r\none\r\ntwo\r\n",
                "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)");
    assert_text(STRUCTURE, "",
                "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL "
                "NIL)");
    assert_text(STRUCTURE,
                "Content-Type: Image/PNG; NAME=\"a \\\"b\\\".png\"; x=y (z)\r\n"
                "Content-Transfer-Encoding: BASE64\r\nContent-ID: <1@x>\r\n"
                "Content-Description: two\r\n words\r\nContent-MD5: Q2hlY2s=\r\n"
                "Content-Disposition: attachment; filename=a.png; size=3\r\n"
                "Content-Language: de, en-GB\r\nContent-Location: http://x/y\r\n\r\nQUJD",
                "(\"Image\" \"PNG\" (\"NAME\" \"a \\\"b\\\".png\" \"x\" \"y\") \"<1@x>\" "
                "\"two words\" \"BASE64\" 4 \"Q2hlY2s=\" (\"attachment\" (\"filename\" \"a.png\" "
                "\"size\" \"3\")) (\"de\" \"en-GB\") \"http://x/y\")");
    /* Parameters in pieces are shown as they stand (RFC 2231); one language is a string. */
    assert_text(
        STRUCTURE,
        "Content-Type: a/b; name*0*=utf-8''%C3; name*1*=%A9\r\nContent-Language: en\r\n\r\n",
        "(\"a\" \"b\" (\"name*0*\" \"utf-8''%C3\" \"name*1*\" \"%A9\") NIL NIL \"7bit\" 0 "
        "NIL NIL \"en\" NIL)");
    assert_text(BODY,
                "Content-Type: text/html; name=x\r\nContent-Transfer-Encoding: (c) 8bit\r\n\r\n",
                "(\"text\" \"html\" (\"name\" \"x\" \"charset\" \"us-ascii\") NIL NIL \"8bit\" 0 "
                "0)");
    /* Broken parameters: no name, no value, no '=', no end of the quotes, no quotes at all. */
    assert_text(BODY, "Content-Type: a/b; =x; y=; z; u=\"v; w\r\n\r\n",
                "(\"a\" \"b\" (\"y\" \"\" \"u\" \"v; w\") NIL NIL \"7bit\" 0)");
    assert_text(BODY, "Content-Type: a/b; name=my file.txt; x=1\r\n\r\n",
                "(\"a\" \"b\" (\"name\" \"my\" \"x\" \"1\") NIL NIL \"7bit\" 0)");
    assert_text(STRUCTURE, "Content-Type: a/b\r\nContent-Disposition: ;x=y\r\n\r\n",
                "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0 NIL NIL NIL NIL)");
    assert_text(BODY, "Content-Type: \xe9/b\r\nContent-Description: \xe9\r\n\r\n",
                "({1}\r\n\xe9 \"b\" NIL NIL {1}\r\n\xe9 \"7bit\" 0)");
}

static void trees(void **state _unused_)
{
    assert_text(STRUCTURE,
                "Content-Type: multipart/mixed; boundary=b\r\nContent-Language: en\r\n\r\n"
                "--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
                "Subject: in\r\nFrom: a@b\r\n\r\ntext\r\n--b--\r\n",
                "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0 NIL NIL NIL "
                "NIL)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 30 (NIL \"in\" ((NIL NIL \"a\" "
                "\"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL) "
                "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL "
                "NIL) 3 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL \"en\" NIL)");
    assert_text(BODY,
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                "Content-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\n1\r\n--i\r\n"
                "Content-Type: text/html\r\n\r\n2\r\n--i--\r\n--b--\r\n",
                "(((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)(\"text\" "
                "\"html\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) \"alternative\") "
                "\"mixed\")");
    /* The grammar wants a part, and for message/rfc822 a message. */
    assert_text(BODY, "Content-Type: multipart/mixed\r\n\r\nx",
                "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")");
    assert_text(BODY, "Content-Type: message/rfc822\r\n\r\n",
                "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 0 (NIL NIL NIL NIL NIL NIL NIL NIL "
                "NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) 0)");
    assert_text(BODY, "Content-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n",
                "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 15)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings), cmocka_unit_test(envelopes),    cmocka_unit_test(addresses),
        cmocka_unit_test(groups),  cmocka_unit_test(no_addresses), cmocka_unit_test(leaves),
        cmocka_unit_test(trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
