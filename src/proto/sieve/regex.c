/* PCRE2 with limits. In bytes, as the comparators i;octet and i;ascii-casemap know only ASCII. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "proto/sieve/regex.h"

#include <pcre2.h>
#include <stdio.h>

enum { MATCH_LIMIT = 200000, DEPTH_LIMIT = 2000, HEAP_LIMIT_KIB = 2048, NESTING = 50 };

int sieve_regex_new(struct sv pattern, bool ignore_case, struct sieve_regex **ret, char *ret_text,
                    size_t n)
{
    int code;
    PCRE2_SIZE at;
    if (pattern.n > SIEVE_REGEX_MAX_PATTERN) {
        snprintf(ret_text, n, "it has %zu bytes, at most %d are allowed", pattern.n,
                 SIEVE_REGEX_MAX_PATTERN);
        return E_PARSE;
    }
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);
    if (!c)
        panic("out of memory");
    pcre2_set_parens_nest_limit(c, NESTING);
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)(pattern.n ? pattern.p : ""), pattern.n,
                      PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
                          PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL | (ignore_case ? PCRE2_CASELESS : 0),
                      &code, &at, c);
    pcre2_compile_context_free(c);
    if (!re) {
        char text[128] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
        snprintf(ret_text, n, "%s, at its byte %zu", text, (size_t)at + 1);
        return E_PARSE;
    }
    *ret = (struct sieve_regex *)re;
    return 0;
}

void sieve_regex_free(struct sieve_regex *r)
{
    pcre2_code_free((pcre2_code *)r);
}

static size_t take_groups(pcre2_match_data *data, struct sv subject, size_t n, struct sv *caps,
                          size_t max_caps)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(data);
    n = MIN(n, max_caps);
    for (size_t i = 0; i < n; i++) {
        bool set = v[2 * i] != PCRE2_UNSET && v[2 * i] <= v[2 * i + 1];
        caps[i] = set ? sv_n(subject.p + v[2 * i], v[2 * i + 1] - v[2 * i]) : SV_NULL;
    }
    return n;
}

int sieve_regex_match(const struct sieve_regex *r, struct sv subject, struct sv *caps,
                      size_t max_caps, size_t *ret_caps)
{
    const pcre2_code *re = (const pcre2_code *)r;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    pcre2_match_context *c = pcre2_match_context_create(NULL);
    if (!data || !c)
        panic("out of memory");
    pcre2_set_match_limit(c, MATCH_LIMIT);
    pcre2_set_depth_limit(c, DEPTH_LIMIT);
    pcre2_set_heap_limit(c, HEAP_LIMIT_KIB);
    if (!subject.p)
        subject = SV("");
    int found = pcre2_match(re, (PCRE2_SPTR)subject.p, subject.n, 0, 0, data, c);
    *ret_caps = found > 0 ? take_groups(data, subject, (size_t)found, caps, max_caps) : 0;
    pcre2_match_context_free(c);
    pcre2_match_data_free(data);
    return found > 0 ? 1 : found == PCRE2_ERROR_NOMATCH ? 0 : E_LIMIT;
}
