/* Who administers what: the role of an account, the domains of a domain admin. */
#include "mail/account/accounts_priv.h"

const char *const account_role_names[] = {
    [ROLE_USER] = "user",
    [ROLE_DOMAIN_ADMIN] = "domain-admin",
    [ROLE_SYSTEM_ADMIN] = "system-admin",
};

int value_role(const char *text, enum account_role *ret, struct errinfo *ei)
{
    for (int r = ROLE_USER; r <= ROLE_SYSTEM_ADMIN; r++)
        if (strcmp(text, account_role_names[r]) == 0) {
            *ret = (enum account_role)r;
            return 0;
        }
    return err_set(ei, E_PARSE,
                   "role: '%.40s' is not a role; allowed: user, domain-admin, system-admin", text);
}

static int read_domains(struct dbc *c, int64_t account_id, struct buf *ret, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     "SELECT d.name FROM admin_domain m JOIN domain d ON d.id = m.domain_id"
                     " WHERE m.account_id = ? ORDER BY d.name",
                     "i", account_id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        if (ret->n > 0)
            buf_add_c(ret, ';');
        buf_add_sv(ret, db_col_text(s, 0));
        r = 0;
    }
    if (r == 0)
        r = buf_terminate(ret);
    return r;
}

static int add_domain(struct change *ch, int64_t account_id, struct sv text)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n = 0;
    int64_t id = 0;
    int r = addr_parse_domain(text, name, &n, ch->ei);
    if (r == 0)
        r = db_value(ch->c, &id, ch->ei, "SELECT id FROM domain WHERE name = ?", "v",
                     sv_n(name, n));
    if (r == E_NOTFOUND)
        return err_set(ch->ei, E_NOTFOUND,
                       "admin_domains: domain '" SV_FMT "' does not exist; create it first",
                       SV_ARG(sv_take(text, 100)));
    if (r < 0)
        return r;
    return db_run(ch->c, ch->ei, "INSERT INTO admin_domain (account_id, domain_id) VALUES (?, ?)",
                  "ii", account_id, id);
}

/* Is text among the items of list before it? */
static bool named_before(const char *list, struct sv text)
{
    struct sv rest = sv_c(list);
    while (rest.p) {
        struct sv one = sv_trim(sv_split(&rest, ';'));
        if (one.p == text.p)
            return false;
        if (sv_ieq(one, text))
            return true;
    }
    return false;
}

int admin_domains_replace(struct change *ch, int64_t account_id, const char *list)
{
    struct buf was, is;
    struct sv rest = sv_c(list);
    buf_init(&was, 1 * MiB);
    buf_init(&is, 1 * MiB);
    int r = read_domains(ch->c, account_id, &was, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM admin_domain WHERE account_id = ?", "i", account_id);
    while (rest.p && r == 0) {
        struct sv one = sv_trim(sv_split(&rest, ';'));
        if (one.n > 0 && !named_before(list, one))
            r = add_domain(ch, account_id, one);
    }
    if (r == 0)
        r = read_domains(ch->c, account_id, &is, ch->ei);
    if (r == 0)
        r = change_note(ch, "admin_domains", was.p, is.p);
    buf_done(&was);
    buf_done(&is);
    return r;
}

int account_admin_domains(struct accounts *a, int64_t account_id,
                          bool (*fn)(const char *domain, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    struct buf names;
    buf_init(&names, 1 * MiB);
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = read_domains(c, account_id, &names, ei);
    struct sv rest = r == 0 && names.n > 0 ? buf_sv(&names) : SV_NULL;
    while (rest.p) {
        _cleanup_(freep) char *one = sv_dup(sv_split(&rest, ';'));
        if (!fn(one, arg))
            break;
    }
    buf_done(&names);
    return r;
}
