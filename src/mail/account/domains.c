/* Domains: create, change, delete, list. Rows acc.unknown, acc.primary, acc.limits. Called by the
 * CLI and the control module; any thread. */
#include "mail/account/accounts_priv.h"

#include "base/clock.h"
#include "conf/routes.h"
#include "mail/account/audit.h"
#include "stats/shm.h"

static const char *const unknown_names[] = { "reject", "forward", "delete" };
const char *const domain_references_names[] = { "refuse", "remove", "keep", NULL };
const char *const domain_type_names[] = { "local", "backup", NULL };

struct domain_change {
    char name[ADDR_DOMAIN_MAX + 1];
    const struct domain_spec *spec;
    bool with_accounts;
    enum domain_references references;
    bool
        routing; /* a backup domain came, went or changed: it is part of the snapshot of settings */
};

static int read_domain(struct change *ch, const char *name, struct domain *ret)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei, DOMAIN_COLUMNS " WHERE name = ?", "s", name);
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
        return value_fault(ch->ei, "unknown_to", r);
    r = db_value(ch->c, &n, ch->ei,
                 "SELECT (SELECT COUNT(*) FROM account WHERE address = ?)"
                 " + (SELECT COUNT(*) FROM alias WHERE address = ?)",
                 "ss", to.text, to.text);
    if (r == 0 && n == 0)
        return err_set(ch->ei, E_NOTFOUND, "unknown_to: '%s' does not exist; create it first",
                       to.text);
    return r;
}

/* What is in a domain would get no mail any more. */
static int check_backup(struct change *ch, const struct domain *d)
{
    int64_t n = 0;
    int r = db_value(ch->c, &n, ch->ei,
                     "SELECT (SELECT COUNT(*) FROM account WHERE domain_id = ?)"
                     " + (SELECT COUNT(*) FROM alias WHERE domain_id = ?)",
                     "ii", d->id, d->id);
    if (r == 0 && n)
        return err_set(ch->ei, E_CONFLICT,
                       "type: domain '%s' has accounts or aliases, a backup domain has none; "
                       "delete them first",
                       d->name);
    return r;
}

int domain_must_be_local(struct change *ch, int64_t domain_id)
{
    int64_t kind = 0;
    int r = db_value(ch->c, &kind, ch->ei, "SELECT kind FROM domain WHERE id = ?", "i", domain_id);
    if (r == 0 && kind == DOMAIN_BACKUP)
        return err_set(ch->ei, E_CONFLICT,
                       "the domain is a backup domain: mail for it goes to its own server; change "
                       "its type first");
    return r;
}

static int apply_type(struct change *ch, const struct domain_spec *s, struct domain *d)
{
    struct sv host;
    uint16_t port;
    if (s->type) {
        int type = conf_choice(domain_type_names, sv_trim(sv_c(s->type)));
        if (type < 0)
            return err_set(ch->ei, E_PARSE, "type: '%.60s' is not a type; allowed: local, backup",
                           s->type);
        d->type = (enum domain_type)type;
    }
    if (s->backup_host) {
        free(d->backup_host);
        d->backup_host = sv_dup(sv_trim(sv_c(s->backup_host)));
    }
    if (*d->backup_host && d->type != DOMAIN_BACKUP)
        return err_set(ch->ei, E_CONFLICT, "backup_host: is for domains of type backup only");
    if (*d->backup_host &&
        (strlen(d->backup_host) > 255 || !conf_parse_relay(sv_c(d->backup_host), &host, &port)))
        return err_set(ch->ei, E_PARSE,
                       "backup_host: '%.100s' is not valid; allowed: host, host:port, address or "
                       "[IPv6]:port; empty: by MX",
                       d->backup_host);
    return d->type == DOMAIN_BACKUP && s->type ? check_backup(ch, d) : 0;
}

/* Who fetches a backup domain's mail. */
static int apply_fetched_by(struct change *ch, const struct domain_spec *s, struct domain *d)
{
    struct addr who;
    if (s->fetched_by) {
        struct sv text = sv_trim(sv_c(s->fetched_by));
        free(d->fetched_by);
        d->fetched_by = xstrdup("");
        d->fetched_by_id = 0;
        if (!text.n)
            return 0;
        int r = addr_parse(text, &who, ch->ei);
        if (r == 0)
            r = db_value(ch->c, &d->fetched_by_id, ch->ei,
                         "SELECT COALESCE(MAX(id), 0) FROM account WHERE address = ?", "s",
                         who.text);
        if (r < 0)
            return r;
        if (!d->fetched_by_id)
            return err_set(ch->ei, E_NOTFOUND,
                           "fetched_by: account '%.200s' does not exist; create it first",
                           who.text);
        free(d->fetched_by);
        d->fetched_by = xstrdup(who.text);
    }
    if (d->fetched_by_id && d->type != DOMAIN_BACKUP)
        return err_set(ch->ei, E_CONFLICT, "fetched_by: is for domains of type backup only");
    return 0;
}

static int apply_limits(const struct domain_spec *s, struct domain *d, struct errinfo *ei)
{
    int r = 0;
    if (s->quota)
        r = value_size("quota", s->quota, &d->quota_bytes, ei);
    if (r == 0 && s->max_message)
        r = value_size("max_message", s->max_message, &d->max_message_bytes, ei);
    return r < 0 ? r : domain_limits_apply(s, d, ei);
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
    if (r == 0)
        r = apply_type(ch, s, d);
    if (r == 0)
        r = apply_fetched_by(ch, s, d);
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
    if (is->primary && is->type == DOMAIN_BACKUP)
        return err_set(ch->ei, E_CONFLICT,
                       "type: the primary domain '%s' cannot be a backup domain; make a local one "
                       "first",
                       is->name);
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
    if (r == 0)
        r = change_note(ch, "type", domain_type_names[was->type], domain_type_names[is->type]);
    if (r == 0)
        r = change_note(ch, "backup_host", was->backup_host, is->backup_host);
    if (r == 0)
        r = change_note(ch, "fetched_by", was->fetched_by, is->fetched_by);
    return r < 0 ? r : domain_limits_note(ch, was, is);
}

static int insert_domain(struct change *ch, struct domain *d)
{
    int r = id_next(ch->c, "domain", &d->id, ch->ei);
    if (r < 0)
        return r;
    r = db_run(ch->c, ch->ei,
               "INSERT INTO domain (id, name, enabled, is_primary, unknown_action, unknown_to,"
               " quota_bytes, max_message_bytes, created_ms, kind, backup_host, fetched_by)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               "isiiisiiiisi", d->id, d->name, (int64_t)d->enabled, (int64_t)d->primary,
               (int64_t)d->unknown, d->unknown_to, d->quota_bytes, d->max_message_bytes,
               clock_wall_ms(), (int64_t)d->type, d->backup_host, d->fetched_by_id);
    return r == E_CONFLICT ? E_TEMP : r; /* another node was faster: the next try says so */
}

static int create_in(struct change *ch, void *arg)
{
    struct domain_change *dc = arg;
    int64_t n = 0, same = 0;
    int r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM domain", "");
    if (r == 0)
        r = db_value(ch->c, &same, ch->ei, "SELECT COUNT(*) FROM domain WHERE name = ?", "s",
                     dc->name);
    if (r < 0)
        return r;
    if (same)
        return err_set(ch->ei, E_EXISTS, "domain '%s' exists already", dc->name);
    struct domain blank = { .enabled = true,
                            .unknown_to = xstrdup(""),
                            .backup_host = xstrdup(""),
                            .fetched_by = xstrdup("") };
    struct domain d = { .name = xstrdup(dc->name),
                        .enabled = true,
                        .primary = n == 0, /* the first one */
                        .unknown_to = xstrdup(""),
                        .backup_host = xstrdup(""),
                        .fetched_by = xstrdup("") };
    r = apply_spec(ch, dc->spec, &d);
    dc->routing = d.type == DOMAIN_BACKUP;
    d.primary = d.primary || n == 0;
    if (r == 0)
        r = take_primary(ch, &blank, &d);
    if (r == 0)
        r = insert_domain(ch, &d);
    if (r == 0)
        r = domain_limits_write(ch, &blank, &d);
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
    struct domain_change *dc = arg;
    struct domain was = { 0 }, is = { 0 };
    int r = read_domain(ch, dc->name, &was);
    if (r < 0)
        return r;
    is = was;
    is.name = xstrdup(was.name);
    is.unknown_to = xstrdup(was.unknown_to);
    is.backup_host = xstrdup(was.backup_host);
    is.fetched_by = xstrdup(was.fetched_by);
    r = apply_spec(ch, dc->spec, &is);
    dc->routing = was.type == DOMAIN_BACKUP || is.type == DOMAIN_BACKUP;
    if (r == 0)
        r = take_primary(ch, &was, &is);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "UPDATE domain SET enabled = ?, is_primary = ?, unknown_action = ?,"
                   " unknown_to = ?, quota_bytes = ?, max_message_bytes = ?, kind = ?,"
                   " backup_host = ?, fetched_by = ? WHERE id = ?",
                   "iiisiiisii", (int64_t)is.enabled, (int64_t)is.primary, (int64_t)is.unknown,
                   is.unknown_to, is.quota_bytes, is.max_message_bytes, (int64_t)is.type,
                   is.backup_host, is.fetched_by_id, is.id);
    if (r == 0)
        r = domain_limits_write(ch, &was, &is);
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
        "DELETE FROM sender_list WHERE domain_id = ?",
        "DELETE FROM domain WHERE id = ?",
    };
    int r = domain_accounts_delete(ch, domain_id);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sql); i++)
        r = db_run(ch->c, ch->ei, sql[i], "i", domain_id);
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    struct domain_change *dc = arg;
    struct domain d = { 0 };
    int64_t accounts = 0, others = 0;
    int r = read_domain(ch, dc->name, &d);
    if (r < 0)
        return r;
    dc->routing = d.type == DOMAIN_BACKUP;
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
    dc->routing = dc->routing || accounts; /* one of them may have fetched a backup domain */
    if (r == 0)
        r = domain_references_end(ch, d.id, sv_c(dc->name), dc->references);
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

static int run(struct accounts *a, const char *admin, struct domain_change *dc,
               int (*fn)(struct change *, void *), struct errinfo *ei)
{
    int r = change_run(a, admin, "domain", sv_c(dc->name), fn, dc, ei);
    if (r == 0 && dc->routing && !account_dry_run())
        epoch_bump(EPOCH_SETTINGS);
    return r;
}

int domain_create(struct accounts *a, const char *admin, const struct domain_spec *s,
                  struct errinfo *ei)
{
    struct domain_change dc = { .spec = s };
    int r = prepare(&dc, sv_c(s->name), ei);
    if (r == 0)
        r = addr_check_new_domain(sv_c(dc.name), ei);
    return r < 0 ? r : run(a, admin, &dc, create_in, ei);
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
    return r < 0 ? r : run(a, admin, &dc, update_in, ei);
}

int domain_delete(struct accounts *a, const char *admin, struct sv name, bool with_accounts,
                  enum domain_references references, struct errinfo *ei)
{
    struct domain_change dc = { .with_accounts = with_accounts, .references = references };
    int r = prepare(&dc, name, ei);
    return r < 0 ? r : run(a, admin, &dc, delete_in, ei);
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
            r = db_query(c, &s, ei, DOMAIN_COLUMNS " ORDER BY name", "");
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
