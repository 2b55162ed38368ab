/* Module control: answers the administrator's local socket <data>/run/control.sock. One JSON
 * request a line, one JSON answer a line: operations of admin/ and requests for the API. A
 * connection is served by a thread of its own; there are few, and no more than MAX_CLIENTS. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "log/log.h"
#include "mail/mailbox/mailbox.h"
#include "net/syslog.h"
#include "os/file.h"
#include "os/proc.h"
#include "proc/control_api.h"
#include "proc/dns_requests.h"
#include "proc/hint.h"
#include "proc/module.h"
#include "proc/patience.h"
#include "proc/sampling.h"
#include "proc/web.h"

#define MAX_CLIENTS      32
#define MAX_REQUEST      (1 * MiB)
#define MAX_REPLY        (64 * MiB)
#define TAKE_OVER_MS     5000
#define IDLE_MS          300000 /* between requests */
#define REQUEST_MS       60000  /* from a request's first byte to its last */
#define IO_TIMEOUT_MS    30000
#define STOP_PATIENCE_MS 2000

struct control {
    struct module_ctx *m;
    struct admin admin;
    struct mailstore *store;
    char *path;
    int fd;
    int wake[2]; /* written to at stop */
    pthread_t thread;
    pthread_mutex_t lock; /* guards the next three */
    pthread_cond_t gone;
    struct list list; /* of clients */
    unsigned clients;
    struct web *web;
    struct sampling *sampling;
    struct syslog_sender *syslog; /* NULL = no syslog server is named */
    atomic_bool stopping;
};

struct client {
    struct list node;
    struct control *c;
    int fd;
    char who[64];
};

static enum question kind_of(const char *op)
{
    static const char *const looks[] = { "module.status", "events.flush", "queue.page",
                                         "queue.list",    "queue.pauses", "queue.destinations",
                                         "route.trouble", "queue.senders" };

    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (!strcmp(op, looks[i]))
            return Q_LOOK;
    return strcmp(op, "queue.steer") ? Q_CHANGE : Q_MANY;
}

/* What this module does itself. NULL: is to be asked like any other. */
static json_t *own_request(struct control *c, const char *op, json_t *args)
{
    if (strcmp(op, "session.kill") != 0)
        return dns_request(op, args);
    return web_end_session(c->web, (uint32_t)json_integer_value(json_object_get(args, "id")))
               ? json_pack("{s:b}", "ok", 1)
               : admin_error(E_NOTFOUND, "no such session");
}

static json_t *ask(void *arg, enum module to, const char *op, json_t *args)
{
    struct control *c = arg;
    json_t *own = to == MOD_CONTROL ? own_request(c, op, args) : NULL;

    if (own)
        return own;
    json_t *req = json_pack("{s:s, s:O?}", "op", op, "args", args), *reply;
    char *text = json_dumps(req, JSON_COMPACT);
    struct buf b;
    json_error_t je;
    int64_t wait_ms;
    enum question kind = kind_of(op);
    int r;

    json_decref(req);
    buf_init(&b, MAX_REPLY);
    wait_ms = patience_begin(to, kind);
    if (atomic_load(&c->stopping)) /* the server's end does not wait for one that is silent */
        wait_ms = MIN(wait_ms, STOP_PATIENCE_MS);
    r = wait_ms ? ipc_request(c->m->ipc, to, sv_c(text), wait_ms, &b) : E_TIMEOUT;
    if (wait_ms)
        patience_end(to, kind, r != E_TIMEOUT);
    free(text);
    reply = r < 0 ? admin_error(r, "module %s: %s", module_names[to], err_name(r))
                  : json_loadb(b.p, b.n, 0, &je);
    buf_done(&b);
    return reply ? reply : admin_error(E_PARSE, "module %s: %s", module_names[to], je.text);
}

/* Names of the processes that serve by older settings; their number. */
static unsigned behind(uint64_t epoch, char *names, size_t cap)
{
    unsigned n = 0;
    size_t used = 0;

    for (enum module m = 0; m < MOD_COUNT; m++) {
        uint64_t applied = applied_get(m);

        if (!applied || applied >= epoch)
            continue;
        used += (size_t)snprintf(names + used, cap - used, "%s%s", n ? ", " : "", module_names[m]);
        n++;
    }
    return n;
}

/* A module takes over what it is told within milliseconds, after the requests before it. */
static int changed(void *arg, struct errinfo *ei)
{
    struct control *c = arg;
    uint64_t epoch = epoch_get(EPOCH_SETTINGS);
    int64_t until = clock_mono_ms() + TAKE_OVER_MS;
    char names[128];
    unsigned n;

    ipc_send(c->m->ipc, MOD_SUPERVISOR, IPC_RELOAD, 0, false, SV_NULL);
    while ((n = behind(epoch, names, sizeof(names))) && clock_mono_ms() < until)
        poll(NULL, 0, 1);
    return n == 0 ? 0
                  : err_set(ei, E_TIMEOUT,
                            "module%s %s ha%s not taken the settings over within %d s; the log of "
                            "errors may say why",
                            n > 1 ? "s" : "", names, n > 1 ? "ve" : "s", TAKE_OVER_MS / 1000);
}

/* Only root, the server's own user and members of the socket's group get in: file mode. Who it is
 * goes in the audit. */
static void name_peer(struct client *cl)
{
    struct ucred cred;
    socklen_t n = sizeof(cred);
    struct passwd pw, *found = NULL;
    char buf[2048];

    if (getsockopt(cl->fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0) {
        snprintf(cl->who, sizeof(cl->who), "local");
        return;
    }
    getpwuid_r(cred.uid, &pw, buf, sizeof(buf), &found);
    if (found)
        snprintf(cl->who, sizeof(cl->who), "%s", found->pw_name);
    else
        snprintf(cl->who, sizeof(cl->who), "uid %u", (unsigned)cred.uid);
}

/* Takes the reply. free() the text. */
static char *text_of(json_t *reply)
{
    char *text = json_dumps(reply, JSON_COMPACT);

    json_decref(reply);
    return text;
}

/* An operation of admin/ ("op"), or a request for the API ("method"). free() the answer. */
static char *handle(struct client *cl, struct sv line)
{
    json_error_t je;
    json_t *req = json_loadb(line.p, line.n, 0, &je);
    char *text;

    if (!req)
        return text_of(admin_error(E_PARSE, "request is not JSON: %s", je.text));
    text = json_object_get(req, "method") ? control_api(web_api(cl->c->web), cl->who, req)
                                          : text_of(admin_run(&cl->c->admin, cl->who, req));
    json_decref(req);
    return text;
}

static bool wait_readable(struct client *cl, int64_t until)
{
    struct pollfd p[2] = { { .fd = cl->fd, .events = POLLIN },
                           { .fd = cl->c->wake[0], .events = POLLIN } };
    int64_t left = until - clock_mono_ms();
    int r;

    if (left <= 0)
        return false;
    while ((r = poll(p, 2, (int)left)) < 0 && errno == EINTR)
        ;
    return r > 0 && !p[1].revents;
}

/* Takes the text. */
static bool send_reply(int fd, char *text)
{
    bool ok = text && os_write_all(fd, text, strlen(text)) == 0 && os_write_all(fd, "\n", 1) == 0;

    free(text);
    return ok;
}

/* Answers the lines that are complete. False when the client does not take an answer. */
static bool answer_lines(struct client *cl, struct buf *in, size_t seen)
{
    ssize_t eol;

    while ((eol = sv_find(sv_skip(buf_sv(in), seen), '\n')) >= 0) {
        size_t n = seen + (size_t)eol;
        bool ok = send_reply(cl->fd, handle(cl, sv_n(in->p, n)));

        if (!ok)
            return false;
        buf_consume(in, n + 1);
        seen = 0;
    }
    return true;
}

static void leave(struct client *cl)
{
    struct control *c = cl->c;

    pthread_mutex_lock(&c->lock);
    list_del(&cl->node);
    close(cl->fd); /* under the lock: stop() may just shut it down */
    free(cl);
    c->clients--;
    pthread_cond_signal(&c->gone);
    pthread_mutex_unlock(&c->lock);
}

static void *serve_client(void *arg)
{
    struct client *cl = arg;
    struct buf in;
    int64_t until = clock_mono_ms() + IDLE_MS;

    os_thread_name("control-client");
    name_peer(cl);
    buf_init(&in, MAX_REQUEST);
    while (wait_readable(cl, until)) {
        size_t before = in.n;
        ssize_t n;

        if (buf_reserve(&in, 1) < 0) {
            send_reply(cl->fd, text_of(admin_error(E_RANGE, "the request is longer than %zu KiB",
                                                   MAX_REQUEST / KiB)));
            break;
        }
        n = recv(cl->fd, in.p + in.n, in.cap - in.n, 0);
        if (n <= 0)
            break;
        in.n += (size_t)n;
        if (!answer_lines(cl, &in, before))
            break;
        if (!in.n)
            until = clock_mono_ms() + IDLE_MS;
        else if (!before || in.n <= (size_t)n)
            until = clock_mono_ms() + REQUEST_MS;
    }
    buf_done(&in);
    leave(cl);
    return NULL;
}

static void take_client(struct control *c, int fd)
{
    struct client *cl;
    pthread_t t;
    bool full;
    struct timeval tv = { .tv_sec = IO_TIMEOUT_MS / 1000 };

    pthread_mutex_lock(&c->lock);
    full = c->clients >= MAX_CLIENTS;
    pthread_mutex_unlock(&c->lock);
    if (full) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_usec = 100000 },
                   sizeof(struct timeval));
        send_reply(
            fd, text_of(admin_error(E_LIMIT, "%d administrators are connected already; try again",
                                    MAX_CLIENTS)));
        close(fd);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    cl = xcalloc(1, sizeof(*cl));
    cl->c = c;
    cl->fd = fd;
    pthread_mutex_lock(&c->lock);
    list_add_tail(&c->list, &cl->node);
    c->clients++;
    pthread_mutex_unlock(&c->lock);
    if (pthread_create(&t, NULL, serve_client, cl)) {
        leave(cl);
        return;
    }
    pthread_detach(t);
}

static void *accept_clients(void *arg)
{
    struct control *c = arg;

    os_thread_name("control-accept");
    for (;;) {
        struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
                               { .fd = c->wake[0], .events = POLLIN } };
        int fd;

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        if (p[1].revents)
            break;
        fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            take_client(c, fd);
        else if (errno == EMFILE || errno == ENFILE)
            poll(NULL, 0, 100);
    }
    return NULL;
}

static int open_socket(struct control *c, struct errinfo *ei)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    c->path = boot_path(&c->m->boot, "run/control.sock");
    if (!sv_copy(a.sun_path, sizeof(a.sun_path), sv_c(c->path)))
        return err_set(ei, E_RANGE,
                       "%s: the path is too long for a socket (%zu bytes at most); choose a "
                       "shorter data directory",
                       c->path, sizeof(a.sun_path) - 1);
    unlink(c->path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        chmod(c->path, 0660) < 0 || listen(c->fd, 512) < 0)
        return err_set_errno(ei, -errno, "%s", c->path);
    return 0;
}

/* The sender of log lines lives as long as a syslog server is named. */
static void follow_syslog(struct control *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    json_int_t fd = json_integer_value(json_object_get(c->m->inherited, "forward"));
    struct errinfo ei;

    if (!*cf->log.syslog_server) {
        syslog_sender_stop(c->syslog);
        c->syslog = NULL;
    } else if (!c->syslog && fd >= 0 && syslog_sender_start((int)fd, &c->syslog, &ei) < 0) {
        log_error("%s", ei.text);
    }
}

static int start(struct module_ctx *m, struct errinfo *ei)
{
    struct control *c = xcalloc(1, sizeof(*c));
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(freep) char *mail = boot_mail_path(&m->boot, cf),
                          *temp = boot_temp_path(&m->boot, cf);
    _cleanup_(freep) char *temp_dir = xasprintf("%s/Control", temp);
    struct mailstore_opts so = { mail, temp_dir, (int)cf->system.alpha_prefix,
                                 (int)cf->system.alpha_group };
    int r;

    m->own = c;
    c->m = m;
    hint_access_by(m->ipc);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->gone, NULL);
    list_init(&c->list);
    os_remove_tree(temp_dir, NULL); /* what a killed one left */
    r = os_mkdirs(temp_dir, 0750, ei);
    if (r == 0)
        r = mailstore_open(&so, &c->store, ei);
    if (r < 0)
        return r;
    c->admin = (struct admin){ .db = m->db,
                               .accounts = m->accounts,
                               .store = c->store,
                               .ask = ask,
                               .changed = changed,
                               .arg = c,
                               .data_dir = m->boot.data,
                               .shm = shm_current() };
    if (pipe2(c->wake, O_CLOEXEC) < 0)
        return err_set_errno(ei, -errno, "pipe");
    c->sampling = sampling_start(m->boot.data); /* before anybody asks for samples */
    r = open_socket(c, ei);
    if (r == 0)
        r = web_start(m, &c->admin, &c->web, ei);
    if (r == 0)
        r = -pthread_create(&c->thread, NULL, accept_clients, c); /* they use the API */
    if (r < 0)
        return r;
    follow_syslog(c);
    return 0;
}

/* Waits until no client is left. False when the time is over. */
static bool wait_for_clients(struct control *c, int64_t ms)
{
    struct timespec until = deadline_in(ms);

    while (c->clients && deadline_wait(&c->gone, &c->lock, &until))
        ;
    return c->clients == 0;
}

static void stop(struct module_ctx *m, int64_t deadline_ms)
{
    struct control *c = m->own;
    bool all;

    atomic_store(&c->stopping, true);
    web_stop(c->web);
    sampling_stop(c->sampling);
    syslog_sender_stop(c->syslog);
    unlink(c->path);
    if (write(c->wake[1], "x", 1) < 0)
        log_error("control: stop: %s", strerror(errno));
    pthread_join(c->thread, NULL);
    close(c->fd);
    free(c->path);
    pthread_mutex_lock(&c->lock);
    all = wait_for_clients(c, MIN(deadline_ms, STOP_PATIENCE_MS));
    if (!all) { /* those that do not read their answer */
        list_for_each(l, &c->list) shutdown(container_of(l, struct client, node)->fd, SHUT_RDWR);
        all = wait_for_clients(c, deadline_ms);
    }
    pthread_mutex_unlock(&c->lock);
    if (!all)
        return; /* an operation that hangs still uses the rest; the process ends anyway */
    web_free(c->web);
    mailstore_close(c->store);
    free(c);
}

static void reload(struct module_ctx *m)
{
    struct control *c = m->own;

    web_reload(c->web);
    follow_syslog(c);
}

const struct module_def module_control = {
    .self = MOD_CONTROL, .start = start, .stop = stop, .reload = reload
};
