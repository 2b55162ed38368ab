/* Shared by the dns_*.c files. */
#pragma once

#include "net/dns.h"

struct ub_result;
/* Wire data of a result -> answer. Pure. E_TEMP when no record can be read. */
int dns_decode(const struct ub_result *u, enum dns_type type, struct dns_answer **ret);
struct dns_answer *dns_answer_copy(const struct dns_answer *a);

/* Cache of answers and of "does not exist", bounded in number, by time to live. Any thread. */
bool dns_cache_get(const char *name, enum dns_type type, struct dns_answer **ret, int *ret_result);
void dns_cache_put(const char *name, enum dns_type type, int result, const struct dns_answer *a,
                   int64_t ttl_s, size_t limit);
void dns_cache_clear(void);
