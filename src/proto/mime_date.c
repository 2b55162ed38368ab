/* Date header (RFC 5322 3.3 with obsolete forms) to seconds. Pure. */
#include "proto/mime_priv.h"

static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun",
                                      "jul", "aug", "sep", "oct", "nov", "dec" };

static bool take_number(struct sv *s, int max_digits, int *ret)
{
    int n = 0, digits = 0;

    *s = mime_skip_cfws(*s);
    while (s->n && *s->p >= '0' && *s->p <= '9' && digits < max_digits) {
        n = n * 10 + (*s->p - '0');
        digits++;
        *s = sv_skip(*s, 1);
    }
    *ret = n;
    return digits > 0;
}

static bool take_word(struct sv *s, struct sv *ret)
{
    size_t n = 0;

    *s = mime_skip_cfws(*s);
    while (n < s->n && ((s->p[n] >= 'a' && s->p[n] <= 'z') || (s->p[n] >= 'A' && s->p[n] <= 'Z')))
        n++;
    *ret = sv_take(*s, n);
    *s = sv_skip(*s, n);
    return n > 0;
}

static bool take_char(struct sv *s, char c)
{
    *s = mime_skip_cfws(*s);
    if (!s->n || *s->p != c)
        return false;
    *s = sv_skip(*s, 1);
    return true;
}

static int zone_of(struct sv s)
{
    static const struct {
        const char *name;
        int minutes;
    } names[] = {
        { "EST", -300 }, { "EDT", -240 }, { "CST", -360 }, { "CDT", -300 },
        { "MST", -420 }, { "MDT", -360 }, { "PST", -480 }, { "PDT", -420 },
    };
    struct sv word;
    int n, minutes, sign;

    s = mime_skip_cfws(s);
    if (s.n && (*s.p == '+' || *s.p == '-')) {
        sign = *s.p == '-' ? -1 : 1;
        s = sv_skip(s, 1);
        if (!take_number(&s, 4, &n))
            return 0;
        if (n < 24 && take_char(&s, ':') && take_number(&s, 2, &minutes)) /* "+01:30" */
            n = n * 100 + minutes;
        if (n % 100 > 59 || n / 100 > 23)
            return 0;
        return sign * (n / 100 * 60 + n % 100);
    }
    if (take_word(&s, &word))
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (sv_ieq(word, sv_c(names[i].name)))
                return names[i].minutes;
    return 0;
}

int mime_date(struct sv value, int64_t *ret_s, int *ret_zone_minutes)
{
    struct sv s = value, word;
    struct tm tm = { 0 };
    int day, year, zone, month = -1;

    if (take_word(&s, &word)) /* day of the week */
        take_char(&s, ',');
    if (!take_number(&s, 2, &day) || day < 1 || day > 31)
        return E_PARSE;
    take_char(&s, '-');
    if (!take_word(&s, &word) || word.n < 3)
        return E_PARSE;
    for (int i = 0; i < 12; i++)
        if (sv_ieq(sv_take(word, 3), sv_c(months[i])))
            month = i;
    take_char(&s, '-');
    if (month < 0 || !take_number(&s, 4, &year))
        return E_PARSE;
    if (year < 50)
        year += 2000;
    else if (year < 1000)
        year += 1900;
    tm.tm_mday = day;
    tm.tm_mon = month;
    tm.tm_year = year - 1900;
    if (!take_number(&s, 2, &tm.tm_hour) || !take_char(&s, ':') || !take_number(&s, 2, &tm.tm_min))
        return E_PARSE;
    if (take_char(&s, ':') && !take_number(&s, 2, &tm.tm_sec))
        return E_PARSE;
    if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return E_PARSE;
    zone = zone_of(s);
    *ret_s = (int64_t)timegm(&tm) - zone * 60;
    if (ret_zone_minutes)
        *ret_zone_minutes = zone;
    return 0;
}
