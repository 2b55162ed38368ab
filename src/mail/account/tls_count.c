#include "mail/account/tls_count.h"

#include <stdio.h>

#include <openssl/sha.h>

#include "mail/account/accounts_priv.h"

/* One short key for all texts: they are too long for an index. */
static void digest(const struct tls_count *c, char ret[2 * SHA256_DIGEST_LENGTH + 1])
{
    const char *const texts[] = { c->policy_type, c->policy_domain, c->policy, c->mx_patterns,
                                  c->result,      c->sending_ip,    c->mx,     c->ip,
                                  c->reason };
    unsigned char h[SHA256_DIGEST_LENGTH];
    struct buf b;
    buf_init(&b, MiB);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        (void)buf_add(&b, texts[i], strlen(texts[i]) + 1);
    SHA256((const unsigned char *)b.p, b.n, h);
    buf_done(&b);
    for (size_t i = 0; i < sizeof(h); i++)
        snprintf(ret + 2 * i, 3, "%02x", h[i]);
}

static int add_one(struct dbc *c, const struct tls_count *t, struct errinfo *ei)
{
    char id[2 * SHA256_DIGEST_LENGTH + 1];
    digest(t, id);
    int r = db_run(c, ei,
                   "UPDATE tls_count SET sessions = sessions + ?"
                   " WHERE day = ? AND domain = ? AND id = ?",
                   "iiss", t->sessions, t->day, t->domain, id);
    if (r < 0 || db_changes(c))
        return r;
    return db_run(c, ei,
                  "INSERT INTO tls_count (day, domain, id, policy_type, policy_domain, policy,"
                  " mx_patterns, result, sending_ip, mx, ip, reason, sessions)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  "isssssssssssi", t->day, t->domain, id, t->policy_type, t->policy_domain,
                  t->policy, t->mx_patterns, t->result, t->sending_ip, t->mx, t->ip, t->reason,
                  t->sessions);
}

int tls_counts_add(struct accounts *a, const struct tls_count *v, size_t n, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    if (r == 0)
        r = db_begin(c, ei);
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_one(c, &v[i], ei);
    if (r == 0)
        r = db_commit(c, ei);
    return r == E_CONFLICT ? E_TEMP : r; /* another process was faster */
}

/* Columns in the order of the struct; `texts` of them are texts behind the day. */
static bool give(struct db_stmt *s, size_t texts, bool (*fn)(const struct tls_count *, void *arg),
                 void *arg)
{
    char *t[10];
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        t[i] = i < texts ? sv_dup(db_col_text(s, (int)i + 1)) : xstrdup("");
    bool more = fn(&(struct tls_count){ db_col_int(s, 0), t[0], t[1], t[2], t[3], t[4], t[5], t[6],
                                        t[7], t[8], t[9], db_col_int(s, (int)texts + 1) },
                   arg);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        free(t[i]);
    return more;
}

static int each(struct db_stmt *s, int r, size_t texts,
                bool (*fn)(const struct tls_count *, void *arg), void *arg, struct errinfo *ei)
{
    while (r == 0 && (r = db_step(s, ei)) == 1)
        r = give(s, texts, fn, arg) ? 0 : 1;
    return MIN(r, 0);
}

#define ALL                                                                                        \
    "SELECT day, domain, policy_type, policy_domain, policy, mx_patterns, result, sending_ip, mx," \
    " ip, reason, sessions FROM tls_count"
#define IN_ORDER " ORDER BY day, domain, policy_type, policy_domain, id"

int tls_counts_each(struct accounts *a, const char *domain, int64_t day,
                    bool (*fn)(const struct tls_count *, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0 && *domain && day >= 0)
        r = db_query(c, &s, ei, ALL " WHERE domain = ? AND day = ?" IN_ORDER " LIMIT ?", "sii",
                     domain, day, (int64_t)TLS_COUNT_ROWS);
    else if (r == 0 && *domain)
        r = db_query(c, &s, ei, ALL " WHERE domain = ?" IN_ORDER, "s", domain);
    else if (r == 0)
        r = db_query(c, &s, ei, ALL IN_ORDER, "");
    return each(s, r, 10, fn, arg, ei);
}

int tls_counts_pending(struct accounts *a, bool (*fn)(const struct tls_count *, void *arg),
                       void *arg, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei,
                     "SELECT day, domain, COUNT(*) FROM tls_count GROUP BY day, domain"
                     " ORDER BY day, domain",
                     "");
    return each(s, r, 1, fn, arg, ei);
}

int tls_counts_delete(struct accounts *a, const char *domain, int64_t day, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r
                 : db_run(c, ei, "DELETE FROM tls_count WHERE domain = ? AND day = ?", "si", domain,
                          day);
}
