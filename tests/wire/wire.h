/* Wire scripts: conversations written down, run against a protocol's handlers on the test driver
 * with real rooms behind them (accounts in SQLite, mail store, queue) in a temporary directory. No
 * sockets; the clock is the script's. README.md has the language. A protocol joins with a file
 * proto_<name>.c of its own. */
#pragma once

#include "base/buf.h"
#include "conf/conf.h"
#include "db/db.h"
#include "mail/account/account.h"
#include "mail/mailbox/mailbox.h"
#include "mail/queue/queue.h"
#include "net/conn_test.h"
#include "net/dns.h"

struct wire_env {
    const struct wire_proto *proto;
    char dir[64];
    struct db *db;
    struct accounts *accounts;
    struct mailstore *store;
    struct queue *queue;
    struct conf_pair settings[64];
    size_t n_settings;
    struct conn_test facts;
    char peer_ip[46];
    struct conn *conn;
    struct buf log; /* captured log lines */
    size_t log_at;  /* LOG looks from here */
    struct buf in;  /* output of the session that S: has not taken yet */
};

struct wire_proto {
    const char *name; /* PROTO name; the first of a file is the default of its scripts */
    const struct proto_ops *ops;
    enum service service;
    uint16_t port;
    bool tls;                                           /* from the start */
    void *(*arg)(struct wire_env *e);                   /* the listener's arg */
    void (*refuse)(struct conn *c, const char *reason); /* REFUSE reason; may be NULL */
};

/* Defined by proto_<name>.c. */
extern const struct wire_proto wire_protos[];
extern const size_t wire_protos_count;

/* --- env.c --- */
void wire_env_open(struct wire_env *e);
void wire_env_close(struct wire_env *e);
/* One directive that prepares or inspects the surroundings. False = not one of these; a wrong one
 * ends the script with wire_fail. body: the indented lines that follow. */
bool wire_env_directive(struct wire_env *e, struct sv word, struct sv rest, struct sv body);
int wire_dns_lookup(const char *name, enum dns_type type, struct dns_answer **ret,
                    struct errinfo *ei);
int wire_dns_lookup_ptr(const char *ip, struct dns_answer **ret, struct errinfo *ei);
void wire_dns_free(struct dns_answer *a);

/* --- run_wire.c --- */
_noreturn_ void wire_fail(const char *fmt, ...) _printf_(1, 2); /* names script and line */
/* Pattern with * for any text. */
bool wire_match(struct sv pattern, struct sv text);
/* \r \n \0 \t \\ \xHH and ${b64:text}. */
void wire_expand(struct sv text, struct buf *out);
