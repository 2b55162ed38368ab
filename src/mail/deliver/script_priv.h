/* One run of an account's Sieve script at delivery, shared by script.c and script_send.c. */
#pragma once

#include "mail/account/script.h"
#include "mail/deliver/forward.h"
#include "mail/sieve/reply.h"

struct script_run {
    struct deliver *d;
    struct message *m;
    struct rcpt *r;
    const struct account *acc;
    const struct script_chain *scripts; /* NULL: the account's own automatic reply */
    const struct conf *cf;
    struct mailbox *mb;
    struct logctx log;
    struct sieve_env e;
    struct sieve_result res;
    struct forward_plan *forward; /* NULL: the account has none */
    struct content_view content;
    bool *dropped; /* per action: a redirect that must not be sent */
    bool stored;
    const struct active_script **included; /* counted */
    size_t n_included;
    uint64_t quota;
    char host[256];
};

/* Name of one of the scripts, by its place. */
const char *script_name(const struct script_run *x, unsigned index);
/* A message that must not be sent: the action is dropped, and told. */
void script_not_sent(struct script_run *x, const struct sieve_action *a, const char *what,
                     const char *reason);
/* Sends a reply of vacation, or tells why not. */
int script_vacation(struct script_run *x, const struct sieve_action *a, struct errinfo *ei);
/* Which redirects may be sent: fills dropped. E_TEMP. */
int script_plan(struct script_run *x, struct errinfo *ei);
/* Queues redirects, notifications and replies. */
int script_send(struct script_run *x, struct errinfo *ei);
