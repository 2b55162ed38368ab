/* What leads to a domain from outside it: targets of aliases, members of lists and groups,
 * addresses in options of accounts, and where other domains send mail to unknown accounts. A
 * deletion of the domain says what there is, and takes it out when it is told to. */
#include "mail/account/accounts_priv.h"

enum { SHOWN = 5 };

enum kind { ALIAS, MEMBER, OPTION, UNKNOWN, KINDS };

static const struct {
    const char *object; /* of the audit, in front of the name */
    const char *sql; /* id, name, field and value of all that may lead to the domain from outside */
} kinds[KINDS] = {
    [ALIAS] = { "alias", "SELECT id, address, 'targets', target FROM alias"
                         " WHERE account_id = 0 AND domain_id <> ? ORDER BY id" },
    [MEMBER] = { "account", "SELECT m.list_id, a.address, 'members', m.address FROM list_member m"
                            " JOIN account a ON a.id = m.list_id WHERE a.domain_id <> ?"
                            " ORDER BY m.list_id, m.address" },
    [OPTION] = { "account", "SELECT o.account_id, a.address, o.name, o.value FROM account_option o"
                            " JOIN account a ON a.id = o.account_id WHERE a.domain_id <> ?"
                            " ORDER BY o.account_id, o.name" },
    [UNKNOWN] = { "domain",
                  "SELECT id, name, 'unknown_to', unknown_to FROM domain"
                  " WHERE unknown_action = 1 AND id <> ? ORDER BY id" }, /* UNKNOWN_FORWARD */
};

struct reference {
    enum kind kind;
    int64_t id;
    char *name, *field, *value;
};
struct references {
    struct reference *v;
    size_t n;
};

static void references_done(struct references *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].field);
        free(l->v[i].value);
    }
    free(l->v);
}

static bool is_in(struct sv address, struct sv domain)
{
    struct addr a;
    return addr_parse(sv_trim(address), &a, NULL) == 0 && sv_eq(addr_domain(&a), domain);
}

static bool is_addresses(struct sv option)
{
    for (size_t i = 0; i < ACCOUNT_OPTIONS; i++)
        if (sv_eq(option, sv_c(account_options[i].name)))
            return account_options[i].kind == OPTION_ADDRESSES ||
                   account_options[i].kind == OPTION_RECIPIENTS;
    return false;
}

static bool leads_to(struct sv list, struct sv domain)
{
    while (list.n)
        if (is_in(sv_split(&list, ';'), domain))
            return true;
    return false;
}

static int find_kind(struct change *ch, enum kind kind, int64_t id, struct sv domain,
                     struct references *l)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei, kinds[kind].sql, "i", id);
    while (r == 0 && (r = db_step(s, ch->ei)) == 1) {
        r = 0;
        if ((kind == OPTION && !is_addresses(db_col_text(s, 2))) ||
            !leads_to(db_col_text(s, 3), domain))
            continue;
        l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
        l->v[l->n++] = (struct reference){ .kind = kind,
                                           .id = db_col_int(s, 0),
                                           .name = sv_dup(db_col_text(s, 1)),
                                           .field = sv_dup(db_col_text(s, 2)),
                                           .value = sv_dup(db_col_text(s, 3)) };
    }
    return r;
}

/* --- saying --- */

static void name_one(struct buf *b, const struct reference *ref)
{
    if (ref->kind == ALIAS)
        (void)buf_addf(b, "alias %.80s", ref->name);
    else
        (void)buf_addf(b, "%s of %.80s", ref->field, ref->name);
}

static int refuse(struct change *ch, const struct references *l, struct sv domain)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    buf_init(&b, 4 * KiB);
    for (size_t i = 0; i < MIN(l->n, (size_t)SHOWN); i++) {
        (void)buf_add_str(&b, i ? ", " : "");
        name_one(&b, &l->v[i]);
    }
    if (l->n > SHOWN)
        (void)buf_addf(&b, " and %zu more", l->n - SHOWN);
    return err_set(ch->ei, E_CONFLICT,
                   "references: to domain '" SV_FMT "' lead: " SV_FMT
                   "; references=remove takes them out, references=keep leaves them",
                   SV_ARG(sv_take(domain, 80)), SV_ARG(buf_sv(&b)));
}

/* --- taking out --- */

static int change_option(struct change *ch, const struct reference *ref, struct sv domain,
                         struct buf *rest)
{
    struct sv list = sv_c(ref->value);
    while (list.n) {
        struct sv item = sv_split(&list, ';');
        if (is_in(item, domain))
            continue;
        (void)buf_add_str(rest, rest->n ? ";" : "");
        (void)buf_add_sv(rest, item);
    }
    if (buf_terminate(rest) < 0)
        return -ENOMEM;
    return rest->n ? db_run(ch->c, ch->ei,
                            "UPDATE account_option SET value = ? WHERE account_id = ? AND name = ?",
                            "sis", rest->p, ref->id, ref->field)
                   : db_run(ch->c, ch->ei,
                            "DELETE FROM account_option WHERE account_id = ? AND name = ?", "is",
                            ref->id, ref->field);
}

static int take_out(struct change *ch, const struct reference *ref, struct sv domain)
{
    _cleanup_(buf_done) struct buf rest = { 0 };
    char object[16 + ADDR_MAX];
    const char *is = NULL;
    int r = 0;
    snprintf(object, sizeof(object), "%s %s", kinds[ref->kind].object, ref->name);
    buf_init(&rest, strlen(ref->value) + 8);
    switch (ref->kind) {
    case ALIAS:
        r = db_run(ch->c, ch->ei, "DELETE FROM alias WHERE id = ?", "i", ref->id);
        break;
    case MEMBER:
        r = db_run(ch->c, ch->ei, "DELETE FROM list_member WHERE list_id = ? AND address = ?", "is",
                   ref->id, ref->value);
        break;
    case OPTION:
        r = change_option(ch, ref, domain, &rest);
        is = r == 0 ? rest.p : NULL;
        break;
    case UNKNOWN:
        r = db_run(ch->c, ch->ei,
                   "UPDATE domain SET unknown_action = 0, unknown_to = '' WHERE id = ?", "i",
                   ref->id);
        is = "";
        if (r == 0)
            r = change_note_other(ch, object, "unknown", "forward", "reject");
        break;
    case KINDS:
        break;
    }
    return r < 0 ? r : change_note_other(ch, object, ref->field, ref->value, is);
}

int domain_references_end(struct change *ch, int64_t id, struct sv domain,
                          enum domain_references what)
{
    _cleanup_(references_done) struct references l = { 0 };
    int r = 0;
    if (what == REFERENCES_KEEP)
        return 0;
    for (enum kind k = 0; k < KINDS && r == 0; k++)
        r = find_kind(ch, k, id, domain, &l);
    if (r == 0 && l.n && what == REFERENCES_REFUSE)
        return refuse(ch, &l, domain);
    for (size_t i = 0; i < l.n && r == 0; i++)
        r = take_out(ch, &l.v[i], domain);
    return r;
}
