/* Local delivery, between its files: local.c takes batches and records them, local_spread.c has
 * several threads for a message to many, local_account.c chooses what an account does with its
 * mail, local_store.c puts it into the mailbox. */
#pragma once

#include "mail/deliver/deliver_priv.h"

/* One recipient of one message of the batch. */
struct put {
    struct message *m;
    struct rcpt *r;
    size_t index; /* of the message in the batch */
    struct mailbox_add *add;
};

struct batch {
    struct deliver *d;
    struct message *m[LOCAL_BATCH];
    size_t n;
    struct mailbox_parsed *parsed[LOCAL_BATCH]; /* of messages to several recipients */
    struct buf stored[LOCAL_BATCH];             /* path of the file that a mailbox has already */
    bool waits[LOCAL_BATCH];                    /* for the archive */
    struct put *puts;
    size_t n_puts;
    bool many; /* mailboxes: indexes that are closed stay so */
};

/* --- local.c: what becomes of a recipient --- */

/* The state without an event: what was made instead has told its own. */
void local_settle(const struct put *p, enum rcpt_state state, const char *text);
void local_answer(const struct put *p, enum rcpt_state state, const char *text);
/* E_QUOTA refuses, everything else is tried again. */
void local_answer_error(const struct put *p, int code, const char *detail);

/* --- local_spread.c --- */

/* Delivers all puts of the batch, sorted by account. */
void local_deliver_accounts(struct batch *b);

/* --- local_account.c --- */

/* The puts of one account. */
void local_deliver_account(struct batch *b, struct put *puts, size_t n);

/* --- local_store.c --- */

/* Adds the messages of puts[0..n) (one account) to the inbox in one transaction, and answers them.
 * -ESTALE: the index was made anew meanwhile, do it again. */
int local_store_all(struct batch *b, struct put *puts, size_t n, const struct account *acc,
                    struct errinfo *ei);
/* Whether the messages could be left for the mailbox with its index closed; answered if so. */
bool local_leave_all(struct batch *b, struct put *puts, size_t n, const struct account *acc);
/* One message, not answered. */
int local_store_one(struct batch *b, const struct put *p, const struct account *acc,
                    struct errinfo *ei);
