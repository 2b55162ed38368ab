/* Snapshots: built from defaults and pairs, immutable and counted. The room owns one global, the
 * current snapshot. A reader's thread keeps a reference of its own to the newest one it has seen,
 * so that pinning costs one load and one addition and takes the lock only after a change. */
#include "base/iplist.h"
#include "conf/conf_priv.h"
#include "conf/patterns.h"
#include "conf/routes.h"

#include <pthread.h>
#include <stdatomic.h>

struct snapshot {
    _Atomic unsigned refs;
    size_t n_strings;
    char **strings;       /* values; what the const char * fields point to, but where there is */
    char **in_force;      /* their value with addresses in place of patterns; NULL: the same */
    struct ip_set **sets; /* of lists of IPs that have patterns, which may be long */
    struct conf c;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct conf *current;            /* under lock; holds a reference */
static _Atomic uint64_t generation = 1; /* written under lock, with current */

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t cache_key; /* only for its destructor at thread end */
static _Thread_local const struct conf *cached;
static _Thread_local uint64_t cached_generation; /* of cached; 0 = none */

static struct snapshot *snapshot_of(const struct conf *c)
{
    return container_of((struct conf *)(uintptr_t)c, struct snapshot, c);
}

static struct snapshot *snapshot_new(void)
{
    size_t n;
    conf_settings(&n);
    struct snapshot *s = xcalloc(1, sizeof(*s));
    atomic_init(&s->refs, 1);
    s->strings = xcalloc(n, sizeof(*s->strings));
    s->in_force = xcalloc(n, sizeof(*s->in_force));
    s->sets = xcalloc(n, sizeof(*s->sets));
    return s;
}

static void snapshot_free(struct snapshot *s)
{
    size_t n;
    conf_settings(&n);
    for (size_t i = 0; i < n; i++) {
        free(s->strings[i]);
        free(s->in_force[i]);
        ip_set_free(s->sets[i]);
    }
    free(s->strings);
    free(s->sets);
    free(s->in_force);
    conf_patterns_free(s->c.patterns);
    conf_routes_free(s->c.routes);
    conf_backups_free(s->c.backups);
    free(s);
}

void conf_set_routes(struct conf *c, struct conf_routes *routes)
{
    conf_routes_free(c->routes);
    c->routes = routes;
}

void conf_set_backups(struct conf *c, struct conf_backups *backups)
{
    conf_backups_free(c->backups);
    c->backups = backups;
}

void conf_unref(const struct conf *c)
{
    if (!c)
        return;
    struct snapshot *s = snapshot_of(c);
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        snapshot_free(s);
}

static void ref(const struct conf *c)
{
    atomic_fetch_add_explicit(&snapshot_of(c)->refs, 1, memory_order_relaxed);
}

static void *field(const struct snapshot *s, const struct setting *def)
{
    return (char *)(uintptr_t)&s->c + def->offset;
}

void conf_set_patterns(struct conf *c, struct conf_patterns *l)
{
    struct snapshot *s = snapshot_of(c);
    size_t n;
    const struct setting *all = conf_settings(&n);
    conf_patterns_free(c->patterns);
    c->patterns = l;
    for (size_t i = 0; i < n; i++) {
        if (conf_pattern_use(&all[i]) == CONF_PATTERN_NONE || !strchr(s->strings[i], '['))
            continue;
        free(s->in_force[i]);
        s->in_force[i] = conf_resolve(c, &all[i], sv_c(s->strings[i]));
        *(const char **)field(s, &all[i]) = s->in_force[i];
        ip_set_free(s->sets[i]);
        s->sets[i] =
            conf_pattern_use(&all[i]) == CONF_PATTERN_IPS ? ip_set_new(sv_c(s->in_force[i])) : NULL;
    }
}

bool conf_lists_ip(const struct conf *c, const struct setting *def, const char *ip)
{
    size_t n;
    const struct ip_set *set = snapshot_of(c)->sets[def - conf_settings(&n)];
    return set ? ip_set_has(set, ip) : ip_in_list(ip, sv_c(conf_in_force(c, def)));
}

bool conf_trusts_ip(const struct conf *c, const char *ip)
{
    return conf_lists_ip(c, conf_find(SV("net.trusted_ips")), ip);
}

const char *conf_in_force(const struct conf *c, const struct setting *def)
{
    return *(const char **)field(snapshot_of(c), def);
}

/* Takes text. index: of the setting in the table. */
static int store(struct snapshot *s, const struct setting *def, size_t index, char *text)
{
    int64_t v;
    int r;
    switch (def->type) {
    case SET_STRING:
    case SET_LIST:
    case SET_SECRET:
        free(s->strings[index]);
        s->strings[index] = text;
        *(const char **)field(s, def) = text;
        return 0;
    case SET_BOOL:
    case SET_INT:
    case SET_SIZE:
    case SET_DURATION:
    case SET_ENUM:
        break;
    }
    r = conf_parse_number(def, sv_c(text), &v, NULL);
    free(text);
    if (r < 0)
        return r;
    if (def->type == SET_BOOL)
        *(bool *)field(s, def) = v != 0;
    else
        *(int64_t *)field(s, def) = v;
    return 0;
}

static int apply(struct snapshot *s, size_t index, struct sv value, struct errinfo *ei)
{
    size_t n;
    const struct setting *def = &conf_settings(&n)[index];
    char *text;
    int r = conf_check(def, value, &text, ei);
    return r < 0 ? r : store(s, def, index, text);
}

static int fill(struct snapshot *s, const struct conf_pair *pairs, size_t n_pairs,
                struct errinfo *ei)
{
    size_t n;
    const struct setting *all = conf_settings(&n);
    for (size_t i = 0; i < n; i++) {
        int r = apply(s, i, sv_c(all[i].dflt), ei);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < n_pairs; i++) {
        const struct setting *def = conf_find(sv_c(pairs[i].name));
        if (!def)
            return conf_unknown_name(sv_c(pairs[i].name), ei);
        int r = apply(s, (size_t)(def - all), sv_c(pairs[i].value), ei);
        if (r < 0)
            return r;
    }
    return 0;
}

int conf_build(const struct conf_pair *pairs, size_t n, struct conf **ret, struct errinfo *ei)
{
    struct snapshot *s = snapshot_new();
    int r = fill(s, pairs, n, ei);
    if (r < 0) {
        snapshot_free(s);
        return r;
    }
    *ret = &s->c;
    return 0;
}

char *conf_text(const struct conf *c, const struct setting *def)
{
    const struct snapshot *s = snapshot_of(c);
    size_t n;
    switch (def->type) {
    case SET_SECRET:
        return xstrdup(**(const char **)field(s, def) ? "(set)" : "");
    case SET_STRING:
    case SET_LIST:
        return xstrdup(s->strings[def - conf_settings(&n)]);
    case SET_BOOL:
        return conf_format_number(def, *(bool *)field(s, def));
    case SET_INT:
    case SET_SIZE:
    case SET_DURATION:
    case SET_ENUM:
        break;
    }
    return conf_format_number(def, *(int64_t *)field(s, def));
}

static void thread_ends(void *c)
{
    conf_unref(c);
    cached = NULL;
    cached_generation = 0;
}

static void make_key(void)
{
    if (pthread_key_create(&cache_key, thread_ends) != 0)
        panic("no thread key for the settings is left");
}

/* The slow way, once per thread and change: moves the thread's own reference to the newest. */
static void refresh(void)
{
    pthread_once(&key_once, make_key);
    pthread_mutex_lock(&lock);
    if (!current) {
        struct errinfo ei;
        if (conf_build(NULL, 0, &current, &ei) < 0)
            panic("default settings: %s", ei.text);
    }
    const struct conf *old = cached;
    cached = current;
    cached_generation = atomic_load_explicit(&generation, memory_order_relaxed);
    ref(cached);
    pthread_mutex_unlock(&lock);
    pthread_setspecific(cache_key, cached);
    conf_unref(old);
}

const struct conf *conf_pin(void)
{
    if (cached_generation != atomic_load_explicit(&generation, memory_order_acquire))
        refresh();
    ref(cached);
    return cached;
}

void conf_publish(struct conf *c)
{
    pthread_mutex_lock(&lock);
    struct conf *old = current;
    current = c;
    atomic_fetch_add_explicit(&generation, 1, memory_order_release);
    pthread_mutex_unlock(&lock);
    conf_unref(old);
}
