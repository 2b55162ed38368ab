/* Messages between the supervisor and its modules over unix seqpacket sockets. Each module has one
 * link to the supervisor, which passes on what is addressed to another module. Hints may be lost;
 * requests carry an id and are answered or time out. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"
#include "stats/shm.h"

#define IPC_MAX_PAYLOAD (60 * KiB)

enum ipc_type {
    IPC_READY,     /* module -> supervisor: all sockets are served */
    IPC_DRAIN,     /* supervisor -> module: finish and exit */
    IPC_RELOAD,    /* to the supervisor and from it to modules, a hint: EPOCH_SETTINGS was bumped */
    IPC_MAILBOX,   /* hint: struct ipc_mailbox */
    IPC_REQUEST,   /* JSON; answered by IPC_REPLY with the same id */
    IPC_REPLY,     /* JSON, possibly in several messages: flags IPC_MORE on all but the last */
    IPC_HEARTBEAT, /* module -> supervisor each second: the watchdog */
    IPC_LISTEN,    /* supervisor -> module: serve this socket too; struct ipc_listen and fd */
    IPC_SERVICE, /* supervisor -> module, a hint: sessions of a service are to end (stats/shm.h) */
    IPC_TYPES,
};

struct ipc_mailbox {
    int64_t account_id, folder_id;
};

struct ipc_listen {
    uint32_t def; /* index into listener_defs (proc/listeners.h) */
};

struct ipc_msg {
    enum ipc_type type;
    enum module from, to;
    uint32_t id;
    bool more;
    struct sv payload; /* valid during the callback */
    int fd;            /* of IPC_LISTEN: the receiver's to close; else unused */
};

struct ipc;

/* A module's link. on_msg runs in the link's own thread and must not block for long. on_lost runs
 * once when the supervisor is gone (the module should drain). */
struct ipc_ops {
    void (*on_msg)(void *arg, const struct ipc_msg *m);
    void (*on_lost)(void *arg);
};
int ipc_open(int fd, enum module self, const struct ipc_ops *ops, void *arg, struct ipc **ret);
void ipc_close(struct ipc *i);
/* Never blocks: a full socket drops hints (E_FULL). Any thread. */
int ipc_send(struct ipc *i, enum module to, enum ipc_type type, uint32_t id, bool more,
             struct sv payload);
/* Sends a request and waits for the whole answer (appended to reply). E_TIMEOUT, E_CLOSED. Not from
 * on_msg. */
int ipc_request(struct ipc *i, enum module to, struct sv json, int64_t timeout_ms,
                struct buf *reply);
/* Answers a request; splits as needed; retries briefly when the socket is full. */
int ipc_reply(struct ipc *i, const struct ipc_msg *req, struct sv json);
/* Low level, for the supervisor. Sends m->fd with IPC_LISTEN; takes no descriptors. */
int ipc_recv_fd(int fd, void *buf, size_t cap,
                struct ipc_msg *ret); /* 1, 0 = would block, E_CLOSED */
int ipc_send_fd(int fd, const struct ipc_msg *m);
