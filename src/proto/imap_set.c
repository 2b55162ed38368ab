/* Sequence sets and LIST patterns. Pure. RFC 3501 section 9 (sequence-set) and 6.3.8. */
#include "proto/imap_parse.h"

static int set_number(struct imap_in *in, uint32_t *ret)
{
    if (imap_char(in, '*')) {
        *ret = IMAP_STAR;
        return 0;
    }
    int r = imap_u32(in, ret);
    return r < 0 ? r : *ret == 0 ? E_PARSE : 0;
}

static int set_range(struct imap_in *in, struct imap_range *ret)
{
    int r = set_number(in, &ret->lo);
    if (r < 0)
        return r;
    ret->hi = ret->lo;
    return imap_char(in, ':') ? set_number(in, &ret->hi) : 0;
}

int imap_set_parse(struct imap_in *in, struct imap_set *ret)
{
    const char *q = in->p;
    size_t n = 1;
    for (; q < in->end && (*q == ',' || *q == ':' || *q == '*' || (*q >= '0' && *q <= '9')); q++)
        n += *q == ',';
    struct imap_set set = { arena_alloc(in->a, n * sizeof(struct imap_range)), 0 };
    if (!set.r)
        return E_LIMIT;
    do {
        int r = set_range(in, &set.r[set.n++]);
        if (r < 0)
            return r;
    } while (imap_char(in, ','));
    *ret = set;
    return 0;
}

/* Greedy with one fallback point per kind of wildcard: a later '*' makes earlier ones irrelevant,
 * and a '%' that cannot be stretched over '/' falls back to the last '*'. */
static bool match(struct sv pat, struct sv name)
{
    size_t p = 0, n = 0;
    size_t star_p = SIZE_MAX, star_n = 0, pct_p = SIZE_MAX, pct_n = 0;
    for (;;) {
        if (p < pat.n && pat.p[p] == '*') {
            star_p = ++p;
            star_n = n;
            pct_p = SIZE_MAX;
            continue;
        }
        if (p < pat.n && pat.p[p] == '%') {
            pct_p = ++p;
            pct_n = n;
            continue;
        }
        if (n == name.n && p == pat.n)
            return true;
        if (n < name.n && p < pat.n && pat.p[p] == name.p[n]) {
            p++;
            n++;
            continue;
        }
        if (pct_p != SIZE_MAX && pct_n < name.n && name.p[pct_n] != '/') {
            n = ++pct_n;
            p = pct_p;
        } else if (star_p != SIZE_MAX && star_n < name.n) {
            n = ++star_n;
            p = star_p;
            pct_p = SIZE_MAX;
        } else {
            return false;
        }
    }
}

bool imap_pattern_match(struct sv pattern, struct sv name)
{
    if (match(pattern, name))
        return true;
    if (!sv_ieq(name, SV("INBOX")) || pattern.n > 64)
        return false;
    char up[64];
    for (size_t i = 0; i < pattern.n; i++)
        up[i] = ascii_upper(pattern.p[i]);
    return match(sv_n(up, pattern.n), SV("INBOX"));
}
