/* Shared by the dns*.c files. */
#pragma once

#include "net/dns.h"

struct conf_dns;
struct ub_result;

/* Wire data of a result -> answer. Pure. E_TEMP when no record can be read. */
int dns_decode(const struct ub_result *u, enum dns_type type, struct dns_answer **ret);
struct dns_answer *dns_answer_copy(const struct dns_answer *a);

/* One name server. Counted: lookups in progress outlive a reconfiguration. Any thread. */
struct dns_server;
struct dns_server *dns_server_new(const char *text); /* opens nothing yet */
void dns_server_unref(struct dns_server *s);
const char *dns_server_text(const struct dns_server *s);
/* One lookup within the time; fills in ret's answer, security, ttl_s, canonical. */
int dns_server_resolve(struct dns_server *s, const struct conf_dns *c, const char *name,
                       enum dns_type type, int64_t timeout_ms, struct dns_reply *ret,
                       struct errinfo *ei);
/* Did it let a lookup run out of time lately? */
bool dns_server_silent(const struct dns_server *s);

/* Cache of answers and of "does not exist", bounded in number, by time to live. Any thread. */
bool dns_cache_get(const char *name, enum dns_type type, struct dns_reply *ret, int *ret_result);
void dns_cache_put(const char *name, enum dns_type type, int result, const struct dns_reply *r,
                   size_t limit);
void dns_cache_clear(void);
