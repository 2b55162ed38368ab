/* Dates of IMAP: "1-Feb-2024" of SEARCH and "01-Feb-2024 10:00:00 +0100" of APPEND. Pure.
 * RFC 3501 section 9 (date, date-time). */
#include "proto/imap_parse.h"

static int digits(struct imap_in *in, int min, int max, int *ret)
{
    int n = 0, v = 0;
    while (n < max && imap_peek(in) >= '0' && imap_peek(in) <= '9') {
        v = v * 10 + (*in->p++ - '0');
        n++;
    }
    *ret = v;
    return n < min ? E_PARSE : 0;
}

static int month_name(struct imap_in *in, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (in->end - in->p < 3)
        return E_PARSE;
    for (int m = 0; m < 12; m++) {
        if (sv_ieq(sv_n(in->p, 3), sv_n(names + 3 * m, 3))) {
            in->p += 3;
            *ret = m + 1;
            return 0;
        }
    }
    return E_PARSE;
}

static int days_in(int month, int year)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int date_text(struct imap_in *in, struct imap_day *ret)
{
    if (digits(in, 1, 2, &ret->day) < 0 || !imap_char(in, '-') || month_name(in, &ret->month) < 0 ||
        !imap_char(in, '-') || digits(in, 4, 4, &ret->year) < 0)
        return E_PARSE;
    return ret->day < 1 || ret->day > days_in(ret->month, ret->year) ? E_PARSE : 0;
}

int imap_date(struct imap_in *in, struct imap_day *ret)
{
    bool quoted = imap_char(in, '"');
    int r = date_text(in, ret);
    return r < 0 ? r : quoted && !imap_char(in, '"') ? E_PARSE : 0;
}

int64_t imap_day_number(struct imap_day d)
{
    /* Years begin in March, so that the leap day is the last one. */
    int64_t y = d.month <= 2 ? d.year - 1 : d.year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int imap_date_time(struct imap_in *in, int64_t *ret)
{
    struct imap_day d;
    int h, m, s, zone;
    if (!imap_char(in, '"'))
        return E_PARSE;
    imap_char(in, ' '); /* " 1-Feb": date-day-fixed */
    if (date_text(in, &d) < 0 || !imap_char(in, ' ') || digits(in, 2, 2, &h) < 0 ||
        !imap_char(in, ':') || digits(in, 2, 2, &m) < 0 || !imap_char(in, ':') ||
        digits(in, 2, 2, &s) < 0 || !imap_char(in, ' '))
        return E_PARSE;
    bool west = imap_peek(in) == '-';
    if ((!imap_char(in, '+') && !imap_char(in, '-')) || digits(in, 4, 4, &zone) < 0 ||
        !imap_char(in, '"'))
        return E_PARSE;
    if (h > 23 || m > 59 || s > 60 || zone % 100 > 59)
        return E_PARSE;
    int64_t offset = (zone / 100 * 60 + zone % 100) * 60;
    int64_t t = imap_day_number(d) * 86400 + h * 3600 + m * 60 + s;
    *ret = west ? t + offset : t - offset;
    return 0;
}
