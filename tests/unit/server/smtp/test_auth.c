/* Logins with a real SASL client: the mechanisms whose answers a script cannot know. */
#include "fixture.h"

#include <gsasl.h>

#include "base/codec.h"

static struct sv cut_challenge(const char *reply)
{
    return sv_starts(sv_c(reply), SV("334 ")) ? sv_skip(sv_c(reply), 4) : SV("");
}

/* Only for -PLUS: a client that could bind says so in the other mechanisms too, as it should. */
static int on_property(Gsasl *ctx, Gsasl_session *sctx, Gsasl_property prop)
{
    const char *mechanism = gsasl_session_hook_get(sctx);
    (void)ctx;
    if (prop != GSASL_CB_TLS_EXPORTER || !sv_iends(sv_c(mechanism), SV("-PLUS")))
        return GSASL_NO_CALLBACK;
    /* What the driver's connections have, in base64. */
    return gsasl_property_set(sctx, prop, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
}

/* Runs the exchange; returns the last reply. */
static const char *login(struct fixture *f, const char *mechanism, const char *password,
                         bool initial)
{
    Gsasl *ctx;
    Gsasl_session *s;
    char line[8192];
    char *out = NULL;
    assert_int_equal(gsasl_init(&ctx), GSASL_OK);
    gsasl_callback_set(ctx, on_property);
    assert_int_equal(gsasl_client_start(ctx, mechanism, &s), GSASL_OK);
    gsasl_session_hook_set(s, (void *)mechanism);
    gsasl_property_set(s, GSASL_AUTHID, "bob@example.org");
    gsasl_property_set(s, GSASL_PASSWORD, password);
    gsasl_property_set(s, GSASL_SERVICE, "smtp");
    gsasl_property_set(s, GSASL_HOSTNAME, "mx.example");
    snprintf(line, sizeof(line), "AUTH %s", mechanism);
    if (initial) {
        (void)gsasl_step64(s, "", &out);
        snprintf(line, sizeof(line), "AUTH %s %s", mechanism, out);
        free(out);
    }
    const char *reply = say(f, line);
    while (sv_starts(sv_c(reply), SV("334"))) {
        _cleanup_(freep) char *challenge = sv_dup(cut_challenge(reply));
        out = NULL;
        int r = gsasl_step64(s, challenge, &out);
        if (r != GSASL_OK && r != GSASL_NEEDS_MORE)
            fail_msg("%s: %s", mechanism, gsasl_strerror(r));
        reply = say(f, out ? out : "");
        free(out);
    }
    gsasl_finish(s);
    gsasl_done(ctx);
    return reply;
}

static void try_mechanism(struct fixture *f, const char *mechanism, bool tls, bool initial)
{
    dial(f, "192.0.2.1", "192.0.2.25", tls);
    expect(f, "EHLO c.example", "250-");
    const char *reply = login(f, mechanism, "secret", initial);
    if (!sv_starts(sv_c(reply), SV("235 2.7.0 ")))
        fail_msg("%s: %s", mechanism, reply);
    expect(f, "AUTH PLAIN", "503 5.5.1 Authentication already done");
    assert_string_equal(conn_test_account(f->c), "bob@example.org");
}

static void test_scram(void **state)
{
    struct fixture *f = *state;
    add_account(f, "example.org", "bob@example.org", "secret");
    for (int initial = 0; initial < 2; initial++) {
        try_mechanism(f, "SCRAM-SHA-256", false, initial);
        try_mechanism(f, "SCRAM-SHA-1", false, initial);
        try_mechanism(f, "SCRAM-SHA-256-PLUS", true, initial);
    }
}

static void test_scram_with_a_wrong_password(void **state)
{
    struct fixture *f = *state;
    add_account(f, "example.org", "bob@example.org", "secret");
    dial(f, "192.0.2.1", "192.0.2.25", false);
    expect(f, "EHLO c.example", "250-");
    (void)login(f, "SCRAM-SHA-256", "wrong", true);
    conn_test_advance(f->c, 2000);
    struct sv out = conn_test_output(f->c);
    assert_true(sv_find_sv(out, SV("535 5.7.1 Authentication credentials invalid\r\n")) >= 0);
    conn_test_take(f->c);
    expect(f, "MAIL FROM:<a@example.net>", "250 ");
}

static void test_cram_md5(void **state)
{
    static const struct conf_pair pairs[] = {
        { "system.hostname", "mx.example" }, { "auth.cram_md5", "yes" },
        { "auth.keep_plain", "yes" },        { "auth.digest_md5", "yes" },
        { "auth.min_password_length", "1" }, { "auth.argon2_memory", "1MiB" },
        { "queue.min_free_space", "0" },
    };
    struct fixture *f = *state;
    publish(pairs, ARRAY_LEN(pairs));
    add_account(f, "example.org", "bob@example.org", "secret");
    try_mechanism(f, "CRAM-MD5", false, false);
    try_mechanism(f, "DIGEST-MD5", false, false);
    dial(f, "192.0.2.1", "192.0.2.25", false);
    expect(f, "EHLO c.example", "250-");
    expect(f, "AUTH CRAM-MD5 AAAA", "501 5.5.4 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scram, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(test_scram_with_a_wrong_password, fixture_open,
                                        fixture_close),
        cmocka_unit_test_setup_teardown(test_cram_md5, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
