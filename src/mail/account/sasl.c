/* SASL exchanges, one object each, and the two mechanisms that carry the password itself: PLAIN
 * (RFC 4616) and LOGIN (with the prompts that old clients compare). An exchange belongs to its
 * session's worker. */
#include "mail/account/sasl_priv.h"

#include <openssl/crypto.h>

int sasl_start(struct accounts *a, const struct auth_peer *p, struct sv mechanism,
               struct sasl **ret, struct errinfo *ei)
{
    int id = 0;
    while (id < MECH_COUNT && !sv_ieq(mechanism, sv_c(mechs[id].name)))
        id++;
    if (id == MECH_COUNT || !mech_offered(p, (enum mech_id)id))
        return err_set(ei, E_UNSUPPORTED, "SASL mechanism '" SV_FMT "' is not available here",
                       SV_ARG(sv_take(mechanism, 40)));
    struct sasl *s = xcalloc(1, sizeof(*s));
    s->a = a;
    s->peer = p;
    s->id = (enum mech_id)id;
    sasl_scram_start(s);
    int r = 0;
    if (s->id == MECH_CRAM_MD5 || s->id == MECH_DIGEST_MD5)
        r = sasl_gsasl_start(s, ei);
    if (r < 0) {
        sasl_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sasl_free(struct sasl *s)
{
    if (!s)
        return;
    if (s->gs)
        gsasl_finish(s->gs);
    if (s->begun)
        attempt_done(&s->t);
    scram_done(&s->scram);
    free(s->user);
    free(s);
}

bool sasl_client_first(const struct sasl *s)
{
    return s->id != MECH_LOGIN && s->id != MECH_CRAM_MD5 && s->id != MECH_DIGEST_MD5;
}

int sasl_begin_attempt(struct sasl *s, struct sv user, struct errinfo *ei)
{
    s->begun = true;
    return attempt_begin(&s->t, s->a, s->peer, mechs[s->id].method, user, ei);
}

bool sasl_authzid_fits(struct sasl *s, struct sv authzid)
{
    struct addr key;
    _cleanup_(account_objp) struct account_obj *acc = NULL;
    if (authzid.n == 0)
        return true;
    _cleanup_(view_done) struct view v;
    view_init(&v, s->a);
    return s->t.account && lookup_login(&v, authzid, &key, &acc, NULL) == 0 &&
           acc->acc.id == s->t.account->acc.id;
}

int sasl_refuse(struct sasl *s, struct sv user, struct errinfo *ei)
{
    const struct account *none = NULL;
    int r = s->begun ? 0 : sasl_begin_attempt(s, user, ei);
    return r < 0 ? r : attempt_finish(&s->t, false, &none, ei);
}

static int check_password(struct sasl *s, struct sv authzid, struct sv user, struct sv password,
                          const struct account **ret, struct errinfo *ei)
{
    int r = sasl_begin_attempt(s, user, ei);
    if (r == 0)
        r = attempt_verify(&s->t, password, ei);
    if (r < 0)
        return r;
    return attempt_finish(&s->t, r == 1 && sasl_authzid_fits(s, authzid), ret, ei);
}

/* [authzid] NUL authcid NUL password */
static bool parse_plain(struct sv in, struct sv ret[3])
{
    struct sv rest = in;
    ret[0] = sv_split(&rest, '\0');
    ret[1] = rest.p ? sv_split(&rest, '\0') : SV_NULL;
    ret[2] = rest;
    return ret[1].n > 0 && rest.p && !memchr(rest.p, 0, rest.n);
}

static int step_plain(struct sasl *s, struct sv in, const struct account **ret, struct errinfo *ei)
{
    struct sv part[3];
    if (!parse_plain(in, part))
        return err_set(ei, E_PARSE, "PLAIN: not NUL user NUL password");
    return check_password(s, part[0], part[1], part[2], ret, ei);
}

static int step_login(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
                      struct errinfo *ei)
{
    if (!s->user && !in.p)
        return buf_add_str(out, "Username:") < 0 ? -ENOMEM : 1;
    if (s->user)
        return check_password(s, SV_NULL, sv_c(s->user), in, ret, ei);
    if (in.n == 0 || memchr(in.p, 0, in.n))
        return err_set(ei, E_PARSE, "LOGIN: bad user name");
    s->user = sv_dup(in);
    return buf_add_str(out, "Password:") < 0 ? -ENOMEM : 1;
}

static int step_mech(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
                     struct errinfo *ei)
{
    switch (s->id) {
    case MECH_SCRAM_SHA256_PLUS:
    case MECH_SCRAM_SHA1_PLUS:
    case MECH_SCRAM_SHA256:
    case MECH_SCRAM_SHA1:
        return sasl_scram_step(s, in, out, ret, ei);
    case MECH_DIGEST_MD5:
    case MECH_CRAM_MD5:
        return sasl_gsasl_step(s, in, out, ret, ei);
    case MECH_PLAIN:
        return step_plain(s, in, ret, ei);
    case MECH_LOGIN:
        return step_login(s, in, out, ret, ei);
    case MECH_COUNT:
        break;
    }
    return E_UNSUPPORTED;
}

int sasl_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
              struct errinfo *ei)
{
    if (s->over || in.n > SASL_IN_MAX || (!in.p && s->step > 0)) {
        s->over = true;
        return err_set(ei, E_PARSE, "%s: unexpected or oversized response", mechs[s->id].name);
    }
    if (!in.p && sasl_client_first(s)) /* no initial response: an empty challenge asks for it */
        return 1;
    const struct account *account = NULL;
    int r = step_mech(s, in, out, &account, ei);
    s->step++;
    s->over = r != 1;
    if (r == 0)
        *ret = account;
    return r;
}

bool sasl_is_fast(const struct sasl *s, struct sv in)
{
    struct sv part[3];
    if (s->over || !in.p || in.n > SASL_IN_MAX)
        return true;
    switch (s->id) {
    case MECH_SCRAM_SHA256_PLUS:
    case MECH_SCRAM_SHA1_PLUS:
    case MECH_SCRAM_SHA256:
    case MECH_SCRAM_SHA1:
        return s->step > 0; /* the first message may have to derive keys */
    case MECH_DIGEST_MD5:
    case MECH_CRAM_MD5:
        return true;
    case MECH_PLAIN:
        return !parse_plain(in, part) || auth_is_fast_with(s->a, part[1], part[2]);
    case MECH_LOGIN:
        return !s->user || auth_is_fast_with(s->a, sv_c(s->user), in);
    case MECH_COUNT:
        break;
    }
    return true;
}
