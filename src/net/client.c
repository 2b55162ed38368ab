/* Outbound connections: blocking calls with a deadline each, over a non-blocking socket. On
 * delivery threads; a struct client belongs to one of them. */
#include "net/client.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/client_priv.h"

enum {
    DEFAULT_TIMEOUT_MS = 300000,
    OUT_BUFFER = 16 * 1024,
    IN_CHUNK = 16 * 1024,
    LINE_MAX_BYTES = 16 * 1024 * 1024,
    CANCEL_POLL_MS = 100,
};

static void start_call(struct client *c)
{
    c->deadline_ms = clock_mono_ms() + c->timeout_ms;
}

int client_wait(struct client *c, short events, struct errinfo *ei)
{
    for (;;) {
        if (c->cancel && atomic_load(c->cancel))
            return err_set(ei, E_CANCELLED, "%s: cancelled", c->peer);
        int64_t left = c->deadline_ms - clock_mono_ms();
        if (left <= 0)
            return err_set(ei, E_TIMEOUT, "%s: no answer within %" PRId64 " s", c->peer,
                           c->timeout_ms / 1000);
        struct pollfd p = { .fd = c->fd, .events = events };
        int r = poll(&p, 1, (int)MIN(left, c->cancel ? CANCEL_POLL_MS : 60000));
        if (r > 0)
            return 0;
        if (r < 0 && errno != EINTR)
            return err_set_errno(ei, -errno, "%s", c->peer);
    }
}

static int bind_source(struct client *c, const char *ip, int family, struct errinfo *ei)
{
    struct sockaddr_storage ss;
    socklen_t n;
    int on = 1;
    if (sockaddr_parse(ip, 0, &ss, &n) < 0)
        return err_set(ei, E_PARSE, "'%s' is not an IP address to connect from", ip);
    if (ss.ss_family != family)
        return 0; /* an IPv4 source says nothing about IPv6 targets */
    /* The port is chosen by connect(), per target: more than 28,000 connections fit. */
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(c->fd, (const struct sockaddr *)&ss, n) < 0)
        return err_set_errno(ei, -errno, "cannot connect from address %s", ip);
    return 0;
}

static int do_connect(struct client *c, const struct sockaddr_storage *ss, socklen_t n,
                      struct errinfo *ei)
{
    int e = 0;
    socklen_t len = sizeof(e);
    if (connect(c->fd, (const struct sockaddr *)ss, n) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return err_set_errno(ei, -errno, "cannot connect to %s", c->peer);
    int r = client_wait(c, POLLOUT, ei);
    if (r == E_TIMEOUT)
        return err_set(ei, r, "cannot connect to %s: no answer within %" PRId64 " s", c->peer,
                       c->timeout_ms / 1000);
    if (r < 0)
        return r;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
        e = errno;
    return e ? err_set_errno(ei, -e, "cannot connect to %s", c->peer) : 0;
}

static int parse_target(const struct client_opts *o, struct sockaddr_storage *ret, socklen_t *ret_n,
                        struct errinfo *ei)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    if (!o->unix_path)
        return sockaddr_parse(o->ip, o->port, ret, ret_n) < 0
                   ? err_set(ei, E_PARSE, "'%s' is not an IP address", o->ip)
                   : 0;
    if (!sv_copy(un.sun_path, sizeof(un.sun_path), sv_c(o->unix_path)))
        return err_set(ei, E_RANGE, "'%s' is too long for the path of a socket", o->unix_path);
    memcpy(ret, &un, sizeof(un));
    *ret_n = sizeof(un);
    return 0;
}

static void name_peer(struct client *c, const struct client_opts *o, int family)
{
    if (o->unix_path)
        (void)sv_copy(c->peer, sizeof(c->peer), sv_c(o->unix_path));
    else
        snprintf(c->peer, sizeof(c->peer), family == AF_INET6 ? "[%.45s]:%u" : "%.45s:%u", o->ip,
                 o->port);
}

static struct client *client_new(void)
{
    struct client *c = xcalloc(1, sizeof(*c));
    c->fd = -1;
    buf_init(&c->in, LINE_MAX_BYTES + 2 * IN_CHUNK);
    buf_init(&c->out, OUT_BUFFER);
    return c;
}

int client_connect(const struct client_opts *o, struct client **ret, struct errinfo *ei)
{
    struct sockaddr_storage ss, local = { 0 };
    socklen_t n, local_n = sizeof(local);
    int on = 1;
    int r = parse_target(o, &ss, &n, ei);
    if (r < 0)
        return r;
    _cleanup_(client_closep) struct client *c = client_new();
    c->cancel = o->cancel;
    c->timeout_ms = o->connect_timeout_ms > 0 ? o->connect_timeout_ms : DEFAULT_TIMEOUT_MS;
    name_peer(c, o, ss.ss_family);
    c->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return err_set_errno(ei, -errno, "cannot connect to %s", c->peer);
    start_call(c);
    r = o->source_ip && o->source_ip[0] && !o->unix_path
            ? bind_source(c, o->source_ip, ss.ss_family, ei)
            : 0;
    if (r == 0)
        r = do_connect(c, &ss, n, ei);
    if (r < 0)
        return r;
    if (!o->unix_path)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!o->unix_path && getsockname(c->fd, (struct sockaddr *)&local, &local_n) == 0)
        sockaddr_text(&local, c->local);
    c->timeout_ms = DEFAULT_TIMEOUT_MS;
    *ret = take_ptr(c);
    return 0;
}

struct client *client_adopt(int fd, struct ssl_st *ssl, const char *peer, const char *local,
                            const char *tls_text)
{
    struct client *c = client_new();
    c->fd = fd;
    c->ssl = ssl;
    (void)sv_copy(c->peer, sizeof(c->peer), sv_c(peer));
    (void)sv_copy(c->local, sizeof(c->local), sv_c(local));
    c->tls_text = *tls_text ? xstrdup(tls_text) : NULL;
    c->timeout_ms = DEFAULT_TIMEOUT_MS;
    return c;
}

const char *client_peer_ip(const struct client *c)
{
    return c->peer;
}

void client_set_cancel(struct client *c, const atomic_bool *cancel)
{
    c->cancel = cancel;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    client_tls_close(c);
    closep(&c->fd);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c->tls_text);
    free(c);
}

void client_set_timeout(struct client *c, int64_t ms)
{
    c->timeout_ms = MAX(ms, 1);
}

/* --- output --- */

static int send_all(struct client *c, struct sv bytes, struct errinfo *ei)
{
    while (bytes.n > 0) {
        short events = POLLOUT;
        ssize_t n;
        if (c->ssl) {
            n = client_tls_write(c, bytes.p, bytes.n, &events, ei);
            if (n < 0)
                return (int)n;
        } else {
            n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                return err_set_errno(ei, E_CLOSED, "%s: %s", c->peer, strerrordesc_np(errno));
        }
        if (n > 0) {
            bytes = sv_skip(bytes, (size_t)n);
            continue;
        }
        int r = client_wait(c, events, ei);
        if (r < 0)
            return r;
    }
    return 0;
}

static int flush(struct client *c, struct errinfo *ei)
{
    if (c->out.n == 0)
        return 0;
    int r = send_all(c, buf_sv(&c->out), ei);
    buf_reset(&c->out);
    return r;
}

int client_flush(struct client *c, struct errinfo *ei)
{
    start_call(c);
    return flush(c, ei);
}

int client_write(struct client *c, struct sv bytes, struct errinfo *ei)
{
    start_call(c);
    if (c->out.n + bytes.n > OUT_BUFFER) {
        int r = flush(c, ei);
        if (r < 0)
            return r;
        if (bytes.n >= OUT_BUFFER)
            return send_all(c, bytes, ei);
    }
    return buf_add_sv(&c->out, bytes);
}

/* --- input --- */

/* What is buffered goes out before we wait for an answer to it. Returns > 0 or negative. */
static ssize_t receive(struct client *c, void *p, size_t n, struct errinfo *ei)
{
    int r = flush(c, ei);
    if (r < 0)
        return r;
    for (;;) {
        short events = POLLIN;
        ssize_t got;
        if (c->ssl) {
            got = client_tls_read(c, p, n, &events, ei);
            if (got != 0)
                return got;
        } else {
            got = recv(c->fd, p, n, 0);
            if (got > 0)
                return got;
            if (got == 0)
                return err_set(ei, E_CLOSED, "%s: the peer closed the connection", c->peer);
            if (errno != EAGAIN && errno != EINTR)
                return err_set_errno(ei, E_CLOSED, "%s: %s", c->peer, strerrordesc_np(errno));
        }
        r = client_wait(c, events, ei);
        if (r < 0)
            return r;
    }
}

static int fill(struct client *c, struct errinfo *ei)
{
    if (c->in_off > 0) {
        buf_consume(&c->in, c->in_off);
        c->in_off = 0;
    }
    int r = buf_reserve(&c->in, IN_CHUNK);
    if (r < 0)
        return err_set(ei, r, "%s: no memory for a line", c->peer);
    ssize_t n = receive(c, c->in.p + c->in.n, IN_CHUNK, ei);
    if (n < 0)
        return (int)n;
    c->in.n += (size_t)n;
    return 0;
}

int client_read_line(struct client *c, size_t max, struct sv *ret, struct errinfo *ei)
{
    size_t seen = 0;
    start_call(c);
    for (;;) {
        struct sv have = sv_skip(buf_sv(&c->in), c->in_off);
        ssize_t nl = sv_find(sv_skip(have, seen), '\n');
        if (nl >= 0) {
            size_t n = seen + (size_t)nl;
            struct sv line = sv_take(have, n > 0 && have.p[n - 1] == '\r' ? n - 1 : n);
            c->in_off += n + 1;
            if (line.n > max)
                return err_set(ei, E_RANGE, "%s: a line is longer than %zu bytes", c->peer, max);
            *ret = line;
            return 0;
        }
        seen = have.n;
        if (have.n > MIN(max, (size_t)LINE_MAX_BYTES) + 1)
            return err_set(ei, E_RANGE, "%s: a line is longer than %zu bytes", c->peer, max);
        int r = fill(c, ei);
        if (r < 0)
            return r;
    }
}

int client_read(struct client *c, void *p, size_t n, struct errinfo *ei)
{
    start_call(c);
    struct sv have = sv_take(sv_skip(buf_sv(&c->in), c->in_off), n);
    if (have.n == 0)
        return (int)receive(c, p, MIN(n, (size_t)INT32_MAX), ei);
    memcpy(p, have.p, have.n);
    c->in_off += have.n;
    return (int)have.n;
}

bool client_has_input(struct client *c)
{
    return c->in.n > c->in_off;
}

bool client_is_tls(const struct client *c)
{
    return c->ssl;
}

const char *client_tls_info(const struct client *c)
{
    return c->tls_text ? c->tls_text : "";
}

const char *client_local_ip(const struct client *c)
{
    return c->local;
}
