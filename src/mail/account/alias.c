/* Aliases: those of an account (rows with account_id) and those that lead to any addresses (rows
 * with target). Row acc.aliases. Called by the CLI and the control module; any thread. */
#include "mail/account/accounts_priv.h"

#include "base/hash.h"
#include "mail/account/audit.h"
#include "mail/account/pattern.h"

#define MAX_CHAIN   10
#define MAX_TARGETS 10000

/* The alias's own address: in a domain of ours, no account. *ret_domain = its domain's id. */
static int check_source(struct change *ch, const struct addr *a, int64_t *ret_domain)
{
    int64_t n = 0;
    struct sv domain = addr_domain(a), local = addr_local(a);
    int r = local.p[0] != '[' ? addr_check_new(a, ch->ei)
            : pattern_is_name(local)
                ? pattern_exists(ch, pattern_inner(local))
                : err_set(ch->ei, E_PARSE, "alias '%.120s': is no name of a pattern", a->text);
    if (r < 0)
        return r;
    r = db_value(ch->c, ret_domain, ch->ei, "SELECT id FROM domain WHERE name = ?", "v", domain);
    if (r == E_NOTFOUND)
        return err_set(ch->ei, E_NOTFOUND, "alias '%.120s': domain '" SV_FMT "' does not exist",
                       a->text, SV_ARG(sv_take(domain, 80)));
    if (r == 0)
        r = domain_must_be_local(ch, *ret_domain);
    if (r == 0)
        r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM account WHERE address = ?", "s",
                     a->text);
    if (r == 0 && n)
        return err_set(ch->ei, E_EXISTS, "alias '%.120s': an account has this address", a->text);
    return r;
}

/* First columns of the rows, ;-separated. The parameter is id for "i", address for "v". */
static int list_rows(struct dbc *c, const char *sql, const char *fmt, int64_t id, struct sv address,
                     struct buf *ret, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r =
        fmt[0] == 'i' ? db_query(c, &s, ei, sql, "i", id) : db_query(c, &s, ei, sql, "v", address);
    for (bool first = true; r == 0 && (r = db_step(s, ei)) == 1; first = false) {
        if (!first)
            buf_add_c(ret, ';');
        buf_add_sv(ret, db_col_text(s, 0));
        r = 0;
    }
    if (r == 0 && ret->overflow)
        return err_set(ei, -ENOMEM, "the list of aliases is too long to show");
    return r;
}

int alias_list_for_account(struct dbc *c, int64_t account_id, struct buf *ret, struct errinfo *ei)
{
    return list_rows(c, "SELECT address FROM alias WHERE account_id = ? ORDER BY id", "i",
                     account_id, SV_NULL, ret, ei);
}

int account_aliases(struct accounts *a, int64_t account_id, struct buf *ret, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(a->db, &c, ei);
    return r < 0 ? r : alias_list_for_account(c, account_id, ret, ei);
}

static int insert_row(struct change *ch, const struct addr *a, int64_t domain_id,
                      int64_t account_id, struct sv target)
{
    int64_t id = 0;
    int r = id_next(ch->c, "alias", &id, ch->ei);
    if (r < 0)
        return r;
    return db_run(ch->c, ch->ei,
                  "INSERT INTO alias (id, address, domain_id, account_id, target)"
                  " VALUES (?, ?, ?, ?, ?)",
                  "isiiv", id, a->text, domain_id, account_id, target);
}

/* One entry of an account's list: local part or address. */
static int add_for_account(struct change *ch, int64_t account_id, const struct addr *self,
                           struct sv item, struct map *seen)
{
    struct addr a;
    int64_t domain_id = 0;
    int r = addr_parse(item, &a, ch->ei);
    if (r == 0 && a.at == a.n)
        r = addr_set_domain(&a, addr_domain(self));
    if (r < 0)
        return r;
    if (sv_eq(addr_sv(&a), addr_sv(self)))
        return err_set(ch->ei, E_CONFLICT, "alias '%.120s': is the account's own address", a.text);
    if (map_put(seen, addr_sv(&a), seen))
        return 0; /* named twice */
    r = check_source(ch, &a, &domain_id);
    return r < 0 ? r : insert_row(ch, &a, domain_id, account_id, SV(""));
}

int alias_replace_for_account(struct change *ch, int64_t account_id, const struct addr *self,
                              const char *list)
{
    struct buf was, is;
    buf_init(&was, 4 * MiB);
    buf_init(&is, 4 * MiB);
    struct map *seen = map_new();
    int r = alias_list_for_account(ch->c, account_id, &was, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM alias WHERE account_id = ?", "i", account_id);
    struct sv rest = sv_c(list);
    while (r == 0 && rest.p) {
        struct sv item = sv_trim(sv_split(&rest, ';'));
        if (item.n)
            r = add_for_account(ch, account_id, self, item, seen);
    }
    if (r == 0)
        r = alias_list_for_account(ch->c, account_id, &is, ch->ei);
    buf_terminate(&was);
    buf_terminate(&is);
    if (r == 0)
        r = change_note(ch, "aliases", was.p, is.p);
    map_free(seen, NULL);
    buf_done(&was);
    buf_done(&is);
    return r;
}

/* --- aliases by themselves --- */

struct alias_change {
    struct addr a;
    const char *targets;
};

static int targets_of(struct change *ch, const struct addr *a, struct buf *ret)
{
    return list_rows(ch->c,
                     "SELECT target FROM alias WHERE address = ? AND account_id = 0 ORDER BY id",
                     "v", 0, addr_sv(a), ret, ch->ei);
}

/* Follows stored aliases from `at`; E_CONFLICT when they lead to home or further than resolving
 * goes. */
static int check_chain(struct change *ch, const struct addr *home, struct sv at, struct map *seen,
                       unsigned depth)
{
    struct addr a;
    if (addr_parse(at, &a, NULL) < 0 || a.at == a.n)
        return 0;
    if (sv_eq(addr_sv(&a), addr_sv(home)))
        return err_set(ch->ei, E_CONFLICT, "alias '%.120s': would lead back to itself", home->text);
    if (depth >= MAX_CHAIN)
        return err_set(ch->ei, E_CONFLICT, "alias '%.120s': the chain is longer than %d",
                       home->text, MAX_CHAIN);
    if (map_put(seen, addr_sv(&a), seen))
        return 0;
    struct buf next;
    buf_init(&next, 4 * MiB);
    int r = targets_of(ch, &a, &next);
    struct sv rest = buf_sv(&next);
    while (r == 0 && rest.n) {
        struct sv item = sv_split(&rest, ';');
        r = check_chain(ch, home, item, seen, depth + 1);
    }
    buf_done(&next);
    return r;
}

static int add_target(struct change *ch, const struct alias_change *ac, int64_t domain_id,
                      struct sv item, struct map *seen)
{
    struct addr to;
    int r = addr_parse(item, &to, ch->ei);
    if (r == 0)
        r = addr_check_new(&to, ch->ei);
    if (r < 0)
        return r;
    if (map_put(seen, addr_sv(&to), seen))
        return 0;
    if (map_count(seen) > MAX_TARGETS)
        return err_set(ch->ei, E_RANGE, "alias '%.120s': more than %d targets", ac->a.text,
                       MAX_TARGETS);
    struct map *chain = map_new();
    r = check_chain(ch, &ac->a, addr_sv(&to), chain, 0);
    map_free(chain, NULL);
    /* As written: the local part of somebody else's address may depend on its case. */
    return r < 0 ? r : insert_row(ch, &ac->a, domain_id, 0, item);
}

static int set_in(struct change *ch, void *arg)
{
    const struct alias_change *ac = arg;
    int64_t domain_id = 0;
    struct buf was, is;
    buf_init(&was, 4 * MiB);
    buf_init(&is, 4 * MiB);
    struct map *seen = map_new();
    int r = check_source(ch, &ac->a, &domain_id);
    if (r == 0)
        r = targets_of(ch, &ac->a, &was);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM alias WHERE address = ? AND account_id = 0", "s",
                   ac->a.text);
    struct sv rest = sv_c(ac->targets);
    while (r == 0 && rest.p) {
        struct sv item = sv_trim(sv_split(&rest, ';'));
        if (item.n)
            r = add_target(ch, ac, domain_id, item, seen);
    }
    if (r == 0)
        r = targets_of(ch, &ac->a, &is);
    buf_terminate(&was);
    buf_terminate(&is);
    if (r == 0)
        r = change_note(ch, "targets", was.n ? was.p : NULL, is.n ? is.p : NULL);
    map_free(seen, NULL);
    buf_done(&was);
    buf_done(&is);
    return r;
}

int alias_set(struct accounts *a, const char *admin, struct sv address, const char *targets,
              struct errinfo *ei)
{
    struct alias_change ac = { .targets = targets };
    int r = addr_parse(sv_trim(address), &ac.a, ei);
    return r < 0 ? r : change_run(a, admin, "alias", addr_sv(&ac.a), set_in, &ac, ei);
}

static int delete_in(struct change *ch, void *arg)
{
    const struct alias_change *ac = arg;
    int64_t n = 0;
    int r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM alias WHERE address = ?", "s",
                     ac->a.text);
    if (r == 0 && n == 0)
        return err_set(ch->ei, E_NOTFOUND, "alias '%.150s' does not exist", ac->a.text);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM alias WHERE address = ?", "s", ac->a.text);
    return r < 0 ? r : change_note(ch, "alias", "existed", NULL);
}

int alias_delete(struct accounts *a, const char *admin, struct sv address, struct errinfo *ei)
{
    struct alias_change ac = { .targets = "" };
    int r = addr_parse(sv_trim(address), &ac.a, ei);
    return r < 0 ? r : change_run(a, admin, "alias", addr_sv(&ac.a), delete_in, &ac, ei);
}

struct alias_row {
    char *address;
    struct buf targets;
};

struct alias_list {
    struct alias_row *rows;
    size_t n;
};

static void add_listed(struct alias_list *l, struct sv address, struct sv target)
{
    if (l->n == 0 || !sv_eq(sv_c(l->rows[l->n - 1].address), address)) {
        l->rows = xrealloc(l->rows, (l->n + 1) * sizeof(*l->rows));
        l->rows[l->n].address = sv_dup(address);
        buf_init(&l->rows[l->n].targets, 4 * MiB);
        l->n++;
    } else {
        buf_add_c(&l->rows[l->n - 1].targets, ';');
    }
    buf_add_sv(&l->rows[l->n - 1].targets, target);
}

static int read_aliases(struct dbc *c, struct sv domain, struct alias_list *l, struct errinfo *ei)
{
    static const char all[] =
        "SELECT al.address, al.target, a.address FROM alias al"
        " LEFT JOIN account a ON a.id = al.account_id ORDER BY al.address, al.id";
    static const char one[] =
        "SELECT al.address, al.target, a.address FROM alias al"
        " LEFT JOIN account a ON a.id = al.account_id"
        " WHERE al.domain_id = (SELECT id FROM domain WHERE name = ?) ORDER BY al.address, al.id";
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = domain.p ? db_query(c, &s, ei, one, "v", domain) : db_query(c, &s, ei, all, "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        add_listed(l, db_col_text(s, 0), db_col_text(s, db_col_null(s, 2) ? 1 : 2));
        r = 0;
    }
    return r;
}

int alias_each(struct accounts *a, struct sv domain,
               bool (*fn)(const char *address, const char *targets, void *arg), void *arg,
               struct errinfo *ei)
{
    struct alias_list l = { 0 };
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    int r = domain.n ? addr_parse_domain(domain, name, &n, ei) : 0;
    if (r == 0) {
        _cleanup_(db_putp) struct dbc *c = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = read_aliases(c, domain.n ? sv_n(name, n) : SV_NULL, &l, ei);
    }
    bool more = r == 0;
    for (size_t i = 0; i < l.n; i++) {
        buf_terminate(&l.rows[i].targets);
        if (more)
            more = fn(l.rows[i].address, l.rows[i].targets.p, arg);
        buf_done(&l.rows[i].targets);
        free(l.rows[i].address);
    }
    free(l.rows);
    return r;
}
