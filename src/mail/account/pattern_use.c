/* Who uses patterns: asked before one is deleted, after its items have changed, inside of the
 * change, and by administrators. All of it is read from the database: it is rare, and the cache
 * knows nothing of a change that is not committed. */
#include "base/hash.h"
#include "conf/patterns.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/filter_store.h"
#include "mail/account/pattern.h"

#define OPTIONS                                                                                    \
    "SELECT o.name, a.address, o.value FROM account_option o"                                      \
    " JOIN account a ON a.id = o.account_id"                                                       \
    " WHERE o.name IN ('forward_to', 'copy_incoming', 'copy_outgoing') AND o.value LIKE '%[%'"     \
    " ORDER BY a.address, o.name"
#define SETTINGS "SELECT name, '', value FROM setting WHERE value LIKE '%[%' ORDER BY name"

static bool is_in_list(struct sv list, struct sv name)
{
    while (list.p)
        if (sv_ieq(sv_split(&list, ';'), name))
            return true;
    return false;
}

static int mark_found(struct sv name, void *arg)
{
    const struct sv *wanted = arg;
    return sv_ieq(name, *wanted);
}

static bool is_in_rules(struct sv text, struct sv name)
{
    struct filter_rules rules;
    bool found = false;
    if (sv_ifind_sv(text, name) < 0 || filter_parse(text, &rules, NULL) < 0)
        return false;
    for (size_t i = 0; i < rules.n; i++)
        found |= filter_each_pattern(rules.v[i], mark_found, &name) != 0;
    filter_rules_done(&rules);
    return found;
}

/* Each says whether the pattern stands in the third column of a row. */

static bool is_alias_of(struct db_stmt *s, struct sv name)
{
    return sv_starts(db_col_text(s, 2), name);
}

static bool is_itself(struct db_stmt *s, struct sv name)
{
    return sv_eq(db_col_text(s, 2), name);
}

static bool is_in_setting(struct db_stmt *s, struct sv name)
{
    const struct setting *def = conf_find(db_col_text(s, 0));
    return def && conf_patterns_used(def, db_col_text(s, 2), pattern_inner(name));
}

static bool is_in_option(struct db_stmt *s, struct sv name)
{
    return is_in_list(db_col_text(s, 2), name);
}

static bool is_in_rule(struct db_stmt *s, struct sv name)
{
    return is_in_rules(db_col_blob(s, 2), name);
}

/* How errors call the user. */

static void call_name(struct sv name, struct sv owner _unused_, char *ret, size_t cap)
{
    snprintf(ret, cap, SV_FMT, SV_ARG(name));
}

static void call_pattern(struct sv name, struct sv owner _unused_, char *ret, size_t cap)
{
    snprintf(ret, cap, "pattern [" SV_FMT "]", SV_ARG(name));
}

static void call_setting(struct sv name, struct sv owner _unused_, char *ret, size_t cap)
{
    snprintf(ret, cap, "setting " SV_FMT, SV_ARG(name));
}

static void call_option(struct sv name, struct sv owner, char *ret, size_t cap)
{
    snprintf(ret, cap, SV_FMT " of " SV_FMT, SV_ARG(name), SV_ARG(owner));
}

static struct sv or_server(struct sv owner)
{
    return owner.n ? owner : SV("the server");
}

static void call_senders(struct sv name _unused_, struct sv owner, char *ret, size_t cap)
{
    snprintf(ret, cap, "list of senders of " SV_FMT, SV_ARG(or_server(owner)));
}

static void call_rule(struct sv name, struct sv owner, char *ret, size_t cap)
{
    snprintf(ret, cap, "rule '" SV_FMT "' of " SV_FMT, SV_ARG(name), SV_ARG(or_server(owner)));
}

/* sql: name and owner as in struct pattern_user, then where the pattern may stand. */
static const struct {
    const char *kind, *sql;
    bool (*has)(struct db_stmt *s, struct sv name);
    void (*call)(struct sv name, struct sv owner, char *ret, size_t cap);
} users[] = {
    { "alias",
      "SELECT DISTINCT a.address, COALESCE(d.name, ''), a.address FROM alias a"
      " LEFT JOIN domain d ON d.id = a.domain_id WHERE a.address LIKE '[%' ORDER BY a.address",
      is_alias_of, call_name },
    { "pattern", "SELECT name, '', item FROM pattern_item WHERE item LIKE '[%' ORDER BY name",
      is_itself, call_pattern },
    { "setting", SETTINGS, is_in_setting, call_setting },
    { "account", OPTIONS, is_in_option, call_option },
    { "senders",
      "SELECT l.sender, COALESCE(d.name, ''), l.sender FROM sender_list l"
      " LEFT JOIN domain d ON d.id = l.domain_id WHERE l.sender LIKE '[%' ORDER BY l.domain_id",
      is_itself, call_senders },
    { "rule",
      "SELECT f.name, COALESCE(d.name, a.address, ''), f.content FROM mail_filter f"
      " LEFT JOIN domain d ON f.level = 2 AND d.id = f.owner_id"
      " LEFT JOIN account a ON f.level = 4 AND a.id = f.owner_id"
      " ORDER BY f.level, f.owner_id, f.name",
      is_in_rule, call_rule },
};

int pattern_walk_users(struct dbc *c, const char *name,
                       bool (*fn)(const struct pattern_user *, void *arg), void *arg,
                       struct errinfo *ei)
{
    bool more = true;
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(users) && r == 0 && more; i++) {
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        r = db_query(c, &s, ei, users[i].sql, "");
        while (r == 0 && more && (r = db_step(s, ei)) == 1) {
            char text[400];
            struct pattern_user u = { users[i].kind, db_col_text(s, 0), db_col_text(s, 1), text };
            r = 0;
            if (!users[i].has(s, sv_c(name)))
                continue;
            users[i].call(u.name, u.owner, text, sizeof(text));
            more = fn(&u, arg);
        }
    }
    return r;
}

struct told {
    char *p;
    size_t cap;
};

static bool take_first(const struct pattern_user *u, void *arg)
{
    struct told *t = arg;
    snprintf(t->p, t->cap, "%s", u->text);
    return false;
}

int pattern_find_user(struct change *ch, const char *name, char *ret, size_t cap)
{
    struct told t = { ret, cap };
    ret[0] = '\0';
    return pattern_walk_users(ch->c, name, take_first, &t, ch->ei);
}

/* --- what a change leaves of it --- */

struct recipients {
    struct sv self;
    size_t n;
    bool has_self;
};

static int count_one(struct sv address, void *arg)
{
    struct recipients *x = arg;
    x->n++;
    x->has_self |= sv_ieq(address, x->self);
    return 0;
}

static int check_one(struct change *ch, struct sv self, const char *field, struct sv name)
{
    struct view v = { .a = ch->a, .c = ch->c, .fresh = true };
    struct recipients x = { .self = self };
    struct map *seen = map_new();
    int r = pattern_exists(ch, pattern_inner(name));
    if (r < 0)
        (void)value_fault(ch->ei, field, r);
    else
        r = pattern_recipients(&v, pattern_inner(name), seen, count_one, &x, ch->ei);
    map_free(seen, NULL);
    if (r < 0)
        return r;
    char cut[84] = "";
    (void)sv_copy(cut, sizeof(cut), sv_take(self, 80));
    if (x.has_self)
        return err_set(ch->ei, E_CONFLICT,
                       "%s: pattern '" SV_FMT "' has the account itself, %.80s: its mail would go "
                       "round; use a pattern without it",
                       field, SV_ARG(name), cut);
    return x.n ? 0
               : err_set(ch->ei, E_CONFLICT,
                         "%s: pattern '" SV_FMT
                         "' has no whole address to send to; add one, such as "
                         "user@example.org, to its items",
                         field, SV_ARG(name));
}

int pattern_check_recipients(struct change *ch, struct sv self, const char *field, struct sv list)
{
    int r = 0;
    while (list.n && r == 0) {
        struct sv item = sv_split(&list, ';');
        if (pattern_is_name(item))
            r = check_one(ch, self, field, item);
    }
    return r;
}

struct option_row {
    char *address, *name, *value;
};

static int read_options(struct change *ch, struct option_row **ret, size_t *ret_n)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei, OPTIONS, "");
    while (r == 0 && (r = db_step(s, ch->ei)) == 1) {
        *ret = xrealloc(*ret, (*ret_n + 1) * sizeof(**ret));
        (*ret)[(*ret_n)++] =
            (struct option_row){ sv_dup(db_col_text(s, 1)), sv_dup(db_col_text(s, 0)),
                                 sv_dup(db_col_text(s, 2)) };
        r = 0;
    }
    return r;
}

static int check_accounts(struct change *ch)
{
    struct option_row *rows = NULL;
    size_t n = 0;
    int r = read_options(ch, &rows, &n);
    for (size_t i = 0; i < n; i++) {
        char field[40 + ADDR_MAX];
        snprintf(field, sizeof(field), "%s of %s", rows[i].name, rows[i].address);
        if (r == 0)
            r = pattern_check_recipients(ch, sv_c(rows[i].address), field, sv_c(rows[i].value));
        free(rows[i].address);
        free(rows[i].name);
        free(rows[i].value);
    }
    free(rows);
    return r;
}

static int check_settings(struct change *ch)
{
    _cleanup_(conf_patterns_freep) struct conf_patterns *l = NULL;
    int r = patterns_read_from(ch->c, &l, ch->ei);
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    if (r == 0)
        r = db_query(ch->c, &s, ch->ei, SETTINGS, "");
    while (r == 0 && (r = db_step(s, ch->ei)) == 1) {
        const struct setting *def = conf_find(db_col_text(s, 0));
        if (def && conf_patterns_check(l, def, db_col_text(s, 2), ch->ei) < 0)
            return E_CONFLICT;
        r = 0;
    }
    return r;
}

int pattern_check_users(struct change *ch, const char *name)
{
    char prefix[PATTERN_NAME_MAX + 20];
    int r = check_settings(ch);
    if (r == 0)
        r = check_accounts(ch);
    snprintf(prefix, sizeof(prefix), "pattern '%s'", name);
    return r == E_CONFLICT ? value_fault(ch->ei, prefix, r) : r;
}
