/* Comparators and match types: RFC 5228 2.7, RFC 5231, RFC 4790, regex. */
#include "mail/sieve/run_priv.h"

#include <stdio.h>

static void choose(struct matcher *m, const struct sieve_node *n)
{
    static const struct {
        enum sieve_tag tag;
        enum match_type type;
    } types[] = {
        { SIEVE_T_CONTAINS, MATCH_CONTAINS }, { SIEVE_T_MATCHES, MATCH_MATCHES },
        { SIEVE_T_REGEX, MATCH_REGEX },       { SIEVE_T_COUNT, MATCH_COUNT },
        { SIEVE_T_VALUE, MATCH_VALUE },
    };
    const struct sieve_option *o = sieve_option(n, SIEVE_T_COMPARATOR);
    m->type = MATCH_IS;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (sieve_has(n, types[i].tag))
            m->type = types[i].type;
    m->cmp = CMP_CASEMAP;
    if (o && sv_eq(o->list.v[0].s, SV("i;octet")))
        m->cmp = CMP_OCTET;
    else if (o && sv_eq(o->list.v[0].s, SV("i;ascii-numeric")))
        m->cmp = CMP_NUMERIC;
}

int matcher_begin(struct matcher *m, struct run *x, const struct sieve_node *n,
                  const struct sieve_list *keys)
{
    *m = (struct matcher){ .x = x, .n_keys = keys->n, .capture = true };
    choose(m, n);
    int r = expand_list(x, keys, &m->keys);
    if (r >= 0 && (m->type == MATCH_COUNT || m->type == MATCH_VALUE))
        r = expand_option(x, n, m->type == MATCH_COUNT ? SIEVE_T_COUNT : SIEVE_T_VALUE,
                          &m->relation);
    if (r < 0 || m->type != MATCH_REGEX)
        return r;
    m->re = run_alloc(x, keys->n * sizeof(struct sieve_regex *));
    for (size_t i = 0; i < keys->n && m->re; i++) {
        char why[140];
        if (sieve_regex_new(m->keys[i], m->cmp == CMP_CASEMAP, &m->re[i], why, sizeof(why)) < 0) {
            (void)matcher_end(m, 0);
            return run_fail(x, E_PARSE, "\"%.60s\" is no regular expression: %s", m->keys[i].p,
                            why);
        }
    }
    return m->re ? 0 : E_LIMIT;
}

/* --- comparing --- */

/* The number at the front of s; texts without one are larger than all and equal to each other
 * (RFC 4790 9.1). Any length: leading zeros do not count. */
static struct sv number_of(struct sv s, bool *ret_infinite)
{
    size_t n = 0, zeros = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    *ret_infinite = n == 0;
    while (zeros < n && s.p[zeros] == '0')
        zeros++;
    return sv_n(s.p + zeros, n - zeros);
}

static int compare_numbers(struct sv a, struct sv b)
{
    bool inf_a, inf_b;
    struct sv x = number_of(a, &inf_a), y = number_of(b, &inf_b);
    if (inf_a || inf_b)
        return inf_a - inf_b;
    if (x.n != y.n)
        return x.n < y.n ? -1 : 1;
    return x.n ? memcmp(x.p, y.p, x.n) : 0;
}

static int compare(enum comparator cmp, struct sv a, struct sv b)
{
    if (cmp == CMP_NUMERIC)
        return compare_numbers(a, b);
    for (size_t i = 0; i < MIN(a.n, b.n); i++) {
        bool fold = cmp == CMP_CASEMAP;
        unsigned char x = (unsigned char)(fold ? ascii_upper(a.p[i]) : a.p[i]),
                      y = (unsigned char)(fold ? ascii_upper(b.p[i]) : b.p[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

static bool relation_holds(struct sv rel, int c)
{
    if (sv_ieq(rel, SV("gt")))
        return c > 0;
    if (sv_ieq(rel, SV("ge")))
        return c >= 0;
    if (sv_ieq(rel, SV("lt")))
        return c < 0;
    if (sv_ieq(rel, SV("le")))
        return c <= 0;
    return sv_ieq(rel, SV("eq")) ? c == 0 : c != 0;
}

/* --- parts of texts --- */

/* Upper case for i;ascii-casemap; free() it. */
static char *fold(const struct matcher *m, struct sv s)
{
    char *p = xmalloc(s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = m->cmp == CMP_CASEMAP ? ascii_upper(s.p[i]) : s.p[i];
    return p;
}

static void take_captures(struct matcher *m, struct sv value, const char *folded,
                          const struct sv *caps, size_t n)
{
    if (!m->capture || !sieve_requires(m->x->script, SIEVE_EXT_VARIABLES))
        return;
    m->x->n_captures = n;
    for (size_t i = 0; i < n; i++)
        m->x->captures[i] = caps[i].p ? sv_n(value.p + (caps[i].p - folded), caps[i].n) : SV_NULL;
}

static int contains(struct matcher *m, struct sv value, struct sv key)
{
    _cleanup_(freep) char *v = fold(m, value), *k = fold(m, key);
    return key.n == 0 || memmem(v, value.n, k, key.n) != NULL;
}

static int matches(struct matcher *m, struct sv value, struct sv key)
{
    _cleanup_(freep) char *v = fold(m, value), *k = fold(m, key);
    struct sv caps[MAX_CAPTURES];
    size_t n;
    int r = run_charge(m->x, value.n * (key.n / 16));
    if (r < 0 || !glob_match(sv_n(k, key.n), sv_n(v, value.n), caps, MAX_CAPTURES, &n))
        return r;
    take_captures(m, value, v, caps, n);
    return 1;
}

static int matches_regex(struct matcher *m, struct sv value, const struct sieve_regex *re)
{
    struct sv caps[MAX_CAPTURES];
    size_t n;
    int r = run_charge(m->x, 64 * KiB + value.n);
    if (r >= 0)
        r = sieve_regex_match(re, value, caps, MAX_CAPTURES, &n);
    if (r == E_LIMIT)
        return run_fail(m->x, E_LIMIT, "a regular expression takes too long; make it simpler");
    if (r > 0)
        take_captures(m, value, value.p, caps, n);
    return r;
}

static int try_key(struct matcher *m, struct sv value, size_t i)
{
    switch (m->type) {
    case MATCH_IS:
        return compare(m->cmp, value, m->keys[i]) == 0;
    case MATCH_CONTAINS:
        return contains(m, value, m->keys[i]);
    case MATCH_MATCHES:
        return matches(m, value, m->keys[i]);
    case MATCH_REGEX:
        return matches_regex(m, value, m->re[i]);
    case MATCH_VALUE:
        return relation_holds(m->relation, compare(m->cmp, value, m->keys[i]));
    case MATCH_COUNT:
        break;
    }
    return 0;
}

int matcher_try(struct matcher *m, struct sv value)
{
    if (!value.p)
        value = SV("");
    m->count++;
    if (m->type == MATCH_COUNT)
        return run_charge(m->x, 0);
    for (size_t i = 0; i < m->n_keys; i++) {
        int r = run_charge(m->x, value.n + m->keys[i].n);
        if (r >= 0)
            r = try_key(m, value, i);
        if (r)
            return r;
    }
    return 0;
}

int matcher_end(struct matcher *m, int r)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, m->count);
    for (size_t i = 0; m->type == MATCH_COUNT && r == 0 && i < m->n_keys; i++)
        r = relation_holds(m->relation, compare(m->cmp, sv_c(text), m->keys[i]));
    for (size_t i = 0; m->re && i < m->n_keys; i++)
        if (m->re[i])
            sieve_regex_free(m->re[i]);
    m->re = NULL;
    return r;
}
