/* Arguments of MAIL, RCPT, BDAT and EHLO. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/smtp_args.h"

static enum smtp_arg mail(const char *args, struct smtp_mail_args *ret)
{
    return smtp_parse_mail(sv_c(args), ret);
}

static void test_paths(void **state)
{
    static const struct {
        const char *args, *address;
        enum smtp_arg want;
    } rows[] = {
        { "FROM:<a@b.example>", "a@b.example", SMTP_ARG_OK },
        { "from:a@b.example", "a@b.example", SMTP_ARG_OK },
        { "FROM: <a@b.example>", "a@b.example", SMTP_ARG_OK },
        { "FROM:<>", "", SMTP_ARG_OK },
        { "FROM:<@x.example,@y.example:a@b.example>", "a@b.example", SMTP_ARG_OK },
        { "FROM:<\"a b\\\"@>c\"@b.example>", "\"a b\\\"@>c\"@b.example", SMTP_ARG_OK },
        { "FROM:<a@[127.0.0.1]>", "a@[127.0.0.1]", SMTP_ARG_OK },
        { "FROM:<a@[IPv6:::1]>", "a@[IPv6:::1]", SMTP_ARG_OK },
        { "FROM:<a..b.@b.example>", "a..b.@b.example", SMTP_ARG_OK },
        { "FROM:<j\xc3\xb6rg@b\xc3\xbc.example>", "j\xc3\xb6rg@b\xc3\xbc.example", SMTP_ARG_OK },
        { "FROM:<bob>", "bob", SMTP_ARG_DOMAIN },
        { "FROM:bob", "bob", SMTP_ARG_DOMAIN },
        { "FROM:<bob@>", "bob@", SMTP_ARG_DOMAIN },
        { "FROM:<a@b.c", NULL, SMTP_ARG_UNBALANCED },
        { "FROM:a@b.c>", NULL, SMTP_ARG_UNBALANCED },
        { "FROM:<a@b.c> >", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<<a@b.c>>", NULL, SMTP_ARG_UNBALANCED },
        { "FROM:<\"a@b.c>", NULL, SMTP_ARG_UNBALANCED },
        { "FROM:<\"a\\", NULL, SMTP_ARG_UNBALANCED },
        { "FROM:<a@b.c>x", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<a b@c.d>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<@b.c>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<a@b..c>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<a@.b>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<a@b!c>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<a@[1.2.3.4>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:<a\xff@b.example>", NULL, SMTP_ARG_SYNTAX },
        { "FROM:", NULL, SMTP_ARG_SYNTAX },
        { "FROM", NULL, SMTP_ARG_SYNTAX },
        { "TO:<a@b.c>", NULL, SMTP_ARG_SYNTAX },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct smtp_mail_args a;
        enum smtp_arg got = mail(rows[i].args, &a);
        if (got != rows[i].want)
            fail_msg("%s: %d", rows[i].args, got);
        if (rows[i].address && !sv_eq(a.from.address, sv_c(rows[i].address)))
            fail_msg("%s: address " SV_FMT, rows[i].args, SV_ARG(a.from.address));
    }
}

static void test_path_parts(void **state)
{
    struct smtp_mail_args a;
    (void)state;
    assert_int_equal(mail("FROM:<\"x@y\"@b.example>", &a), SMTP_ARG_OK);
    assert_true(sv_eq(a.from.local, SV("\"x@y\"")));
    assert_true(sv_eq(a.from.domain, SV("b.example")));
    assert_false(a.from.utf8);
    assert_int_equal(mail("FROM:<\"x@y\">", &a), SMTP_ARG_DOMAIN);
    char local[300], args[700];
    memset(local, 'l', sizeof(local));
    snprintf(args, sizeof(args), "FROM:<%.255s@b.example>", local);
    assert_int_equal(mail(args, &a), SMTP_ARG_OK);
    snprintf(args, sizeof(args), "FROM:<%.256s@b.example>", local);
    assert_int_equal(mail(args, &a), SMTP_ARG_SYNTAX);
    snprintf(args, sizeof(args), "FROM:<a@%.64s.example>", local);
    assert_int_equal(mail(args, &a), SMTP_ARG_SYNTAX);
}

static void test_mail_parameters(void **state)
{
    struct smtp_mail_args a;
    (void)state;
    assert_int_equal(
        mail("FROM:<a@b.c> SIZE=123 BODY=8bitmime RET=hdrs ENVID=x+2By AUTH=<> SMTPUTF8", &a),
        SMTP_ARG_OK);
    assert_true(a.has_size && a.size == 123 && a.body == SMTP_BODY_8BITMIME && a.ret == 'H');
    assert_true(a.smtputf8 && sv_eq(a.envid, SV("x+2By")) && sv_eq(a.auth, SV("<>")));
    assert_int_equal(mail("FROM:<> TRANSID=<2011@b.c>", &a), SMTP_ARG_OK);
    assert_true(sv_eq(a.transid, SV("2011@b.c")));
    assert_false(a.requiretls);
    assert_int_equal(mail("FROM:<a@b.c> requiretls", &a), SMTP_ARG_OK);
    assert_true(a.requiretls);
    static const char *const bad[] = {
        "REQUIRETLS=1",
        "REQUIRETLS REQUIRETLS",
        "SIZE=",
        "SIZE",
        "SIZE=x",
        "SIZE=123456789012345678901",
        "SIZE=1 SIZE=1",
        "BODY=",
        "BODY=BINARYMIME",
        "RET=X",
        "ENVID=+",
        "ENVID=a=b",
        "AUTH=",
        "FOO=1",
        "SMTPUTF8=1",
        "=1",
        "-A=1",
        "RET=FULL RET=FULL",
        "ENVID=+2b",
        "TRANSID=<>",
        "TRANSID=a@b",
        "TRANSID=<a><b>",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char args[100];
        snprintf(args, sizeof(args), "FROM:<a@b.c> %s", bad[i]);
        if (mail(args, &a) != SMTP_ARG_SYNTAX)
            fail_msg("accepted: %s", bad[i]);
    }
}

static enum smtp_arg rcpt(const char *args, struct smtp_rcpt_args *ret)
{
    return smtp_parse_rcpt(sv_c(args), ret);
}

static void test_rcpt(void **state)
{
    struct smtp_rcpt_args a;
    (void)state;
    assert_int_equal(rcpt("TO:<a@b.c> NOTIFY=SUCCESS,delay ORCPT=rfc822;x+40y@z", &a), SMTP_ARG_OK);
    assert_int_equal(a.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
    assert_true(sv_eq(a.orcpt, SV("rfc822;x+40y@z")));
    assert_int_equal(rcpt("TO:<a@b.c> NOTIFY=NEVER", &a), SMTP_ARG_OK);
    assert_int_equal(rcpt("TO:<Postmaster>", &a), SMTP_ARG_OK);
    assert_int_equal(rcpt("TO:<bob>", &a), SMTP_ARG_DOMAIN);
    assert_int_equal(rcpt("TO:<>", &a), SMTP_ARG_SYNTAX);
    assert_int_equal(rcpt("TO:<a@b.c> ORCPT=utf-8;j\xc3\xb6@x", &a), SMTP_ARG_OK);
    static const char *const bad[] = {
        "NOTIFY=",         "NOTIFY=NEVER,SUCCESS", "NOTIFY=X", "NOTIFY=SUCCESS NOTIFY=DELAY",
        "NOTIFY=SUCCESS,", "ORCPT=rfc822",         "ORCPT=;x", "ORCPT=rfc822;",
        "SIZE=1",          "ORCPT=a;b ORCPT=a;b",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char args[100];
        snprintf(args, sizeof(args), "TO:<a@b.c> %s", bad[i]);
        if (rcpt(args, &a) != SMTP_ARG_SYNTAX)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void test_verbs(void **state)
{
    struct sv args;
    (void)state;
    assert_true(sv_eq(smtp_verb(SV("MAIL FROM:<a b> x "), &args), SV("MAIL")));
    assert_true(sv_eq(args, SV("FROM:<a b> x")));
    assert_true(sv_eq(smtp_verb(SV("  quit  "), &args), SV("quit")));
    assert_int_equal(args.n, 0);
    assert_int_equal(smtp_verb(SV(""), &args).n, 0);
    assert_int_equal(smtp_arg_count(SV("")), 0);
    assert_int_equal(smtp_arg_count(SV("a  b\tc")), 3);
    assert_int_equal(smtp_arg_count(SV("<a b> c")), 2);
    assert_int_equal(smtp_arg_count(SV("<a b c")), 1);
}

static void test_bdat(void **state)
{
    uint64_t size;
    bool last;
    (void)state;
    assert_int_equal(smtp_parse_bdat(SV("86 LAST"), &size, &last), SMTP_ARG_OK);
    assert_true(size == 86 && last);
    assert_int_equal(smtp_parse_bdat(SV("0"), &size, &last), SMTP_ARG_OK);
    assert_true(size == 0 && !last);
    assert_int_equal(smtp_parse_bdat(SV(""), &size, &last), SMTP_ARG_SYNTAX);
    assert_int_equal(smtp_parse_bdat(SV("-1"), &size, &last), SMTP_ARG_SYNTAX);
    assert_int_equal(smtp_parse_bdat(SV("1 FIRST"), &size, &last), SMTP_ARG_SYNTAX);
    assert_int_equal(smtp_parse_bdat(SV("1 LAST LAST"), &size, &last), SMTP_ARG_SYNTAX);
    assert_int_equal(smtp_parse_bdat(SV("99999999999999999999"), &size, &last), SMTP_ARG_SYNTAX);
}

static void test_helo(void **state)
{
    (void)state;
    assert_true(smtp_helo_valid(SV("mail_1.b-c.example")));
    assert_true(smtp_helo_valid(SV("[127.0.0.1]")));
    assert_true(smtp_helo_valid(SV("[IPv6:::1]")));
    assert_false(smtp_helo_valid(SV("")));
    assert_false(smtp_helo_valid(SV("a(b)")));
    assert_false(smtp_helo_valid(SV("a\0b")));
    assert_false(smtp_helo_valid(SV("\xff")));
}

static void test_xtext(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    assert_int_equal(smtp_xtext_decode(SV("a+2Bb+3D"), &b), 0);
    assert_true(sv_eq(buf_sv(&b), SV("a+b=")));
    assert_int_equal(smtp_xtext_decode(SV("+2"), &b), E_PARSE);
    assert_int_equal(smtp_xtext_decode(SV("a b"), &b), E_PARSE);
    assert_int_equal(smtp_xtext_decode(SV("\x7f"), &b), E_PARSE);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_path_parts),
        cmocka_unit_test(test_mail_parameters),
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_bdat),
        cmocka_unit_test(test_helo),
        cmocka_unit_test(test_xtext),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
