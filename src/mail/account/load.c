/* Rows of the system database -> counted objects, through the caches. Any thread; blocks on the
 * database only when the caches do not know. */
#include "mail/account/accounts_priv.h"

#include <openssl/crypto.h>

#include "base/codec.h"
#include "base/slab.h"
#include "mail/account/limit.h"

static struct slab accounts = SLAB_OF(struct account_obj);
static struct slab passwords = SLAB_OF(struct password_obj);

void view_init(struct view *v, struct accounts *a)
{
    *v = (struct view){ .a = a, .cf = conf_pin() };
    v->stamp = accounts_stamp(v->cf);
}

void view_done(struct view *v)
{
    if (v->c)
        db_put(v->c);
    conf_unref(v->cf);
}

int view_db(struct view *v, struct errinfo *ei)
{
    return v->c ? 0 : view_error(db_get(v->a->db, &v->c, ei), ei);
}

int view_error(int r, struct errinfo *ei)
{
    if (r >= 0 || r == E_NOTFOUND)
        return r;
    if (ei)
        ei->code = E_TEMP;
    return E_TEMP;
}

/* --- domains --- */

void domain_from_row(struct db_stmt *s, struct domain *d)
{
    int64_t action = db_col_int(s, 4);
    d->id = db_col_int(s, 0);
    d->name = sv_dup(db_col_text(s, 1));
    d->enabled = db_col_int(s, 2) != 0;
    d->primary = db_col_int(s, 3) != 0;
    d->unknown = action == UNKNOWN_FORWARD  ? UNKNOWN_FORWARD
                 : action == UNKNOWN_DELETE ? UNKNOWN_DELETE
                                            : UNKNOWN_REJECT;
    d->unknown_to = sv_dup(db_col_text(s, 5));
    d->quota_bytes = db_col_int(s, 6);
    d->max_message_bytes = db_col_int(s, 7);
    d->type = db_col_int(s, 8) == DOMAIN_BACKUP ? DOMAIN_BACKUP : DOMAIN_LOCAL;
    d->backup_host = sv_dup(db_col_text(s, 9));
    d->fetched_by_id = db_col_int(s, 10);
    d->fetched_by = sv_dup(db_col_text(s, 11));
    domain_limits_from_row(s, 12, d->limit);
}

void domain_fields_free(struct domain *d)
{
    free(d->name);
    free(d->unknown_to);
    free(d->backup_host);
    free(d->fetched_by);
}

static void domain_obj_free(struct obj *o)
{
    struct domain_obj *d = container_of(o, struct domain_obj, o);
    domain_fields_free(&d->d);
    free(d);
}

static struct obj *domain_make(struct db_stmt *s)
{
    struct domain_obj *d = xcalloc(1, sizeof(*d));
    obj_init(&d->o, domain_obj_free);
    domain_from_row(s, &d->d);
    return &d->o;
}

/* --- accounts --- */

static void account_obj_free(struct obj *o)
{
    struct account_obj *a = container_of(o, struct account_obj, o);
    slab_text_free(a->acc.address);
    slab_text_free(a->acc.local);
    slab_text_free(a->acc.domain);
    slab_text_free(a->acc.name);
    options_free(&a->acc);
    slab_free(&accounts, a);
}

/* A value that this program does not know gives no rights. */
static enum account_role role_of(int64_t v)
{
    return v == ROLE_SYSTEM_ADMIN   ? ROLE_SYSTEM_ADMIN
           : v == ROLE_DOMAIN_ADMIN ? ROLE_DOMAIN_ADMIN
                                    : ROLE_USER;
}

struct account_obj *account_from_row(struct db_stmt *s)
{
    struct account_obj *a = slab_alloc(&accounts);
    struct sv address = db_col_text(s, 2);
    ssize_t at = sv_rfind(address, '@');
    size_t local = at < 0 ? address.n : (size_t)at;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t quota = db_col_int(s, 5), domain_quota = db_col_int(s, 9);
    obj_init(&a->o, account_obj_free);
    a->acc = (struct account){
        .id = db_col_int(s, 0),
        .domain_id = db_col_int(s, 1),
        .address = slab_text(address),
        .local = slab_text(sv_take(address, local)),
        .domain = slab_text(sv_skip(address, local + 1)),
        .name = slab_text(db_col_text(s, 3)),
        .enabled = db_col_int(s, 4) != 0,
        .quota_bytes = quota          ? quota
                       : domain_quota ? domain_quota
                                      : cf->mailbox.quota,
        .soft_quota_bytes = db_col_int(s, 6),
        .max_message_bytes = limit_of(db_col_int(s, 7), db_col_int(s, 10), 0).max,
        .local_only = db_col_int(s, 8) != 0,
        .role = role_of(db_col_int(s, 12)),
    };
    a->domain_enabled = db_col_int(s, 11) != 0;
    domain_limits_from_row(s, 14, a->acc.domain_limit);
    if (!db_col_null(s, 13))
        a->acc.option[OPT_KIND] = sv_dup(db_col_text(s, 13));
    return a;
}

static struct obj *account_make(struct db_stmt *s)
{
    return &account_from_row(s)->o;
}

static int account_fill(struct view *v, struct obj *o, struct errinfo *ei)
{
    return options_load(v, &container_of(o, struct account_obj, o)->acc, ei);
}

/* --- one row through the caches --- */

struct lookup {
    char kind;
    struct sv key;
    const char *sql, *fmt; /* the parameter is num for "i", key for "v" */
    int64_t num;
    struct obj *(*make)(struct db_stmt *s);
    int (*fill)(struct view *v, struct obj *o, struct errinfo *ei); /* the rest; may be NULL */
};

static int load_one(struct view *v, const struct lookup *l, struct obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    if (l->kind && accounts_cached(v->a, l->kind, l->key, v->stamp, &o)) {
        *ret = o;
        return o ? 0 : E_NOTFOUND;
    }
    int r = view_db(v, ei);
    if (r < 0)
        return r;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    if (l->fmt[0] == 'i')
        r = db_query(v->c, &s, ei, l->sql, "i", l->num);
    else
        r = db_query(v->c, &s, ei, l->sql, l->fmt, l->key);
    if (r == 0)
        r = db_step(s, ei);
    if (r < 0)
        return view_error(r, ei);
    if (r == 1)
        o = l->make(s);
    r = o && l->fill ? l->fill(v, o, ei) : 0;
    if (r < 0) {
        obj_unref(o);
        return view_error(r, ei);
    }
    if (l->kind)
        accounts_remember(v->a, l->kind, l->key, v->stamp, o);
    *ret = o;
    return o ? 0 : E_NOTFOUND;
}

int load_domain(struct view *v, struct sv name, struct domain_obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    int r = load_one(v,
                     &(struct lookup){ .kind = KEY_DOMAIN,
                                       .key = name,
                                       .sql = DOMAIN_COLUMNS " WHERE name = ?",
                                       .fmt = "v",
                                       .make = domain_make },
                     &o, ei);
    if (r == 0)
        *ret = container_of(o, struct domain_obj, o);
    return r;
}

int load_primary(struct view *v, struct domain_obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    int r = load_one(v,
                     &(struct lookup){ .kind = KEY_PRIMARY,
                                       .key = SV(""),
                                       .sql = DOMAIN_COLUMNS " WHERE is_primary = ?",
                                       .fmt = "i",
                                       .num = 1,
                                       .make = domain_make },
                     &o, ei);
    if (r == 0)
        *ret = container_of(o, struct domain_obj, o);
    return r;
}

int load_account(struct view *v, struct sv address, struct account_obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    int r = load_one(v,
                     &(struct lookup){ .kind = KEY_ADDRESS,
                                       .key = address,
                                       .sql = ACCOUNT_COLUMNS " WHERE a.address = ?",
                                       .fmt = "v",
                                       .make = account_make,
                                       .fill = account_fill },
                     &o, ei);
    if (r == 0)
        *ret = container_of(o, struct account_obj, o);
    return r;
}

int load_account_id(struct view *v, int64_t id, struct account_obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    int r = load_one(v,
                     &(struct lookup){ .kind = KEY_ID,
                                       .key = key_id(&id),
                                       .sql = ACCOUNT_COLUMNS " WHERE a.id = ?",
                                       .fmt = "i",
                                       .num = id,
                                       .make = account_make,
                                       .fill = account_fill },
                     &o, ei);
    if (r == 0)
        *ret = container_of(o, struct account_obj, o);
    return r;
}

int load_first_account(struct view *v, int64_t domain_id, struct account_obj **ret,
                       struct errinfo *ei)
{
    struct obj *o = NULL;
    int r =
        load_one(v,
                 &(struct lookup){ .sql = ACCOUNT_COLUMNS " WHERE a.domain_id = ? AND a.enabled = 1"
                                                          " ORDER BY a.id LIMIT 1",
                                   .fmt = "i",
                                   .num = domain_id,
                                   .make = account_make,
                                   .fill = account_fill },
                 &o, ei);
    if (r == 0)
        *ret = container_of(o, struct account_obj, o);
    return r;
}

/* --- credentials --- */

static void wipe(char *s)
{
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    slab_text_free(s);
}

static void password_obj_free(struct obj *o)
{
    struct password_obj *p = container_of(o, struct password_obj, o);
    wipe(p->hash);
    wipe(p->plain);
    slab_text_free(p->scheme);
    OPENSSL_cleanse(p->scram, sizeof(p->scram));
    free(p->app);
    slab_free(&passwords, p);
}

static void password_from_row(struct db_stmt *s, struct password_obj *p)
{
    p->scheme = slab_text(db_col_text(s, 0));
    p->hash = slab_text(db_col_text(s, 1));
    /* Keys that do not parse count as missing: they are made again at the next plain login. */
    if (scram_keys_parse(SCRAM_SHA1, db_col_text(s, 2), &p->scram[SCRAM_SHA1]) < 0)
        p->scram[SCRAM_SHA1].iterations = 0;
    if (scram_keys_parse(SCRAM_SHA256, db_col_text(s, 3), &p->scram[SCRAM_SHA256]) < 0)
        p->scram[SCRAM_SHA256].iterations = 0;
    p->plain = db_col_null(s, 4) ? NULL : slab_text(db_col_text(s, 4));
    p->version = db_col_int(s, 5);
}

static bool fixed_hex(struct sv text, uint8_t *ret, size_t n)
{
    struct buf b;
    buf_init(&b, n + 1);
    bool ok = hex_dec(text, &b) == 0 && b.n == n;
    if (ok)
        memcpy(ret, b.p, n);
    buf_done(&b);
    return ok;
}

static int read_app_passwords(struct dbc *c, int64_t account_id, struct password_obj *p,
                              struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     "SELECT id, salt, hash, used_s FROM app_password WHERE account_id = ?"
                     " ORDER BY id",
                     "i", account_id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        struct app_password w = { .id = db_col_int(s, 0) };
        r = 0;
        if (!fixed_hex(db_col_text(s, 1), w.salt, sizeof(w.salt)) ||
            !fixed_hex(db_col_text(s, 2), w.hash, sizeof(w.hash)))
            continue;
        p->app = xrealloc(p->app, (p->n_app + 1) * sizeof(*p->app));
        atomic_init(&w.used_s, db_col_int(s, 3));
        p->app[p->n_app++] = w;
    }
    return r;
}

static int read_password(struct dbc *c, int64_t account_id, struct password_obj *p,
                         struct errinfo *ei)
{
    {
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        int r = db_query(c, &s, ei,
                         "SELECT scheme, hash, scram_sha1, scram_sha256, plain, version"
                         " FROM password WHERE account_id = ?",
                         "i", account_id);
        if (r == 0)
            r = db_step(s, ei);
        if (r < 0)
            return r;
        if (r == 1)
            password_from_row(s, p);
    }
    return read_app_passwords(c, account_id, p, ei);
}

int load_password_fresh(struct view *v, int64_t account_id, struct password_obj **ret,
                        struct errinfo *ei)
{
    int r = view_db(v, ei);
    if (r < 0)
        return r;
    _cleanup_(password_objp) struct password_obj *p = slab_alloc(&passwords);
    obj_init(&p->o, password_obj_free);
    p->account_id = account_id;
    r = read_password(v->c, account_id, p, ei);
    if (r < 0)
        return view_error(r, ei);
    if (!p->scheme) {
        p->scheme = slab_text(SV(""));
        p->hash = slab_text(SV(""));
    }
    accounts_remember(v->a, KEY_PASSWORD, key_id(&account_id), v->stamp, &p->o);
    *ret = take_ptr(p);
    return 0;
}

int load_password(struct view *v, int64_t account_id, struct password_obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    if (accounts_cached(v->a, KEY_PASSWORD, key_id(&account_id), v->stamp, &o) && o) {
        *ret = container_of(o, struct password_obj, o);
        return 0;
    }
    return load_password_fresh(v, account_id, ret, ei);
}
