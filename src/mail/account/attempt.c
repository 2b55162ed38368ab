/* The life of a login attempt. Refusals look and cost the same for unknown, disabled and known
 * users. */
#include "mail/account/attempt.h"

#include "base/clock.h"
#include "event/event.h"
#include "mail/account/app_password.h"
#include "mail/account/later.h"
#include "mail/account/mimic.h"
#include "mail/account/password.h"
#include "mail/account/verified.h"
#include "stats/failures.h"
#include "stats/shm.h"

#define TYPED_MAX 320

struct sv attempt_key(const struct attempt *t)
{
    return t->key.n ? addr_sv(&t->key) : sv_c(t->typed);
}

bool attempt_locked(struct attempt *t)
{
    char ip[64];
    if (failures_locked(FAILURE_NAME, attempt_key(t)))
        return true;
    return !t->peer->trusted && failures_locked(FAILURE_IP, failures_ip_key(t->peer->ip, ip));
}

static void tell_failed(const struct attempt *t, const char *reason)
{
    event(auth_failed, log_here(), F_STR(proto, t->peer->service), F_ADDR(user, t->typed),
          F_INT(method, t->method), F_STR(reason, reason));
}

int attempt_refuse(struct attempt *t, struct errinfo *ei)
{
    tell_failed(t, "locked after too many failures");
    return err_set(ei, E_LIMIT, "login: too many failures; try again later");
}

static int find(struct attempt *t, struct errinfo *ei)
{
    _cleanup_(view_done) struct view v;
    view_init(&v, t->a);
    int r = lookup_login(&v, sv_c(t->typed), &t->key, &t->account, ei);
    if (r == 0)
        r = load_password(&v, t->account->acc.id, &t->pw, ei);
    return r == E_NOTFOUND ? 0 : r;
}

int attempt_begin(struct attempt *t, struct accounts *a, const struct auth_peer *p,
                  enum auth_method method, struct sv user, struct errinfo *ei)
{
    *t = (struct attempt){ .a = a, .peer = p, .method = method };
    /* A NUL would hide the rest of the name from the log. */
    struct sv name = sv_take(user, TYPED_MAX);
    const char *nul = name.n ? memchr(name.p, 0, name.n) : NULL;
    t->typed = sv_dup(nul ? SV("") : name);
    int r = find(t, ei);
    if (r < 0)
        return r;
    return attempt_locked(t) ? attempt_refuse(t, ei) : 0;
}

void attempt_done(struct attempt *t)
{
    free(t->typed);
    if (t->account)
        obj_unref(&t->account->o);
    if (t->pw)
        obj_unref(&t->pw->o);
    *t = (struct attempt){ 0 };
}

static void note_app_used(struct attempt *t, struct app_password *app)
{
    int64_t now = clock_wall_s();
    int64_t was = atomic_load(&app->used_s);
    if (now - was >= 60 && atomic_compare_exchange_strong(&app->used_s, &was, now))
        later_app_used(t->a, app->id, now);
}

/* Is it an app password that is good here? */
static bool is_app_password(struct attempt *t, struct sv password)
{
    struct app_password *app = app_password_match(t->pw, password);
    if (!app)
        return false;
    t->app_misused = t->peer->own_password;
    if (!t->app_misused)
        note_app_used(t, app);
    return !t->app_misused;
}

static int check_hash(struct attempt *t, struct sv password)
{
    int r = password_verify(t->pw->scheme, t->pw->hash, password);
    if (r >= 0)
        return r;
    log_error("account %s: the stored password of scheme '%s' cannot be used (%s); set it again",
              t->account->acc.address, t->pw->scheme, err_name(r));
    return 0;
}

static int check_slow(struct attempt *t, struct sv password)
{
    hash_enter(t->a);
    /* Those who waited here while others failed are locked out by now. */
    int r = attempt_locked(t) ? E_LIMIT : check_hash(t, password);
    hash_leave(t->a);
    if (r == 1)
        verified_put(t->a->verified, t->pw->account_id, t->pw->version, password);
    return r;
}

static bool is_plain(const struct password_obj *p)
{
    return strcmp(p->scheme, "PLAIN") == 0 || strcmp(p->scheme, "CLEARTEXT") == 0;
}

const char *attempt_plain(const struct attempt *t)
{
    if (!t->pw)
        return NULL;
    return is_plain(t->pw) ? t->pw->hash : t->pw->plain;
}

static bool lacks_scram(const struct password_obj *p)
{
    return !is_plain(p) &&
           (p->scram[SCRAM_SHA1].iterations == 0 || p->scram[SCRAM_SHA256].iterations == 0);
}

int attempt_verify(struct attempt *t, struct sv password, struct errinfo *ei)
{
    if (!t->account || !*t->pw->scheme) {
        mimic_burn(t->a, attempt_key(t), password);
        return t->account && is_app_password(t, password);
    }
    bool fast = password_is_fast(t->pw->scheme);
    int r = 0;
    if (fast)
        r = check_hash(t, password);
    else if (password.n <= PASSWORD_MAX)
        r = verified_is(t->a->verified, t->pw->account_id, t->pw->version, password);
    if (r == 1) {
        if (lacks_scram(t->pw) && t->account->acc.enabled)
            later_store_scram(t->a, t->pw->account_id, t->pw->version, password);
        return 1;
    }
    if (is_app_password(t, password))
        return 1;
    if (fast)
        return 0;
    r = check_slow(t, password);
    if (r == 1 && lacks_scram(t->pw) && t->account->acc.enabled)
        later_store_scram(t->a, t->pw->account_id, t->pw->version, password);
    return r == E_LIMIT ? attempt_refuse(t, ei) : r;
}

static void count_failure(struct attempt *t)
{
    char ip[64];
    bool locked = false;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t minutes = (cf->auth.lock_time + 59999) / 60000;
    unsigned n = failures_add(FAILURE_NAME, attempt_key(t), cf->auth.max_failures,
                              cf->auth.lock_time, &locked);
    const char *service = t->peer->service;
    event(auth_failure_counted, log_here(), F_STR(proto, service), F_INT(count, n),
          F_ADDR(user, t->typed));
    if (locked)
        event(auth_user_locked, log_here(), F_STR(proto, service), F_INT(minutes, minutes),
              F_ADDR(user, t->typed));
    if (t->peer->trusted)
        return;
    failures_add(FAILURE_IP, failures_ip_key(t->peer->ip, ip), cf->auth.max_failures_ip,
                 cf->auth.lock_time, &locked);
    if (locked)
        event(auth_address_locked, log_here(), F_STR(proto, service), F_INT(minutes, minutes),
              F_IP(address, ip));
}

static const char *why_wrong(const struct attempt *t)
{
    return !t->account                   ? "no such user"
           : !t->account->acc.enabled    ? "the account is disabled"
           : !t->account->domain_enabled ? "the domain is disabled"
           : t->app_misused              ? "an app password is not taken here"
                                         : "wrong password";
}

int attempt_finish(struct attempt *t, bool right, const struct account **ret, struct errinfo *ei)
{
    const char *service = t->peer->service;
    if (!right || !t->account || !t->account->acc.enabled || !t->account->domain_enabled) {
        count_failure(t);
        tell_failed(t, why_wrong(t));
        return err_set(ei, E_AUTH, "login: wrong user name or password");
    }
    struct sv address = sv_c(t->account->acc.address);
    if (failures_clear(FAILURE_NAME, attempt_key(t)) > 0)
        event(auth_failures_cleared, log_here(), F_STR(proto, service), F_ADDR(user, address));
    /* The address keeps its count: one good account must not buy an attacker more guesses. */
    event(auth_succeeded, log_here(), F_STR(proto, service), F_ADDR(user, address),
          F_INT(method, t->method));
    obj_ref(&t->account->o);
    *ret = &t->account->acc;
    return 0;
}
