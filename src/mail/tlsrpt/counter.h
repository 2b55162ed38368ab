/* Sessions counted in memory until they are written to the database. Any thread. */
#pragma once

#include "mail/account/tls_count.h"

struct tls_counter;
/* max: different counts that it holds; what comes beside them is lost, and told by _take. */
struct tls_counter *tls_counter_new(size_t max);
void tls_counter_free(struct tls_counter *c);
/* Adds t->sessions. What is no printable ASCII in texts (peers have sent some of them) becomes '?',
 * but for '\n'. */
void tls_counter_add(struct tls_counter *c, const struct tls_count *t);
/* All that is there, which begins anew: a list for tls_counter_list_free, and the number of
 * sessions that had no room. */
size_t tls_counter_take(struct tls_counter *c, struct tls_count **ret, uint64_t *ret_lost);
void tls_counter_list_free(struct tls_count *v, size_t n);
/* A copy of one for such a list. */
struct tls_count tls_count_copy(const struct tls_count *t);
