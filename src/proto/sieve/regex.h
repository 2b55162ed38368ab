/* Regular expressions of the regex extension: extended syntax by PCRE2, bytes, with limits on size
 * and effort. Pure. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

struct sieve_regex;

#define SIEVE_REGEX_MAX_PATTERN 1000

/* E_PARSE: ret_text (up to n bytes) says why. */
int sieve_regex_new(struct sv pattern, bool ignore_case, struct sieve_regex **ret, char *ret_text,
                    size_t n);
void sieve_regex_free(struct sieve_regex *r);
DEFINE_CLEANUP(struct sieve_regex, sieve_regex_free)
/* 1 = found, 0 = not, E_LIMIT = it took too much effort. caps: whole match and groups; those that
 * did not take part have p == NULL. */
int sieve_regex_match(const struct sieve_regex *r, struct sv subject, struct sv *caps,
                      size_t max_caps, size_t *ret_caps);
