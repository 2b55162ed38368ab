/* SASL exchanges against the client half of GNU SASL: right, wrong, unknown, tampered, malformed.
 */
#include "account_suite.h"

#include <gsasl.h>

#include "base/buf.h"
#include "base/codec.h"
#include "mail/account/later.h"

struct client {
    const char *user, *password, *authzid;
    const char *cb_type, *cb_b64; /* what the client believes the binding is */
};

static const struct auth_peer tls_peer = {
    .service = "IMAP",
    .ip = "192.0.2.1",
    .hostname = "mx.a.test",
    .tls = true,
    .cb_type = "tls-exporter",
    .cb_data = { "0123456789abcdef0123456789abcdef", 32 },
};
#define CB_B64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static int client_callback(Gsasl *g, Gsasl_session *s, Gsasl_property p)
{
    const struct client *c = gsasl_session_hook_get(s);
    const char *v = NULL;
    (void)g;
    if (p == GSASL_AUTHID)
        v = c->user;
    else if (p == GSASL_PASSWORD)
        v = c->password;
    else if (p == GSASL_AUTHZID)
        v = c->authzid;
    else if (p == GSASL_HOSTNAME)
        v = "mx.a.test";
    else if (p == GSASL_SERVICE)
        v = "imap";
    else if (p == GSASL_CB_TLS_EXPORTER && c->cb_type && strcmp(c->cb_type, "tls-exporter") == 0)
        v = c->cb_b64;
    else if (p == GSASL_CB_TLS_UNIQUE && c->cb_type && strcmp(c->cb_type, "tls-unique") == 0)
        v = c->cb_b64;
    return v ? gsasl_property_set(s, p, v) : GSASL_NO_CALLBACK;
}

/* Both sides to the end. Returns the server's code; the client must have been convinced too. */
static int exchange_step(struct sasl *s, Gsasl_session *cs, const struct account **ret)
{
    struct buf out;
    char *reply = NULL;
    size_t n = 0;
    bool have = false;
    int r = 1, client = GSASL_NEEDS_MORE;
    buf_init(&out, 8192);
    if (sasl_client_first(s)) {
        client = gsasl_step(cs, NULL, 0, &reply, &n);
        assert_true(client == GSASL_OK || client == GSASL_NEEDS_MORE);
        have = true;
    }
    for (int i = 0; r == 1 && i < 6; i++) {
        buf_reset(&out);
        r = sasl_step(s, have ? sv_n(reply ? reply : "", n) : SV_NULL, &out, ret, EI);
        gsasl_free(reply);
        reply = NULL;
        n = 0;
        if (r == 1 || (r == 0 && out.n)) {
            client = gsasl_step(cs, out.p ? out.p : "", out.n, &reply, &n);
            if (client != GSASL_OK && client != GSASL_NEEDS_MORE)
                fail_msg("client: %s", gsasl_strerror(client));
            have = true;
        }
    }
    gsasl_free(reply);
    if (r == 0)
        assert_int_equal(client, GSASL_OK);
    else
        assert_int_equal(out.n, 0);
    buf_done(&out);
    return r;
}

static int exchange(const struct auth_peer *p, const char *mech, const struct client *c)
{
    Gsasl *ctx;
    Gsasl_session *cs;
    struct sasl *s;
    const struct account *a = NULL;
    int r = sasl_start(acc, p, sv_c(mech), &s, EI);
    if (r < 0)
        return r;
    assert_int_equal(gsasl_init(&ctx), GSASL_OK);
    gsasl_callback_set(ctx, client_callback);
    assert_int_equal(gsasl_client_start(ctx, mech, &cs), GSASL_OK);
    gsasl_session_hook_set(cs, (void *)c);
    r = exchange_step(s, cs, &a);
    assert_int_equal(r == 0, a != NULL);
    if (a)
        assert_string_equal(a->address, "u@a.test");
    account_unref(a);
    gsasl_finish(cs);
    gsasl_done(ctx);
    sasl_free(s);
    return r;
}

static const char *const all[] = { "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5",
                                   "CRAM-MD5",      "PLAIN",       "LOGIN" };

static void world(const char *password)
{
    mk_domain("a.test");
    OK(account_create(acc, "t", SV("u@a.test"), &(struct account_spec){ .password = password },
                      EI));
    mk_account("v@a.test", "{PLAIN}other-secret");
    suite_conf("auth.cram_md5=yes;auth.digest_md5=yes;auth.max_failures=0;auth.max_failures_ip=0");
}

static void each_mechanism(void **state)
{
    (void)state;
    world("{PLAIN}s3cret-pass");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        print_message("%s\n", all[i]);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(exchange(&tls_peer, all[i],
                                      &(struct client){ "u", "s3cret-pass", .cb_type = NULL }),
                             0);
            assert_int_equal(
                exchange(&tls_peer, all[i],
                         &(struct client){ "U@A.test", "s3cret-pass", .cb_type = NULL }),
                0);
        }
        assert_int_equal(
            exchange(&tls_peer, all[i], &(struct client){ "u", "s3cret-pas", .cb_type = NULL }),
            E_AUTH);
        assert_int_equal(
            exchange(&tls_peer, all[i], &(struct client){ "v", "s3cret-pass", .cb_type = NULL }),
            E_AUTH);
        assert_int_equal(exchange(&tls_peer, all[i],
                                  &(struct client){ "nobody", "s3cret-pass", .cb_type = NULL }),
                         E_AUTH);
        assert_int_equal(exchange(&tls_peer, all[i],
                                  &(struct client){ "u@far.test", "s3cret-pass", .cb_type = NULL }),
                         E_AUTH);
        if (strcmp(all[i], "LOGIN") == 0 || strcmp(all[i], "CRAM-MD5") == 0)
            continue; /* no authzid there */
        assert_int_equal(exchange(&tls_peer, all[i],
                                  &(struct client){ "u", "s3cret-pass", "u@a.test", NULL, NULL }),
                         0);
        assert_int_equal(exchange(&tls_peer, all[i],
                                  &(struct client){ "u", "s3cret-pass", "v@a.test", NULL, NULL }),
                         E_AUTH);
    }
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .enabled = "no" }, EI));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(
            exchange(&tls_peer, all[i], &(struct client){ "u", "s3cret-pass", .cb_type = NULL }),
            E_AUTH);
}

static void hashed_passwords(void **state)
{
    (void)state;
    world("s\xc3\xa9"
          "cret-pass");
    struct client c = { "u",
                        "s\xc3\xa9"
                        "cret-pass",
                        .cb_type = NULL };
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256", &c), 0);
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-1", &c), 0);
    assert_int_equal(exchange(&tls_peer, "PLAIN", &c), 0);
    assert_int_equal(exchange(&tls_peer, "CRAM-MD5", &c), E_AUTH); /* no plain text kept */
    assert_int_equal(exchange(&tls_peer, "DIGEST-MD5", &c), E_AUTH);
    suite_conf("auth.cram_md5=yes;auth.digest_md5=yes;auth.max_failures=0;auth.keep_plain=yes");
    OK(account_update(acc, "t", SV("u@a.test"), &(struct account_spec){ .password = "new-secret" },
                      EI));
    c.password = "new-secret";
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(exchange(&tls_peer, all[i], &c), 0);
}

static void imported_passwords(void **state)
{
    (void)state;
    world("{SSHA}13528LZ4GRQwF5JHthEUB7KFpLsBc2FsdA==");
    struct client c = { "u", "p\xc3\xa4ssw\xc3\xb6rd 1", .cb_type = NULL };
    struct accounts *mine = acc, *other;
    OK(accounts_open(suite_db, &other, EI));
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256", &c), E_AUTH);
    acc = other; /* another process, with its own cache of what there was */
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-1", &c), E_AUTH);
    acc = mine;
    assert_int_equal(exchange(&tls_peer, "PLAIN", &c), 0);
    later_wait(acc);
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256", &c), 0);
    acc = other;
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-1", &c), 0);
    acc = mine;
    accounts_close(other);
}

static void channel_binding(void **state)
{
    (void)state;
    world("{PLAIN}s3cret-pass");
    struct client c = { "u", "s3cret-pass", NULL, "tls-exporter", CB_B64 };
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256-PLUS", &c), 0);
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-1-PLUS", &c), 0);
    suite_conf("auth.scram_sha256_plus=no");
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256-PLUS", &c), E_UNSUPPORTED);
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-1-PLUS", &c), 0);
    suite_conf("");
    c.password = "wrong";
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256-PLUS", &c), E_AUTH);
    c.password = "s3cret-pass";
    c.cb_b64 = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWc="; /* another TLS session: somebody in
                                                                  between */
    assert_int_equal(exchange(&tls_peer, "SCRAM-SHA-256-PLUS", &c), E_AUTH);
    struct auth_peer unique = tls_peer;
    unique.cb_type = "tls-unique";
    unique.cb_data = SV("abcdefghijkl");
    c.cb_type = "tls-unique";
    c.cb_b64 = "YWJjZGVmZ2hpamts";
    assert_int_equal(exchange(&unique, "SCRAM-SHA-256-PLUS", &c), 0);
    c.cb_type = "tls-exporter";
    assert_int_equal(exchange(&unique, "SCRAM-SHA-256-PLUS", &c), E_AUTH);
    unique.cb_type = NULL;
    assert_int_equal(exchange(&unique, "SCRAM-SHA-256-PLUS", &c), E_UNSUPPORTED);
    unique.tls = false;
    assert_int_equal(exchange(&unique, "SCRAM-SHA-256-PLUS", &c), E_UNSUPPORTED);
    assert_int_equal(exchange(&unique, "PLAIN", &c), E_UNSUPPORTED);
    assert_int_equal(exchange(&unique, "LOGIN", &c), E_UNSUPPORTED);
    assert_int_equal(exchange(&unique, "NTLM", &c), E_UNSUPPORTED);
    assert_int_equal(exchange(&unique, "", &c), E_UNSUPPORTED);
}

/* First step alone; *ret_out gets the challenge. */
static int one_step(const struct auth_peer *p, const char *mech, struct sv in, char ret_out[1000])
{
    struct sasl *s;
    const struct account *a = NULL;
    struct buf out;
    OK(sasl_start(acc, p, sv_c(mech), &s, EI));
    buf_init(&out, 8192);
    int r = sasl_step(s, in, &out, &a, EI);
    snprintf(ret_out, 1000, SV_FMT, SV_ARG(buf_sv(&out)));
    if (r < 1) { /* an exchange that is over stays so */
        assert_int_equal(sasl_step(s, in, &out, &a, EI), E_PARSE);
        account_unref(a);
    }
    buf_done(&out);
    sasl_free(s);
    return r;
}

static void flags(void **state)
{
    (void)state;
    char out[1000];
    struct auth_peer bare = tls_peer;
    bare.cb_type = NULL;
    world("{PLAIN}s3cret-pass");
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256", SV("n,,n=u,r=abc"), out), 1);
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256", SV("y,,n=u,r=abc"), out), E_AUTH);
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256", SV("p=tls-exporter,,n=u,r=abc"), out),
                     E_AUTH);
    assert_int_equal(one_step(&bare, "SCRAM-SHA-256", SV("y,,n=u,r=abc"), out), 1);
    assert_int_equal(one_step(&bare, "SCRAM-SHA-256", SV("n,,n=u,r=abc"), out), 1);
    suite_conf("auth.scram_sha256_plus=no"); /* then "the server cannot bind" is no attack */
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256", SV("y,,n=u,r=abc"), out), 1);
    suite_conf("");
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256-PLUS", SV("n,,n=u,r=abc"), out), E_AUTH);
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256-PLUS", SV("y,,n=u,r=abc"), out), E_AUTH);
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256-PLUS", SV("p=tls-unique,,n=u,r=abc"), out),
                     E_AUTH);
}

/* Salt and iterations of a name, as a prying client sees them. */
static void seen(const char *user, char ret[200])
{
    char first[100], out[1000];
    snprintf(first, sizeof(first), "n,,n=%s,r=abc", user);
    assert_int_equal(one_step(&tls_peer, "SCRAM-SHA-256", sv_c(first), out), 1);
    const char *salt = strstr(out, ",s=");
    assert_non_null(salt);
    snprintf(ret, 200, "%.150s", salt);
}

static void unknown_users_look_real(void **state)
{
    (void)state;
    char known[200], ghost[200], other_ghost[200], again[200];
    world("{PLAIN}s3cret-pass");
    seen("u", known);
    seen("ghost", ghost);
    seen("ghost2", other_ghost);
    assert_int_equal(strlen(known), strlen(ghost));
    assert_string_equal(known + strlen(known) - 7, ",i=4096");
    assert_string_equal(ghost + strlen(ghost) - 7, ",i=4096");
    assert_string_not_equal(ghost, other_ghost);
    seen("ghost", again);
    assert_string_equal(ghost, again);
    accounts_close(acc); /* a restart */
    OK(accounts_open(suite_db, &acc, EI));
    seen("ghost", again);
    assert_string_equal(ghost, again);
    seen("u", again);
    assert_string_equal(known, again);
}

static void locked(void **state)
{
    (void)state;
    world("{PLAIN}s3cret-pass");
    suite_conf("auth.cram_md5=yes;auth.digest_md5=yes;auth.max_failures=2;auth.lock_time=60s");
    struct client good = { "u", "s3cret-pass", .cb_type = NULL },
                  wrong = { "u", "x", .cb_type = NULL };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_int_equal(exchange(&tls_peer, all[i], &wrong), E_AUTH);
        assert_int_equal(exchange(&tls_peer, all[i], &wrong), E_AUTH);
        assert_int_equal(exchange(&tls_peer, all[i], &good), E_LIMIT);
        clock_test_advance(60001);
        assert_int_equal(exchange(&tls_peer, all[i], &good), 0);
    }
}

static void malformed(void **state)
{
    (void)state;
    char out[1000], longer[13000];
    world("{PLAIN}s3cret-pass");
    static const struct sv plain[] = {
        { "", 0 }, { "u", 1 }, { "\0u", 2 }, { "\0\0pw", 4 }, { "\0u\0p\0w", 6 }
    };
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        assert_int_equal(one_step(&tls_peer, "PLAIN", plain[i], out), E_PARSE);
    assert_int_equal(one_step(&tls_peer, "PLAIN", sv_n("\0u\0", 3), out), E_AUTH);
    assert_int_equal(one_step(&tls_peer, "PLAIN", sv_n("\0u\0s3cret-pass", 14), out), 0);
    memset(longer, 'a', sizeof(longer));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(one_step(&tls_peer, all[i], sv_n(longer, sizeof(longer)), out), E_PARSE);
    longer[0] = '\0';
    longer[3000] = '\0';
    assert_int_equal(one_step(&tls_peer, "PLAIN", sv_n(longer, 12000), out), E_AUTH);
    assert_int_equal(one_step(&tls_peer, "LOGIN", sv_n("", 0), out), E_PARSE);
    assert_int_equal(one_step(&tls_peer, "LOGIN", sv_n("a\0b", 3), out), E_PARSE);
    assert_int_equal(one_step(&tls_peer, "LOGIN", SV("u"), out), 1); /* initial response */
    assert_string_equal(out, "Password:");
    assert_int_equal(one_step(&tls_peer, "LOGIN", SV_NULL, out), 1);
    assert_string_equal(out, "Username:");
    assert_int_equal(one_step(&tls_peer, "PLAIN", SV_NULL, out), 1);
    assert_string_equal(out, "");
    assert_int_equal(one_step(&tls_peer, "CRAM-MD5", SV("u abc"), out), E_PARSE);
    /* Second messages that make no sense. */
    static const char *const second[] = { "",
                                          "x",
                                          "u",
                                          " ",
                                          "u 0123",
                                          "u zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
                                          "c=biws",
                                          "username=\"u\"",
                                          "username=\"u\",response=zz",
                                          "c=biws,r=abc,p=abc",
                                          ",,,",
                                          "\x01\x02" };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < ARRAY_LEN(second); j++) {
            struct sasl *s;
            struct buf b;
            const struct account *a = NULL;
            buf_init(&b, 8192);
            OK(sasl_start(acc, &tls_peer, sv_c(all[i]), &s, EI));
            assert_int_equal(
                sasl_step(s, sasl_client_first(s) ? SV("n,,n=u,r=abc") : SV_NULL, &b, &a, EI), 1);
            int r = sasl_step(s, sv_c(second[j]), &b, &a, EI);
            if (r != E_PARSE && r != E_AUTH)
                fail_msg("%s: '%s': %d", all[i], second[j], r);
            buf_done(&b);
            sasl_free(s);
        }
    }
}

static void speed_question(void **state)
{
    (void)state;
    struct sasl *s;
    world("s3cret-pass");
    OK(sasl_start(acc, &tls_peer, SV("plain"), &s, EI));
    assert_false(sasl_is_fast(s, sv_n("\0u\0s3cret-pass", 14)));
    assert_true(sasl_is_fast(s, sv_n("\0v\0x", 4)));
    assert_true(sasl_is_fast(s, SV("junk")));
    sasl_free(s);
    OK(sasl_start(acc, &tls_peer, SV("SCRAM-SHA-256"), &s, EI));
    assert_true(sasl_client_first(s));
    assert_false(sasl_is_fast(s, SV("n,,n=u,r=abc")));
    sasl_free(s);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(each_mechanism),
    SUITE_TEST(hashed_passwords),
    SUITE_TEST(imported_passwords),
    SUITE_TEST(channel_binding),
    SUITE_TEST(flags),
    SUITE_TEST(unknown_users_look_real),
    SUITE_TEST(locked),
    SUITE_TEST(malformed),
    SUITE_TEST(speed_question),
};
SUITE_MAIN("sasl")
