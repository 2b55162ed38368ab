/* Options in a DSN that all drivers share. Runs in the thread that calls db_open. */
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
