/* Which addresses patterns stand for: asked for recipients, so their items are kept in the cache of
 * lookups, in lists that are read at once. */
#include "base/hash.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/pattern.h"

enum { DEPTH_MAX = 10 };

struct texts_obj {
    struct obj o;
    char **v;
    size_t n;
};

static void texts_free(struct obj *o)
{
    struct texts_obj *t = container_of(o, struct texts_obj, o);
    for (size_t i = 0; i < t->n; i++)
        free(t->v[i]);
    free(t->v);
    free(t);
}

/* --- one item --- */

/* * any characters, ? one. */
static bool mask_fits(struct sv mask, struct sv text)
{
    size_t m = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.n) {
        if (m < mask.n && mask.p[m] == '*') {
            star = m++;
            from = t;
        } else if (m < mask.n && (mask.p[m] == '?' || mask.p[m] == text.p[t])) {
            m++;
            t++;
        } else if (star != SIZE_MAX) {
            m = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (m < mask.n && mask.p[m] == '*')
        m++;
    return m == mask.n;
}

bool pattern_item_fits(struct sv item, struct sv address)
{
    if (sv_find(item, '*') >= 0 || sv_find(item, '?') >= 0)
        return mask_fits(item, address);
    return item.n && sv_find_sv(address, item) >= 0;
}

/* --- lists through the cache --- */

static int load_texts(struct view *v, char kind, struct sv key, const char *sql,
                      struct texts_obj **ret, struct errinfo *ei)
{
    struct obj *o = NULL;
    if (!v->fresh && accounts_cached(v->a, kind, key, v->stamp, &o) && o) {
        *ret = container_of(o, struct texts_obj, o);
        return 0;
    }
    int r = view_db(v, ei);
    if (r < 0)
        return r;
    struct texts_obj *t = xcalloc(1, sizeof(*t));
    obj_init(&t->o, texts_free);
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    r = db_query(v->c, &s, ei, sql, "v", key);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        t->v = xrealloc(t->v, (t->n + 1) * sizeof(*t->v));
        t->v[t->n++] = sv_dup(db_col_text(s, 0));
        r = 0;
    }
    if (r < 0) {
        obj_unref(&t->o);
        return view_error(r, ei);
    }
    if (!v->fresh)
        accounts_remember(v->a, kind, key, v->stamp, &t->o);
    *ret = t;
    return 0;
}

static int load_items(struct view *v, struct sv name, struct texts_obj **ret, struct errinfo *ei)
{
    return load_texts(v, KEY_PATTERN, name,
                      "SELECT item FROM pattern_item WHERE name = ? ORDER BY place", ret, ei);
}

/* name: without brackets. 1 = fits. */
static int fits(struct view *v, struct sv name, struct sv address, unsigned depth,
                struct errinfo *ei)
{
    struct texts_obj *items = NULL;
    int r = load_items(v, name, &items, ei);
    if (r < 0)
        return r;
    for (size_t i = 0; i < items->n && r == 0; i++) {
        struct sv item = sv_c(items->v[i]);
        enum pattern_item kind = pattern_item_kind(item);
        if (kind == PATTERN_ITEM_ADDRESS)
            r = pattern_item_fits(item, address);
        else if (kind == PATTERN_ITEM_NAME && depth < DEPTH_MAX)
            r = fits(v, pattern_inner(item), address, depth + 1, ei);
    }
    obj_unref(&items->o);
    return r;
}

int pattern_fits_view(struct view *v, struct sv name, struct sv address, struct errinfo *ei)
{
    return fits(v, name, address, 0, ei);
}

int pattern_fits(struct accounts *a, struct sv name, struct sv address, struct errinfo *ei)
{
    struct view v;
    view_init(&v, a);
    int r = fits(&v, name, address, 0, ei);
    view_done(&v);
    return r;
}

/* --- recipients --- */

static bool is_whole_address(struct sv item)
{
    struct addr a;
    return pattern_item_kind(item) == PATTERN_ITEM_ADDRESS && sv_find(item, '*') < 0 &&
           sv_find(item, '?') < 0 && addr_parse(item, &a, NULL) == 0 && addr_domain(&a).n > 0 &&
           addr_local(&a).n > 0;
}

int pattern_recipients(struct view *v, struct sv name, struct map *seen,
                       int (*fn)(struct sv address, void *arg), void *arg, struct errinfo *ei)
{
    struct texts_obj *items = NULL;
    int r = load_items(v, name, &items, ei);
    if (r < 0)
        return r;
    for (size_t i = 0; i < items->n && r == 0; i++) {
        struct sv item = sv_c(items->v[i]);
        bool named = pattern_is_name(item);
        if ((!named && !is_whole_address(item)) || map_put(seen, item, seen))
            continue;
        /* Each name is followed once, so that loops end. */
        r = named ? pattern_recipients(v, pattern_inner(item), seen, fn, arg, ei) : fn(item, arg);
    }
    obj_unref(&items->o);
    return r;
}

int pattern_aliases(struct view *v, const struct addr *a,
                    int (*fn)(const struct addr *alias, void *arg), void *arg, struct errinfo *ei)
{
    struct texts_obj *all = NULL;
    int r = load_texts(v, KEY_PATTERN_ALIASES, addr_domain(a),
                       "SELECT DISTINCT l.address FROM alias l JOIN domain d ON d.id = l.domain_id"
                       " WHERE d.name = ? AND l.address LIKE '[%' ORDER BY l.address",
                       &all, ei);
    int found = 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < all->n && r >= 0; i++) {
        struct addr alias;
        if (addr_parse(sv_c(all->v[i]), &alias, NULL) < 0 || !pattern_is_name(addr_local(&alias)))
            continue;
        struct sv local = addr_local(&alias);
        r = fits(v, pattern_inner(local), addr_sv(a), 0, ei);
        if (r > 0)
            r = fn(&alias, arg);
        found += r > 0;
    }
    obj_unref(&all->o);
    return r < 0 ? r : found > 0;
}
