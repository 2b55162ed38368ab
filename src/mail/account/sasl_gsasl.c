/* CRAM-MD5 (RFC 2195) and DIGEST-MD5 (RFC 2831) by GNU SASL: obsolete, off by default, and only for
 * passwords whose plain text is known ({PLAIN} or auth.keep_plain). */
#include "mail/account/sasl_priv.h"

#include "base/codec.h"
#include "base/rand.h"

/* A password nobody can know, so that an unknown user fails at the same place as a wrong password.
 */
static void set_random_password(Gsasl_session *gs)
{
    uint8_t random[16];
    struct buf hex;
    buf_init(&hex, 64);
    rand_bytes(random, sizeof(random));
    hex_enc(sv_n(random, sizeof(random)), &hex);
    buf_terminate(&hex);
    gsasl_property_set(gs, GSASL_PASSWORD, hex.p);
    buf_done(&hex);
}

static int give_password(struct sasl *s, Gsasl_session *gs)
{
    const char *user = gsasl_property_fast(gs, GSASL_AUTHID);
    if (!s->begun)
        s->callback_error = sasl_begin_attempt(s, sv_c(user ? user : ""), NULL);
    const char *plain = s->callback_error ? NULL : attempt_plain(&s->t);
    if (plain)
        gsasl_property_set(gs, GSASL_PASSWORD, plain);
    else
        set_random_password(gs);
    return GSASL_OK;
}

static int callback(_unused_ Gsasl *ctx, Gsasl_session *gs, Gsasl_property prop)
{
    struct sasl *s = gsasl_session_hook_get(gs);
    if (prop == GSASL_PASSWORD)
        return give_password(s, gs);
    if (prop == GSASL_REALM || prop == GSASL_HOSTNAME)
        return gsasl_property_set(gs, prop, s->peer->hostname ? s->peer->hostname : "localhost");
    if (prop == GSASL_SERVICE)
        return gsasl_property_set(gs, prop, s->peer->service);
    return GSASL_NO_CALLBACK;
}

/* One context for the process's life; sessions only read it. */
static Gsasl *context(struct accounts *a)
{
    pthread_mutex_lock(&a->lock);
    if (!a->gsasl) {
        Gsasl *ctx = NULL;
        if (gsasl_init(&ctx) == GSASL_OK) {
            gsasl_callback_set(ctx, callback);
            a->gsasl = ctx;
        }
    }
    Gsasl *ctx = a->gsasl;
    pthread_mutex_unlock(&a->lock);
    return ctx;
}

int sasl_gsasl_start(struct sasl *s, struct errinfo *ei)
{
    Gsasl *ctx = context(s->a);
    if (!ctx)
        return err_set(ei, E_TEMP, "SASL: the library cannot be initialised");
    int r = gsasl_server_start(ctx, mechs[s->id].name, &s->gs);
    if (r != GSASL_OK)
        return err_set(ei, E_UNSUPPORTED, "SASL %s: %s", mechs[s->id].name, gsasl_strerror(r));
    gsasl_session_hook_set(s->gs, s);
    return 0;
}

static int finish(struct sasl *s, bool right, const struct account **ret, struct errinfo *ei)
{
    if (s->callback_error < 0)
        return err_set(ei, s->callback_error, "login: %s",
                       s->callback_error == E_LIMIT ? "too many failures; try again later"
                                                    : "temporary failure");
    if (!s->begun)
        return sasl_refuse(s, SV(""), ei);
    const char *authzid = gsasl_property_fast(s->gs, GSASL_AUTHZID);
    right = right && attempt_plain(&s->t) && sasl_authzid_fits(s, sv_c(authzid));
    return attempt_finish(&s->t, right, ret, ei);
}

int sasl_gsasl_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
                    struct errinfo *ei)
{
    char *reply = NULL;
    size_t n = 0;
    /* Neither mechanism has an initial response. */
    if (s->step == 0 && in.n > 0)
        return err_set(ei, E_PARSE, "%s: the server speaks first", mechs[s->id].name);
    /* The library would ask again and again. */
    if (s->step > 0 && in.n == 0)
        return err_set(ei, E_PARSE, "%s: empty response", mechs[s->id].name);
    int g = gsasl_step(s->gs, in.p ? in.p : "", in.n, &reply, &n);
    int r;
    if (g == GSASL_NEEDS_MORE)
        r = 1;
    else if (g == GSASL_OK || g == GSASL_AUTHENTICATION_ERROR || s->begun)
        r = finish(s, g == GSASL_OK, ret, ei);
    else
        r = err_set(ei, E_PARSE, "%s: %s", mechs[s->id].name, gsasl_strerror(g));
    if (r >= 0 && n > 0 && buf_add(out, reply, n) < 0)
        r = -ENOMEM;
    gsasl_free(reply);
    return r;
}
