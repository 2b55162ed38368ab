/* One delivery by an account's rules and Sieve scripts, shared by script.c, script_send.c and
 * rules.c. */
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
    /* What rules have made of it: */
    struct buf changed;             /* the message with other header fields; n == 0: as it came */
    const struct rcpt_order *order; /* of rules before acceptance; NULL: none */
    struct sv folder;               /* in place of the inbox; n == 0: the inbox */
    struct sv refusal;              /* the reply, n == 0: none */
    bool deleted, sent_on;          /* neither goes to the mailbox, nor to the scripts */
    const struct filter_action **asked; /* to be sent: forward, copy, respond */
    size_t n_asked;
    const struct active_script **included; /* counted */
    size_t n_included;
    struct mailbox_quota quota;
    char host[256];
};

/* Is it the action of a script? Others are of rules, or the account's automatic reply. */
bool script_asks(const struct script_run *x, const struct sieve_action *a);
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

/* --- rules.c --- */

/* Takes over what rules of the server and of domains have ordered for the recipient. */
void rules_take_order(struct script_run *x);
/* Asks the account's rules, and notes what they say; changes the message for what comes after. */
int rules_ask(struct script_run *x, struct errinfo *ei);
/* Adds what they send to the actions of the scripts. */
void rules_add_actions(struct script_run *x);
void rules_failed(struct script_run *x, const char *reason);
void rules_done(struct script_run *x);
