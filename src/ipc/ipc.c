/* Links between the supervisor and its modules: unix seqpacket sockets, one datagram a message, one
 * receiving thread per module. Requests wait in a small table for their answers. */
#include "ipc/ipc.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "os/packet.h"
#include "os/proc.h"

#define REPLY_SEND_TRIES   100
#define REPLY_SEND_WAIT_MS 20

struct wire_header {
    uint16_t type;
    uint8_t from, to;
    uint32_t id;
    uint32_t more;
    uint32_t len;
};

struct waiter {
    struct list node;
    uint32_t id;
    struct buf *reply;
    bool done;
    int result;
};

struct ipc {
    int fd;
    enum module self;
    const struct ipc_ops *ops;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;   /* guards waiters, next_id, lost */
    pthread_cond_t changed; /* a waiter is done */
    struct list waiters;
    uint32_t next_id;
    bool lost;
};

int ipc_send_fd(int fd, const struct ipc_msg *m)
{
    struct wire_header h = {
        .type = (uint16_t)m->type,
        .from = (uint8_t)m->from,
        .to = (uint8_t)m->to,
        .id = m->id,
        .more = m->more,
        .len = (uint32_t)m->payload.n,
    };
    struct iovec iov[2] = {
        { &h, sizeof(h) },
        { (void *)m->payload.p, m->payload.n },
    };
    if (m->payload.n > IPC_MAX_PAYLOAD)
        return E_RANGE;
    int r = os_send_packet(fd, iov, m->payload.n ? 2 : 1, m->type == IPC_LISTEN ? m->fd : -1);
    return r == -EAGAIN ? E_FULL : r < 0 ? E_CLOSED : 0;
}

/* Takes a datagram apart. Modules are not trusted to be well: a bad header counts as a closed link.
 */
static int parse_datagram(const char *p, size_t n, struct ipc_msg *ret)
{
    struct wire_header h;

    if (n < sizeof(h))
        return E_CLOSED;
    memcpy(&h, p, sizeof(h));
    if (h.len != n - sizeof(h) || h.from >= MOD_COUNT || h.to >= MOD_COUNT || h.type >= IPC_TYPES)
        return E_CLOSED;
    *ret = (struct ipc_msg){
        .type = (enum ipc_type)h.type,
        .from = (enum module)h.from,
        .to = (enum module)h.to,
        .id = h.id,
        .more = h.more != 0,
        .payload = sv_n(p + sizeof(h), h.len),
        .fd = -1,
    };
    return 1;
}

int ipc_recv_fd(int fd, void *buf, size_t cap, struct ipc_msg *ret)
{
    for (;;) {
        ssize_t n = recv(fd, buf, cap, MSG_DONTWAIT);

        if (n > 0)
            return parse_datagram(buf, (size_t)n, ret);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        return E_CLOSED;
    }
}

/* A module's side: with the descriptor, if there is one. */
static int receive_one(int fd, void *buf, size_t cap, struct ipc_msg *ret)
{
    int got, r;
    ssize_t n = os_recv_packet(fd, buf, cap, &got);

    if (n == -EAGAIN)
        return 0;
    if (n <= 0)
        return E_CLOSED;
    r = parse_datagram(buf, (size_t)n, ret);
    if (r > 0 && ret->type == IPC_LISTEN && got >= 0)
        ret->fd = got;
    else if (got >= 0)
        close(got);
    return r;
}

static void take_reply(struct ipc *i, const struct ipc_msg *m)
{
    pthread_mutex_lock(&i->lock);
    list_for_each(n, &i->waiters)
    {
        struct waiter *w = container_of(n, struct waiter, node);

        if (w->id != m->id || w->done)
            continue;
        if (buf_add_sv(w->reply, m->payload) < 0)
            w->result = E_RANGE;
        if (!m->more) {
            w->done = true;
            pthread_cond_broadcast(&i->changed);
        }
        break;
    }
    pthread_mutex_unlock(&i->lock);
}

static void fail_waiters(struct ipc *i)
{
    pthread_mutex_lock(&i->lock);
    i->lost = true;
    list_for_each(n, &i->waiters)
    {
        struct waiter *w = container_of(n, struct waiter, node);

        if (!w->done) {
            w->done = true;
            w->result = E_CLOSED;
        }
    }
    pthread_cond_broadcast(&i->changed);
    pthread_mutex_unlock(&i->lock);
}

static void *receive(void *arg)
{
    struct ipc *i = arg;
    _cleanup_(freep) char *buf = xmalloc(IPC_MAX_PAYLOAD + sizeof(struct wire_header));

    os_thread_name("ipc");
    for (;;) {
        struct pollfd p = { .fd = i->fd, .events = POLLIN };
        struct ipc_msg m;
        int r;

        if (poll(&p, 1, -1) < 0 && errno != EINTR)
            break;
        r = receive_one(i->fd, buf, IPC_MAX_PAYLOAD + sizeof(struct wire_header), &m);
        if (r < 0)
            break;
        if (r == 0)
            continue;
        if (m.type == IPC_REPLY)
            take_reply(i, &m);
        else
            i->ops->on_msg(i->arg, &m);
    }
    fail_waiters(i);
    i->ops->on_lost(i->arg);
    return NULL;
}

int ipc_open(int fd, enum module self, const struct ipc_ops *ops, void *arg, struct ipc **ret)
{
    struct ipc *i = xcalloc(1, sizeof(*i));
    int r;

    i->fd = fd;
    i->self = self;
    i->ops = ops;
    i->arg = arg;
    list_init(&i->waiters);
    pthread_mutex_init(&i->lock, NULL);
    pthread_cond_init(&i->changed, NULL);
    *ret = i; /* before the thread: its callbacks may send */
    r = pthread_create(&i->thread, NULL, receive, i);
    if (r) {
        *ret = NULL;
        close(fd);
        free(i);
        return -r;
    }
    return 0;
}

void ipc_close(struct ipc *i)
{
    if (!i)
        return;
    shutdown(i->fd, SHUT_RDWR);
    pthread_join(i->thread, NULL);
    close(i->fd);
    pthread_cond_destroy(&i->changed);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

int ipc_send(struct ipc *i, enum module to, enum ipc_type type, uint32_t id, bool more,
             struct sv payload)
{
    struct ipc_msg m = {
        .type = type, .from = i->self, .to = to, .id = id, .more = more, .payload = payload
    };

    return ipc_send_fd(i->fd, &m);
}

/* Requests and answers may not be dropped for a moment's congestion. */
static int send_patiently(struct ipc *i, enum module to, enum ipc_type type, uint32_t id, bool more,
                          struct sv payload)
{
    for (int n = 0; n < REPLY_SEND_TRIES; n++) {
        struct pollfd p = { .fd = i->fd, .events = POLLOUT };
        int r = ipc_send(i, to, type, id, more, payload);

        if (r != E_FULL)
            return r;
        poll(&p, 1, REPLY_SEND_WAIT_MS);
    }
    return E_FULL;
}

int ipc_request(struct ipc *i, enum module to, struct sv json, int64_t timeout_ms,
                struct buf *reply)
{
    struct waiter w = { .reply = reply };
    struct timespec until = deadline_in(timeout_ms);
    int r;

    pthread_mutex_lock(&i->lock);
    w.id = ++i->next_id;
    list_add_tail(&i->waiters, &w.node);
    r = i->lost ? E_CLOSED : 0;
    pthread_mutex_unlock(&i->lock);
    if (r == 0)
        r = send_patiently(i, to, IPC_REQUEST, w.id, false, json);
    pthread_mutex_lock(&i->lock);
    while (r == 0 && !w.done)
        if (!deadline_wait(&i->changed, &i->lock, &until))
            r = E_TIMEOUT;
    list_del(&w.node);
    pthread_mutex_unlock(&i->lock);
    return r < 0 ? r : w.result;
}

int ipc_reply(struct ipc *i, const struct ipc_msg *req, struct sv json)
{
    do {
        struct sv part = sv_take(json, IPC_MAX_PAYLOAD);
        int r;

        json = sv_skip(json, part.n);
        r = send_patiently(i, req->from, IPC_REPLY, req->id, json.n > 0, part);
        if (r < 0)
            return r;
    } while (json.n > 0);
    return 0;
}
