/* What drivers share in reading a DSN: options, URLs. Runs in the thread that calls db_open. */
#include "db/db_priv.h"

int db_dsn_number(struct sv key, struct sv value, int64_t min, int64_t max, int64_t *ret,
                  struct errinfo *ei)
{
    int64_t v;
    if (sv_to_i64(value, &v) < 0 || v < min || v > max) {
        return err_set(ei, E_RANGE,
                       "database option " SV_FMT ": '" SV_FMT "' is not a number from %" PRId64
                       " to %" PRId64,
                       SV_ARG(key), SV_ARG(value), min, max);
    }
    *ret = v;
    return 0;
}

int db_dsn_common(struct db *db, struct sv key, struct sv value, struct errinfo *ei)
{
    int64_t v;
    int r;
    if (sv_eq(key, SV("readers")) || sv_eq(key, SV("pool"))) {
        if ((r = db_dsn_number(key, value, 1, 1000, &v, ei)) < 0)
            return r;
        db->max_conns = (unsigned)v;
    } else if (sv_eq(key, SV("stmts"))) {
        if ((r = db_dsn_number(key, value, 1, 10000, &v, ei)) < 0)
            return r;
        db->max_stmts = (unsigned)v;
    } else if (sv_eq(key, SV("timeout_ms"))) {
        if ((r = db_dsn_number(key, value, 1, 3600000, &v, ei)) < 0)
            return r;
        db->timeout_ms = (int)v;
    } else if (sv_eq(key, SV("wait_ms"))) {
        if ((r = db_dsn_number(key, value, 1, 3600000, &v, ei)) < 0)
            return r;
        db->wait_ms = (int)v;
    } else {
        return 0;
    }
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *db_dsn_unescape(struct sv s)
{
    char *out = xmalloc(s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0 &&
                      hex_digit(s.p[i + 2]) >= 0;
        if (escape) {
            out[n++] = (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    out[n] = '\0';
    return out;
}

static int set_host(const struct db *db, struct sv host, struct db_url *v, struct errinfo *ei)
{
    struct sv port = SV_NULL;
    if (sv_starts(host, SV("["))) {
        ssize_t end = sv_find(host, ']');
        if (end < 0)
            return err_set(ei, E_PARSE, "database '%.60s': no ] after the address", db->where);
        port = sv_skip(host, (size_t)end + 1);
        host = sv_skip(sv_take(host, (size_t)end), 1);
        if (port.n > 0 && port.p[0] != ':')
            return err_set(ei, E_PARSE, "database '%.60s': no port after ]", db->where);
        port = port.n > 0 ? sv_skip(port, 1) : SV_NULL;
    } else {
        port = host;
        host = sv_split(&port, ':');
    }
    uint32_t n = 0;
    if (port.p && (sv_to_u32(port, &n) < 0 || n == 0 || n > 65535))
        return err_set(ei, E_RANGE, "database '%.60s': the port is not a number from 1 to 65535",
                       db->where);
    v->host = db_dsn_unescape(host);
    v->port = n;
    return 0;
}

int db_dsn_url(const struct db *db, struct sv url, struct db_url *ret, struct errinfo *ei)
{
    struct sv name = url;
    struct sv host = sv_split(&name, '/');
    struct sv user = SV("");
    ssize_t at = sv_rfind(host, '@');
    if (at >= 0) {
        user = sv_take(host, (size_t)at);
        host = sv_skip(host, (size_t)at + 1);
    }
    struct sv password = user;
    user = sv_split(&password, ':');
    ret->user = db_dsn_unescape(user);
    ret->password = password.p ? db_dsn_unescape(password) : NULL;
    ret->name = db_dsn_unescape(name.p ? name : SV(""));
    if (!*ret->name)
        return err_set(ei, E_PARSE, "database '%.60s': no database name after the host", db->where);
    return set_host(db, host, ret, ei);
}

void db_dsn_url_done(struct db_url *u)
{
    free(u->user);
    free(u->password);
    free(u->host);
    free(u->name);
}
