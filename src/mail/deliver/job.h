/* A message that was taken from the queue for other servers. One delivery thread. */
#pragma once

#include "mail/deliver/smtp_client.h"

enum { JOB_RCPTS = 100 }; /* in one transaction */

struct job {
    struct message *m;
    bool *tried; /* by recipient */
};
struct job job_new(struct message *m);
/* Is a recipient among those that the connection is for? */
typedef bool job_fits(const struct rcpt *r, const void *arg);
bool job_open_rcpt(const struct job *j, size_t i);
/* The first recipient that has not been tried; n_rcpts = none. */
size_t job_next_rcpt(const struct job *j);
bool job_has_rcpt(const struct job *j, job_fits *fits, const void *arg);
/* Collects up to max recipients that fit into list: they count as tried. Returns their number. */
size_t job_group(struct job *j, job_fits *fits, const void *arg, struct rcpt **list, size_t max);
/* What fits and has not been tried gets this result. */
void job_fail(struct job *j, job_fits *fits, const void *arg, const struct failure *why);
/* Permanent failure of all that are open when the message has been sent in circles. */
bool job_too_many_hops(struct job *j, const struct conf *cf);
/* False: there must be a copy first, and there is none; what fits waits. */
bool job_is_archived(struct deliver *d, struct job *j, job_fits *fits, const void *arg);
/* The message that the lines of the connection are about. */
void job_log_message(struct smtp_client *s, const struct message *m);
/* The transaction with these recipients, and a further one with those that were refused with 452
 * for their number. As smtp_transaction. */
int job_transactions(struct smtp_client *s, struct job *j, struct rcpt **list, size_t n);
/* Records what became of it; the job is over. more: the next message for the destination is wanted,
 * and is returned. */
struct message *job_finish(struct deliver *d, struct job *j, bool more);
