/* Table mail_filter: changes, and reading for people. A change works on the owner's whole list,
 * which is short. */
#include "mail/account/filter_store.h"

#include "base/clock.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/members.h"
#include "mail/account/pattern.h"

struct filter_row {
    char *name, *text;
    int64_t place; /* as stored; 0 = not stored yet */
    bool changed;
};
struct filter_rows {
    struct filter_row *v;
    size_t n;
};

static void rows_done(struct filter_rows *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].text);
    }
    free(l->v);
}

static struct filter_row *add_row(struct filter_rows *l, struct sv name, struct sv text)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n] = (struct filter_row){ .name = sv_dup(name), .text = sv_dup(text) };
    return &l->v[l->n++];
}

static size_t find_row(const struct filter_rows *l, struct sv name)
{
    size_t i = 0;
    while (i < l->n && !sv_eq(sv_c(l->v[i].name), name))
        i++;
    return i;
}

/* --- owners --- */

struct owner {
    enum filter_level level;
    int64_t id;
    char text[ADDR_MAX + 1];
};

static int parse_owner(struct sv text, struct owner *ret, struct errinfo *ei)
{
    struct addr a;
    size_t n = 0;
    text = sv_trim(text);
    *ret = (struct owner){ .level = FILTER_SERVER };
    if (!text.n)
        return 0;
    if (sv_find(text, '@') < 0) {
        ret->level = FILTER_DOMAIN;
        return addr_parse_domain(text, ret->text, &n, ei);
    }
    int r = addr_parse(text, &a, ei);
    ret->level = FILTER_ACCOUNT;
    if (r == 0)
        (void)sv_copy(ret->text, sizeof(ret->text), addr_sv(&a));
    return r;
}

static int find_owner(struct dbc *c, struct owner *o, struct errinfo *ei)
{
    int r = 0;
    if (o->level == FILTER_DOMAIN)
        r = db_value(c, &o->id, NULL, "SELECT id FROM domain WHERE name = ?", "s", o->text);
    else if (o->level == FILTER_ACCOUNT)
        r = db_value(c, &o->id, NULL, "SELECT id FROM account WHERE address = ?", "s", o->text);
    if (r == E_NOTFOUND)
        return err_set(ei, r, "%s '%.150s' does not exist",
                       o->level == FILTER_DOMAIN ? "domain" : "account", o->text);
    return r < 0 ? err_set(ei, E_TEMP, "cannot read the owner of the rules") : 0;
}

static int begin_read(struct accounts *a, struct sv owner, struct dbc **ret, struct owner *o,
                      struct errinfo *ei)
{
    int r = parse_owner(owner, o, ei);
    if (r == 0)
        r = db_get(a->db, ret, ei);
    return r < 0 ? r : find_owner(*ret, o, ei);
}

int filters_owner(struct accounts *a, struct sv owner, enum filter_level *ret_level,
                  int64_t *ret_id, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    struct owner o;
    int r = begin_read(a, owner, &c, &o, ei);
    if (r == 0) {
        *ret_level = o.level;
        *ret_id = o.id;
    }
    return r;
}

/* --- reading --- */

static bool is_off(const char *text)
{
    struct filter_rules rules;
    bool off = true; /* one that this version cannot read is not asked */
    if (filter_parse(sv_c(text), &rules, NULL) == 0 && rules.n)
        off = rules.v[0]->off;
    filter_rules_done(&rules);
    return off;
}

int filters_each(struct accounts *a, struct sv owner,
                 bool (*fn)(const struct filter_info *, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    struct owner o;
    int64_t position = 0;
    account_filter_hits_write(a);
    int r = begin_read(a, owner, &c, &o, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT name, content, hits, hit_ms, changed_ms FROM mail_filter"
                     " WHERE level = ? AND owner_id = ? ORDER BY place, name",
                     "ii", (int64_t)o.level, o.id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        _cleanup_(freep) char *name = sv_dup(db_col_text(s, 0)), *text = sv_dup(db_col_blob(s, 1));
        struct filter_info i = {
            .name = name,
            .text = text,
            .position = ++position,
            .off = is_off(text),
            .hits = db_col_int(s, 2),
            .hit_ms = db_col_int(s, 3),
            .changed_ms = db_col_int(s, 4),
        };
        r = fn(&i, arg) ? 0 : 1;
    }
    return MIN(r, 0);
}

int filters_owners(struct accounts *a,
                   bool (*fn)(enum filter_level level, const char *owner, void *arg), void *arg,
                   struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT DISTINCT f.level, COALESCE(d.name, ac.address, '') FROM mail_filter f"
                     " LEFT JOIN domain d ON f.level = 2 AND d.id = f.owner_id"
                     " LEFT JOIN account ac ON f.level = 4 AND ac.id = f.owner_id ORDER BY 1, 2",
                     "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        _cleanup_(freep) char *owner = sv_dup(db_col_text(s, 1));
        r = fn((enum filter_level)db_col_int(s, 0), owner, arg) ? 0 : 1;
    }
    return MIN(r, 0);
}

struct text_of {
    struct buf all;
};

static bool add_text(const struct filter_info *i, void *arg)
{
    struct text_of *t = arg;
    (void)buf_add_str(&t->all, i->text);
    (void)buf_add_str(&t->all, "\n");
    return true;
}

int filters_load(struct accounts *a, struct sv owner, enum filter_level *ret_level,
                 struct filter_rules *ret, struct errinfo *ei)
{
    struct text_of t;
    int64_t id;
    *ret = (struct filter_rules){ 0 };
    buf_init(&t.all, FILTER_MAX_RULES * (FILTER_MAX_TEXT + 1));
    int r = filters_owner(a, owner, ret_level, &id, ei);
    if (r == 0)
        r = filters_each(a, owner, add_text, &t, ei);
    if (r == 0)
        r = filter_parse(buf_sv(&t.all), ret, ei);
    buf_done(&t.all);
    return r;
}

/* --- changes --- */

struct filter_change {
    struct owner owner;
    struct filter_rules rules;
    bool all;
    struct sv name;
    int64_t position;
    bool on;
};

static int read_rows(struct change *ch, const struct owner *o, struct filter_rows *ret)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei,
                     "SELECT name, content, place FROM mail_filter"
                     " WHERE level = ? AND owner_id = ? ORDER BY place, name",
                     "ii", (int64_t)o->level, o->id);
    while (r == 0 && (r = db_step(s, ch->ei)) == 1) {
        add_row(ret, db_col_text(s, 0), db_col_blob(s, 1))->place = db_col_int(s, 2);
        r = 0;
    }
    return MIN(r, 0);
}

static int note(struct change *ch, const char *name, const char *what, const char *was,
                const char *is)
{
    char field[FILTER_MAX_NAME + 20];
    snprintf(field, sizeof(field), "%s %s", what, name);
    return change_note(ch, field, was, is);
}

static int write_row(struct change *ch, const struct owner *o, const struct filter_row *f,
                     int64_t place)
{
    int64_t level = o->level;
    int r;
    if (!f->place)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO mail_filter (level, owner_id, name, place, content, hits, hit_ms,"
                   " changed_ms) VALUES (?, ?, ?, ?, ?, 0, 0, ?)",
                   "iisibi", level, o->id, f->name, place, sv_c(f->text), clock_wall_ms());
    else if (f->changed)
        r = db_run(ch->c, ch->ei,
                   "UPDATE mail_filter SET place = ?, content = ?, changed_ms = ?"
                   " WHERE level = ? AND owner_id = ? AND name = ?",
                   "ibiiis", place, sv_c(f->text), clock_wall_ms(), level, o->id, f->name);
    else if (f->place != place)
        r = db_run(ch->c, ch->ei,
                   "UPDATE mail_filter SET place = ? WHERE level = ? AND owner_id = ? AND name = ?",
                   "iiis", place, level, o->id, f->name);
    else
        return 0;
    return r == E_CONFLICT ? E_TEMP : r; /* somebody else was faster */
}

static int write_rows(struct change *ch, const struct owner *o, const struct filter_rows *l)
{
    int r = 0;
    for (size_t i = 0; i < l->n && r == 0; i++)
        r = write_row(ch, o, &l->v[i], (int64_t)i + 1);
    return r;
}

static int delete_row(struct change *ch, const struct owner *o, struct filter_rows *l, size_t i)
{
    int r = db_run(ch->c, ch->ei,
                   "DELETE FROM mail_filter WHERE level = ? AND owner_id = ? AND name = ?", "iis",
                   (int64_t)o->level, o->id, l->v[i].name);
    if (r == 0)
        r = note(ch, l->v[i].name, "rule", "existed", NULL);
    free(l->v[i].name);
    free(l->v[i].text);
    l->n--;
    memmove(&l->v[i], &l->v[i + 1], (l->n - i) * sizeof(l->v[i]));
    return r;
}

static void move_row(struct filter_rows *l, size_t from, size_t to)
{
    struct filter_row f = l->v[from];
    if (from < to)
        memmove(&l->v[from], &l->v[from + 1], (to - from) * sizeof(f));
    else
        memmove(&l->v[to + 1], &l->v[to], (from - to) * sizeof(f));
    l->v[to] = f;
}

static int put_one(struct change *ch, struct filter_rows *l, const struct filter_rule *rule)
{
    size_t i = find_row(l, rule->name);
    if (i == l->n)
        add_row(l, rule->name, rule->text);
    else if (sv_eq(sv_c(l->v[i].text), rule->text))
        return 0;
    struct filter_row *f = &l->v[i];
    _cleanup_(freep) char *text = sv_dup(rule->text);
    int r = note(ch, f->name, "rule", f->place ? f->text : NULL, text);
    free(f->text);
    f->text = take_ptr(text);
    f->changed = true;
    return r;
}

/* Those that the text does not have; then its order. */
static int replace_all(struct change *ch, const struct filter_change *fc, struct filter_rows *l)
{
    int r = 0;
    for (size_t i = l->n; i-- > 0 && r == 0;) {
        bool wanted = false;
        for (size_t k = 0; k < fc->rules.n; k++)
            wanted |= sv_eq(fc->rules.v[k]->name, sv_c(l->v[i].name));
        if (!wanted)
            r = delete_row(ch, &fc->owner, l, i);
    }
    return r;
}

static int check_pattern(struct sv name, void *arg)
{
    return pattern_exists(arg, pattern_inner(name));
}

/* Patterns that the conditions name. */
static int check_patterns(struct change *ch, const struct filter_rule *rule)
{
    char field[FILTER_MAX_NAME + 16];
    int r = filter_each_pattern(rule, check_pattern, ch);
    snprintf(field, sizeof(field), "rule '" SV_FMT "'", SV_ARG(rule->name));
    return r < 0 ? value_fault(ch->ei, field, r == E_NOTFOUND ? E_PARSE : r) : 0;
}

static int put_in(struct change *ch, void *arg)
{
    struct filter_change *fc = arg;
    _cleanup_(rows_done) struct filter_rows l = { 0 };
    int r = find_owner(ch->c, &fc->owner, ch->ei);
    for (size_t i = 0; i < fc->rules.n && r == 0; i++)
        r = check_patterns(ch, fc->rules.v[i]);
    if (r == 0)
        r = read_rows(ch, &fc->owner, &l);
    if (r == 0 && fc->all)
        r = replace_all(ch, fc, &l);
    for (size_t i = 0; i < fc->rules.n && r == 0; i++) {
        r = put_one(ch, &l, fc->rules.v[i]);
        if (fc->all)
            move_row(&l, find_row(&l, fc->rules.v[i]->name), i);
    }
    if (r == 0 && l.n > FILTER_MAX_RULES)
        r = err_set(ch->ei, E_LIMIT, "there would be %zu rules, at most %d are allowed", l.n,
                    FILTER_MAX_RULES);
    return r < 0 ? r : write_rows(ch, &fc->owner, &l);
}

/* Its name and text change; all else stays. */
static int rewrite(struct change *ch, struct filter_change *fc, const struct filter_row *f,
                   const struct filter_rule *rule)
{
    _cleanup_(freep) char *name = sv_dup(rule->name), *text = sv_dup(rule->text);
    int r = 0;
    if (strcmp(f->name, name) != 0)
        r = note(ch, f->name, "name of rule", f->name, name);
    if (r == 0 && strcmp(f->text, text) != 0)
        r = note(ch, name, "rule", f->text, text);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "UPDATE mail_filter SET name = ?, content = ?, changed_ms = ?"
                   " WHERE level = ? AND owner_id = ? AND name = ?",
                   "sbiiis", name, rule->text, clock_wall_ms(), (int64_t)fc->owner.level,
                   fc->owner.id, f->name);
    return r == E_CONFLICT ? E_TEMP : r;
}

static int missing(struct change *ch, struct sv name)
{
    return err_set(ch->ei, E_NOTFOUND, "there is no rule '" SV_FMT "'",
                   SV_ARG(sv_take(name, FILTER_MAX_NAME)));
}

/* The owner's rules, and the one that is meant. */
static int find_in(struct change *ch, struct filter_change *fc, struct filter_rows *l, size_t *ret)
{
    int r = find_owner(ch->c, &fc->owner, ch->ei);
    if (r == 0)
        r = read_rows(ch, &fc->owner, l);
    *ret = find_row(l, fc->name);
    return r == 0 && *ret == l->n ? missing(ch, fc->name) : r;
}

static int delete_in(struct change *ch, void *arg)
{
    struct filter_change *fc = arg;
    _cleanup_(rows_done) struct filter_rows l = { 0 };
    size_t i;
    int r = find_in(ch, fc, &l, &i);
    if (r == 0)
        r = delete_row(ch, &fc->owner, &l, i);
    return r < 0 ? r : write_rows(ch, &fc->owner, &l);
}

static int replace_in(struct change *ch, void *arg)
{
    struct filter_change *fc = arg;
    _cleanup_(rows_done) struct filter_rows l = { 0 };
    const struct filter_rule *rule = fc->rules.v[0];
    size_t i, other;
    int r = find_in(ch, fc, &l, &i);
    if (r < 0)
        return r;
    other = find_row(&l, rule->name);
    if (other != i && other != l.n)
        return err_set(ch->ei, E_EXISTS, "there is another rule '" SV_FMT "'", SV_ARG(rule->name));
    r = check_patterns(ch, rule);
    return r < 0 ? r : rewrite(ch, fc, &l.v[i], rule);
}

static int turn_in(struct change *ch, void *arg)
{
    struct filter_change *fc = arg;
    _cleanup_(rows_done) struct filter_rows l = { 0 };
    _cleanup_(buf_done) struct buf text = { 0 };
    size_t i;
    int r = find_in(ch, fc, &l, &i);
    buf_init(&text, FILTER_MAX_TEXT + 16);
    if (r == 0)
        r = filter_turn(sv_c(l.v[i].text), !fc->on, &text);
    if (r == 0)
        r = filter_parse(buf_sv(&text), &fc->rules, ch->ei);
    return r < 0 ? r : rewrite(ch, fc, &l.v[i], fc->rules.v[0]);
}

static int move_in(struct change *ch, void *arg)
{
    struct filter_change *fc = arg;
    _cleanup_(rows_done) struct filter_rows l = { 0 };
    size_t i;
    int r = find_in(ch, fc, &l, &i);
    if (r < 0)
        return r;
    size_t to = (size_t)MIN(fc->position, (int64_t)l.n) - 1;
    char was[24], is[24];
    snprintf(was, sizeof(was), "%zu", i + 1);
    snprintf(is, sizeof(is), "%zu", to + 1);
    r = note(ch, l.v[i].name, "position of rule", was, is);
    move_row(&l, i, to);
    return r < 0 ? r : write_rows(ch, &fc->owner, &l);
}

static int run(struct accounts *a, const char *admin, struct sv owner, struct filter_change *fc,
               int (*fn)(struct change *, void *), struct errinfo *ei)
{
    int r = parse_owner(owner, &fc->owner, ei);
    if (r < 0)
        return r;
    const char *kind = fc->owner.level == FILTER_SERVER   ? "filters of the"
                       : fc->owner.level == FILTER_DOMAIN ? "domain"
                                                          : "account";
    return change_run(a, admin, kind,
                      fc->owner.level == FILTER_SERVER ? SV("server") : sv_c(fc->owner.text), fn,
                      fc, ei);
}

/* May the rules be the owner's? */
static int check_rules(struct accounts *a, const struct filter_change *fc, struct errinfo *ei)
{
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    int r = 0;
    for (size_t i = 0; i < fc->rules.n && r == 0; i++)
        r = filter_check_level(fc->rules.v[i], fc->owner.level, ei);
    if (r < 0 || fc->owner.level != FILTER_ACCOUNT || !fc->rules.n ||
        account_find_address(a, sv_c(fc->owner.text), &acc, NULL) < 0)
        return r; /* that it does not exist is said where it is looked for */
    return account_kind(acc) == KIND_USER
               ? 0
               : err_set(ei, E_CONFLICT,
                         "'%s' is a list or group: its mail goes to the members, and rules are "
                         "asked for theirs",
                         acc->address);
}

int filters_put(struct accounts *a, const char *admin, struct sv owner, struct sv text, bool all,
                struct errinfo *ei)
{
    struct filter_change fc = { .all = all };
    int r = parse_owner(owner, &fc.owner, ei);
    if (r == 0)
        r = filter_parse(text, &fc.rules, ei);
    if (r == 0 && fc.rules.n == 0 && !all)
        r = err_set(ei, E_PARSE, "the text has no rule");
    if (r == 0)
        r = check_rules(a, &fc, ei);
    if (r == 0)
        r = run(a, admin, owner, &fc, put_in, ei);
    filter_rules_done(&fc.rules);
    return r;
}

int filters_replace(struct accounts *a, const char *admin, struct sv owner, struct sv name,
                    struct sv text, struct errinfo *ei)
{
    struct filter_change fc = { .name = name };
    int r = parse_owner(owner, &fc.owner, ei);
    if (r == 0)
        r = filter_parse(text, &fc.rules, ei);
    if (r == 0 && fc.rules.n != 1)
        r = err_set(ei, E_PARSE, "the text has %zu rules, not one", fc.rules.n);
    if (r == 0)
        r = check_rules(a, &fc, ei);
    if (r == 0)
        r = run(a, admin, owner, &fc, replace_in, ei);
    filter_rules_done(&fc.rules);
    return r;
}

int filters_turn(struct accounts *a, const char *admin, struct sv owner, struct sv name, bool on,
                 struct errinfo *ei)
{
    struct filter_change fc = { .name = name, .on = on };
    int r = run(a, admin, owner, &fc, turn_in, ei);
    filter_rules_done(&fc.rules);
    return r;
}

int filters_delete(struct accounts *a, const char *admin, struct sv owner, struct sv name,
                   struct errinfo *ei)
{
    struct filter_change fc = { .name = name };
    return run(a, admin, owner, &fc, delete_in, ei);
}

int filters_move(struct accounts *a, const char *admin, struct sv owner, struct sv name,
                 int64_t position, struct errinfo *ei)
{
    struct filter_change fc = { .name = name, .position = position };
    if (position < 1)
        return err_set(ei, E_RANGE, "position: 1 is the first");
    return run(a, admin, owner, &fc, move_in, ei);
}
