#include "mail/account/remote_store.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/clock.h"
#include "base/codec.h"
#include "conf/routes.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/audit.h"

const char *const remote_protocol_names[] = { "pop3", "imap", "atrn", NULL };
const char *const remote_tls_names[] = { "tls", "starttls", "never", NULL };

enum { MAX_DAYS = 3650, MIN_INTERVAL_S = 60, MAX_INTERVAL_S = 30 * 86400 };

#define REMOTE_COLUMNS                                                                             \
    "SELECT r.id, r.account_id, a.address, r.protocol, r.host, r.port, r.tls, r.verify,"           \
    " r.login_user, r.login_password, r.leave_days, r.interval_s, r.enabled, r.next_ms, "          \
    "r.last_ms,"                                                                                   \
    " r.last_result, r.last_count, r.failures, r.domains FROM remote_account r"                    \
    " JOIN account a ON a.id = r.account_id"

static void wipe(char *s)
{
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

void remote_account_done(struct remote_account *r)
{
    free(r->address);
    free(r->host);
    free(r->user);
    free(r->domains);
    wipe(r->password);
    free(r->last_result);
    *r = (struct remote_account){ 0 };
}

static void from_row(struct db_stmt *s, struct remote_account *r)
{
    *r = (struct remote_account){
        .id = db_col_int(s, 0),
        .account_id = db_col_int(s, 1),
        .address = sv_dup(db_col_text(s, 2)),
        .protocol = db_col_int(s, 3) == REMOTE_IMAP   ? REMOTE_IMAP
                    : db_col_int(s, 3) == REMOTE_ATRN ? REMOTE_ATRN
                                                      : REMOTE_POP3,
        .host = sv_dup(db_col_text(s, 4)),
        .port = (uint16_t)db_col_int(s, 5),
        .tls = db_col_int(s, 6) == REMOTE_CLEAR      ? REMOTE_CLEAR
               : db_col_int(s, 6) == REMOTE_STARTTLS ? REMOTE_STARTTLS
                                                     : REMOTE_TLS,
        .verify = db_col_int(s, 7) != 0,
        .user = sv_dup(db_col_text(s, 8)),
        .password = sv_dup(db_col_text(s, 9)),
        .leave_days = db_col_int(s, 10),
        .interval_s = db_col_int(s, 11),
        .enabled = db_col_int(s, 12) != 0,
        .next_ms = db_col_int(s, 13),
        .last_ms = db_col_int(s, 14),
        .last_result = sv_dup(db_col_text(s, 15)),
        .last_count = db_col_int(s, 16),
        .failures = db_col_int(s, 17),
        .domains = sv_dup(db_col_text(s, 18)),
    };
}

/* --- values --- */

static int login_text(const char *field, const char *text, char **ret, struct errinfo *ei)
{
    if (!*text)
        return err_set(ei, E_PARSE, "%s: is needed", field);
    if (strlen(text) > REMOTE_LOGIN_MAX)
        return err_set(ei, E_RANGE, "%s: longer than %d bytes", field, REMOTE_LOGIN_MAX);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return err_set(ei, E_PARSE, "%s: control characters are not allowed", field);
    if (!utf8_valid(sv_c(text)))
        return err_set(ei, E_PARSE, "%s: is not valid UTF-8", field);
    wipe(*ret);
    *ret = xstrdup(text);
    return 0;
}

static int host_text(const char *text, char **ret, struct errinfo *ei)
{
    struct sv v = sv_trim(sv_c(text)), host;
    uint16_t port = 0;
    bool ok =
        v.n > 0 && v.n <= 253 && v.p[0] != '[' && conf_parse_relay(v, &host, &port) && port == 0;
    if (!ok)
        return err_set(ei, E_PARSE, "host: '%.100s' is no name or address of a server", text);
    free(*ret);
    *ret = sv_dup(v);
    return 0;
}

static int leave_text(const char *text, int64_t *ret, struct errinfo *ei)
{
    struct sv v = sv_trim(sv_c(text));
    uint32_t days = 0;
    *ret = REMOTE_FOREVER;
    if (sv_ieq(v, SV("forever")))
        return 0;
    if (sv_to_u32(v, &days) < 0 || days > MAX_DAYS)
        return err_set(ei, E_PARSE,
                       "leave: '%.40s' is not valid; allowed: forever, 0 (deleted at once), days "
                       "up to %d",
                       text, MAX_DAYS);
    *ret = days;
    return 0;
}

static int interval_text(const char *text, int64_t *ret, struct errinfo *ei)
{
    int64_t ms = 0;
    if (conf_parse_duration(sv_trim(sv_c(text)), &ms) == 0 &&
        (ms == 0 || (ms >= MIN_INTERVAL_S * 1000LL && ms <= MAX_INTERVAL_S * 1000LL))) {
        *ret = ms / 1000;
        return 0;
    }
    return err_set(ei, E_RANGE,
                   "interval: '%.40s' is not valid; allowed: 1m to 30d, 0 = "
                   "deliver.collect_interval",
                   text);
}

static int domains_text(const char *text, char **ret, struct errinfo *ei)
{
    char domain[ADDR_DOMAIN_MAX + 1];
    struct sv rest = sv_c(text), one;
    struct buf out;
    size_t n = 0;
    int r = 0;
    buf_init(&out, REMOTE_DOMAINS_MAX + 1);
    while (r == 0 && conf_list_next(&rest, &one)) {
        if (!one.n)
            continue;
        r = addr_parse_domain(one, domain, &n, ei);
        if (r == 0 && domain[0] == '[')
            r = err_set(ei, E_PARSE, "domains: '" SV_FMT "' is no domain",
                        SV_ARG(sv_take(one, 100)));
        if (r == 0 && ((out.n && buf_add_c(&out, ';') < 0) || buf_add(&out, domain, n) < 0 ||
                       out.n > REMOTE_DOMAINS_MAX))
            r = err_set(ei, E_RANGE,
                        "domains: longer than %d bytes; make a second remote account for the rest",
                        REMOTE_DOMAINS_MAX);
    }
    if (r == 0) {
        free(*ret);
        *ret = sv_dup(buf_sv(&out));
    }
    buf_done(&out);
    return r;
}

static uint16_t usual_port(const struct remote_account *r)
{
    bool tls = r->tls == REMOTE_TLS;
    if (r->protocol == REMOTE_ATRN)
        return 366;
    return r->protocol == REMOTE_POP3 ? tls ? 995 : 110 : tls ? 993 : 143;
}

static int apply_spec(const struct remote_spec *s, struct remote_account *r, struct errinfo *ei)
{
    int which = 0, e = 0;
    uint32_t port = 0;
    bool usual = !r->port || r->port == usual_port(r);
    if (s->protocol &&
        (e = value_choice("protocol", remote_protocol_names, s->protocol, &which, ei)) == 0)
        r->protocol = (enum remote_protocol)which;
    if (e == 0 && s->protocol && r->protocol == REMOTE_ATRN && !*r->host)
        r->tls = REMOTE_STARTTLS; /* port 366 begins in clear text */
    if (e == 0 && s->tls && (e = value_choice("tls", remote_tls_names, s->tls, &which, ei)) == 0)
        r->tls = (enum remote_tls)which;
    if (e == 0 && (s->host || !*r->host))
        e = host_text(s->host ? s->host : "", &r->host, ei);
    if (e == 0 && (s->user || !*r->user))
        e = login_text("user", s->user ? s->user : "", &r->user, ei);
    if (e == 0 && (s->password || !*r->password))
        e = login_text("password", s->password ? s->password : "", &r->password, ei);
    if (e == 0 && s->verify)
        e = value_bool("verify", s->verify, &r->verify, ei);
    if (e == 0 && s->enabled)
        e = value_bool("enabled", s->enabled, &r->enabled, ei);
    if (e == 0 && s->leave)
        e = leave_text(s->leave, &r->leave_days, ei);
    if (e == 0 && s->domains)
        e = domains_text(s->domains, &r->domains, ei);
    if (e == 0 && *r->domains && r->protocol != REMOTE_ATRN)
        e = err_set(ei, E_CONFLICT, "domains: are for the protocol atrn only");
    if (e == 0 && s->interval)
        e = interval_text(s->interval, &r->interval_s, ei);
    if (e < 0)
        return e;
    if (s->port && (sv_to_u32(sv_trim(sv_c(s->port)), &port) < 0 || port > 65535))
        return err_set(ei, E_RANGE, "port: '%.40s' is no port; 0 = the usual one", s->port);
    if (s->port ? port == 0 : usual)
        r->port = usual_port(r);
    else if (s->port)
        r->port = (uint16_t)port;
    return 0;
}

/* --- changes --- */

struct remote_change {
    struct addr addr;
    const struct remote_spec *spec;
    int64_t id;
};

static void blank(struct remote_account *r)
{
    *r = (struct remote_account){ .host = xstrdup(""),
                                  .user = xstrdup(""),
                                  .password = xstrdup(""),
                                  .domains = xstrdup(""),
                                  .last_result = xstrdup(""),
                                  .leave_days = REMOTE_FOREVER,
                                  .verify = true,
                                  .enabled = true };
}

static void days_text(int64_t days, char ret[24])
{
    snprintf(ret, 24, days < 0 ? "forever" : "%" PRId64, days);
}

static int note(struct change *ch, const struct remote_account *was,
                const struct remote_account *is)
{
    char object[16 + ADDR_MAX + 24], days_was[24], days_is[24];
    bool fresh = !*was->host;
    snprintf(object, sizeof(object), "%s remote %" PRId64, ch->object, is->id);
    days_text(was->leave_days, days_was);
    days_text(is->leave_days, days_is);
    const struct {
        const char *field, *was, *is;
    } texts[] = {
        { "protocol", fresh ? NULL : remote_protocol_names[was->protocol],
          remote_protocol_names[is->protocol] },
        { "host", fresh ? NULL : was->host, is->host },
        { "tls", fresh ? NULL : remote_tls_names[was->tls], remote_tls_names[is->tls] },
        { "user", fresh ? NULL : was->user, is->user },
        { "verify", was->verify ? "yes" : "no", is->verify ? "yes" : "no" },
        { "enabled", was->enabled ? "yes" : "no", is->enabled ? "yes" : "no" },
        { "leave", days_was, days_is },
        { "domains", was->domains, is->domains },
    };
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts) && r == 0; i++)
        r = change_note_other(ch, object, texts[i].field, texts[i].was, texts[i].is);
    if (r == 0 && strcmp(was->password, is->password) != 0)
        r = change_note_other(ch, object, "password", fresh ? NULL : AUDIT_SECRET, AUDIT_SECRET);
    const struct {
        const char *field;
        int64_t was, is;
    } numbers[] = { { "port", was->port, is->port },
                    { "interval", was->interval_s, is->interval_s } };
    for (size_t i = 0; i < ARRAY_LEN(numbers) && r == 0; i++) {
        char a[24], b[24];
        snprintf(a, sizeof(a), "%" PRId64, numbers[i].was);
        snprintf(b, sizeof(b), "%" PRId64, numbers[i].is);
        r = change_note_other(ch, object, numbers[i].field, fresh ? NULL : a, b);
    }
    return r;
}

static int write_row(struct change *ch, const struct remote_account *r)
{
    return db_run(
        ch->c, ch->ei,
        "UPDATE remote_account SET protocol = ?, host = ?, port = ?, tls = ?, verify = ?,"
        " login_user = ?, login_password = ?, leave_days = ?, interval_s = ?, enabled = ?,"
        " domains = ?, next_ms = 0, failures = 0 WHERE id = ?",
        "isiiissiiisi", (int64_t)r->protocol, r->host, (int64_t)r->port, (int64_t)r->tls,
        (int64_t)r->verify, r->user, r->password, r->leave_days, r->interval_s, (int64_t)r->enabled,
        r->domains, r->id);
}

static int find_account(struct change *ch, const struct addr *a, int64_t *ret)
{
    int r = db_value(ch->c, ret, ch->ei, "SELECT id FROM account WHERE address = ?", "s", a->text);
    return r == E_NOTFOUND ? err_set(ch->ei, r, "account '%.150s' does not exist", a->text) : r;
}

static int create_in(struct change *ch, void *arg)
{
    struct remote_change *rc = arg;
    struct remote_account was, is;
    int64_t n = 0;
    blank(&was);
    blank(&is);
    int r = find_account(ch, &rc->addr, &is.account_id);
    if (r == 0)
        r = db_value(ch->c, &n, ch->ei, "SELECT COUNT(*) FROM remote_account WHERE account_id = ?",
                     "i", is.account_id);
    if (r == 0 && n >= REMOTES_MAX)
        r = err_set(ch->ei, E_LIMIT, "'%.120s' has %d remote accounts; delete some first",
                    rc->addr.text, REMOTES_MAX);
    if (r == 0)
        r = apply_spec(rc->spec, &is, ch->ei);
    if (r == 0)
        r = id_next(ch->c, "remote_account", &is.id, ch->ei);
    if (r == 0)
        r = db_run(ch->c, ch->ei,
                   "INSERT INTO remote_account (id, account_id, protocol, host, port, tls, verify,"
                   " login_user, login_password, leave_days, interval_s, enabled, next_ms, last_ms,"
                   " last_result, last_count, failures)"
                   " VALUES (?, ?, 0, '', 0, 0, 1, '', '', 0, 0, 0, 0, 0, '', 0, 0)",
                   "ii", is.id, is.account_id);
    if (r == 0)
        r = write_row(ch, &is);
    if (r == 0)
        r = note(ch, &was, &is);
    rc->id = is.id;
    remote_account_done(&was);
    remote_account_done(&is);
    return r;
}

static int read_one(struct change *ch, const struct remote_change *rc, struct remote_account *ret)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(ch->c, &s, ch->ei, REMOTE_COLUMNS " WHERE r.id = ? AND a.address = ?", "is",
                     rc->id, rc->addr.text);
    if (r == 0)
        r = db_step(s, ch->ei);
    if (r < 0)
        return r;
    if (r == 0)
        return err_set(ch->ei, E_NOTFOUND, "remote account %" PRId64 " of '%.120s' does not exist",
                       rc->id, rc->addr.text);
    from_row(s, ret);
    return 0;
}

static int update_in(struct change *ch, void *arg)
{
    struct remote_change *rc = arg;
    struct remote_account was = { 0 }, is = { 0 };
    int r = read_one(ch, rc, &was);
    if (r == 0)
        r = read_one(ch, rc, &is);
    if (r == 0)
        r = apply_spec(rc->spec, &is, ch->ei);
    if (r == 0)
        r = write_row(ch, &is);
    if (r == 0)
        r = note(ch, &was, &is);
    remote_account_done(&was);
    remote_account_done(&is);
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    struct remote_change *rc = arg;
    struct remote_account was = { 0 };
    int r = read_one(ch, rc, &was);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM remote_seen WHERE remote_id = ?", "i", rc->id);
    if (r == 0)
        r = db_run(ch->c, ch->ei, "DELETE FROM remote_account WHERE id = ?", "i", rc->id);
    if (r == 0)
        r = change_note(ch, "remote", was.host, NULL);
    remote_account_done(&was);
    return r;
}

static int due_in(struct change *ch, void *arg)
{
    struct remote_change *rc = arg;
    struct remote_account was = { 0 };
    int r = read_one(ch, rc, &was);
    if (r == 0 && !was.enabled)
        r = err_set(ch->ei, E_CONFLICT, "remote account %" PRId64 " is switched off", rc->id);
    remote_account_done(&was);
    return r < 0 ? r
                 : db_run(ch->c, ch->ei,
                          "UPDATE remote_account SET next_ms = 0, failures = 0 WHERE id = ?", "i",
                          rc->id);
}

static int run(struct accounts *a, const char *admin, struct sv address, struct remote_change *rc,
               int (*fn)(struct change *, void *), struct errinfo *ei)
{
    int r = addr_parse(sv_trim(address), &rc->addr, ei);
    return r < 0 ? r : change_run(a, admin, "account", addr_sv(&rc->addr), fn, rc, ei);
}

int remote_create(struct accounts *a, const char *admin, struct sv address,
                  const struct remote_spec *s, int64_t *ret_id, struct errinfo *ei)
{
    struct remote_change rc = { .spec = s };
    int r = run(a, admin, address, &rc, create_in, ei);
    *ret_id = rc.id;
    return r;
}

int remote_update(struct accounts *a, const char *admin, struct sv address, int64_t id,
                  const struct remote_spec *s, struct errinfo *ei)
{
    return run(a, admin, address, &(struct remote_change){ .spec = s, .id = id }, update_in, ei);
}

int remote_delete(struct accounts *a, const char *admin, struct sv address, int64_t id,
                  struct errinfo *ei)
{
    return run(a, admin, address, &(struct remote_change){ .id = id }, delete_in, ei);
}

int remote_due_now(struct accounts *a, struct sv address, int64_t id, struct errinfo *ei)
{
    return run(a, NULL, address, &(struct remote_change){ .id = id }, due_in, ei);
}

/* --- reading --- */

struct remotes {
    struct remote_account *v;
    size_t n;
};

static int read_all(struct db_stmt *s, int r, struct remotes *l, struct errinfo *ei)
{
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
        from_row(s, &l->v[l->n++]);
        r = 0;
    }
    return r;
}

/* fn may call this room again: the connection is back before it runs. */
int remote_each(struct accounts *a, struct sv address,
                bool (*fn)(const struct remote_account *, void *arg), void *arg, struct errinfo *ei)
{
    struct remotes l = { 0 };
    struct addr key;
    int r = address.p ? addr_parse(sv_trim(address), &key, ei) : 0;
    if (r < 0)
        return r;
    {
        _cleanup_(db_putp) struct dbc *c = NULL;
        _cleanup_(db_resetp) struct db_stmt *s = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = address.p ? db_query(c, &s, ei, REMOTE_COLUMNS " WHERE a.address = ? ORDER BY r.id",
                                     "s", key.text)
                          : db_query(c, &s, ei, REMOTE_COLUMNS " ORDER BY r.id", "");
        r = r == 0 ? read_all(s, r, &l, ei) : r;
    }
    bool more = r == 0;
    for (size_t i = 0; i < l.n; i++) {
        if (more)
            more = fn(&l.v[i], arg);
        remote_account_done(&l.v[i]);
    }
    free(l.v);
    return r;
}

/* --- collecting --- */

static bool is_busy(int64_t id, const int64_t *busy, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (busy[i] == id)
            return true;
    return false;
}

static int read_due(struct dbc *c, int64_t now_ms, struct remotes *l, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     REMOTE_COLUMNS " JOIN domain d ON d.id = a.domain_id WHERE r.enabled = 1"
                                    " AND r.next_ms <= ? AND a.enabled = 1 AND d.enabled = 1"
                                    " ORDER BY r.next_ms, r.id LIMIT 100",
                     "i", now_ms);
    return read_all(s, r, l, ei);
}

int remote_claim(struct accounts *a, int64_t now_ms, int64_t until_ms, const int64_t *busy,
                 size_t n_busy, struct remote_account *ret, struct errinfo *ei)
{
    struct remotes l = { 0 };
    int taken = 0, r;
    {
        _cleanup_(db_putp) struct dbc *c = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = read_due(c, now_ms, &l, ei);
    }
    _cleanup_(db_putp) struct dbc *w = NULL;
    if (r == 0 && l.n)
        r = db_get_writer(a->db, &w, ei);
    for (size_t i = 0; i < l.n; i++) {
        if (r == 0 && !taken && !is_busy(l.v[i].id, busy, n_busy)) {
            r = db_run(w, ei, "UPDATE remote_account SET next_ms = ? WHERE id = ? AND next_ms = ?",
                       "iii", until_ms, l.v[i].id, l.v[i].next_ms);
            taken = r == 0 && db_changes(w) == 1;
            if (taken) {
                *ret = l.v[i];
                continue;
            }
        }
        remote_account_done(&l.v[i]);
    }
    free(l.v);
    return r < 0 ? r : taken;
}

int remote_finish(struct accounts *a, int64_t id, int64_t until_ms, const struct remote_result *res,
                  struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r
                 : db_run(c, ei,
                          "UPDATE remote_account SET last_ms = ?, last_result = ?, last_count = ?,"
                          " failures = ?, next_ms = CASE WHEN next_ms = ? THEN ? ELSE next_ms END"
                          " WHERE id = ?",
                          "isiiiii", clock_wall_ms(), res->text, res->count, res->failures,
                          until_ms, res->next_ms, id);
}

void remote_seen_id(int64_t remote_id, struct sv uid, char ret[REMOTE_SEEN_ID + 1])
{
    unsigned char h[32];
    struct buf b;
    struct buf hex;
    buf_init(&b, 1 * KiB);
    (void)buf_addf(&b, "%" PRId64 "\n", remote_id);
    (void)buf_add_sv(&b, uid);
    SHA256((const unsigned char *)b.p, b.n, h);
    buf_done(&b);
    buf_init(&hex, REMOTE_SEEN_ID + 1);
    (void)hex_enc(sv_n(h, sizeof(h)), &hex);
    sv_copy(ret, REMOTE_SEEN_ID + 1, buf_sv(&hex));
    buf_done(&hex);
}

int remote_seen_each(struct accounts *a, int64_t remote_id,
                     void (*fn)(struct sv id, int64_t since_ms, bool gone, void *arg), void *arg,
                     struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_get(a->db, &c, ei);
    if (r == 0)
        r = db_query(c, &s, ei, "SELECT id, seen_ms, gone_ms FROM remote_seen WHERE remote_id = ?",
                     "i", remote_id);
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        fn(db_col_text(s, 0), db_col_int(s, 1), db_col_int(s, 2) != 0, arg);
        r = 0;
    }
    return r;
}

int remote_seen_add(struct accounts *a, int64_t remote_id, const char *id, int64_t now_ms,
                    struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r
                 : db_run(c, ei,
                          "INSERT INTO remote_seen (remote_id, id, seen_ms, gone_ms)"
                          " VALUES (?, ?, ?, 0)",
                          "isi", remote_id, id, now_ms);
}

int remote_seen_listed(struct accounts *a, int64_t remote_id, const char *id, bool there,
                       int64_t now_ms, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r
                 : db_run(c, ei,
                          "UPDATE remote_seen SET gone_ms = CASE WHEN ? = 1 THEN 0 WHEN gone_ms = 0"
                          " THEN ? ELSE gone_ms END WHERE remote_id = ? AND id = ?",
                          "iiis", (int64_t)there, now_ms, remote_id, id);
}

/* A server that shows an empty mailbox for once does not make all of it new. */
int remote_seen_prune(struct accounts *a, int64_t remote_id, int64_t now_ms, struct errinfo *ei)
{
    static const int64_t keep_ms = 30 * 86400000LL;
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(a->db, &c, ei);
    return r < 0 ? r
                 : db_run(c, ei,
                          "DELETE FROM remote_seen WHERE remote_id = ? AND gone_ms > 0"
                          " AND gone_ms < ?",
                          "ii", remote_id, now_ms - keep_ms);
}
