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
struct smtp_dns {
    int (*lookup)(const char *name, enum dns_type type, struct dns_answer **ret,
                  struct errinfo *ei);
    int (*lookup_ptr)(const char *ip, struct dns_answer **ret, struct errinfo *ei);
    void (*answer_free)(struct dns_answer *a);
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
    struct sent *sent; /* for the send limits of accounts; NULL = there are none */
    struct sent *sms;  /* the same for SMS alone */
    bool submission;   /* login needed; sender and headers are completed and checked */
};

/* open() takes a struct smtp_server as arg. */
extern const struct proto_ops smtp_ops;

/* For net_listener.refuse: one line for a connection over a limit. reason: "access" and "ip" get
 * 554 5.7.1, "module" and anything else 421 4.3.2. */
void smtp_refuse(struct conn *c, const char *reason);

/* The name of this server (system.hostname, else the machine's), into a buffer of 256 bytes. */
struct conf;
void smtp_hostname(const struct conf *cf, char ret[256]);
