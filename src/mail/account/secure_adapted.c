/* Table secure_adapted. */
#include "mail/account/secure_adapted.h"

#include "base/clock.h"
#include "mail/account/accounts_priv.h"

enum { PAGE = 500 }; /* rows that a query may give */

/* --- what mail shows --- */

static int add_new(struct dbc *c, const struct secure_adapted *row, struct errinfo *ei)
{
    int64_t n = 0;
    int r = db_value(c, &n, ei, "SELECT COUNT(*) FROM secure_adapted", "");
    if (r == 0 && n >= SECURE_ADAPTED_MAX)
        r = err_set(ei, E_LIMIT,
                    "cannot adapt to '%.150s': %" PRId64
                    " domains are there, at most %d are kept; a shorter deliver.secure_adapt"
                    " forgets them earlier",
                    row->domain, n, SECURE_ADAPTED_MAX);
    if (r == 0)
        r = db_run(c, ei,
                   "INSERT INTO secure_adapted (domain, name, subject, issuer, ip, since_ms,"
                   " seen_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                   "sssssii", row->domain, row->name, row->subject, row->issuer, row->ip,
                   row->since_ms, row->seen_ms);
    return r < 0 ? r : 1;
}

static int put_row(struct dbc *c, const struct secure_adapted *row, struct errinfo *ei)
{
    int r =
        db_run(c, ei,
               "UPDATE secure_adapted SET name = ?, subject = ?, issuer = ?, ip = ?,"
               " seen_ms = ? WHERE domain = ?",
               "ssssis", row->name, row->subject, row->issuer, row->ip, row->seen_ms, row->domain);
    return r < 0 || db_changes(c) ? r : add_new(c, row, ei);
}

int secure_adapted_put(struct accounts *a, const struct secure_adapted *row, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int is_new = 0, r = db_get_writer(a->db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    if (r == 0)
        r = is_new = put_row(c, row, ei);
    if (r >= 0)
        r = db_commit(c, ei);
    if (r == 0)
        return is_new;
    return r == E_LIMIT ? r : view_error(r, ei); /* a conflict: another process was faster */
}

int secure_adapted_find(struct accounts *a, const char *domain, int64_t since_ms,
                        struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int64_t seen = 0;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_value(c, &seen, ei, "SELECT seen_ms FROM secure_adapted WHERE domain = ?", "s",
                     domain);
    if (r == E_NOTFOUND)
        return 0;
    return r < 0 ? view_error(r, ei) : seen >= since_ms;
}

int secure_adapted_prune(struct accounts *a, int64_t before_ms, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r
                 : db_run(c, ei, "DELETE FROM secure_adapted WHERE seen_ms < ?", "i", before_ms);
}

/* --- what the administrator sees --- */

bool secure_adapted_holds(const struct secure_adapted *row, int64_t adapt_ms)
{
    return adapt_ms && row->seen_ms >= clock_wall_ms() - adapt_ms;
}

#define ROWS                                                                                       \
    "SELECT domain, name, subject, issuer, ip, since_ms, seen_ms FROM secure_adapted"              \
    " WHERE domain > ?"
#define CONTAINING " AND (domain LIKE ? ESCAPE '!' OR name LIKE ? ESCAPE '!')"
#define IN_ORDER   " ORDER BY domain LIMIT ?"

struct reading {
    const char *like; /* NULL = all */
    bool (*fn)(const struct secure_adapted *, void *arg);
    void *arg;
};

/* *after becomes the row's domain. */
static bool give(struct db_stmt *s, const struct reading *x, char **after)
{
    char *t[5];
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        t[i] = sv_dup(db_col_text(s, (int)i));
    bool more = x->fn(&(struct secure_adapted){ t[0], t[1], t[2], t[3], t[4], db_col_int(s, 5),
                                                db_col_int(s, 6) },
                      x->arg);
    free(*after);
    *after = t[0];
    for (size_t i = 1; i < ARRAY_LEN(t); i++)
        free(t[i]);
    return more;
}

/* 1 = there may be more. */
static int each_of_page(struct dbc *c, const struct reading *x, char **after, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    _cleanup_(freep) char *from = xstrdup(*after); /* stays bound */
    int64_t n = 0;
    int r = x->like ? db_query(c, &s, ei, ROWS CONTAINING IN_ORDER, "sssi", from, x->like, x->like,
                               (int64_t)PAGE)
                    : db_query(c, &s, ei, ROWS IN_ORDER, "si", from, (int64_t)PAGE);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        n++;
        if (!give(s, x, after))
            return 0;
        r = 0;
    }
    return r < 0 ? r : n == PAGE;
}

int secure_adapted_each(struct accounts *a, struct sv after, struct sv text,
                        bool (*fn)(const struct secure_adapted *, void *arg), void *arg,
                        struct errinfo *ei)
{
    _cleanup_(freep) char *like = text.n ? like_pattern(text) : NULL, *at = sv_dup(after);
    _cleanup_(db_putp) struct dbc *c = NULL;
    struct reading x = { .like = like, .fn = fn, .arg = arg };
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        do
            r = each_of_page(c, &x, &at, ei);
        while (r == 1);
    return r;
}

/* --- what the administrator takes back --- */

static int forget_in(struct change *ch, void *arg)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    _cleanup_(freep) char *name = NULL;
    const char *domain = arg;
    int r = db_query(ch->c, &s, ch->ei, "SELECT name FROM secure_adapted WHERE domain = ?", "s",
                     domain);
    if (r == 0)
        r = db_step(s, ch->ei);
    if (r == 0)
        return err_set(ch->ei, E_NOTFOUND, "domain: '%.150s' is none that was adapted to", domain);
    if (r == 1) {
        name = sv_dup(db_col_text(s, 0));
        r = db_run(ch->c, ch->ei, "DELETE FROM secure_adapted WHERE domain = ?", "s", domain);
    }
    return r < 0 ? r : change_note(ch, "name", name, NULL);
}

int secure_adapted_forget(struct accounts *a, const char *admin, struct sv domain,
                          struct errinfo *ei)
{
    char name[ADDR_DOMAIN_MAX + 1];
    size_t n;
    int r = addr_parse_domain(sv_trim(domain), name, &n, ei);
    return r < 0 ? r : change_run(a, admin, "adapted domain", sv_n(name, n), forget_in, name, ei);
}
