/* The client's half of SASL by the examples of the RFCs, and what a relay may send instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/sasl_out.h"

static struct sasl_out c;
static struct errinfo ei;

static int step(const char *challenge, const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    int r = sasl_out_step(&c, sv_c(challenge), &out, &ei);
    if (want && r == 0 && !sv_eq(buf_sv(&out), sv_c(want)))
        fail_msg("'" SV_FMT "', wanted '%s'", SV_ARG(buf_sv(&out)), want);
    buf_done(&out);
    return r;
}

static void begin(enum sasl_mech mech, const char *user, const char *password, const char *nonce)
{
    sasl_out_init(&c, mech, sv_c(user), sv_c(password), nonce);
}

static void test_plain(void **state)
{
    (void)state;
    struct buf out;
    begin(SASL_PLAIN, "tim", "tanstaaf", "");
    assert_true(sasl_out_first(&c));
    buf_init(&out, 64);
    assert_int_equal(sasl_out_step(&c, SV(""), &out, &ei), 0);
    assert_true(sv_eq(buf_sv(&out), SV("\0tim\0tanstaaf")));
    buf_done(&out);
    assert_int_equal(step("more", NULL), E_PARSE);
    sasl_out_done(&c);
}

static void test_login(void **state)
{
    (void)state;
    begin(SASL_LOGIN, "tim", "tanstaaf", "");
    assert_false(sasl_out_first(&c));
    assert_int_equal(step("Username:", "tim"), 0);
    assert_int_equal(step("Password:", "tanstaaf"), 0);
    assert_int_equal(step("Realm:", NULL), E_PARSE);
    sasl_out_done(&c);
}

static void test_cram_md5(void **state) /* RFC 2195 2 */
{
    (void)state;
    begin(SASL_CRAM_MD5, "tim", "tanstaaftanstaaf", "");
    assert_false(sasl_out_first(&c));
    assert_int_equal(
        step("<1896.697170952@postoffice.reston.mci.net>", "tim b913a602c7eda7a495b4e6e7334d3890"),
        0);
    assert_int_equal(step("more", NULL), E_PARSE);
    sasl_out_done(&c);
}

#define SERVER_FIRST "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"

static void test_scram_sha1(void **state) /* RFC 5802 5 */
{
    (void)state;
    begin(SASL_SCRAM_SHA1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL");
    assert_true(sasl_out_first(&c));
    assert_int_equal(step("", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"), 0);
    assert_int_equal(step(SERVER_FIRST, "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                                        "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
                     0);
    assert_false(c.proven);
    assert_int_equal(step("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", ""), 0);
    assert_true(c.proven);
    sasl_out_done(&c);
}

static void test_scram_sha256(void **state) /* RFC 7677 3 */
{
    (void)state;
    begin(SASL_SCRAM_SHA256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
    assert_int_equal(step("", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), 0);
    assert_int_equal(step("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                          "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                          "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                          "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                     0);
    assert_int_equal(step("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""), 0);
    assert_true(c.proven);
    sasl_out_done(&c);
}

static void test_scram_names(void **state)
{
    (void)state;
    begin(SASL_SCRAM_SHA256, "a,b=c", "x", "n");
    assert_int_equal(step("", "n,,n=a=2Cb=3Dc,r=n"), 0);
    sasl_out_done(&c);
}

static void test_scram_impostors(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "e=other-error",
        "r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096",        /* added nothing */
        "r=other3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",         /* not our nonce */
        "r=fyko+d2lbbFgONRv9qkxdawL3,s=,i=4096",                       /* no salt */
        "r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=0",          /* no work */
        "r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=2000000000", /* hours of it */
        "m=x,r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=4096",   /* an extension */
        "r=fyko+d2lbbFgONRv9qkxdawL3,s=?,i=4096",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        begin(SASL_SCRAM_SHA1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL");
        assert_int_equal(step("", NULL), 0);
        if (step(bad[i], NULL) != E_PARSE)
            fail_msg("'%s' was taken", bad[i]);
        sasl_out_done(&c);
    }
    begin(SASL_SCRAM_SHA1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL");
    assert_int_equal(step("", NULL), 0);
    assert_int_equal(step(SERVER_FIRST, NULL), 0);
    assert_int_equal(step("v=rmF9pqV8S7suAoZWja4dJRkFsKA=", NULL), E_AUTH);
    assert_false(c.proven);
    sasl_out_done(&c);
}

static int choose(const char *offered, bool in_clear, const char *password, int after)
{
    return sasl_out_choose(sv_c(offered), in_clear, SV("u"), sv_c(password), after);
}

static void test_choice(void **state)
{
    (void)state;
    assert_int_equal(choose("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", true, "p", -1),
                     SASL_SCRAM_SHA256);
    assert_int_equal(choose("plain login", true, "p", -1), SASL_PLAIN);
    assert_int_equal(choose("PLAIN LOGIN", true, "p", SASL_PLAIN), SASL_LOGIN);
    assert_int_equal(choose("PLAIN LOGIN", true, "p", SASL_LOGIN), -1);
    assert_int_equal(choose("PLAIN LOGIN", false, "p", -1), -1);
    assert_int_equal(choose("PLAIN CRAM-MD5", false, "p", -1), SASL_CRAM_MD5);
    /* SASLprep may change it: only as it is. */
    assert_int_equal(choose("PLAIN SCRAM-SHA-256", true, "p\xc3\xa4", -1), SASL_PLAIN);
    assert_int_equal(choose("SCRAM-SHA-256", true, "p\xc3\xa4", -1), -1);
    assert_int_equal(choose("GSSAPI XOAUTH2 PLAINX", true, "p", -1), -1);
    assert_int_equal(choose("", true, "p", -1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),           cmocka_unit_test(test_login),
        cmocka_unit_test(test_cram_md5),        cmocka_unit_test(test_scram_sha1),
        cmocka_unit_test(test_scram_sha256),    cmocka_unit_test(test_scram_names),
        cmocka_unit_test(test_scram_impostors), cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
