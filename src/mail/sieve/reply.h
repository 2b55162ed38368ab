/* Messages that a script asks for: redirected ones, vacation's replies, notifications; and whether
 * a reply may be sent at all. Pure: who delivers queues them. */
#pragma once

#include "mail/sieve/mailto.h"
#include "mail/sieve/sieve_run.h"

struct sieve_facts {
    struct sv host;    /* ours, for Message-ID and Received */
    struct sv account; /* address of the script's owner */
    struct sv name;    /* display name, "" */
    struct sv id;      /* log id of the new message */
    uint64_t key;      /* of the new message */
    int64_t now_s;
    bool (*owns)(void *arg, struct sv address); /* an address of the account's */
    void *arg;
};

/* Why no reply may be sent (RFC 5230 4.5, 4.6; RFC 3834 2); NULL: it may. */
const char *sieve_vacation_refusal(const struct sieve_env *e, const struct sieve_result *r,
                                   const struct sieve_action *a, const struct sieve_facts *f);
/* What identifies the reply to this sender: one of a kind is sent in a period. */
void sieve_vacation_id(const struct sieve_env *e, const struct sieve_action *a, struct buf *out);
int sieve_vacation_reply(const struct sieve_env *e, const struct sieve_result *r,
                         const struct sieve_action *a, const struct sieve_facts *f,
                         struct buf *out);
int sieve_notice(const struct sieve_env *e, const struct sieve_result *r,
                 const struct sieve_action *a, const struct sieve_facts *f, const struct mailto *to,
                 struct buf *out);
/* An answer to another machine's message would go round and round. */
bool sieve_is_automatic(const struct sieve_result *r);

/* The message went through this account's redirect before. */
bool sieve_redirect_loops(const struct sieve_result *r, struct sv account);
/* Header block of the redirected message; the body follows unchanged (sieve_content). */
int sieve_redirect_header(const struct sieve_env *e, const struct sieve_result *r,
                          const struct sieve_action *a, const struct sieve_facts *f,
                          struct buf *out);
