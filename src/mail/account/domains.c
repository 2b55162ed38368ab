/* Domains: create, change, delete, list. Rows acc.unknown, acc.primary, acc.limits. Called by the
 * CLI and the control module; any thread. */
#include "mail/account/accounts_priv.h"

#include "base/clock.h"
#include "mail/account/audit.h"

static const char *const unknown_names[] = { "reject", "forward", "delete" };

struct domain_change {
    char name[ADDR_DOMAIN_MAX + 1];
    const struct domain_spec *spec;
    bool with_accounts;
};

static int read_domain(struct change *ch, const char *name, struct domain *ret)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei,
                     "SELECT id, name, enabled, is_primary, unknown_action, unknown_to,"
                     " quota_bytes, max_message_bytes FROM domain WHERE name = ?",
                     "s", name);
    if (r == 0)
        r = db_step(s, ch->ei);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(ch->ei, E_NOTFOUND, "domain '%s' does not exist", name);
    domain_from_row(s, ret);
    return 0;
}

static int parse_unknown(const char *text, enum unknown_action *ret, struct errinfo *ei)
{
    for (size_t i = 0; i < ARRAY_LEN(unknown_names); i++) {
        if (sv_ieq(sv_trim(sv_c(text)), sv_c(unknown_names[i]))) {
            *ret = (enum unknown_action)i;
            return 0;
        }
    }
    return err_set(ei, E_PARSE,
                   "unknown: '%.60s' is not an action; allowed: reject, forward, delete", text);
}

/* A catch-all in its own domain must be somebody, or it would catch itself. */
static int check_unknown_to(struct change *ch, const struct domain *d, const char *text)
{
    struct addr to;
    int64_t n = 0;
    int r = addr_parse(sv_trim(sv_c(text)), &to, ch->ei);
    if (r == 0)
        r = addr_check_new(&to, ch->ei);
    if (r < 0 || !sv_eq(addr_domain(&to), sv_c(d->name)))
        return r;
    r = db_value(ch->c, &n, ch->ei,
                 "SELECT (SELECT COUNT(*) FROM account WHERE address = ?)"
                 " + (SELECT COUNT(*) FROM alias WHERE address = ?)",
                 "ss", to.text, to.text);
    if (r == 0 && n == 0)
        return err_set(ch->ei, E_NOTFOUND, "unknown_to: '%s' does not exist; create it first",
                       to.text);
    return r;
}

static int apply_limits(const struct domain_spec *s, struct domain *d, struct errinfo *ei)
{
    int r = 0;
    if (s->quota)
        r = value_size("quota", s->quota, &d->quota_bytes, ei);
    if (r == 0 && s->max_message)
        r = value_size("max_message", s->max_message, &d->max_message_bytes, ei);
    return r;
}

static int apply_spec(struct change *ch, const struct domain_spec *s, struct domain *d)
{
    int r = 0;
    if (s->enabled)
        r = value_bool("enabled", s->enabled, &d->enabled, ch->ei);
    if (r == 0 && s->primary)
        r = value_bool("primary", s->primary, &d->primary, ch->ei);
    if (r == 0 && s->unknown)
        r = parse_unknown(s->unknown, &d->unknown, ch->ei);
    if (r == 0)
        r = apply_limits(s, d, ch->ei);
    if (r < 0)
        return r;
    if (s->unknown_to) {
        free(d->unknown_to);
        d->unknown_to = sv_dup(sv_trim(sv_c(s->unknown_to)));
    }
    if (d->unknown != UNKNOWN_FORWARD)
        return 0;
    if (!*d->unknown_to)
        return err_set(ch->ei, E_PARSE, "unknown: forward needs an address in unknown_to");
    return s->unknown || s->unknown_to ? check_unknown_to(ch, d, d->unknown_to) : 0;
}

/* Exactly one domain is primary once there is any. */
static int take_primary(struct change *ch, const struct domain *was, const struct domain *is)
{
    if (was->primary && !is->primary)
        return err_set(ch->ei, E_CONFLICT,
                       "domain '%s' is the primary one; make another domain primary instead",
                       is->name);
    if (was->primary || !is->primary)
        return 0;
    _cleanup_(freep) char *other = NULL;
    {
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        int r = db_query(ch->c, &s, ch->ei, "SELECT name FROM domain WHERE is_primary = 1", "");
        if (r == 0)
            r = db_step(s, ch->ei);
        if (r <= 0)
            return r;
        other = sv_dup(db_col_text(s, 0));
    }
    char object[16 + ADDR_MAX];
    snprintf(object, sizeof(object), "domain %s", other);
    int r = db_run(ch->c, ch->ei, "UPDATE domain SET is_primary = 0 WHERE is_primary = 1", "");
    return r < 0 ? r : change_note_other(ch, object, "primary", "yes", "no");
}

static int note_differences(struct change *ch, const struct domain *was, const struct domain *is)
{
    int r = change_note_bool(ch, "enabled", was->enabled, is->enabled);
    if (r == 0)
        r = change_note_bool(ch, "primary", was->primary, is->primary);
    if (r == 0)
        r = change_note(ch, "unknown", unknown_names[was->unknown], unknown_names[is->unknown]);
    if (r == 0)
        r = change_note(ch, "unknown_to", was->unknown_to, is->unknown_to);
    if (r == 0)
        r = change_note_int(ch, "quota", was->quota_bytes, is->quota_bytes);
    if (r == 0)
        r = change_note_int(ch, "max_message", was->max_message_bytes, is->max_message_bytes);
    return r;
}

static int insert_domain(struct change *ch, struct domain *d)
{
    int r = id_next(ch->c, "domain", &d->id, ch->ei);
    if (r < 0)
        return r;
    r = db_run(ch->c, ch->ei,
               "INSERT INTO domain (id, name, enabled, is_primary, unknown_action, unknown_to,"
               " quota_bytes, max_message_bytes, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
               "isiiisiii", d->id, d->name, (int64_t)d->enabled, (int64_t)d->primary,
               (int64_t)d->unknown, d->unknown_to, d->quota_bytes, d->max_message_bytes,
               clock_wall_ms());
    return r == E_CONFLICT ? E_TEMP : r; /* another node was faster: the next try says so */
}

static int create_in(struct change *ch, void *arg)
{
    const struct domain_change *dc = arg;
    int64_t n = 0, same = 0;
    int r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM domain", "");
    if (r == 0)
        r = db_value(ch->c, &same, ch->ei, "SELECT COUNT(*) FROM domain WHERE name = ?", "s",
                     dc->name);
    if (r < 0)
        return r;
    if (same)
        return err_set(ch->ei, E_EXISTS, "domain '%s' exists already", dc->name);
    struct domain blank = { .enabled = true, .unknown_to = xstrdup("") };
    struct domain d = { .name = xstrdup(dc->name),
                        .enabled = true,
                        .primary = n == 0, /* the first one */
                        .unknown_to = xstrdup("") };
    r = apply_spec(ch, dc->spec, &d);
    if (r == 0 && n > 0)
        r = take_primary(ch, &blank, &d);
    d.primary = d.primary || n == 0;
    if (r == 0)
        r = insert_domain(ch, &d);
    if (r == 0)
        r = change_note(ch, "domain", NULL, "created");
    if (r == 0)
        r = note_differences(ch, &blank, &d);
    domain_fields_free(&blank);
    domain_fields_free(&d);
    return r;
}

static int update_in(struct change *ch, void *arg)
{
    const struct domain_change *dc = arg;
    struct domain was = { 0 }, is = { 0 };
    int r = read_domain(ch, dc->name, &was);
    if (r < 0)
        return r;
    is = was;
    is.name = xstrdup(was.name);
    is.unknown_to = xstrdup(was.unknown_to);
    r = apply_spec(ch, dc->spec, &is);
    if (r == 0)
        r = take_primary(ch, &was, &is);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "UPDATE domain SET enabled = ?, is_primary = ?, unknown_action = ?,"
                   " unknown_to = ?, quota_bytes = ?, max_message_bytes = ? WHERE id = ?",
                   "iiisiii", (int64_t)is.enabled, (int64_t)is.primary, (int64_t)is.unknown,
                   is.unknown_to, is.quota_bytes, is.max_message_bytes, is.id);
    if (r == 0)
        r = note_differences(ch, &was, &is);
    domain_fields_free(&was);
    domain_fields_free(&is);
    return r;
}

static int delete_rows(struct change *ch, int64_t domain_id)
{
    static const char *const sql[] = {
        "DELETE FROM alias WHERE domain_id = ?",
        "DELETE FROM admin_domain WHERE domain_id = ?",
        "DELETE FROM mail_filter WHERE level = 2 AND owner_id = ?", /* FILTER_DOMAIN */
        "DELETE FROM domain WHERE id = ?",
    };
    int r = domain_accounts_delete(ch, domain_id);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sql); i++)
        r = db_run(ch->c, ch->ei, sql[i], "i", domain_id);
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    const struct domain_change *dc = arg;
    struct domain d = { 0 };
    int64_t accounts = 0, others = 0;
    int r = read_domain(ch, dc->name, &d);
    if (r < 0)
        return r;
    r = db_value(ch->c, &accounts, ch->ei, "SELECT COUNT(*) FROM account WHERE domain_id = ?", "i",
                 d.id);
    if (r == 0)
        r = db_value(ch->c, &others, ch->ei, "SELECT COUNT(*) FROM domain WHERE id <> ?", "i",
                     d.id);
    if (r == 0 && accounts && !dc->with_accounts)
        r = err_set(ch->ei, E_CONFLICT,
                    "domain '%s' has %" PRId64 " accounts; delete them first or with it", dc->name,
                    accounts);
    else if (r == 0 && d.primary && others)
        r = err_set(ch->ei, E_CONFLICT,
                    "domain '%s' is the primary one; make another domain primary first", dc->name);
    if (r == 0)
        r = delete_rows(ch, d.id);
    if (r == 0)
        r = change_note(ch, "domain", "existed", NULL);
    if (r == 0 && accounts)
        r = change_note_int(ch, "accounts", accounts, 0);
    domain_fields_free(&d);
    return r;
}

static int prepare(struct domain_change *dc, struct sv name, struct errinfo *ei)
{
    size_t n = 0;
    return addr_parse_domain(sv_trim(name), dc->name, &n, ei);
}

int domain_create(struct accounts *a, const char *admin, const struct domain_spec *s,
                  struct errinfo *ei)
{
    struct domain_change dc = { .spec = s };
    int r = prepare(&dc, sv_c(s->name), ei);
    if (r == 0)
        r = addr_check_new_domain(sv_c(dc.name), ei);
    return r < 0 ? r : change_run(a, admin, "domain", sv_c(dc.name), create_in, &dc, ei);
}

int domain_update(struct accounts *a, const char *admin, struct sv name,
                  const struct domain_spec *s, struct errinfo *ei)
{
    struct domain_change dc = { .spec = s };
    int r = prepare(&dc, name, ei);
    if (r == 0 && s->name) {
        char other[ADDR_DOMAIN_MAX + 1];
        size_t n = 0;
        r = addr_parse_domain(sv_trim(sv_c(s->name)), other, &n, ei);
        if (r == 0 && strcmp(other, dc.name) != 0)
            r = err_set(ei, E_UNSUPPORTED,
                        "domain '%s' cannot be renamed to '%s'; create that one and move the "
                        "accounts",
                        dc.name, other);
    }
    return r < 0 ? r : change_run(a, admin, "domain", sv_c(dc.name), update_in, &dc, ei);
}

int domain_delete(struct accounts *a, const char *admin, struct sv name, bool with_accounts,
                  struct errinfo *ei)
{
    struct domain_change dc = { .with_accounts = with_accounts };
    int r = prepare(&dc, name, ei);
    return r < 0 ? r : change_run(a, admin, "domain", sv_c(dc.name), delete_in, &dc, ei);
}

/* fn may call this room again: the connection is back before it runs. */
int domain_each(struct accounts *a, bool (*fn)(const struct domain *, void *arg), void *arg,
                struct errinfo *ei)
{
    struct domain *all = NULL;
    size_t n = 0;
    int r;
    {
        _cleanup_(db_putp) struct dbc *c = NULL;
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = db_query(c, &s, ei,
                         "SELECT id, name, enabled, is_primary, unknown_action, unknown_to,"
                         " quota_bytes, max_message_bytes FROM domain ORDER BY name",
                         "");
        while (r == 0 && (r = db_step(s, ei)) == 1) {
            all = xrealloc(all, (n + 1) * sizeof(*all));
            domain_from_row(s, &all[n++]);
            r = 0;
        }
    }
    bool more = r == 0;
    for (size_t i = 0; i < n; i++) {
        if (more)
            more = fn(&all[i], arg);
        domain_fields_free(&all[i]);
    }
    free(all);
    return r;
}
