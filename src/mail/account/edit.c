/* Accounts: create, change, delete, list. Called by the CLI and the control module; any thread.
 * Slow hashes are made before the transaction begins. */
#include "mail/account/accounts_priv.h"

#include "stats/shm.h"

#include "base/clock.h"
#include "base/codec.h"
#include "mail/account/audit.h"
#include "mail/account/password.h"
#include "stats/failures.h"

struct account_row {
    int64_t id, domain_id;
    char *name;
    bool enabled, local_only;
    int64_t quota, soft_quota, max_message; /* own values, not the effective ones */
    enum account_role role;
};

struct account_change {
    struct addr addr;
    const struct account_spec *spec;
    struct password_new pw;
    int64_t fetches; /* backup domains that a deleted one has fetched */
};

static int read_row(struct change *ch, const struct addr *a, struct account_row *ret)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei,
                     "SELECT id, domain_id, name, enabled, local_only, quota_bytes,"
                     " soft_quota_bytes, max_message_bytes, role FROM account WHERE address = ?",
                     "v", addr_sv(a));
    if (r == 0)
        r = db_step(s, ch->ei);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(ch->ei, E_NOTFOUND, "account '%.150s' does not exist", a->text);
    *ret = (struct account_row){
        .id = db_col_int(s, 0),
        .domain_id = db_col_int(s, 1),
        .name = sv_dup(db_col_text(s, 2)),
        .enabled = db_col_int(s, 3) != 0,
        .local_only = db_col_int(s, 4) != 0,
        .quota = db_col_int(s, 5),
        .soft_quota = db_col_int(s, 6),
        .max_message = db_col_int(s, 7),
        .role = (enum account_role)db_col_int(s, 8),
    };
    return 0;
}

static int apply_spec(const struct account_spec *s, struct account_row *row, struct errinfo *ei)
{
    int r = 0;
    if (s->enabled)
        r = value_bool("enabled", s->enabled, &row->enabled, ei);
    if (r == 0 && s->local_only)
        r = value_bool("local_only", s->local_only, &row->local_only, ei);
    if (r == 0 && s->quota)
        r = value_size("quota", s->quota, &row->quota, ei);
    if (r == 0 && s->soft_quota)
        r = value_size("soft_quota", s->soft_quota, &row->soft_quota, ei);
    if (r == 0 && s->max_message)
        r = value_size("max_message", s->max_message, &row->max_message, ei);
    if (r == 0 && s->role)
        r = value_role(s->role, &row->role, ei);
    if (r < 0 || !s->name)
        return r;
    if (strlen(s->name) > 200)
        return err_set(ei, E_RANGE, "name: longer than 200 bytes");
    if (!utf8_valid(sv_c(s->name)))
        return err_set(ei, E_PARSE, "name: is not valid UTF-8");
    for (const char *p = s->name; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return err_set(ei, E_PARSE, "name: control characters are not allowed");
    }
    free(row->name);
    row->name = xstrdup(s->name);
    return 0;
}

static const char *role_name(enum account_role r)
{
    return r <= ROLE_SYSTEM_ADMIN ? account_role_names[r] : "unknown";
}

static int note_differences(struct change *ch, const struct account_row *was,
                            const struct account_row *is)
{
    int r = change_note(ch, "name", was->name, is->name);
    if (r == 0)
        r = change_note_bool(ch, "enabled", was->enabled, is->enabled);
    if (r == 0)
        r = change_note_bool(ch, "local_only", was->local_only, is->local_only);
    if (r == 0)
        r = change_note_int(ch, "quota", was->quota, is->quota);
    if (r == 0)
        r = change_note_int(ch, "soft_quota", was->soft_quota, is->soft_quota);
    if (r == 0)
        r = change_note_int(ch, "max_message", was->max_message, is->max_message);
    if (r == 0)
        r = change_note(ch, "role", role_name(was->role), role_name(is->role));
    return r;
}

static int write_password(struct change *ch, int64_t account_id, const struct password_new *pw)
{
    int64_t version = 0;
    int r = db_value(ch->c, &version, ch->ei, "SELECT version FROM password WHERE account_id = ?",
                     "i", account_id);
    bool have = r == 0;
    if (r < 0 && r != E_NOTFOUND)
        return r;
    if (have)
        r = db_run(ch->c, ch->ei,
                   "UPDATE password SET scheme = ?, hash = ?, scram_sha1 = ?, scram_sha256 = ?,"
                   " plain = ?, version = ?, changed_ms = ? WHERE account_id = ?",
                   "sssssiii", pw->scheme, pw->hash, pw->scram_sha1, pw->scram_sha256, pw->plain,
                   version + 1, clock_wall_ms(), account_id);
    else
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO password (account_id, scheme, hash, scram_sha1, scram_sha256,"
                   " plain, version, changed_ms) VALUES (?, ?, ?, ?, ?, ?, 1, ?)",
                   "isssssi", account_id, pw->scheme, pw->hash, pw->scram_sha1, pw->scram_sha256,
                   pw->plain, clock_wall_ms());
    if (r < 0 || (!have && !*pw->scheme))
        return r;
    return change_note(ch, "password", have ? AUDIT_SECRET : NULL, AUDIT_SECRET);
}

/* The domain's id; the address must be free. */
static int check_new(struct change *ch, const struct addr *a, int64_t *ret_domain)
{
    int64_t accounts = 0, aliases = 0;
    struct sv domain = addr_domain(a);
    int r =
        db_value(ch->c, ret_domain, ch->ei, "SELECT id FROM domain WHERE name = ?", "v", domain);
    if (r == E_NOTFOUND)
        return err_set(ch->ei, E_NOTFOUND, "domain '" SV_FMT "' does not exist; create it first",
                       SV_ARG(domain));
    if (r == 0)
        r = domain_must_be_local(ch, *ret_domain);
    if (r == 0)
        r = db_value(ch->c, &accounts, ch->ei, "SELECT COUNT(*) FROM account WHERE address = ?",
                     "s", a->text);
    if (r == 0)
        r = db_value(ch->c, &aliases, ch->ei, "SELECT COUNT(*) FROM alias WHERE address = ?", "s",
                     a->text);
    if (r == 0 && accounts)
        return err_set(ch->ei, E_EXISTS, "account '%.150s' exists already", a->text);
    if (r == 0 && aliases)
        return err_set(ch->ei, E_EXISTS, "'%.150s' is an alias already", a->text);
    return r;
}

static int insert_account(struct change *ch, const struct addr *a, struct account_row *row)
{
    int r = id_next(ch->c, "account", &row->id, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO account (id, domain_id, address, name, enabled, quota_bytes,"
                   " soft_quota_bytes, max_message_bytes, local_only, created_ms, role)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   "iissiiiiiii", row->id, row->domain_id, a->text, row->name,
                   (int64_t)row->enabled, row->quota, row->soft_quota, row->max_message,
                   (int64_t)row->local_only, clock_wall_ms(), (int64_t)row->role);
    return r == E_CONFLICT ? E_TEMP : r; /* another node was faster: the next try says so */
}

static int create_in(struct change *ch, void *arg)
{
    struct account_change *ac = arg;
    struct account_row blank = { .name = xstrdup(""), .enabled = true };
    struct account_row row = { .name = xstrdup(""), .enabled = true };
    int r = value_fault(ch->ei, "address", check_new(ch, &ac->addr, &row.domain_id));
    if (r == 0)
        r = apply_spec(ac->spec, &row, ch->ei);
    if (r == 0)
        r = insert_account(ch, &ac->addr, &row);
    if (r == 0)
        r = change_note(ch, "account", NULL, "created");
    if (r == 0)
        r = note_differences(ch, &blank, &row);
    if (r == 0)
        r = write_password(ch, row.id, &ac->pw);
    if (r == 0)
        r = options_write(ch, row.id, &ac->addr, ac->spec);
    if (r == 0 && ac->spec->aliases)
        r = value_fault(ch->ei, "aliases",
                        alias_replace_for_account(ch, row.id, &ac->addr, ac->spec->aliases));
    if (r == 0 && ac->spec->admin_domains)
        r = value_fault(ch->ei, "admin_domains",
                        admin_domains_replace(ch, row.id, ac->spec->admin_domains));
    free(blank.name);
    free(row.name);
    return r;
}

static int update_in(struct change *ch, void *arg)
{
    struct account_change *ac = arg;
    struct account_row was = { 0 };
    int r = read_row(ch, &ac->addr, &was);
    if (r < 0)
        return r;
    struct account_row is = was;
    is.name = xstrdup(was.name);
    r = apply_spec(ac->spec, &is, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "UPDATE account SET name = ?, enabled = ?, quota_bytes = ?,"
                   " soft_quota_bytes = ?, max_message_bytes = ?, local_only = ?, role = ?"
                   " WHERE id = ?",
                   "siiiiiii", is.name, (int64_t)is.enabled, is.quota, is.soft_quota,
                   is.max_message, (int64_t)is.local_only, (int64_t)is.role, is.id);
    if (r == 0)
        r = note_differences(ch, &was, &is);
    if (r == 0)
        r = options_write(ch, is.id, &ac->addr, ac->spec);
    if (r == 0 && ac->spec->password)
        r = write_password(ch, is.id, &ac->pw);
    if (r == 0 && ac->spec->password)
        r = web_sessions_end(ch, is.id, ac->spec->keep_session, NULL);
    if (r == 0 && ac->spec->aliases)
        r = value_fault(ch->ei, "aliases",
                        alias_replace_for_account(ch, is.id, &ac->addr, ac->spec->aliases));
    if (r == 0 && ac->spec->admin_domains)
        r = value_fault(ch->ei, "admin_domains",
                        admin_domains_replace(ch, is.id, ac->spec->admin_domains));
    free(was.name);
    free(is.name);
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    struct account_change *ac = arg;
    struct account_row row = { 0 };
    int r = read_row(ch, &ac->addr, &row);
    free(row.name);
    if (r == 0)
        r = db_value(ch->c, &ac->fetches, ch->ei,
                     "SELECT COUNT(*) FROM domain WHERE fetched_by = ?", "i", row.id);
    if (r == 0)
        r = account_rows_delete(ch, row.id);
    /* Aliases that name it as their target would be dead ends. */
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM alias WHERE target = ?", "s", ac->addr.text);
    return r < 0 ? r : change_note(ch, "account", "existed", NULL);
}

static int prepare(struct accounts *a, struct account_change *ac, struct sv address,
                   const char *password, struct errinfo *ei)
{
    int r = addr_parse(sv_trim(address), &ac->addr, ei);
    if (r == 0 && ac->addr.at == ac->addr.n)
        r = err_set(ei, E_PARSE, "account '%.120s': write user@domain", ac->addr.text);
    if (r == 0 && password)
        r = password_prepare(a, password, &ac->pw, ei);
    return r;
}

int account_create(struct accounts *a, const char *admin, struct sv address,
                   const struct account_spec *s, struct errinfo *ei)
{
    static const struct account_spec nothing;
    struct account_change ac = { .spec = s ? s : &nothing };
    int r = prepare(a, &ac, address, NULL, ei);
    if (r == 0)
        r = value_fault(ei, "address", addr_check_new(&ac.addr, ei));
    if (r == 0)
        r = password_prepare(a, ac.spec->password ? ac.spec->password : "", &ac.pw, ei);
    if (r == 0)
        r = change_run(a, admin, "account", addr_sv(&ac.addr), create_in, &ac, ei);
    password_new_done(&ac.pw);
    return r;
}

int account_update(struct accounts *a, const char *admin, struct sv address,
                   const struct account_spec *s, struct errinfo *ei)
{
    struct account_change ac = { .spec = s };
    int r = prepare(a, &ac, address, s->password, ei);
    if (r == 0)
        r = change_run(a, admin, "account", addr_sv(&ac.addr), update_in, &ac, ei);
    if (r >= 0 && s->password) /* he who is given a new password may use it at once */
        failures_clear(FAILURE_NAME, addr_sv(&ac.addr));
    password_new_done(&ac.pw);
    return r;
}

int account_delete(struct accounts *a, const char *admin, struct sv address, struct errinfo *ei)
{
    struct account_change ac = { 0 };
    int r = prepare(a, &ac, address, NULL, ei);
    if (r == 0)
        r = change_run(a, admin, "account", addr_sv(&ac.addr), delete_in, &ac, ei);
    if (r == 0 && ac.fetches && !account_dry_run())
        epoch_bump(EPOCH_SETTINGS); /* backup domains are part of the snapshot of settings */
    return r;
}
