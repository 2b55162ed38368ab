/* The common part of a module process: what it inherits from the supervisor, its life, its
 * requests. */
#pragma once

#include <jansson.h>

#include "ipc/ipc.h"
#include "mail/account/account.h"
#include "net/net.h"
#include "proc/boot.h"
#include "proc/serving.h"

struct module_ctx;

struct module_def {
    enum module self;
    /* Before the link to the supervisor is read: what hint() needs. May be NULL. */
    void (*prepare)(void);
    /* Starts serving; privileges are dropped already. */
    int (*start)(struct module_ctx *m, struct errinfo *ei);
    /* Finishes what is being done within the time, stops. */
    void (*stop)(struct module_ctx *m, int64_t deadline_ms);
    /* Answers op (never "session.kill" and the like, which are common). New reference; NULL =
     * unknown op. */
    json_t *(*request)(struct module_ctx *m, const char *op, json_t *args);
    /* Operations that are answered on a thread of their own, beside the others; they look at
     * ctx.ending. May be NULL. */
    bool (*takes_long)(const char *op);
    /* Settings were read again. May be NULL. */
    void (*reload)(struct module_ctx *m);
    /* Once a second or so, in the thread that answers requests. May be NULL. */
    void (*tick)(struct module_ctx *m);
    /* A hint from another module; in the link's thread. May be NULL. */
    void (*hint)(struct module_ctx *m, const struct ipc_msg *msg);
};

struct module_ctx {
    const struct module_def *def;
    struct boot boot;
    struct db *db;
    struct accounts *accounts;
    struct ipc *ipc;
    struct net *net;
    struct serving serving[SVC_COUNT];
    uint64_t settings_epoch; /* of the settings that it started with */
    bool stale;              /* said already that settings cannot be read */
    int64_t started_ms;      /* wall clock */
    json_t *inherited;       /* what the supervisor handed down: fds and listeners */
    struct aside *aside;     /* for what takes long */
    atomic_bool ending;      /* what takes long stops half-way */
    void *own;               /* the module's */
};

extern const struct module_def module_smtp, module_access, module_control;

/* Runs the module until it is told to drain; the exit status. */
int module_main(const struct module_def *def);
/* Starts listening on the inherited sockets of a service. */
int module_listen(struct module_ctx *m, enum service svc, const struct proto_ops *ops, void *arg,
                  void (*refuse)(struct conn *, const char *), struct errinfo *ei);
/* Calls fn for each inherited socket of a service; it takes the socket. */
int module_each_socket(struct module_ctx *m, enum service svc,
                       int (*fn)(void *arg, int fd, bool tls, struct errinfo *ei), void *arg,
                       struct errinfo *ei);
/* {"error": {"code", "text"}} and {"ok": true, ...}. */
json_t *reply_error(int code, const char *fmt, ...) _printf_(2, 3);
