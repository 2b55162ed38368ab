#include "mail/account/members.h"

#include "base/hash.h"
#include "mail/account/accounts_priv.h"

enum { MAX_MEMBERS = 100000 };

enum account_kind account_kind(const struct account *acc)
{
    const char *kind = account_option(acc, OPT_KIND);
    return *kind == 'l' ? KIND_LIST : *kind == 'g' ? KIND_GROUP : KIND_USER;
}

/* --- changes --- */

struct work {
    struct addr list;
    const struct member_change *want;
    struct change *ch;
    int64_t id;
    struct map *now; /* members, as the change goes on */
    size_t added, removed;
    char first_added[ADDR_MAX + 1], first_removed[ADDR_MAX + 1];
};

/* The next address of a list in text; p == NULL at its end. */
static struct sv next_item(struct sv *rest)
{
    while (rest->n) {
        size_t n = 0;
        while (n < rest->n && !strchr(";,\r\n", rest->p[n]))
            n++;
        struct sv item = sv_trim(sv_take(*rest, n));
        if (item.n && *item.p == '#') { /* up to the end of the line */
            while (n < rest->n && rest->p[n] != '\n')
                n++;
            item = SV("");
        }
        *rest = sv_skip(*rest, n + 1);
        ssize_t comment = sv_find(item, '#');
        if (comment > 0 && item.p[comment - 1] == ' ')
            item = sv_trim(sv_take(item, (size_t)comment));
        if (item.n)
            return item;
    }
    return SV_NULL;
}

static int canonical(struct work *w, struct sv item, struct addr *ret)
{
    struct errinfo why = { 0 };
    int r = addr_parse(item, ret, &why);
    if (r == 0)
        r = addr_check_new(ret, &why);
    if (r < 0)
        return err_set(w->ch->ei, r, "members: '" SV_FMT "': %.180s", SV_ARG(sv_take(item, 100)),
                       why.text);
    if (sv_eq(addr_sv(ret), addr_sv(&w->list)))
        return err_set(w->ch->ei, E_CONFLICT, "members: '%.120s' is the list itself", ret->text);
    return 0;
}

static int add_one(struct work *w, const struct addr *a)
{
    if (map_put(w->now, addr_sv(a), w))
        return 0;
    if (map_count(w->now) > MAX_MEMBERS)
        return err_set(w->ch->ei, E_RANGE, "members: more than %d", MAX_MEMBERS);
    if (w->added++ == 0)
        sv_copy(w->first_added, sizeof(w->first_added), addr_sv(a));
    return db_run(w->ch->c, w->ch->ei, "INSERT INTO list_member (list_id, address) VALUES (?, ?)",
                  "is", w->id, a->text);
}

static int remove_one(struct work *w, struct sv address)
{
    if (!map_del(w->now, address))
        return 0;
    if (w->removed++ == 0)
        sv_copy(w->first_removed, sizeof(w->first_removed), address);
    return db_run(w->ch->c, w->ch->ei, "DELETE FROM list_member WHERE list_id = ? AND address = ?",
                  "iv", w->id, address);
}

static int load_now(struct work *w)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(w->ch->c, &s, w->ch->ei, "SELECT address FROM list_member WHERE list_id = ?",
                     "i", w->id);
    while (r == 0 && (r = db_step(s, w->ch->ei)) == 1) {
        map_put(w->now, db_col_text(s, 0), w);
        r = 0;
    }
    return r;
}

struct leftover {
    struct work *w;
    const struct map *wanted;
    char **gone;
    size_t n;
};

static bool note_gone(struct sv key, void *value _unused_, void *arg)
{
    struct leftover *l = arg;
    if (!map_get(l->wanted, key))
        l->gone[l->n++] = sv_dup(key);
    return true;
}

/* Those that are not in wanted go. */
static int remove_others(struct work *w, const struct map *wanted)
{
    struct leftover l = { w, wanted, xcalloc(map_count(w->now) + 1, sizeof(char *)), 0 };
    int r = 0;
    map_each(w->now, note_gone, &l);
    for (size_t i = 0; i < l.n; i++) {
        if (r == 0)
            r = remove_one(w, sv_c(l.gone[i]));
        free(l.gone[i]);
    }
    free(l.gone);
    return r;
}

static int apply(struct work *w)
{
    struct map *wanted = map_new();
    struct sv rest = sv_c(w->want->add ? w->want->add : "");
    struct sv gone = sv_c(w->want->remove ? w->want->remove : "");
    struct addr a;
    int r = load_now(w);
    for (struct sv item; r == 0 && (item = next_item(&rest)).p;) {
        r = canonical(w, item, &a);
        if (r == 0) {
            map_put(wanted, addr_sv(&a), w);
            r = add_one(w, &a);
        }
    }
    for (struct sv item; r == 0 && (item = next_item(&gone)).p;) {
        r = canonical(w, item, &a);
        if (r == 0 && !map_get(w->now, addr_sv(&a)))
            r = err_set(w->ch->ei, E_NOTFOUND, "members: '%.120s' is no member", a.text);
        if (r == 0)
            r = remove_one(w, addr_sv(&a));
    }
    if (r == 0 && w->want->replace)
        r = remove_others(w, wanted);
    map_free(wanted, NULL);
    return r;
}

/* One row for all: "1000 members (3 added: a@b ...; 1 removed: c@d)". */
static int note(struct work *w)
{
    char was[40], is[100 + 2 * ADDR_MAX];
    size_t n = map_count(w->now);
    if (!w->added && !w->removed)
        return 0;
    snprintf(was, sizeof(was), "%zu members", n + w->removed - w->added);
    snprintf(is, sizeof(is), "%zu members (%zu added%s%s%s; %zu removed%s%s%s)", n, w->added,
             w->added ? ": " : "", w->first_added, w->added > 1 ? " ..." : "", w->removed,
             w->removed ? ": " : "", w->first_removed, w->removed > 1 ? " ..." : "");
    return change_note(w->ch, "members", was, is);
}

static int find_list(struct work *w)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(w->ch->c, &s, w->ch->ei,
                     "SELECT a.id, o.value FROM account a LEFT JOIN account_option o"
                     " ON o.account_id = a.id AND o.name = 'kind' WHERE a.address = ?",
                     "s", w->list.text);
    if (r == 0)
        r = db_step(s, w->ch->ei);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(w->ch->ei, E_NOTFOUND, "account '%.150s' does not exist", w->list.text);
    if (db_col_null(s, 1))
        return err_set(w->ch->ei, E_CONFLICT,
                       "account '%.120s' has no members; set kind to list or group first",
                       w->list.text);
    w->id = db_col_int(s, 0);
    return 0;
}

static int change_in(struct change *ch, void *arg)
{
    struct work w = *(struct work *)arg; /* begins anew when it is run again */
    w.ch = ch;
    w.now = map_new();
    int r = find_list(&w);
    if (r == 0)
        r = apply(&w);
    if (r == 0)
        r = note(&w);
    map_free(w.now, NULL);
    return r;
}

int account_members_change(struct accounts *a, const char *admin, struct sv address,
                           const struct member_change *c, struct errinfo *ei)
{
    struct work w = { .want = c };
    int r = addr_parse(sv_trim(address), &w.list, ei);
    return r < 0 ? r : change_run(a, admin, "account", addr_sv(&w.list), change_in, &w, ei);
}

/* --- reading --- */

struct gathering { /* those that are listed and those of a query, each once */
    struct member *v;
    size_t n, cap;
};

static bool gather(const struct member *m, void *arg)
{
    struct gathering *g = arg;
    if (g->n == g->cap)
        g->v = xrealloc(g->v, (g->cap = g->cap ? g->cap * 2 : 256) * sizeof(*g->v));
    g->v[g->n] = *m;
    g->v[g->n++].address = sv_n(sv_dup(m->address), m->address.n);
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int r = strcmp(x->address.p, y->address.p);
    return r ? r : y->listed - x->listed;
}

static void give(const struct gathering *g, member_fn *fn, void *arg)
{
    bool more = true;
    for (size_t i = 0; i < g->n && more; i++)
        if (!i || !sv_eq(g->v[i].address, g->v[i - 1].address))
            more = fn(&g->v[i], arg);
}

static void gathering_done(struct gathering *g)
{
    for (size_t i = 0; i < g->n; i++)
        free((char *)g->v[i].address.p);
    free(g->v);
}

static int each_listed(struct dbc *c, int64_t account_id, member_fn *fn, void *arg,
                       struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     "SELECT m.address, a.id FROM list_member m LEFT JOIN account a"
                     " ON a.address = m.address AND a.enabled = 1 AND a.domain_id IN"
                     " (SELECT id FROM domain WHERE enabled = 1)"
                     " WHERE m.list_id = ? ORDER BY m.address",
                     "i", account_id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        struct member m = { db_col_text(s, 0), db_col_null(s, 1) ? 0 : db_col_int(s, 1), true };
        r = fn(&m, arg) ? 0 : 1;
    }
    return r;
}

static int read_query(struct dbc *c, int64_t account_id, struct buf *ret, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r =
        db_query(c, &s, ei, "SELECT value FROM account_option WHERE account_id = ? AND name = ?",
                 "is", account_id, account_options[OPT_LIST_QUERY].name);
    if (r == 0)
        r = db_step(s, ei);
    return r == 1 ? buf_add_sv(ret, db_col_text(s, 0)) : r;
}

int account_members_each(struct accounts *a, int64_t account_id, member_fn *fn, void *arg,
                         struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(buf_done) struct buf query = { 0 };
    struct gathering g = { 0 };
    buf_init(&query, 64 * KiB);
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = read_query(c, account_id, &query, ei);
    if (r == 0 && !query.n)
        return view_error(MIN(each_listed(c, account_id, fn, arg, ei), 0), ei);
    if (r == 0)
        r = each_listed(c, account_id, gather, &g, ei);
    if (r == 0)
        r = member_query_each(c, buf_sv(&query), gather, &g, ei);
    if (r == 0) {
        if (g.n)
            qsort(g.v, g.n, sizeof(*g.v), by_address);
        give(&g, fn, arg);
    }
    gathering_done(&g);
    return view_error(MIN(r, 0), ei);
}

static bool names(const struct account *list, enum account_option o, struct sv address)
{
    struct sv rest = sv_c(account_option(list, o));
    while (rest.n)
        if (sv_ieq(sv_split(&rest, ';'), address))
            return true;
    return false;
}

static bool is_moderator(const struct account *list, struct sv address)
{
    return address.n &&
           (names(list, OPT_LIST_OWNER, address) || names(list, OPT_LIST_MODERATORS, address));
}

bool account_moderates(const struct account *list, struct sv sender, struct sv auth)
{
    return is_moderator(list, sender) || is_moderator(list, auth);
}

static int is_member(struct accounts *a, const struct account *list, struct sv address,
                     struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    struct addr key;
    int64_t n = 0;
    if (addr_parse(address, &key, NULL) < 0)
        return 0;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_value(c, &n, ei,
                     "SELECT COUNT(*) FROM list_member WHERE list_id = ? AND address = ?", "is",
                     list->id, key.text);
    if (r == 0 && !n)
        r = member_query_has(c, sv_c(account_option(list, OPT_LIST_QUERY)), key.text, ei);
    return r < 0 ? view_error(r, ei) : r > 0 || n > 0;
}

int account_may_post(struct accounts *a, const struct account *list, struct sv sender,
                     struct sv auth, struct errinfo *ei)
{
    const char *who = account_option(list, OPT_LIST_POST);
    struct sv from[] = { sender, auth };
    if (account_kind(list) == KIND_GROUP)
        return 1;
    if (!sender.n) /* reports and automatic answers go to the owner */
        return 0;
    int r = *who == 'a';
    for (size_t i = 0; i < ARRAY_LEN(from) && r == 0; i++) {
        if (!from[i].n)
            continue;
        r = is_moderator(list, from[i]);
        if (r == 0 && strcmp(who, "members") == 0)
            r = is_member(a, list, from[i], ei);
    }
    return r;
}

/* Where all posts wait, an envelope sender does not speak for a moderator: anybody can write it. */
int account_post_waits(struct accounts *a, const struct account *list, struct sv sender,
                       struct sv auth, struct errinfo *ei)
{
    const char *whose = account_option(list, OPT_LIST_MODERATE);
    if (account_kind(list) != KIND_LIST || strcmp(whose, "no") == 0)
        return 0;
    if (strcmp(whose, "all") == 0)
        return !is_moderator(list, auth);
    if (account_moderates(list, sender, auth))
        return 0;
    int r = is_member(a, list, sender, ei);
    if (r == 0 && auth.n)
        r = is_member(a, list, auth, ei);
    return r < 0 ? r : r == 0;
}
