/* Reaches the server, or opens the database when none runs, and hands requests to it. */
#include "cli/answer.h"
#include "cli/remote.h"
#include "cli/tool.h"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "event/event.h"
#include "log/sink.h"
#include "mail/mailbox/mailbox.h"
#include "os/file.h"
#include "proc/boot.h"

#define MAX_REPLY    (64 * MiB)
#define LOCK_WAIT_MS 10000
#define LOCK_POLL_MS 50
#define ANSWER_S     120 /* a server that says nothing for so long hangs */

struct tool {
    int fd;                /* to the server; -1 = offline */
    struct remote *remote; /* elsewhere; NULL = here */
    int timeout_s;
    bool confirm;
    struct buf in;
    struct boot boot;
    struct db *db;
    struct mailstore *store;
    struct log_sink *sink;
    struct admin admin;
    int lock_fd;
    char who[64];
};

/* --- who we are --- */

static void name_self(struct tool *t)
{
    struct passwd *pw = getpwuid(getuid());

    if (pw)
        snprintf(t->who, sizeof(t->who), "%s", pw->pw_name);
    else
        snprintf(t->who, sizeof(t->who), "uid %u", (unsigned)getuid());
}

/* As root the files must belong to the server's user: --user, else the owner of the data directory,
 * else posthorn. */
static int become_owner(const struct tool_opts *o, const char *dir, struct errinfo *ei)
{
    const char *user = o->user && *o->user ? o->user : "posthorn";
    struct passwd *pw;
    struct stat st;
    int r;

    if (geteuid() != 0)
        return 0;
    if (user != o->user && stat(dir, &st) == 0 && st.st_uid != 0 && (pw = getpwuid(st.st_uid)))
        user = pw->pw_name;
    r = boot_give_data(dir, user, ei);
    if (r < 0)
        return r;
    pw = getpwnam(user);
    if (!pw || initgroups(user, pw->pw_gid) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
        return err_set_errno(ei, -errno, "switching to user '%s'", user);
    return 0;
}

/* --- online --- */

static int connect_server(struct tool *t, const char *dir, struct errinfo *ei)
{
    _cleanup_(freep) char *path = xasprintf("%s/run/control.sock", dir);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct timeval wait = { .tv_sec = t->timeout_s };

    if (!sv_copy(a.sun_path, sizeof(a.sun_path), sv_c(path)))
        return err_set(ei, E_RANGE, "%s: the path is too long for a socket", path);
    t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0)
        return err_set_errno(ei, -errno, "socket");
    setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(t->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return 1;
    if (errno == EACCES || errno == EPERM)
        return err_set(ei, E_PERM,
                       "%s: permission denied; run this as root or as the server's user", path);
    close(t->fd);
    t->fd = -1;
    return 0;
}

/* Without a signal when the server has closed. */
static int send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

/* Reads up to the end of the answer's line. */
static int read_answer(struct tool *t, size_t *ret_n, struct errinfo *ei)
{
    ssize_t eol = sv_find(buf_sv(&t->in), '\n');

    while (eol < 0) {
        size_t before = t->in.n;
        ssize_t n;

        if (buf_reserve(&t->in, 65536) < 0)
            return err_set(ei, TOOL_REFUSED,
                           "the answer is longer than %zu MiB; narrow the request",
                           MAX_REPLY / MiB);
        n = recv(t->fd, t->in.p + before, 65536, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return err_set(ei, TOOL_UNREACHABLE, "the server has not answered for %d s",
                           t->timeout_s);
        if (n <= 0)
            return err_set(ei, TOOL_UNREACHABLE, "the server closed the connection");
        t->in.n += (size_t)n;
        eol = sv_find(sv_n(t->in.p + before, (size_t)n), '\n');
        eol += eol < 0 ? 0 : (ssize_t)before;
    }
    *ret_n = (size_t)eol;
    return 0;
}

/* A line of control's: an answer of the API, or an error of the socket's own. */
static int take_line(struct sv line, struct tool_answer *ret, struct errinfo *ei)
{
    json_error_t je;
    json_t *j = json_loadb(line.p, line.n, 0, &je), *body = json_object_get(j, "body");
    const char *error = json_string_value(json_object_get(json_object_get(j, "error"), "text"));
    const char *etag = json_string_value(json_object_get(j, "etag"));
    const char *base64 = json_string_value(json_object_get(j, "base64"));
    int r = 0;

    if (!j)
        r = err_set(ei, TOOL_UNREACHABLE, "the server's answer is not JSON: %s", je.text);
    else if (error)
        r = err_set(ei, TOOL_REFUSED, "%s", error);
    ret->status = (int)json_integer_value(json_object_get(j, "status"));
    ret->json = json_incref(body);
    if (etag)
        sv_copy(ret->etag, sizeof(ret->etag), sv_c(etag));
    if (base64 && base64_dec(sv_c(base64), &ret->raw) < 0)
        r = err_set(ei, TOOL_REFUSED, "the server's answer cannot be read");
    json_decref(j);
    return r;
}

static int ask_server(struct tool *t, const struct tool_request *q, struct tool_answer *ret,
                      struct errinfo *ei)
{
    json_t *j =
        json_pack("{s:s, s:s, s:O*, s:s*, s:s*}", "method", q->method, "path", q->path, "body",
                  q->body, "if_match", q->if_match, "idempotency_key", q->idempotency_key);
    char *text = json_dumps(j, JSON_COMPACT);
    size_t n = 0;
    int r, sent;

    json_decref(j);
    if (!text)
        return err_set(ei, E_PARSE, "the request is not valid UTF-8");
    sent = send_all(t->fd, text, strlen(text));
    explicit_bzero(text, strlen(text));
    free(text);
    if (sent == 0)
        sent = send_all(t->fd, "\n", 1);
    r = read_answer(t, &n, ei); /* also when it took no more: then it says why */
    if (r < 0 && sent < 0)
        return err_set(ei, TOOL_UNREACHABLE, "the server does not take the request: %s",
                       err_name(sent));
    if (r < 0)
        return r;
    r = take_line(sv_n(t->in.p, n), ret, ei);
    buf_consume(&t->in, n + 1);
    return r;
}

/* --- offline --- */

/* A server that is just starting or ending has the lock, and does not answer yet or any more: it is
 * waited for. 1 = there is a server now, 0 = the lock is ours. */
static int lock_or_connect(struct tool *t, struct errinfo *ei)
{
    _cleanup_(freep) char *lock = boot_path(&t->boot, "run/lock");
    int64_t until = clock_mono_ms() + LOCK_WAIT_MS;
    int r;

    while ((r = os_lock_file(lock, &t->lock_fd, ei)) == E_CONFLICT) {
        if (clock_mono_ms() > until)
            return err_set(ei, r,
                           "%s: a server or another tool has been starting or ending for %d s; try "
                           "again",
                           t->boot.data, LOCK_WAIT_MS / 1000);
        poll(NULL, 0, LOCK_POLL_MS);
        r = connect_server(t, t->boot.data, ei);
        if (r != 0)
            return r;
    }
    return r;
}

static int open_offline(struct tool *t, const struct tool_opts *o, struct errinfo *ei)
{
    _cleanup_(freep) char *mail = NULL, *temp = NULL, *temp_dir = NULL, *logs = NULL;
    _cleanup_(conf_unrefp) const struct conf *c = NULL;
    struct accounts *accounts = NULL;
    int r = boot_init(&t->boot, o->data, o->dsn, ei);

    if (r < 0)
        return r;
    r = lock_or_connect(t, ei);
    if (r != 0)
        return r;
    if ((r = boot_open_db(&t->boot, &t->db, ei)) < 0 ||
        (r = accounts_open(t->db, &accounts, ei)) < 0)
        return r;
    c = conf_pin();
    mail = boot_mail_path(&t->boot, c);
    temp = boot_temp_path(&t->boot, c);
    logs = boot_log_path(&t->boot, c);
    temp_dir = xasprintf("%s/Control", temp);
    struct log_sink_conf lc = {
        .dir = logs,
        .server_id = c->system.server_id,
        .rotate_bytes = (uint64_t)c->log.rotate_size,
    };
    struct mailstore_opts so = { mail, temp_dir, (int)c->system.alpha_prefix,
                                 (int)c->system.alpha_group };

    if (log_sink_new(&lc, &t->sink, NULL) == 0)
        log_attach(log_sink_local_fd(t->sink));
    r = event_start(t->boot.data, MOD_CONTROL, -1, ei);
    if (r == 0)
        r = os_mkdirs(temp_dir, 0750, ei);
    if (r == 0)
        r = mailstore_open(&so, &t->store, ei);
    if (r < 0) {
        accounts_close(accounts);
        return r;
    }
    t->admin = (struct admin){
        .db = t->db, .accounts = accounts, .store = t->store, .data_dir = t->boot.data
    };
    return 0;
}

static int open_here(struct tool *t, const struct tool_opts *o, struct errinfo *ei)
{
    const char *dir = o->data && *o->data ? o->data : getenv("POSTHORN_DATA");
    int r;

    if (!dir || !*dir)
        dir = "/var/lib/posthorn";
    r = connect_server(t, dir, ei);
    if (r == 0) {
        r = become_owner(o, dir, ei);
        if (r == 0)
            r = open_offline(t, o, ei);
    }
    return r;
}

int tool_open(const struct tool_opts *o, struct tool **ret, struct errinfo *ei)
{
    struct tool *t = xcalloc(1, sizeof(*t));
    struct remote_opts ro = { o->server, o->token_file, o->token, o->ca,
                              o->timeout_s ? o->timeout_s : ANSWER_S };
    int r;

    t->fd = t->lock_fd = -1;
    t->timeout_s = ro.timeout_s;
    t->confirm = o->confirm;
    buf_init(&t->in, MAX_REPLY);
    name_self(t);
    r = o->server ? remote_open(&ro, &t->remote, ei) : open_here(t, o, ei);
    if (r < 0) {
        tool_close(t);
        return r;
    }
    *ret = t;
    return 0;
}

int tool_ask(struct tool *t, const struct tool_request *q, struct tool_answer *ret,
             struct errinfo *ei)
{
    if (t->remote)
        return remote_ask(t->remote, q, ret, ei);
    if (t->fd >= 0)
        return ask_server(t, q, ret, ei);
    return err_set(ei, TOOL_REFUSED, "the server is not running; start it with `posthorn serve`");
}

static json_t *call_server(struct tool *t, json_t *request)
{
    _cleanup_(freep) char *path =
        xasprintf("/commands/%s%s", json_string_value(json_object_get(request, "op")),
                  t->confirm ? "?confirm=true" : "");
    json_t *body = json_pack("{s:O}", "args", json_object_get(request, "args")), *reply;
    struct tool_request q = { .method = "POST", .path = path, .body = body };
    struct tool_answer a;
    struct errinfo ei = { 0 };
    int r;

    answer_init(&a);
    r = tool_ask(t, &q, &a, &ei);
    reply = r < 0 ? admin_error(r, "%s", ei.text) : answer_as_reply(&a);
    if (r < 0)
        json_object_set_new(json_object_get(reply, "error"), "failure", json_integer(r));
    answer_done(&a);
    json_decref(body);
    return reply;
}

json_t *tool_call(struct tool *t, json_t *request)
{
    return t->remote || t->fd >= 0 ? call_server(t, request)
                                   : admin_run(&t->admin, t->who, request);
}

void tool_close(struct tool *t)
{
    if (!t)
        return;
    remote_close(t->remote);
    if (t->store)
        mailstore_close(t->store);
    if (t->admin.accounts)
        accounts_close(t->admin.accounts);
    if (t->db)
        db_close(t->db);
    event_stop();
    if (t->sink) {
        log_flush();
        log_attach(-1);
        log_sink_free(t->sink);
    }
    closep(&t->lock_fd);
    closep(&t->fd);
    buf_done(&t->in);
    boot_done(&t->boot);
    free(t);
}
