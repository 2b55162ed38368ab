/* Slices: a pointer and a length by value, never owning, never NUL-terminated by contract. */
#pragma once

#include "base/base.h"

struct sv {
    const char *p;
    size_t n;
};

#define SV(lit)   ((struct sv){ "" lit, sizeof(lit) - 1 })
#define SV_NULL   ((struct sv){ NULL, 0 })
#define SV_FMT    "%.*s"
#define SV_ARG(s) (int)(s).n, (s).p

static inline struct sv sv_n(const void *p, size_t n)
{
    return (struct sv){ p, n };
}
static inline struct sv sv_c(const char *s)
{
    return (struct sv){ s, s ? strlen(s) : 0 };
}
bool sv_eq(struct sv a, struct sv b);
bool sv_ieq(struct sv a, struct sv b); /* ASCII case-insensitive */
bool sv_starts(struct sv s, struct sv prefix);
bool sv_istarts(struct sv s, struct sv prefix);
bool sv_iends(struct sv s, struct sv suffix);
struct sv sv_skip(struct sv s, size_t n); /* s without its first MIN(n, s.n) bytes */
struct sv sv_take(struct sv s, size_t n); /* first MIN(n, s.n) bytes */
struct sv sv_trim(struct sv s);           /* without SP/TAB/CR/LF at both ends */
ssize_t sv_find(struct sv s, char c);     /* index or -1 */
ssize_t sv_rfind(struct sv s, char c);
ssize_t sv_find_sv(struct sv s, struct sv needle);
ssize_t sv_ifind_sv(struct sv s, struct sv needle); /* ASCII case-insensitive */
/* Cuts *rest at sep: returns the part before, *rest becomes the part after (empty with p == NULL
 * when there is no more). Loop: while (rest.p) { part = sv_split(&rest, ','); ... } */
struct sv sv_split(struct sv *rest, char sep);
/* Whole slice is a decimal number that fits: 0; else E_PARSE / E_RANGE. */
int sv_to_u64(struct sv s, uint64_t *ret);
int sv_to_u32(struct sv s, uint32_t *ret);
int sv_to_i64(struct sv s, int64_t *ret);
int sv_cmp(struct sv a, struct sv b);  /* memcmp order, shorter first */
int sv_icmp(struct sv a, struct sv b); /* the same, ASCII case folded */
char *sv_dup(struct sv s);             /* heap, NUL-terminated; free() it */
/* Copies into a fixed array, always NUL-terminated; false when it had to cut. */
bool sv_copy(char *dst, size_t cap, struct sv s);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}
static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}
