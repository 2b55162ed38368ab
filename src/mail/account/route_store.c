/* Table mail_route. A change works on the whole list, which is short: what it leaves is what is
 * checked, numbered and written. */
#include "mail/account/route_store.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/codec.h"
#include "mail/account/accounts_priv.h"
#include "mail/account/audit.h"
#include "stats/shm.h"

/* --- reading --- */

static void add_row(struct db_stmt *s, struct conf_routes *l)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    struct conf_route *r = &l->v[l->n++];
    int tls = conf_choice(route_tls_names, db_col_text(s, 5));
    int family = conf_choice(route_family_names, db_col_text(s, 6));
    *r = (struct conf_route){
        .pattern = sv_dup(db_col_text(s, 0)),
        .host = sv_dup(db_col_text(s, 1)),
        .user = sv_dup(db_col_text(s, 2)),
        .password = sv_dup(db_col_text(s, 3)),
        .source_ip = sv_dup(db_col_text(s, 4)),
        /* A word of a newer program: the safest of ours. */
        .tls = tls < 0 ? ROUTE_TLS_VERIFY : (enum route_tls)tls,
        .family = family < 0 ? ROUTE_FAMILY_DEFAULT : (enum route_family)family,
        .changed_ms = db_col_int(s, 7),
    };
}

int routes_read_from(struct dbc *c, struct conf_routes **ret, struct errinfo *ei)
{
    struct conf_routes *l = xcalloc(1, sizeof(*l));
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei,
                     "SELECT pattern, relay, login_user, login_password, source_ip, tls, family,"
                     " changed_ms FROM mail_route ORDER BY place, pattern",
                     "");
    while (r == 0 && (r = db_step(s, ei)) == 1) {
        add_row(s, l);
        r = 0;
    }
    if (r < 0) {
        conf_routes_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

int routes_read(struct db *db, struct conf_routes **ret, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(db, &c, ei);
    return r < 0 ? r : routes_read_from(c, ret, ei);
}

/* --- checks --- */

int route_pattern(struct sv text, char ret[256], struct errinfo *ei)
{
    size_t n = 0, skip = 0;
    text = sv_trim(text);
    if (sv_eq(text, SV("*"))) {
        memcpy(ret, "*", 2);
        return 0;
    }
    if (sv_starts(text, SV("*."))) {
        memcpy(ret, "*.", 2);
        skip = 2;
    }
    char domain[ADDR_DOMAIN_MAX + 1];
    struct sv name = sv_skip(text, skip);
    if (addr_parse_domain(name, domain, &n, NULL) < 0 || domain[0] == '[' ||
        addr_check_new_domain(sv_n(domain, n), NULL) < 0 || n + skip > 255)
        return err_set(ei, E_PARSE,
                       "pattern: '" SV_FMT "' is not a domain, *.domain (all below it) or * (all)",
                       SV_ARG(sv_take(text, 100)));
    memcpy(ret + skip, domain, n + 1);
    return 0;
}

static int check_login(const char *field, const char *text, struct errinfo *ei)
{
    if (strlen(text) > ROUTE_LOGIN_MAX)
        return err_set(ei, E_RANGE, "%s: longer than %d bytes", field, ROUTE_LOGIN_MAX);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return err_set(ei, E_PARSE, "%s: control characters are not allowed", field);
    return utf8_valid(sv_c(text)) ? 0 : err_set(ei, E_PARSE, "%s: is not valid UTF-8", field);
}

static void put(char **field, const char *text)
{
    struct sv v = sv_trim(sv_c(text));
    free(*field);
    *field = sv_dup(v);
}

static int apply_texts(const struct route_spec *s, struct conf_route *r, struct errinfo *ei)
{
    struct sv host;
    uint16_t port;
    int e = 0;
    if (s->host)
        put(&r->host, s->host);
    if (*r->host && !conf_parse_relay(sv_c(r->host), &host, &port))
        return err_set(ei, E_PARSE,
                       "host: '%.100s' is not valid; allowed: host, host:port, address or "
                       "[IPv6]:port; empty: by MX",
                       r->host);
    if (s->source_ip)
        put(&r->source_ip, s->source_ip);
    if (*r->source_ip && conf_address_family(sv_c(r->source_ip)) == 0)
        return err_set(ei, E_PARSE, "source_ip: '%.60s' is not an IP address", r->source_ip);
    if (s->user && (e = check_login("user", s->user, ei)) == 0)
        put(&r->user, s->user);
    if (e == 0 && s->password && (e = check_login("password", s->password, ei)) == 0) {
        free(r->password);
        r->password = xstrdup(s->password); /* blanks at its ends belong to it */
    }
    return e;
}

static int apply_choices(const struct route_spec *s, struct conf_route *r, struct errinfo *ei)
{
    int v, e = 0;
    if (s->tls && (e = value_choice("tls", route_tls_names, s->tls, &v, ei)) == 0)
        r->tls = (enum route_tls)v;
    if (e == 0 && s->family &&
        (e = value_choice("family", route_family_names, s->family, &v, ei)) == 0)
        r->family = (enum route_family)v;
    return e;
}

/* Fields that do not go together. */
static int check_whole(const struct conf_route *r, struct errinfo *ei)
{
    int own = conf_address_family(sv_c(r->source_ip));
    if (*r->user && !*r->host)
        return err_set(ei, E_CONFLICT, "user: a login is for a relay; give its host");
    if (*r->user && !*r->password)
        return err_set(ei, E_CONFLICT, "password: is missing beside user '%.100s'", r->user);
    if (!*r->user && *r->password)
        return err_set(ei, E_CONFLICT, "user: is missing beside the password");
    if ((own == AF_INET && r->family == ROUTE_IPV6_ONLY) ||
        (own == AF_INET6 && r->family == ROUTE_IPV4_ONLY))
        return err_set(ei, E_CONFLICT, "source_ip: '%.60s' does not go with family %s",
                       r->source_ip, route_family_names[r->family]);
    return 0;
}

/* --- changes --- */

struct route_change {
    char pattern[256];
    const struct route_spec *spec;
};

static size_t find(const struct conf_routes *l, const char *pattern)
{
    size_t i = 0;
    while (i < l->n && strcmp(l->v[i].pattern, pattern) != 0)
        i++;
    return i;
}

static int missing(struct change *ch, const char *pattern)
{
    return err_set(ch->ei, E_NOTFOUND, "route '%.150s' does not exist", pattern);
}

/* Where the route at from goes; from itself when nothing is said. */
static int position(const struct route_spec *s, const struct conf_routes *l, size_t from,
                    size_t *ret, struct errinfo *ei)
{
    uint32_t n;
    *ret = from;
    if (!s->position)
        return 0;
    if (sv_to_u32(sv_trim(sv_c(s->position)), &n) < 0 || n == 0)
        return err_set(ei, E_PARSE, "position: '%.40s' is not a number; 1 is the first",
                       s->position);
    *ret = MIN((size_t)n, l->n) - 1;
    return 0;
}

static void move(struct conf_routes *l, size_t from, size_t to)
{
    struct conf_route r = l->v[from];
    if (from < to)
        memmove(&l->v[from], &l->v[from + 1], (to - from) * sizeof(r));
    else
        memmove(&l->v[to + 1], &l->v[to], (from - to) * sizeof(r));
    l->v[to] = r;
}

static int write_places(struct change *ch, const struct conf_routes *l)
{
    int r = 0;
    for (size_t i = 0; i < l->n && r == 0; i++)
        r = db_run(ch->c, ch->ei,
                   "UPDATE mail_route SET place = ? WHERE pattern = ? AND place <> ?", "isi",
                   (int64_t)i + 1, l->v[i].pattern, (int64_t)i + 1);
    return r;
}

static int write_row(struct change *ch, const struct conf_route *r)
{
    int e = db_run(ch->c, ch->ei,
                   "UPDATE mail_route SET relay = ?, login_user = ?, login_password = ?,"
                   " source_ip = ?, tls = ?, family = ?, changed_ms = ? WHERE pattern = ?",
                   "ssssssis", r->host, r->user, r->password, r->source_ip, route_tls_names[r->tls],
                   route_family_names[r->family], clock_wall_ms(), r->pattern);
    return e;
}

/* A text for the audit; a new route's empty ones are not worth a row. */
static const char *worth(const struct conf_route *was, const char *is)
{
    return was || *is ? is : NULL;
}

/* was: NULL of a new one. */
static int note(struct change *ch, const struct conf_route *was, size_t was_at,
                const struct conf_route *is, size_t is_at)
{
    const char *secret = *is->password ? AUDIT_SECRET : "";
    int r = was ? 0 : change_note(ch, "route", NULL, "existed");
    if (r == 0)
        r = change_note(ch, "host", was ? was->host : NULL, worth(was, is->host));
    if (r == 0)
        r = change_note(ch, "user", was ? was->user : NULL, worth(was, is->user));
    if (r == 0 && (!was || strcmp(was->password, is->password) != 0))
        r = change_note(ch, "password", was ? *was->password ? AUDIT_SECRET : "" : NULL,
                        worth(was, secret));
    if (r == 0)
        r = change_note(ch, "tls", was ? route_tls_names[was->tls] : NULL,
                        route_tls_names[is->tls]);
    if (r == 0)
        r = change_note(ch, "family", was ? route_family_names[was->family] : NULL,
                        route_family_names[is->family]);
    if (r == 0)
        r = change_note(ch, "source_ip", was ? was->source_ip : NULL, worth(was, is->source_ip));
    if (r == 0)
        r = change_note_int(ch, "position", was ? (int64_t)was_at + 1 : 0, (int64_t)is_at + 1);
    return r;
}

static struct conf_route copy_of(const struct conf_route *r)
{
    struct conf_route c = *r;
    c.pattern = xstrdup(r->pattern);
    c.host = xstrdup(r->host);
    c.user = xstrdup(r->user);
    c.password = xstrdup(r->password);
    c.source_ip = xstrdup(r->source_ip);
    return c;
}

/* Applies the spec to the route at from, moves it and writes both. was: NULL of a new one. */
static int change_at(struct change *ch, struct conf_routes *l, size_t from,
                     const struct route_spec *s, const struct conf_route *was)
{
    size_t to = from;
    int r = apply_texts(s, &l->v[from], ch->ei);
    if (r == 0)
        r = apply_choices(s, &l->v[from], ch->ei);
    if (r == 0)
        r = check_whole(&l->v[from], ch->ei);
    if (r == 0)
        r = position(s, l, from, &to, ch->ei);
    if (r == 0)
        r = write_row(ch, &l->v[from]);
    if (r == 0) {
        move(l, from, to);
        r = write_places(ch, l);
    }
    return r < 0 ? r : note(ch, was, from, &l->v[to], to);
}

static int insert(struct change *ch, struct conf_routes *l, const char *pattern)
{
    if (l->n >= ROUTES_MAX)
        return err_set(ch->ei, E_LIMIT, "there are %d routes; delete some first", ROUTES_MAX);
    int r = db_run(ch->c, ch->ei,
                   "INSERT INTO mail_route (pattern, place, relay, login_user, login_password,"
                   " source_ip, tls, family, changed_ms) VALUES (?, 0, '', '', '', '', '', '', 0)",
                   "s", pattern);
    if (r < 0)
        return r == E_CONFLICT ? E_TEMP : r; /* somebody else was faster */
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = (struct conf_route){ .pattern = xstrdup(pattern),
                                        .host = xstrdup(""),
                                        .user = xstrdup(""),
                                        .password = xstrdup(""),
                                        .source_ip = xstrdup("") };
    return 0;
}

static void routes_donep(struct conf_routes **l)
{
    conf_routes_free(*l);
}

static int create_in(struct change *ch, void *arg)
{
    const struct route_change *rc = arg;
    _cleanup_(routes_donep) struct conf_routes *l = NULL;
    int r = routes_read_from(ch->c, &l, ch->ei);
    if (r == 0 && find(l, rc->pattern) < l->n)
        return err_set(ch->ei, E_EXISTS, "route '%.150s' exists already", rc->pattern);
    if (r == 0)
        r = insert(ch, l, rc->pattern);
    return r < 0 ? r : change_at(ch, l, l->n - 1, rc->spec, NULL);
}

static int update_in(struct change *ch, void *arg)
{
    const struct route_change *rc = arg;
    _cleanup_(routes_donep) struct conf_routes *l = NULL;
    int r = routes_read_from(ch->c, &l, ch->ei);
    if (r < 0)
        return r;
    size_t i = find(l, rc->pattern);
    if (i == l->n)
        return missing(ch, rc->pattern);
    struct conf_routes *before = xcalloc(1, sizeof(*before));
    before->v = xcalloc(1, sizeof(*before->v));
    before->v[before->n++] = copy_of(&l->v[i]);
    r = change_at(ch, l, i, rc->spec, before->v);
    conf_routes_free(before);
    return r;
}

static int delete_in(struct change *ch, void *arg)
{
    const struct route_change *rc = arg;
    int r = db_run(ch->c, ch->ei, "DELETE FROM mail_route WHERE pattern = ?", "s", rc->pattern);
    if (r == 0 && db_changes(ch->c) == 0)
        return missing(ch, rc->pattern);
    _cleanup_(routes_donep) struct conf_routes *l = NULL;
    if (r == 0)
        r = routes_read_from(ch->c, &l, ch->ei);
    if (r == 0)
        r = write_places(ch, l);
    return r < 0 ? r : change_note(ch, "route", "existed", NULL);
}

static int run(struct accounts *a, const char *admin, struct sv pattern, const struct route_spec *s,
               int (*fn)(struct change *, void *), struct errinfo *ei)
{
    struct route_change rc = { .spec = s };
    int r = route_pattern(pattern, rc.pattern, ei);
    if (r == 0)
        r = change_run(a, admin, "route", sv_c(rc.pattern), fn, &rc, ei);
    if (r == 0 && !account_dry_run())
        epoch_bump(EPOCH_SETTINGS);
    return r;
}

int route_create(struct accounts *a, const char *admin, struct sv pattern,
                 const struct route_spec *s, struct errinfo *ei)
{
    return run(a, admin, pattern, s, create_in, ei);
}

int route_update(struct accounts *a, const char *admin, struct sv pattern,
                 const struct route_spec *s, struct errinfo *ei)
{
    return run(a, admin, pattern, s, update_in, ei);
}

int route_delete(struct accounts *a, const char *admin, struct sv pattern, struct errinfo *ei)
{
    return run(a, admin, pattern, NULL, delete_in, ei);
}
