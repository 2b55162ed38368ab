/* SCRAM against the examples of RFC 5802 section 5 and RFC 7677 section 3, and against forged
 * messages. */
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/codec.h"
#include "mail/account/scram.h"

struct example {
    enum scram_hash h;
    const char *salt, *nonce, *first, *challenge, *final, *verdict;
};

static const struct example examples[] = {
    { SCRAM_SHA1, "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
      "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
      "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
      "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
    { SCRAM_SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
      "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

struct run {
    struct scram s;
    struct buf user, authzid, out;
};

static void begin(struct run *r, enum scram_hash h, bool plus)
{
    scram_init(&r->s, h, plus);
    buf_init(&r->user, 1024);
    buf_init(&r->authzid, 1024);
    buf_init(&r->out, 4096);
}

static void end(struct run *r)
{
    scram_done(&r->s);
    buf_done(&r->user);
    buf_done(&r->authzid);
    buf_done(&r->out);
}

static void make_keys(const struct example *e, struct scram_keys *k)
{
    struct buf salt;
    buf_init(&salt, 100);
    assert_int_equal(base64_dec(sv_c(e->salt), &salt), 0);
    assert_int_equal(scram_derive(e->h, SV("pencil"), buf_sv(&salt), 4096, k), 0);
    buf_done(&salt);
}

static int first(struct run *r, const char *text)
{
    return scram_client_first(&r->s, sv_c(text), &r->user, &r->authzid, NULL);
}

static void rfc_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
        const struct example *e = &examples[i];
        struct run r;
        struct scram_keys k, again;
        struct buf text;
        make_keys(e, &k);
        buf_init(&text, 1000);
        assert_int_equal(scram_keys_format(e->h, &k, &text), 0);
        assert_int_equal(scram_keys_parse(e->h, buf_sv(&text), &again), 0);
        buf_done(&text);
        begin(&r, e->h, false);
        assert_int_equal(first(&r, e->first), 0);
        assert_true(sv_eq(buf_sv(&r.user), SV("user")));
        assert_int_equal(scram_server_first(&r.s, &again, sv_c(e->nonce), &r.out), 0);
        assert_true(sv_eq(buf_sv(&r.out), sv_c(e->challenge)));
        buf_reset(&r.out);
        assert_int_equal(scram_client_final(&r.s, sv_c(e->final), &r.out, NULL), 0);
        assert_true(sv_eq(buf_sv(&r.out), sv_c(e->verdict)));
        end(&r);
    }
}

static void every_changed_byte(void **state)
{
    (void)state;
    const struct example *e = &examples[1];
    struct scram_keys k;
    make_keys(e, &k);
    for (size_t i = 0; i < strlen(e->final); i++) {
        struct run r;
        char text[300];
        snprintf(text, sizeof(text), "%s", e->final);
        text[i] ^= 1;
        begin(&r, e->h, false);
        assert_int_equal(first(&r, e->first), 0);
        scram_server_first(&r.s, &k, sv_c(e->nonce), &r.out);
        buf_reset(&r.out);
        int rc = scram_client_final(&r.s, sv_c(text), &r.out, NULL);
        assert_true(rc == E_PARSE || rc == E_AUTH);
        assert_int_equal(r.out.n, 0);
        end(&r);
    }
}

static void names(void **state)
{
    (void)state;
    struct run r;
    begin(&r, SCRAM_SHA256, false);
    assert_int_equal(first(&r, "n,a=boss=3Dx,n=a=2Cb=3Dc,r=abc,ext=1"), 0);
    assert_true(sv_eq(buf_sv(&r.user), SV("a,b=c")));
    assert_true(sv_eq(buf_sv(&r.authzid), SV("boss=x")));
    end(&r);
}

static void bad_first(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=user",
        "n,,n=,r=abc",
        "n,,n=user,r=",
        "n,,r=abc,n=user",
        "x,,n=user,r=abc",
        "n,b=x,n=user,r=abc",
        "n,a=,n=user,r=abc",
        "n,,m=ext,n=user,r=abc",
        "n,,n=us=er,r=abc",
        "n,,n=u=2c,r=abc",
        "n,,n=\xff,r=abc",
        "n,,n=user,r=a\001c",
        "n,,n=user,r=a b",
        "p=,,n=user,r=abc",
        "nn,,n=user,r=abc",
        "y=1,,n=user,r=abc",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct run r;
        begin(&r, SCRAM_SHA256, false);
        if (first(&r, bad[i]) != E_PARSE)
            fail_msg("'%s' was not refused", bad[i]);
        end(&r);
    }
    char longer[SCRAM_MESSAGE_MAX + 10];
    struct run r;
    memset(longer, 'a', sizeof(longer));
    memcpy(longer, "n,,n=user,r=", 12);
    begin(&r, SCRAM_SHA256, false);
    assert_int_equal(
        scram_client_first(&r.s, sv_n(longer, sizeof(longer)), &r.user, &r.authzid, NULL), E_PARSE);
    assert_int_equal(
        scram_client_first(&r.s, sv_n("n,,n=u\0x,r=abc", 14), &r.user, &r.authzid, NULL), E_PARSE);
    end(&r);
}

/* What the client may say about channel binding, by mechanism and what the session offers. */
static void binding_flags(void **state)
{
    (void)state;
    static const struct {
        bool plus, offered;
        const char *type, *first;
        int want;
    } rows[] = {
        { false, false, NULL, "n,,n=u,r=abc", 0 },
        { false, false, NULL, "y,,n=u,r=abc", 0 },
        { false, true, "tls-exporter", "n,,n=u,r=abc", 0 },
        { false, true, "tls-exporter", "y,,n=u,r=abc", E_AUTH }, /* downgrade */
        { false, true, "tls-exporter", "p=tls-exporter,,n=u,r=abc", E_AUTH },
        { true, true, "tls-exporter", "p=tls-exporter,,n=u,r=abc", 0 },
        { true, true, "tls-exporter", "p=tls-unique,,n=u,r=abc", E_AUTH },
        { true, true, "tls-unique", "p=tls-unique,,n=u,r=abc", 0 },
        { true, true, "tls-exporter", "p=tls-exporter2,,n=u,r=abc", E_AUTH },
        { true, true, "tls-exporter", "n,,n=u,r=abc", E_AUTH },
        { true, true, "tls-exporter", "y,,n=u,r=abc", E_AUTH },
        { true, true, NULL, "p=tls-unique,,n=u,r=abc", E_AUTH },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct run r;
        begin(&r, SCRAM_SHA256, rows[i].plus);
        r.s.plus_offered = rows[i].offered;
        r.s.cb_type = rows[i].type;
        r.s.cb_data = SV("0123456789abcdef");
        int rc = first(&r, rows[i].first);
        if (rc != rows[i].want)
            fail_msg("row %zu: %d", i, rc);
        assert_true(sv_eq(buf_sv(&r.user), SV("u"))); /* for the log */
        end(&r);
    }
}

static void bad_keys(void **state)
{
    (void)state;
    static const char *const bad[] = { "",
                                       ":::",
                                       "0:YWJj:YWJj:YWJj",
                                       "4096:YWJj",
                                       "4096::x:y",
                                       "x:YWJj:YWJj:YWJj",
                                       "4096:YWJj:YWJj:YWJj",
                                       "99999999999:YWJj:YWJj:YWJj" };
    struct scram_keys k;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(scram_keys_parse(SCRAM_SHA256, sv_c(bad[i]), &k), E_PARSE);
    assert_int_equal(scram_derive(SCRAM_SHA1, SV("x"), SV(""), 1, &k), E_RANGE);
    assert_int_equal(scram_derive(SCRAM_SHA1, SV("x"), SV("salt"), 0, &k), E_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_examples),  cmocka_unit_test(every_changed_byte),
        cmocka_unit_test(names),         cmocka_unit_test(bad_first),
        cmocka_unit_test(binding_flags), cmocka_unit_test(bad_keys),
    };
    return cmocka_run_group_tests_name("scram", tests, NULL, NULL);
}
