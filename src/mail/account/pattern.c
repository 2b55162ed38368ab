/* Patterns in the database: their items are rows, in the order that they were written in. */
#include "mail/account/pattern.h"

#include "base/codec.h"
#include "base/hash.h"
#include "conf/patterns.h"
#include "mail/account/accounts_priv.h"
#include "stats/shm.h"

enum { ITEM_MAX = 320, DEPTH_MAX = 10, TEXT_MAX = 8 * 1024 * 1024 };

struct work {
    struct change *ch;
    char name[PATTERN_NAME_MAX + 3]; /* canonical, "[staff]" */
    const char *items;
};

static struct sv inner(const char *name)
{
    return pattern_inner(sv_c(name));
}

static int read_name(struct sv in, char ret[PATTERN_NAME_MAX + 3], struct errinfo *ei)
{
    struct sv t = sv_trim(in);
    bool bare = !t.n || t.p[0] != '[';
    char text[PATTERN_NAME_MAX + 3] = "";
    if (t.n <= PATTERN_NAME_MAX + 2)
        snprintf(text, sizeof(text), bare ? "[" SV_FMT "]" : SV_FMT, SV_ARG(t));
    if (!pattern_is_name(sv_c(text)))
        return err_set(ei, E_PARSE,
                       "name: '" SV_FMT
                       "' is none; a name has 1 to %d letters, digits, - _ and dots, and is no IP "
                       "address",
                       SV_ARG(sv_take(t, 100)), PATTERN_NAME_MAX);
    for (size_t i = 0; i <= strlen(text); i++)
        ret[i] = ascii_lower(text[i]);
    return 0;
}

/* --- changes --- */

static int exists(struct dbc *c, struct sv name, int64_t *ret, struct errinfo *ei)
{
    return db_value(c, ret, ei, "SELECT COUNT(*) FROM pattern_item WHERE name = ?", "v", name);
}

/* Does `at` lead to home, by patterns in patterns? */
static int check_loop(struct work *w, struct sv at, struct map *seen, unsigned depth)
{
    _cleanup_(buf_done) struct buf next = { 0 };
    if (sv_eq(at, inner(w->name)))
        return err_set(w->ch->ei, E_CONFLICT, "pattern '%s': would contain itself", w->name);
    if (depth > DEPTH_MAX)
        return err_set(w->ch->ei, E_CONFLICT, "pattern '%s': patterns in patterns deeper than %d",
                       w->name, DEPTH_MAX);
    if (map_put(seen, at, w))
        return 0;
    buf_init(&next, TEXT_MAX);
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(w->ch->c, &s, w->ch->ei,
                     "SELECT item FROM pattern_item WHERE name = ? AND item LIKE '[%'", "v", at);
    while (r == 0 && (r = db_step(s, w->ch->ei)) == 1) {
        (void)buf_add_sv(&next, db_col_text(s, 0));
        r = buf_add_c(&next, '\n');
    }
    db_resetp(&s);
    s = NULL;
    for (struct sv rest = buf_sv(&next); r == 0 && rest.n;) {
        struct sv item = sv_split(&rest, '\n');
        r = check_loop(w, pattern_inner(item), seen, depth + 1);
    }
    return r;
}

static int check_item(struct work *w, struct sv item)
{
    int64_t n = 0;
    if (item.n > ITEM_MAX)
        return err_set(w->ch->ei, E_RANGE, "items: '" SV_FMT "...' is longer than %d bytes",
                       SV_ARG(sv_take(item, 60)), ITEM_MAX);
    if (!utf8_valid(item))
        return err_set(w->ch->ei, E_PARSE, "items: is not valid UTF-8");
    for (size_t i = 0; i < item.n; i++)
        if ((unsigned char)item.p[i] <= ' ' || item.p[i] == 127)
            return err_set(w->ch->ei, E_PARSE,
                           "items: '" SV_FMT "' has a space or control character",
                           SV_ARG(sv_take(item, 100)));
    enum pattern_item kind = pattern_item_kind(item);
    if (kind == PATTERN_ITEM_BAD_NAME)
        return err_set(w->ch->ei, E_PARSE, "items: '" SV_FMT "' is no name of a pattern",
                       SV_ARG(sv_take(item, 100)));
    if (kind == PATTERN_ITEM_BAD_IP)
        return err_set(w->ch->ei, E_PARSE,
                       "items: '" SV_FMT "' is no IP address and no network; write it as "
                       "192.0.2.7, 10.0.0.0/8, 192.168.*.*, 2001:db8::1 or 2001:db8::/32",
                       SV_ARG(sv_take(item, 100)));
    if (kind != PATTERN_ITEM_NAME)
        return 0;
    struct sv name = pattern_inner(item);
    struct map *seen = map_new();
    int r = check_loop(w, name, seen, 1);
    map_free(seen, NULL);
    if (r == 0)
        r = exists(w->ch->c, name, &n, w->ch->ei);
    return r == 0 && !n ? err_set(w->ch->ei, E_NOTFOUND,
                                  "items: pattern '" SV_FMT "' does not exist", SV_ARG(item))
                        : r;
}

static int add_items(struct work *w, int64_t *ret_n)
{
    struct map *seen = map_new();
    struct sv rest = sv_c(w->items);
    int r = 0;
    while (r == 0 && rest.n) {
        char item[ITEM_MAX + 1];
        size_t n = strcspn(rest.p, ";\r\n");
        struct sv one = sv_trim(sv_take(rest, n));
        rest = sv_skip(rest, MIN(n + 1, rest.n));
        if (!one.n)
            continue;
        if (one.n <= ITEM_MAX)
            for (size_t i = 0; i < one.n; i++)
                item[i] = ascii_lower(one.p[i]);
        struct sv canonical = one.n <= ITEM_MAX ? sv_n(item, one.n) : one;
        r = check_item(w, canonical);
        if (r < 0 || map_put(seen, canonical, w))
            continue;
        if (++*ret_n > PATTERN_ITEMS_MAX)
            r = err_set(w->ch->ei, E_RANGE, "items: more than %d", PATTERN_ITEMS_MAX);
        else
            r = db_run(w->ch->c, w->ch->ei,
                       "INSERT INTO pattern_item (name, place, item) VALUES (?, ?, ?)", "viv",
                       inner(w->name), *ret_n, canonical);
    }
    map_free(seen, NULL);
    return r;
}

/* Settings have its IPs in them. */
static int change(struct accounts *a, const char *admin, struct sv name, struct work *w,
                  int (*fn)(struct change *, void *), struct errinfo *ei)
{
    int r = read_name(name, w->name, ei);
    if (r == 0)
        r = change_run(a, admin, "pattern", sv_c(w->name), fn, w, ei);
    if (r == 0 && !account_dry_run())
        epoch_bump(EPOCH_SETTINGS);
    return r;
}

static int set_in(struct change *ch, void *arg)
{
    struct work w = *(struct work *)arg;
    int64_t was = 0, is = 0;
    char before[40], after[40];
    w.ch = ch;
    int r = exists(ch->c, inner(w.name), &was, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM pattern_item WHERE name = ?", "v", inner(w.name));
    if (r == 0)
        r = add_items(&w, &is);
    if (r == 0 && !is)
        return err_set(ch->ei, E_PARSE, "items: names nothing; delete the pattern instead");
    if (r == 0 && was)
        r = pattern_check_users(ch, w.name);
    snprintf(before, sizeof(before), "%" PRId64 " items", was);
    snprintf(after, sizeof(after), "%" PRId64 " items", is);
    return r < 0 ? r : change_note(ch, "items", was ? before : NULL, after);
}

int pattern_set(struct accounts *a, const char *admin, struct sv name, const char *items,
                struct errinfo *ei)
{
    struct work w = { .items = items };
    return change(a, admin, name, &w, set_in, ei);
}

static int delete_in(struct change *ch, void *arg)
{
    struct work w = *(struct work *)arg;
    char user[400];
    int64_t n = 0;
    w.ch = ch;
    int r = exists(ch->c, inner(w.name), &n, ch->ei);
    if (r == 0 && !n)
        return err_set(ch->ei, E_NOTFOUND, "pattern '%s' does not exist", w.name);
    if (r == 0)
        r = pattern_find_user(ch, w.name, user, sizeof(user));
    if (r == 0 && *user)
        return err_set(ch->ei, E_CONFLICT,
                       "pattern '%s': is used by '%.300s'; take it out there first", w.name, user);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM pattern_item WHERE name = ?", "v", inner(w.name));
    return r < 0 ? r : change_note(ch, "pattern", "existed", NULL);
}

int pattern_delete(struct accounts *a, const char *admin, struct sv name, struct errinfo *ei)
{
    struct work w = { 0 };
    return change(a, admin, name, &w, delete_in, ei);
}

int pattern_exists(struct change *ch, struct sv name)
{
    int64_t n = 0;
    int r = exists(ch->c, name, &n, ch->ei);
    return r < 0 ? r
           : n   ? 0
                 : err_set(ch->ei, E_NOTFOUND,
                           "pattern '[" SV_FMT "]' does not exist; create it first",
                           SV_ARG(sv_take(name, 80)));
}

/* --- reading --- */

/* Addresses are most of the items, and of no use here. */
int patterns_read_from(struct dbc *c, struct conf_patterns **ret, struct errinfo *ei)
{
    _cleanup_(conf_patterns_freep) struct conf_patterns *l = conf_patterns_new();
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     "SELECT name, item FROM pattern_item WHERE place = 1 OR item NOT LIKE '%@%'"
                     " ORDER BY name, place",
                     "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        conf_patterns_add(l, db_col_text(s, 0), db_col_text(s, 1));
        r = 0;
    }
    if (r < 0)
        return r;
    conf_patterns_finish(l);
    *ret = take_ptr(l);
    return 0;
}

int pattern_has(void *accounts, struct sv name, struct sv text, bool is_ip)
{
    char ip[64];
    struct addr a;
    if (!is_ip)
        return addr_parse(text, &a, NULL) < 0
                   ? 0
                   : pattern_fits(accounts, pattern_inner(name), addr_sv(&a), NULL);
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return sv_copy(ip, sizeof(ip), text) && conf_pattern_has_ip(cf, pattern_inner(name), ip);
}

struct listed {
    char *name;
    struct buf items;
};

static int read_all(struct accounts *a, struct listed **ret, size_t *ret_n, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei, "SELECT name, item FROM pattern_item ORDER BY name, place", "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        struct sv name = db_col_text(s, 0);
        if (!*ret_n || !sv_eq(sv_c((*ret)[*ret_n - 1].name), name)) {
            *ret = xrealloc(*ret, (*ret_n + 1) * sizeof(**ret));
            (*ret)[*ret_n].name = sv_dup(name);
            buf_init(&(*ret)[(*ret_n)++].items, TEXT_MAX);
        }
        struct buf *items = &(*ret)[*ret_n - 1].items;
        if (items->n)
            (void)buf_add_c(items, '\n');
        r = buf_add_sv(items, db_col_text(s, 1));
    }
    return r;
}

int pattern_each(struct accounts *a, bool (*fn)(const char *name, const char *items, void *arg),
                 void *arg, struct errinfo *ei)
{
    struct listed *v = NULL;
    size_t n = 0;
    int r = read_all(a, &v, &n, ei);
    bool more = true;
    for (size_t i = 0; i < n; i++) {
        if (r >= 0 && more && (r = buf_terminate(&v[i].items)) >= 0)
            more = fn(v[i].name, v[i].items.p, arg);
        free(v[i].name);
        buf_done(&v[i].items);
    }
    free(v);
    return MIN(r, 0);
}

struct telling {
    void (*fn)(const struct pattern_user *, void *arg);
    void *arg;
    size_t n;
};

static bool tell(const struct pattern_user *u, void *arg)
{
    struct telling *t = arg;
    if (++t->n > PATTERN_USERS_MAX)
        return false;
    t->fn(u, t->arg);
    return true;
}

int pattern_users(struct accounts *a, struct sv name,
                  void (*fn)(const struct pattern_user *, void *arg), void *arg, struct errinfo *ei)
{
    struct telling t = { .fn = fn, .arg = arg };
    char canonical[PATTERN_NAME_MAX + 3];
    _cleanup_(db_putp) struct dbc *c = NULL;
    int64_t n = 0;
    int r = 0;
    if (read_name(name, canonical, NULL) == 0) {
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = exists(c, inner(canonical), &n, ei);
    }
    if (r == 0 && !n)
        return err_set(ei, E_NOTFOUND, "pattern '" SV_FMT "' does not exist",
                       SV_ARG(sv_take(name, 100)));
    if (r == 0)
        r = pattern_walk_users(c, canonical, tell, &t, ei);
    return r < 0 ? r : t.n > PATTERN_USERS_MAX;
}
