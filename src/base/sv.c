/* Slices: comparison, search, splitting and strict number parsing. Every function accepts the null
 * slice, so libc is never handed a NULL pointer, not even with length 0. */
#include "base/sv.h"
#include "base/err.h"

static bool ieq_n(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ascii_lower(a[i]) != ascii_lower(b[i]))
            return false;
    }
    return true;
}

bool sv_eq(struct sv a, struct sv b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool sv_ieq(struct sv a, struct sv b)
{
    return a.n == b.n && ieq_n(a.p, b.p, a.n);
}

bool sv_starts(struct sv s, struct sv prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool sv_istarts(struct sv s, struct sv prefix)
{
    return s.n >= prefix.n && ieq_n(s.p, prefix.p, prefix.n);
}

bool sv_iends(struct sv s, struct sv suffix)
{
    return s.n >= suffix.n && sv_ieq(sv_skip(s, s.n - suffix.n), suffix);
}

struct sv sv_skip(struct sv s, size_t n)
{
    n = MIN(n, s.n);
    return n ? (struct sv){ s.p + n, s.n - n } : s;
}

struct sv sv_take(struct sv s, size_t n)
{
    return (struct sv){ s.p, MIN(n, s.n) };
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct sv sv_trim(struct sv s)
{
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

ssize_t sv_find(struct sv s, char c)
{
    const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
    return q ? q - s.p : -1;
}

ssize_t sv_rfind(struct sv s, char c)
{
    const char *q = s.n ? memrchr(s.p, c, s.n) : NULL;
    return q ? q - s.p : -1;
}

ssize_t sv_find_sv(struct sv s, struct sv needle)
{
    if (needle.n == 0)
        return 0;
    if (needle.n > s.n)
        return -1;
    const char *q = memmem(s.p, s.n, needle.p, needle.n);
    return q ? q - s.p : -1;
}

struct sv sv_split(struct sv *rest, char sep)
{
    struct sv part = *rest;
    ssize_t i = sv_find(part, sep);
    if (i < 0) {
        *rest = SV_NULL;
        return part;
    }
    *rest = sv_skip(part, (size_t)i + 1);
    return sv_take(part, (size_t)i);
}

static int parse_u64(struct sv s, uint64_t max, uint64_t *ret)
{
    if (s.n == 0)
        return E_PARSE;
    uint64_t v = 0;
    bool over = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)(unsigned char)s.p[i] - '0';
        if (d > 9)
            return E_PARSE;
        /* The scan goes on after overflow: "999...9x" is not a number at all. */
        if (v > (max - d) / 10)
            over = true;
        if (!over)
            v = v * 10 + d;
    }
    if (over)
        return E_RANGE;
    *ret = v;
    return 0;
}

int sv_to_u64(struct sv s, uint64_t *ret)
{
    return parse_u64(s, UINT64_MAX, ret);
}

int sv_to_u32(struct sv s, uint32_t *ret)
{
    uint64_t v;
    int r = parse_u64(s, UINT32_MAX, &v);
    if (r == 0)
        *ret = (uint32_t)v;
    return r;
}

int sv_to_i64(struct sv s, int64_t *ret)
{
    bool neg = s.n && s.p[0] == '-';
    uint64_t v;
    int r = parse_u64(neg ? sv_skip(s, 1) : s, (uint64_t)INT64_MAX + neg, &v);
    if (r == 0)
        *ret = (int64_t)(neg ? 0 - v : v);
    return r;
}

int sv_cmp(struct sv a, struct sv b)
{
    size_t n = MIN(a.n, b.n);
    int r = n ? memcmp(a.p, b.p, n) : 0;
    return r ? r : (a.n > b.n) - (a.n < b.n);
}

int sv_icmp(struct sv a, struct sv b)
{
    size_t n = MIN(a.n, b.n);
    for (size_t i = 0; i < n; i++) {
        int r = (unsigned char)ascii_lower(a.p[i]) - (unsigned char)ascii_lower(b.p[i]);
        if (r)
            return r;
    }
    return (a.n > b.n) - (a.n < b.n);
}

char *sv_dup(struct sv s)
{
    char *p = xmalloc(s.n + 1);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

bool sv_copy(char *dst, size_t cap, struct sv s)
{
    if (cap == 0)
        return false;
    size_t n = MIN(s.n, cap - 1);
    if (n)
        memmove(dst, s.p, n);
    dst[n] = '\0';
    return n == s.n;
}
