/* Patterns of a snapshot. Pure. */
#include "conf/patterns.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/iplist.h"
#include "base/pattern_item.h"
#include "conf/routes.h"

enum { DEPTH_MAX = 10, ITEMS_BYTES = 8 * 1024 * 1024, IPS_BYTES = 64 * 1024 * 1024 };

struct pattern {
    char *name;
    struct buf items; /* IPs and [names], one a line */
    char *ips;        /* with ; between them; NULL: not finished */
    struct ip_set *set;
};
struct conf_patterns {
    size_t n;
    struct pattern *v;
};

struct conf_patterns *conf_patterns_new(void)
{
    return xcalloc(1, sizeof(struct conf_patterns));
}

void conf_patterns_free(struct conf_patterns *l)
{
    for (size_t i = 0; l && i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].ips);
        ip_set_free(l->v[i].set);
        buf_done(&l->v[i].items);
    }
    if (l)
        free(l->v);
    free(l);
}

void conf_patterns_add(struct conf_patterns *l, struct sv name, struct sv item)
{
    enum pattern_item kind = item.p ? pattern_item_kind(item) : PATTERN_ITEM_ADDRESS;
    struct pattern *p = l->n ? &l->v[l->n - 1] : NULL;
    if (!p || !sv_eq(sv_c(p->name), name)) {
        l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
        p = &l->v[l->n++];
        *p = (struct pattern){ .name = sv_dup(name) };
        buf_init(&p->items, ITEMS_BYTES);
    }
    if (kind != PATTERN_ITEM_IP && kind != PATTERN_ITEM_NAME)
        return;
    (void)buf_add_sv(&p->items, item);
    (void)buf_add_c(&p->items, '\n');
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pattern *)a)->name, ((const struct pattern *)b)->name);
}

static const struct pattern *find(const struct conf_patterns *l, struct sv name)
{
    char key[PATTERN_NAME_MAX + 1];
    if (!l || !l->n || name.n > PATTERN_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < name.n; i++)
        key[i] = ascii_lower(name.p[i]);
    key[name.n] = '\0';
    return bsearch(&(struct pattern){ .name = key }, l->v, l->n, sizeof(*l->v), by_name);
}

/* --- patterns in patterns --- */

struct flattening {
    const struct conf_patterns *l;
    struct map *seen; /* items and names */
    struct buf out;
};

static void flatten(struct flattening *f, const struct pattern *p, unsigned depth)
{
    struct sv rest = buf_sv(&p->items);
    while (rest.n) {
        struct sv item = sv_split(&rest, '\n');
        if (map_put(f->seen, item, f))
            continue;
        if (item.p[0] != '[') {
            if (f->out.n)
                (void)buf_add_c(&f->out, ';');
            (void)buf_add_sv(&f->out, item);
            continue;
        }
        const struct pattern *inner = find(f->l, pattern_inner(item));
        if (inner && depth < DEPTH_MAX)
            flatten(f, inner, depth + 1);
    }
}

void conf_patterns_finish(struct conf_patterns *l)
{
    if (l->n)
        qsort(l->v, l->n, sizeof(*l->v), by_name);
    for (size_t i = 0; i < l->n; i++) {
        struct flattening f = { .l = l, .seen = map_new() };
        buf_init(&f.out, IPS_BYTES);
        flatten(&f, &l->v[i], 0);
        l->v[i].ips = buf_take(&f.out, NULL);
        l->v[i].set = ip_set_new(sv_c(l->v[i].ips));
        map_free(f.seen, NULL);
    }
}

/* --- in settings --- */

/* "[Name]" or "[Name]:port" of a setting that takes it. */
static bool split(enum conf_pattern_use use, struct sv item, struct sv *ret_name,
                  struct sv *ret_rest)
{
    ssize_t end = sv_find(item, ']');
    if (use == CONF_PATTERN_NONE || end < 0)
        return false;
    struct sv name = sv_take(item, (size_t)end + 1);
    if (!pattern_is_name(name))
        return false;
    *ret_name = pattern_inner(name);
    *ret_rest = sv_skip(item, (size_t)end + 1);
    return true;
}

/* The value of except=; p NULL: it has none. */
static struct sv except_of(struct sv item)
{
    (void)sv_split(&item, '|');
    while (item.p) {
        struct sv value = sv_split(&item, '|');
        if (sv_ieq(sv_trim(sv_split(&value, '=')), SV("except")))
            return value;
    }
    return SV_NULL;
}

/* Where names stand in an item; then one after the other. */
static struct sv part_of(enum conf_pattern_use use, struct sv item)
{
    return use == CONF_PATTERN_EXCEPT ? except_of(item) : item;
}

static bool next_name(enum conf_pattern_use use, struct sv *part, struct sv *ret_name,
                      struct sv *ret_rest)
{
    while (part->p)
        if (split(use, sv_trim(sv_split(part, use == CONF_PATTERN_EXCEPT ? ',' : ';')), ret_name,
                  ret_rest))
            return true;
    return false;
}

static void add_item(struct buf *out, struct sv item)
{
    if (out->n)
        (void)buf_add_c(out, ';');
    (void)buf_add_sv(out, item);
}

/* Adds what the pattern stands for; returns how many. */
static unsigned expand(const struct pattern *p, enum conf_pattern_use use, struct sv port,
                       struct buf *out)
{
    struct sv rest = sv_c(p ? p->ips : ""), ip;
    unsigned n = 0;
    while (conf_list_next(&rest, &ip)) {
        int family = conf_address_family(ip);
        if (use == CONF_PATTERN_BINDS && !family)
            continue;
        n++;
        if (!out)
            continue;
        if (use != CONF_PATTERN_BINDS) {
            add_item(out, ip);
            continue;
        }
        add_item(out, family == AF_INET6 ? SV("[") : SV(""));
        (void)buf_add_sv(out, ip);
        (void)buf_add_sv(out, family == AF_INET6 ? SV("]") : SV(""));
        (void)buf_add_sv(out, port);
    }
    return n;
}

struct naming {
    const struct conf_patterns *l;
    const struct setting *s;
    enum conf_pattern_use use;
};

static int check_name(const struct naming *x, struct sv item, struct sv name, struct errinfo *ei)
{
    const struct pattern *p = find(x->l, name);
    unsigned n = expand(p, x->use, SV(""), NULL);
    struct sv shown = sv_take(item, 60);
    if (!p)
        return err_set(ei, E_PARSE,
                       "%s: '" SV_FMT "': pattern '[" SV_FMT "]' does not exist; create it first, "
                       "with IP addresses among its items",
                       x->s->name, SV_ARG(shown), SV_ARG(name));
    if (!n)
        return err_set(ei, E_RANGE,
                       "%s: '" SV_FMT "': pattern '[" SV_FMT "]' has no IP address%s; add one to "
                       "its items",
                       x->s->name, SV_ARG(shown), SV_ARG(name),
                       x->use == CONF_PATTERN_BINDS ? " to listen at (networks and masks are not)"
                                                    : " and no network");
    if (x->use == CONF_PATTERN_BINDS && n > CONF_PATTERN_BINDINGS_MAX)
        return err_set(ei, E_RANGE,
                       "%s: '" SV_FMT "': pattern '[" SV_FMT "]' has %u IP addresses, at most %d "
                       "can be listened at; use a smaller pattern",
                       x->s->name, SV_ARG(shown), SV_ARG(name), n, CONF_PATTERN_BINDINGS_MAX);
    return 0;
}

int conf_patterns_check(const struct conf_patterns *l, const struct setting *s, struct sv value,
                        struct errinfo *ei)
{
    const struct naming x = { l, s, conf_pattern_use(s) };
    struct sv item, name, port;
    while (x.use != CONF_PATTERN_NONE && conf_list_next(&value, &item)) {
        struct sv part = part_of(x.use, item);
        while (next_name(x.use, &part, &name, &port)) {
            int r = check_name(&x, item, name, ei);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

bool conf_patterns_used(const struct setting *s, struct sv value, struct sv name)
{
    enum conf_pattern_use use = conf_pattern_use(s);
    struct sv item, one, port;
    while (use != CONF_PATTERN_NONE && conf_list_next(&value, &item)) {
        struct sv part = part_of(use, item);
        while (next_name(use, &part, &one, &port))
            if (sv_ieq(one, name))
                return true;
    }
    return false;
}

const char *conf_pattern_ips(const struct conf *c, struct sv name)
{
    const struct pattern *p = find(c->patterns, name);
    return p ? p->ips : "";
}

bool conf_pattern_has_ip(const struct conf *c, struct sv name, const char *ip)
{
    const struct pattern *p = find(c->patterns, name);
    return p && ip_set_has(p->set, ip);
}

/* The item, with addresses among the words of except=. */
static void resolve_except(const struct conf *c, struct sv item, struct buf *out)
{
    struct sv except = except_of(item), name, port;
    const char *separator = "";
    add_item(out, except.p ? sv_n(item.p, (size_t)(except.p - item.p)) : item);
    if (!except.p)
        return;
    const char *end = except.p + except.n;
    while (except.p) {
        struct sv word = sv_trim(sv_split(&except, ','));
        struct sv ips = split(CONF_PATTERN_EXCEPT, word, &name, &port)
                            ? sv_c(conf_pattern_ips(c, name))
                            : SV("");
        if (!ips.n)
            ips = word; /* a name that stands for nothing is nobody's address */
        while (ips.p) {
            (void)buf_add_str(out, separator);
            (void)buf_add_sv(out, sv_split(&ips, ';'));
            separator = ",";
        }
    }
    (void)buf_add(out, end, (size_t)(item.p + item.n - end));
}

char *conf_resolve(const struct conf *c, const struct setting *s, struct sv value)
{
    enum conf_pattern_use use = conf_pattern_use(s);
    struct sv rest = value, item, name, port;
    struct buf out;
    if (use == CONF_PATTERN_NONE)
        return sv_dup(value);
    buf_init(&out, IPS_BYTES);
    while (conf_list_next(&rest, &item)) {
        if (use == CONF_PATTERN_EXCEPT)
            resolve_except(c, item, &out);
        else if (split(use, item, &name, &port))
            expand(find(c->patterns, name), use, port, &out);
        else
            add_item(&out, item);
    }
    return buf_take(&out, NULL);
}
