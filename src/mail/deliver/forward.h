/* What an account's fields say becomes of its mail besides the mailbox: forward_to, keep_copy,
 * copy_incoming, null_mailbox. All targets of one delivery are one new message. */
#pragma once

#include "mail/deliver/send.h"

struct forward_plan {
    struct message *m; /* NULL: nothing is sent */
    struct content_view content;
    bool store;        /* the mailbox gets the message */
    char refusal[600]; /* neither stored nor sent: the answer; else "" */
};
bool forward_wanted(const struct account *acc);
/* Decides; tells what must not be sent. forward_done always. E_TEMP and errors of files: later. */
int forward_plan(struct deliver *d, const struct message *m, const struct rcpt *r,
                 const struct account *acc, struct forward_plan *ret, struct errinfo *ei);
/* Queues what is to be sent, unless an earlier delivery of m has. After an error nothing is queued.
 */
int forward_send(struct deliver *d, struct message *m, const struct rcpt *r,
                 const struct account *acc, struct forward_plan *p, struct errinfo *ei);
/* Content of a forwarded message: trace fields and what stands behind the old Return-Path; sender
 * and ids are set. */
int forward_fill(struct deliver *d, const struct conf *cf, const struct account *acc,
                 struct message *m, struct sv content, struct errinfo *ei);
void forward_done(struct forward_plan *p);
