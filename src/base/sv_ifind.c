/* Search without regard to ASCII case, some gigabytes a second: positions are tried 64 at a time by
 * two bytes of the needle that are rare in logs and mail (W. Mula, "SIMD-friendly algorithms for
 * substring searching", generic SIMD), with the compiler's vectors, on any machine. */
#include "base/sv.h"

enum { LANE = 16, BLOCK = 4 * LANE };

typedef unsigned char lane __attribute__((vector_size(LANE)));

/* A byte of the needle: (c | fold) == want for both cases of a letter. */
struct probe {
    size_t at;
    lane fold, want;
};

static lane spread(unsigned char c)
{
    lane v = { 0 };
    return v + c;
}

static struct probe probe_at(struct sv needle, size_t at)
{
    unsigned char c = (unsigned char)ascii_lower(needle.p[at]);
    return (struct probe){ at, spread(c >= 'a' && c <= 'z' ? 0x20 : 0), spread(c) };
}

/* The more frequent, the lower. */
static size_t rarity(char c)
{
    static const char frequent[] = " 01:e2.[]t3a4n5ois>r<-l9687cmdpu@hfg";
    const char *found = strchr(frequent, ascii_lower(c));
    return found && c ? (size_t)(found - frequent) : sizeof(frequent);
}

static size_t rarest(struct sv needle, size_t not_at)
{
    size_t best = not_at == 0 ? needle.n - 1 : 0;
    for (size_t i = 0; i < needle.n; i++)
        if (i != not_at && rarity(needle.p[i]) > rarity(needle.p[best]))
            best = i;
    return best;
}

static lane hits(const char *p, const struct probe *a, const struct probe *b)
{
    lane x, y;
    memcpy(&x, p + a->at, LANE);
    memcpy(&y, p + b->at, LANE);
    return (lane)((x | a->fold) == a->want) & (lane)((y | b->fold) == b->want);
}

static bool any(lane v)
{
    uint64_t w[LANE / 8];
    memcpy(w, &v, sizeof(w));
    return (w[0] | w[1]) != 0;
}

static bool is_here(const char *p, struct sv needle)
{
    size_t i = 0;
    while (i < needle.n && ascii_lower(p[i]) == ascii_lower(needle.p[i]))
        i++;
    return i == needle.n;
}

/* The first of n positions from p on, or -1. */
static ssize_t one_by_one(const char *p, size_t n, struct sv needle)
{
    for (size_t i = 0; i < n; i++)
        if (is_here(p + i, needle))
            return (ssize_t)i;
    return -1;
}

ssize_t sv_ifind_sv(struct sv s, struct sv needle)
{
    if (needle.n == 0)
        return 0;
    if (needle.n > s.n)
        return -1;
    size_t positions = s.n - needle.n + 1, at = 0;
    if (positions >= BLOCK) {
        size_t first = rarest(needle, SIZE_MAX);
        struct probe a = probe_at(needle, first), b = probe_at(needle, rarest(needle, first));
        for (; at + BLOCK <= positions; at += BLOCK) {
            const char *p = s.p + at;
            lane found = hits(p, &a, &b) | hits(p + LANE, &a, &b) | hits(p + 2 * LANE, &a, &b) |
                         hits(p + 3 * LANE, &a, &b);
            ssize_t i = any(found) ? one_by_one(p, BLOCK, needle) : -1;
            if (i >= 0)
                return (ssize_t)at + i;
        }
    }
    ssize_t i = one_by_one(s.p + at, positions - at, needle);
    return i < 0 ? -1 : (ssize_t)at + i;
}
