/* The SMTP server: RFC 5321 on port 25 and message submission (RFC 6409) on 587 and 465. proc/
 * makes one struct smtp_server per kind of listener and passes it as the listener's arg; it must
 * outlive the connections. Sessions run on the workers of net/. */
#pragma once

#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "mail/milter/milter.h"
#include "mail/queue/queue.h"
#include "net/conn.h"
#include "net/dns.h"

/* The resolver, given from outside so that this room does not depend on the network: dns_lookup,
 * dns_lookup_ptr and dns_answer_free of net/, or a test's. With NULL members every lookup fails
 * with E_TEMP. */
struct deliver;
struct smtp_dns {
    int (*lookup)(const char *name, enum dns_type type, struct dns_answer **ret,
                  struct errinfo *ei);
    int (*lookup_ptr)(const char *ip, struct dns_answer **ret, struct errinfo *ei);
    void (*answer_free)(struct dns_answer *a);
};

/* Mail that is fetched by ATRN, given from outside as deliveries are above this room:
 * deliver_turn_begin and deliver_turn_go of mail/deliver. */
struct client;
struct smtp_turns {
    int (*begin)(struct deliver *d, struct sv account, struct sv domains, void **ret, size_t *ret_n,
                 struct errinfo *ei);
    void (*go)(void *turn, struct client *c);
    struct deliver *deliver;
};

/* What a client's certificate says of a sender's domain, for the same reason: deliver_certified. */
struct smtp_certified {
    void (*tell)(struct deliver *d, const struct conn *c, const struct logctx *log,
                 const char *domain);
    struct deliver *deliver;
};

struct commands;
struct etrn;
struct sent;
struct smtp_server {
    struct accounts *accounts;
    struct queue *queue;
    struct mailstore *store; /* quota at RCPT; NULL = quotas are left to the delivery */
    struct smtp_dns dns;
    const struct milter_net *milter_net; /* how to reach milters; NULL = there are none */
    struct commands *commands;           /* runs commands on mail; NULL = there are none */
    const atomic_bool *stopping;         /* ends waits for milters and commands; may be NULL */
    struct etrn *etrn;                   /* may be NULL: each wish looks through the queue */
    struct smtp_turns turns;             /* with NULL members there is no ATRN */
    struct smtp_certified certified;     /* with NULL members nobody wants to know */
    struct sent *sent; /* for the send limits of accounts; NULL = there are none */
    struct sent *sms;  /* the same for SMS alone */
    bool submission;   /* login needed; sender and headers are completed and checked */
};

/* open() takes a struct smtp_server as arg. */
extern const struct proto_ops smtp_ops;

/* A session on a connection that we have made and turned by ATRN (RFC 2645): for recipients of
 * local domains only, without login and relaying. */
struct smtp_turned {
    const struct smtp_server *srv;
    const char *domains; /* that recipients may be in, with ; between them; "" = all local ones */
    /* Last, on a worker; the struct and its arg are not used any more. messages: accepted. */
    void (*ended)(void *arg, unsigned messages, enum close_why why);
    void *arg;
};
/* The same protocol; open() takes a struct smtp_turned, which lives until ended(). */
extern const struct proto_ops smtp_turned_ops;

/* For net_listener.refuse: one line for a connection over a limit. reason: "access" and "ip" get
 * 554 5.7.1, "module" and anything else 421 4.3.2. */
void smtp_refuse(struct conn *c, const char *reason);

/* The name of this server (system.hostname, else the machine's), into a buffer of 256 bytes. */
struct conf;
void smtp_hostname(const struct conf *cf, char ret[256]);
