/* The tests date and currentdate: RFC 5260 4 and 5. */
#include "mail/sieve/run_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static void format_zone(int zone, bool colon, char ret[16])
{
    int m = zone < 0 ? -zone : zone;
    snprintf(ret, 16, "%c%02d%s%02d", zone < 0 ? '-' : '+', m / 60 % 24, colon ? ":" : "", m % 60);
}

/* *ret_n of the part's text in ret. */
static void format_part(struct sv part, int64_t at_s, int zone, char ret[64])
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t t = (time_t)(at_s + zone * 60);
    struct tm tm = { 0 };
    char z[16];
    gmtime_r(&t, &tm);
    int y = tm.tm_year + 1900, mon = tm.tm_mon + 1;
    *ret = '\0';
    if (sv_ieq(part, SV("year")))
        snprintf(ret, 64, "%04d", y);
    else if (sv_ieq(part, SV("month")))
        snprintf(ret, 64, "%02d", mon);
    else if (sv_ieq(part, SV("day")))
        snprintf(ret, 64, "%02d", tm.tm_mday);
    else if (sv_ieq(part, SV("date")))
        snprintf(ret, 64, "%04d-%02d-%02d", y, mon, tm.tm_mday);
    else if (sv_ieq(part, SV("julian"))) /* the modified one; 40587 is 1970-01-01 */
        snprintf(ret, 64, "%" PRId64,
                 (int64_t)40587 + (int64_t)(t - (t % 86400 + 86400) % 86400) / 86400);
    else if (sv_ieq(part, SV("hour")))
        snprintf(ret, 64, "%02d", tm.tm_hour);
    else if (sv_ieq(part, SV("minute")))
        snprintf(ret, 64, "%02d", tm.tm_min);
    else if (sv_ieq(part, SV("second")))
        snprintf(ret, 64, "%02d", tm.tm_sec);
    else if (sv_ieq(part, SV("time")))
        snprintf(ret, 64, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    else if (sv_ieq(part, SV("weekday")))
        snprintf(ret, 64, "%d", tm.tm_wday);
    else if (sv_ieq(part, SV("zone")))
        format_zone(zone, false, ret);
    else if (sv_ieq(part, SV("iso8601"))) {
        format_zone(zone, true, z);
        snprintf(ret, 64, "%04d-%02d-%02dT%02d:%02d:%02d%s", y, mon, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec, z);
    } else if (sv_ieq(part, SV("std11"))) {
        format_zone(zone, false, z);
        snprintf(ret, 64, "%s, %02d %s %04d %02d:%02d:%02d %s", days[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], y, tm.tm_hour, tm.tm_min, tm.tm_sec, z);
    }
}

static int zone_of(struct run *x, const struct sieve_node *n, int64_t at_s, int own, int *ret)
{
    struct sv zone;
    int r = expand_option(x, n, SIEVE_T_ZONE, &zone);
    *ret = sieve_has(n, SIEVE_T_ORIGINALZONE) ? own : clock_zone_minutes(at_s);
    if (r >= 0 && zone.p && !sieve_is_zone(zone, ret))
        return run_fail(x, E_PARSE, "\"%.40s\" is no time zone; write +0100 or -0500", zone.p);
    return r;
}

static int try_time(struct matcher *m, const struct sieve_node *n, struct sv part, int64_t at_s,
                    int own_zone)
{
    char text[64];
    int zone, r = zone_of(m->x, n, at_s, own_zone, &zone);
    if (r < 0)
        return r;
    format_part(part, at_s, zone, text);
    struct sv value;
    struct buf b = { .p = text, .n = strlen(text) };
    r = run_keep(m->x, &b, &value);
    return r < 0 ? r : matcher_try(m, value);
}

/* A date behind the last semicolon, as in Received, or all of the field. */
static int try_field(struct matcher *m, const struct sieve_node *n, struct sv part,
                     const struct field *f)
{
    ssize_t semicolon = sv_rfind(f->value, ';');
    int64_t at_s;
    int zone = 0;
    if (mime_date(sv_skip(f->value, (size_t)(semicolon + 1)), &at_s, &zone) < 0)
        return 0;
    return try_time(m, n, part, at_s, zone);
}

int test_date(struct run *x, const struct sieve_node *n)
{
    bool current = n->word == SIEVE_CURRENTDATE;
    struct matcher m;
    struct sv part, name = SV_NULL;
    size_t pos = 0;
    int r = matcher_begin(&m, x, n, &n->arg[current ? 1 : 2]);
    if (r >= 0)
        r = expand(x, &n->arg[current ? 0 : 1].v[0], &part);
    if (r >= 0 && !current)
        r = expand(x, &n->arg[0].v[0], &name);
    if (r >= 0 && current)
        r = try_time(&m, n, part, x->e->now_s, 0);
    for (const struct field *f; r == 0 && !current && (f = header_next(x, n, name, &pos));)
        r = try_field(&m, n, part, f);
    return matcher_end(&m, r);
}
