/* Password logins, the speed questions, and which mechanisms a session may use. Rows adv.sasl.*,
 * smtp.auth.list. */
#include "mail/account/auth.h"

#include "mail/account/app_password.h"
#include "mail/account/attempt.h"
#include "mail/account/mechanisms.h"
#include "mail/account/mimic.h"
#include "mail/account/password.h"
#include "mail/account/verified.h"

int auth_password(struct accounts *a, const struct auth_peer *p, struct sv user, struct sv password,
                  const struct account **ret, struct errinfo *ei)
{
    _cleanup_(attempt_done) struct attempt t;
    int r = attempt_begin(&t, a, p, AUTH_PASS, user, ei);
    if (r == 0)
        r = attempt_verify(&t, password, ei);
    return r < 0 ? r : attempt_finish(&t, r == 1, ret, ei);
}

/* password NULL: asks for the account only. */
static bool is_fast(struct accounts *a, struct sv user, const struct sv *password)
{
    struct addr key;
    _cleanup_(account_objp) struct account_obj *acc = NULL;
    _cleanup_(password_objp) struct password_obj *pw = NULL;
    {
        _cleanup_(view_done) struct view v;
        view_init(&v, a);
        int r = lookup_login(&v, user, &key, &acc, NULL);
        if (r == 0)
            r = load_password(&v, acc->acc.id, &pw, NULL);
        if (r < 0 && r != E_NOTFOUND)
            return false;
    }
    if (!acc || !*pw->scheme)
        return mimic_is_fast(a, key.n ? addr_sv(&key) : sv_take(user, 320));
    if (password_is_fast(pw->scheme))
        return true;
    if (!password)
        return verified_has(a->verified, pw->account_id, pw->version);
    return app_password_match(pw, *password) || password->n > PASSWORD_MAX ||
           verified_is(a->verified, pw->account_id, pw->version, *password);
}

bool auth_is_fast(struct accounts *a, struct sv user)
{
    return is_fast(a, user, NULL);
}

bool auth_is_fast_with(struct accounts *a, struct sv user, struct sv password)
{
    return is_fast(a, user, &password);
}

/* Indexes of auth.plain_without_tls. */
enum { PLAIN_NEVER, PLAIN_TRUSTED, PLAIN_ALWAYS };

static bool plain_allowed(const struct conf *cf, const struct auth_peer *p)
{
    if (cf->auth.no_plain)
        return false;
    return p->tls || cf->auth.plain_without_tls == PLAIN_ALWAYS ||
           (p->trusted && cf->auth.plain_without_tls == PLAIN_TRUSTED);
}

bool auth_plain_allowed(const struct auth_peer *p)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return plain_allowed(cf, p);
}

static bool switched_on(const struct conf *cf, enum mech_id id)
{
    switch (id) {
    case MECH_SCRAM_SHA256_PLUS:
        return cf->auth.scram_sha256_plus;
    case MECH_SCRAM_SHA1_PLUS:
        return cf->auth.scram_sha1_plus;
    case MECH_SCRAM_SHA256:
        return cf->auth.scram_sha256;
    case MECH_SCRAM_SHA1:
        return cf->auth.scram_sha1;
    case MECH_DIGEST_MD5:
        return cf->auth.digest_md5;
    case MECH_CRAM_MD5:
        return cf->auth.cram_md5;
    case MECH_PLAIN:
        return cf->auth.plain;
    case MECH_LOGIN:
        return cf->auth.login;
    case MECH_COUNT:
        break;
    }
    return false;
}

/* Strongest first: clients take the first one they know. */
const struct mech mechs[MECH_COUNT] = {
    [MECH_SCRAM_SHA256_PLUS] = { "SCRAM-SHA-256-PLUS", AUTH_SCRAM_SHA256_PLUS, false, true },
    [MECH_SCRAM_SHA1_PLUS] = { "SCRAM-SHA-1-PLUS", AUTH_SCRAM_SHA1_PLUS, false, true },
    [MECH_SCRAM_SHA256] = { "SCRAM-SHA-256", AUTH_SCRAM_SHA256, false, false },
    [MECH_SCRAM_SHA1] = { "SCRAM-SHA-1", AUTH_SCRAM_SHA1, false, false },
    [MECH_DIGEST_MD5] = { "DIGEST-MD5", AUTH_DIGEST_MD5, false, false },
    [MECH_CRAM_MD5] = { "CRAM-MD5", AUTH_CRAM_MD5, false, false },
    [MECH_PLAIN] = { "PLAIN", AUTH_PASS, true, false },
    [MECH_LOGIN] = { "LOGIN", AUTH_PASS, true, false },
};

bool mech_offered(const struct auth_peer *p, enum mech_id id)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (!switched_on(cf, id) || (mechs[id].clear_text && !plain_allowed(cf, p)))
        return false;
    return !mechs[id].plus || (p->tls && p->cb_type && p->cb_data.n > 0);
}

int auth_mechanisms(const struct auth_peer *p, const char *prefix, const char *sep, struct buf *out)
{
    bool first = true;
    for (int id = 0; id < MECH_COUNT; id++) {
        if (!mech_offered(p, (enum mech_id)id))
            continue;
        buf_addf(out, "%s%s%s", first ? "" : sep, prefix, mechs[id].name);
        first = false;
    }
    return out->overflow ? -ENOMEM : 0;
}
