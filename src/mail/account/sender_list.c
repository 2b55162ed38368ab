/* Table sender_list. An owner's whole list is one object of the cache. */
#include "mail/account/sender_list.h"

#include "base/clock.h"
#include "base/hash.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/filter_store.h"
#include "mail/account/pattern.h"

/* --- asking --- */

struct names { /* of patterns, without brackets */
    char **v;
    size_t n;
};

struct senders_obj {
    struct obj o;
    struct map *verdicts;     /* sender -> &verdict_of[allow] */
    struct names patterns[2]; /* by allow */
};
static enum sender_verdict verdict_of[] = { SENDER_DENY, SENDER_ALLOW };

static void senders_free(struct obj *o)
{
    struct senders_obj *x = container_of(o, struct senders_obj, o);
    map_free(x->verdicts, NULL);
    for (size_t allow = 0; allow < 2; allow++) {
        for (size_t i = 0; i < x->patterns[allow].n; i++)
            free(x->patterns[allow].v[i]);
        free(x->patterns[allow].v);
    }
    free(x);
}

static void add_entry(struct senders_obj *x, struct sv sender, bool allow)
{
    struct names *names = &x->patterns[allow];
    map_put(x->verdicts, sender, &verdict_of[allow]);
    if (!pattern_is_name(sender))
        return;
    names->v = xrealloc(names->v, (names->n + 1) * sizeof(*names->v));
    names->v[names->n++] = sv_dup(pattern_inner(sender));
}

/* *ret NULL: the list is empty. */
static int read_list(struct dbc *c, int64_t owner, struct senders_obj **ret, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    struct senders_obj *x = xcalloc(1, sizeof(*x));
    obj_init(&x->o, senders_free);
    x->verdicts = map_new();
    int r = db_query(c, &s, ei, "SELECT sender, allow FROM sender_list WHERE domain_id = ?", "i",
                     owner);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        add_entry(x, db_col_text(s, 0), db_col_int(s, 1) != 0);
        r = 0;
    }
    *ret = r == 0 && map_count(x->verdicts) ? x : NULL;
    if (!*ret)
        obj_unref(&x->o);
    return r;
}

/* 1 = one fits. */
static int fits_one(struct view *v, const struct names *names, struct sv sender)
{
    int r = 0;
    for (size_t i = 0; i < names->n && r == 0; i++)
        r = pattern_fits_view(v, sv_c(names->v[i]), sender, NULL);
    return r;
}

static int find(struct view *view, const struct senders_obj *x, const struct addr *sender,
                enum sender_verdict *ret)
{
    const enum sender_verdict *v = map_get(x->verdicts, addr_sv(sender));
    struct sv domain = addr_domain(sender);
    for (int allow = 1; allow >= 0 && !v; allow--) {
        int r = fits_one(view, &x->patterns[allow], addr_sv(sender));
        if (r < 0)
            return r;
        v = r ? &verdict_of[allow] : NULL;
    }
    while (!v && domain.n) {
        v = map_get(x->verdicts, domain);
        (void)sv_split(&domain, '.');
    }
    *ret = v ? *v : SENDER_UNKNOWN;
    return 0;
}

static int ask(struct view *v, int64_t owner, const struct addr *sender, enum sender_verdict *ret)
{
    struct sv key = key_id(&owner);
    struct senders_obj *x = NULL;
    struct obj *o = NULL;
    *ret = SENDER_UNKNOWN;
    if (accounts_cached(v->a, KEY_SENDERS, key, v->stamp, &o)) {
        x = o ? container_of(o, struct senders_obj, o) : NULL;
    } else {
        int r = view_db(v, NULL);
        if (r == 0)
            r = read_list(v->c, owner, &x, NULL);
        if (r < 0)
            return view_error(r, NULL);
        accounts_remember(v->a, KEY_SENDERS, key, v->stamp, x ? &x->o : NULL);
    }
    int r = x ? find(v, x, sender, ret) : 0;
    if (x)
        obj_unref(&x->o);
    return r;
}

int account_sender_verdict(struct accounts *a, int64_t domain_id, struct sv sender,
                           enum sender_verdict *ret)
{
    _cleanup_(view_done) struct view v;
    struct addr address;
    int r = 0;
    *ret = SENDER_UNKNOWN;
    view_init(&v, a);
    if (!sender.n || addr_parse(sender, &address, NULL) < 0)
        return 0;
    if (domain_id)
        r = ask(&v, domain_id, &address, ret);
    if (r == 0 && *ret == SENDER_UNKNOWN)
        r = ask(&v, 0, &address, ret);
    return r;
}

/* --- names --- */

int sender_name(struct sv text, char ret[ADDR_MAX + 1], struct errinfo *ei)
{
    struct addr a;
    size_t n = 0;
    int r;
    text = sv_trim(text);
    if (pattern_is_name(text)) {
        for (r = 0; n < text.n; n++)
            ret[n] = ascii_lower(text.p[n]);
        ret[n] = '\0';
    } else if (sv_find(text, '@') < 0) {
        r = text.n ? addr_parse_domain(text, ret, &n, NULL) : E_PARSE;
    } else {
        r = addr_parse(text, &a, NULL);
        if (r == 0)
            (void)sv_copy(ret, ADDR_MAX + 1, addr_sv(&a));
    }
    return r < 0
               ? err_set(ei, r, "sender: '" SV_FMT "' is no address and no domain, nor a [pattern]",
                         SV_ARG(sv_take(text, 100)))
               : 0;
}

static int find_owner(struct accounts *a, struct sv owner, int64_t *ret, struct errinfo *ei)
{
    enum filter_level level;
    int r = filters_owner(a, owner, &level, ret, ei);
    if (r == 0 && level == FILTER_ACCOUNT)
        r = err_set(ei, E_UNSUPPORTED, "owner: lists of senders are of the server and of domains");
    return r;
}

#define SELECT_LISTS(comparison)                                                                   \
    "SELECT l.sender, l.allow, l.changed_ms, l.admin, l.domain_id, COALESCE(d.name, '')"           \
    " FROM sender_list l LEFT JOIN domain d ON d.id = l.domain_id"                                 \
    " WHERE l.domain_id " comparison " ? ORDER BY l.domain_id, l.sender"

int senders_each(struct accounts *a, struct sv owner,
                 bool (*fn)(const struct sender_entry *, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int64_t id = 0;
    int r = owner.p ? find_owner(a, owner, &id, ei) : 0;
    if (r == 0)
        r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei, owner.p ? SELECT_LISTS("=") : SELECT_LISTS(">="), "i", id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        _cleanup_(freep) char *sender = sv_dup(db_col_text(s, 0)),
                              *admin = sv_dup(db_col_text(s, 3)), *name = sv_dup(db_col_text(s, 5));
        struct sender_entry e = { .owner_id = db_col_int(s, 4),
                                  .owner = name,
                                  .sender = sender,
                                  .allow = db_col_int(s, 1) != 0,
                                  .changed_ms = db_col_int(s, 2),
                                  .admin = admin };
        r = fn(&e, arg) ? 0 : 1;
    }
    return MIN(r, 0);
}

/* --- changes --- */

struct senders_change {
    int64_t owner;
    char (*senders)[ADDR_MAX + 1];
    size_t n;
    bool allow;
    size_t changed;
};

static const char *word(int64_t allow)
{
    return allow ? "allow" : "deny";
}

static int note(struct change *ch, const char *sender, const char *was, const char *is)
{
    char field[ADDR_MAX + 20];
    snprintf(field, sizeof(field), "sender %s", sender);
    return change_note(ch, field, was, is);
}

static int put_one(struct change *ch, struct senders_change *x, const char *sender)
{
    int64_t was = 0;
    int r = db_value(ch->c, &was, NULL,
                     "SELECT allow FROM sender_list WHERE domain_id = ? AND sender = ?", "is",
                     x->owner, sender);
    bool there = r == 0;
    if (r < 0 && r != E_NOTFOUND)
        return err_set(ch->ei, r, "cannot read the list of senders");
    if (there && was == x->allow)
        return 0;
    if (pattern_is_name(sv_c(sender))) {
        r = pattern_exists(ch, pattern_inner(sv_c(sender)));
        if (r < 0)
            return value_fault(ch->ei, "sender", r == E_NOTFOUND ? E_PARSE : r);
    }
    x->changed++;
    if (there)
        r = db_run(ch->c, ch->ei,
                   "UPDATE sender_list SET allow = ?, changed_ms = ?, admin = ?"
                   " WHERE domain_id = ? AND sender = ?",
                   "iisis", (int64_t)x->allow, clock_wall_ms(), ch->admin, x->owner, sender);
    else
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO sender_list (domain_id, sender, allow, changed_ms, admin)"
                   " VALUES (?, ?, ?, ?, ?)",
                   "isiis", x->owner, sender, (int64_t)x->allow, clock_wall_ms(), ch->admin);
    if (r == E_CONFLICT)
        r = E_TEMP; /* somebody else was faster */
    return r < 0 ? r : note(ch, sender, there ? word(was) : NULL, word(x->allow));
}

static int put_in(struct change *ch, void *arg)
{
    struct senders_change *x = arg;
    int64_t n = 0;
    int r = 0;
    x->changed = 0;
    for (size_t i = 0; i < x->n && r == 0; i++)
        r = put_one(ch, x, x->senders[i]);
    if (r == 0)
        r = db_value(ch->c, &n, NULL, "SELECT COUNT(*) FROM sender_list WHERE domain_id = ?", "i",
                     x->owner);
    if (r == 0 && n > SENDERS_MAX)
        r = err_set(ch->ei, E_LIMIT, "there would be %" PRId64 " senders, at most %d are allowed",
                    n, SENDERS_MAX);
    return r;
}

static int remove_in(struct change *ch, void *arg)
{
    struct senders_change *x = arg;
    int64_t was = 0;
    int r = db_value(ch->c, &was, NULL,
                     "SELECT allow FROM sender_list WHERE domain_id = ? AND sender = ?", "is",
                     x->owner, x->senders[0]);
    if (r == E_NOTFOUND)
        return err_set(ch->ei, r, "sender: '%.150s' is not in the list", x->senders[0]);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM sender_list WHERE domain_id = ? AND sender = ?",
                   "is", x->owner, x->senders[0]);
    return r < 0 ? r : note(ch, x->senders[0], word(was), NULL);
}

static int change(struct accounts *a, const char *admin, struct sv owner, const struct sv *senders,
                  struct senders_change *x, int (*fn)(struct change *, void *), struct errinfo *ei)
{
    char domain[ADDR_DOMAIN_MAX + 1] = "server";
    size_t n;
    int r = find_owner(a, owner, &x->owner, ei);
    if (r == 0 && x->owner)
        r = addr_parse_domain(sv_trim(owner), domain, &n, ei);
    x->senders = xcalloc(x->n + 1, sizeof(*x->senders));
    for (size_t i = 0; i < x->n && r == 0; i++)
        r = sender_name(senders[i], x->senders[i], ei);
    if (r == 0)
        r = change_run(a, admin, x->owner ? "domain" : "senders of the", sv_c(domain), fn, x, ei);
    free(x->senders);
    return r;
}

int senders_put(struct accounts *a, const char *admin, struct sv owner, const struct sv *senders,
                size_t n, bool allow, size_t *ret, struct errinfo *ei)
{
    struct senders_change x = { .n = n, .allow = allow };
    int r = change(a, admin, owner, senders, &x, put_in, ei);
    if (ret)
        *ret = x.changed;
    return r;
}

int senders_remove(struct accounts *a, const char *admin, struct sv owner, struct sv sender,
                   struct errinfo *ei)
{
    struct senders_change x = { .n = 1 };
    return change(a, admin, owner, &sender, &x, remove_in, ei);
}
