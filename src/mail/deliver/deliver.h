/* Deliveries: threads that take from the queue and put messages into mailboxes or send them to
 * other servers, and bounces. */
#pragma once

#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "mail/queue/queue.h"

struct archive;
struct conf;
struct deliver;

struct deliver_opts {
    struct queue *queue;
    struct mailstore *store;
    struct accounts *accounts;
    const char *policy_dir;  /* where policies of MTA-STS are kept; NULL: they are not asked */
    struct archive *archive; /* NULL: there is none */
};
int deliver_start(const struct deliver_opts *o, struct deliver **ret, struct errinfo *ei);
/* Stops the queue's hand-out (queue_stop), lets deliveries in progress end, cancels remote sessions
 * after the deadline, and frees d. Then queue_close. */
void deliver_stop(struct deliver *d, int64_t deadline_ms);
/* Ends the outgoing connection with that session id (shm: SVC_SMTP_CLIENT); its message is tried
 * again later. Any thread. */
bool deliver_kill_session(struct deliver *d, uint32_t id);

/* ATRN (RFC 2645): a customer fetches what waits for his domains (canonical, with a comma between
 * them). Begins: ret_n messages are there; the turn ends with deliver_turn_go. E_CONFLICT: one of
 * the domains is being fetched; E_LIMIT: smtp.atrn_sessions are; E_CLOSED: stopping. Looks through
 * the queue. Any thread. */
int deliver_turn_begin(struct deliver *d, struct sv account, struct sv domains, void **ret,
                       size_t *ret_n, struct errinfo *ei);
/* Sends them over the connection, whose peer is the server now, in a thread of its own. Takes both.
 * c NULL: there is no connection, nothing is sent. */
struct client;
void deliver_turn_go(void *turn, struct client *c);

/* A route whose relay refuses our login. */
struct route_trouble {
    const char *pattern, *answer;
    int64_t since_ms; /* wall clock */
};
/* Any thread. What is given lives during the call. */
void deliver_trouble_each(struct deliver *d, void (*fn)(const struct route_trouble *, void *arg),
                          void *arg);

/* A message of the domain was accepted from a client that may have shown a certificate: whether
 * deliver.secure_adapt has its mail go by TLS is found out by a thread, and told with log, whose
 * texts are not kept. */
struct conn;
struct logctx;
void deliver_certified(struct deliver *d, const struct conn *c, const struct logctx *log,
                       const char *domain);

/* The TLS reports (RFC 8460) about a domain, or all domains for "", are sent soon with what is
 * counted, also about a day that is not over. False: too many such wishes wait. */
bool deliver_tls_reports_now(struct deliver *d, const char *domain);

/* Our name in HELO and in what we write: system.hostname, else the machine's. */
void deliver_hostname(const struct conf *cf, char ret[256]);

/* Builds a bounce (RFC 3464 multipart/report) for the failed recipients of m into a new message
 * addressed to m's sender; NULL when none may be sent (null sender, NOTIFY=NEVER). kind: "failed",
 * "delayed", "relayed", "delivered". */
struct message *deliver_make_dsn(const struct message *m, const char *kind, const char *hostname,
                                 struct errinfo *ei);
