/* Compiled rules from the cache, and counting their hits. Hits wait in memory for a thread that
 * exists only while there are some; it writes about once a second. */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "log/log.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/filter_hits.h"
#include "mail/account/filter_store.h"

enum { MAX_PENDING = 10000 }; /* rules with hits that are not written yet */

struct list_obj {
    struct obj o;
    struct filter_list l;
};

static void list_free(struct obj *o)
{
    struct list_obj *x = container_of(o, struct list_obj, o);
    filter_rules_done(&x->l.rules);
    free(x->l.name);
    free(x);
}

void filter_list_unref(const struct filter_list *l)
{
    if (l)
        obj_unref(&container_of((struct filter_list *)(uintptr_t)l, struct list_obj, l)->o);
}

/* --- compiling --- */

/* A rule of a newer program that this one cannot read is left out. */
static void add_rule(struct filter_list *l, struct sv text)
{
    struct filter_rules one;
    struct errinfo ei = { 0 };
    if (filter_parse(text, &one, &ei) < 0 || one.n != 1) {
        log_error("a filter rule of %s cannot be read and is left out: %s", l->name, ei.text);
        filter_rules_done(&one);
        return;
    }
    struct filter_rule *rule = one.v[0];
    free(one.v);
    l->rules.v = xrealloc(l->rules.v, (l->rules.n + 1) * sizeof(struct filter_rule *));
    l->rules.v[l->rules.n++] = rule;
    l->slow |= rule->slow && !rule->off;
}

static int owner_name(struct dbc *c, enum filter_level level, int64_t owner, char **ret,
                      struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    if (level == FILTER_SERVER) {
        *ret = xstrdup("server");
        return 0;
    }
    int r = db_query(c, &s, ei,
                     level == FILTER_DOMAIN ? "SELECT name FROM domain WHERE id = ?"
                                            : "SELECT address FROM account WHERE id = ?",
                     "i", owner);
    if (r == 0)
        r = db_step(s, ei);
    *ret = r == 1 ? sv_dup(db_col_text(s, 0)) : xstrdup("");
    return MIN(r, 0);
}

static int compile(struct dbc *c, enum filter_level level, int64_t owner, struct list_obj **ret,
                   struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    struct list_obj *x = xcalloc(1, sizeof(*x));
    obj_init(&x->o, list_free);
    x->l.level = level;
    x->l.owner = owner;
    int r = owner_name(c, level, owner, &x->l.name, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT content FROM mail_filter WHERE level = ? AND owner_id = ?"
                     " ORDER BY place, name",
                     "ii", (int64_t)level, owner);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        add_rule(&x->l, db_col_blob(s, 0));
        r = 0;
    }
    bool any = false;
    for (size_t i = 0; i < x->l.rules.n; i++)
        any |= !x->l.rules.v[i]->off;
    *ret = r == 0 && any ? x : NULL;
    if (!*ret)
        obj_unref(&x->o);
    return r;
}

int account_filters(struct accounts *a, enum filter_level level, int64_t owner,
                    const struct filter_list **ret, struct errinfo *ei)
{
    _cleanup_(view_done) struct view v;
    const int64_t key[2] = { level, owner };
    struct sv k = sv_n(key, sizeof(key));
    struct list_obj *x = NULL;
    struct obj *o = NULL;
    view_init(&v, a);
    if (accounts_cached(a, KEY_FILTERS, k, v.stamp, &o)) {
        x = o ? container_of(o, struct list_obj, o) : NULL;
    } else {
        int r = view_db(&v, ei);
        if (r == 0)
            r = compile(v.c, level, owner, &x, ei);
        if (r < 0)
            return view_error(r, ei);
        accounts_remember(a, KEY_FILTERS, k, v.stamp, x ? &x->o : NULL);
    }
    if (!x)
        return E_NOTFOUND;
    *ret = &x->l;
    return 0;
}

/* --- hits --- */

struct hit {
    enum filter_level level;
    int64_t owner, n, last_ms;
    char name[FILTER_MAX_NAME + 1];
};

struct filter_hits {
    struct db *db;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake, idle;
    struct hit *v;
    size_t n;
    bool running, closing;
};

struct filter_hits *filter_hits_new(struct db *db)
{
    struct filter_hits *h = xcalloc(1, sizeof(*h));
    pthread_condattr_t attr;
    h->db = db;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&h->idle, NULL);
    return h;
}

static int write_hits(struct db *db, const struct hit *v, size_t n)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(db, &c, NULL);
    if (r == 0)
        r = db_begin(c, NULL);
    for (size_t i = 0; i < n && r == 0; i++)
        r = db_run(c, NULL,
                   "UPDATE mail_filter SET hits = hits + ?, hit_ms = ?"
                   " WHERE level = ? AND owner_id = ? AND name = ?",
                   "iiiis", v[i].n, v[i].last_ms, (int64_t)v[i].level, v[i].owner, v[i].name);
    return r == 0 ? db_commit(c, NULL) : r;
}

/* With the lock, which is given up meanwhile. A database that does not take them loses them. */
static void write_pending(struct filter_hits *h)
{
    struct hit *v = take_ptr(h->v);
    size_t n = h->n;
    h->n = 0;
    pthread_mutex_unlock(&h->lock);
    for (int i = 0; n && i < 3 && write_hits(h->db, v, n) == E_TEMP; i++)
        ;
    free(v);
    pthread_mutex_lock(&h->lock);
}

static void *write_later(void *arg)
{
    struct filter_hits *h = arg;
    struct timespec t;
    pthread_mutex_lock(&h->lock);
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec++;
    while (!h->closing && pthread_cond_timedwait(&h->wake, &h->lock, &t) != ETIMEDOUT)
        ;
    write_pending(h);
    if (h->n) /* came meanwhile */
        write_pending(h);
    h->running = false;
    pthread_cond_broadcast(&h->idle);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void start_thread(struct filter_hits *h)
{
    pthread_t t;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&t, &attr, write_later, h) == 0)
        h->running = true;
    pthread_attr_destroy(&attr);
}

static struct hit *pending(struct filter_hits *h, const struct filter_list *l, struct sv name)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].level == l->level && h->v[i].owner == l->owner &&
            sv_eq(sv_c(h->v[i].name), name))
            return &h->v[i];
    if (h->n == MAX_PENDING)
        return NULL;
    h->v = xrealloc(h->v, (h->n + 1) * sizeof(*h->v));
    struct hit *x = &h->v[h->n++];
    *x = (struct hit){ .level = l->level, .owner = l->owner };
    (void)sv_copy(x->name, sizeof(x->name), name);
    return x;
}

void account_filter_hit(struct accounts *a, const struct filter_list *l, size_t rule)
{
    struct filter_hits *h = a->filter_hits;
    pthread_mutex_lock(&h->lock);
    struct hit *x = pending(h, l, l->rules.v[rule]->name);
    if (x) {
        x->n++;
        x->last_ms = clock_wall_ms();
    }
    if (!h->running && !h->closing)
        start_thread(h);
    pthread_mutex_unlock(&h->lock);
}

void account_filter_hits_write(struct accounts *a)
{
    pthread_mutex_lock(&a->filter_hits->lock);
    if (a->filter_hits->n)
        write_pending(a->filter_hits);
    pthread_mutex_unlock(&a->filter_hits->lock);
}

void filter_hits_free(struct filter_hits *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->closing = true;
    pthread_cond_broadcast(&h->wake);
    while (h->running)
        pthread_cond_wait(&h->idle, &h->lock);
    if (h->n)
        write_pending(h);
    pthread_mutex_unlock(&h->lock);
    pthread_cond_destroy(&h->wake);
    pthread_cond_destroy(&h->idle);
    pthread_mutex_destroy(&h->lock);
    free(h->v);
    free(h);
}
