/* The supervisor process: one thread that waits for signals, module links and timers (the log sink
 * has a thread of its own). It parses no bytes from the network. As root it keeps the effective
 * user of the modules and takes root back only to bind and to start modules. */
#include "proc/supervisor.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/ipc.h"
#include "event/event.h"
#include "net/tls.h"
#include "os/file.h"
#include "os/proc.h"
#include "proc/data_lock.h"
#include "proc/runner_child.h"
#include "proc/services.h"

#define TICK_MS          500
#define HEARTBEAT_MAX_MS 60000
#define START_MAX_MS     900000 /* a module that replays a long journal has no heart yet */
#define ABORT_MS         5000 /* from the signal that leaves a core to the one that always works */
#define DRAIN_MS         25000
#define CONTROL_FIRST_MS 8000 /* of them: its operations have 5 s and the 2 s of a question */
#define ORPHANS_MS       30000
#define RELOAD_AGAIN_MS  5000 /* when the settings could not be read */

static const enum module served[] = { MOD_CONTROL, MOD_ACCESS, MOD_SMTP };

struct supervisor {
    struct boot boot;
    struct db *db;
    struct log_sink *sink;
    struct shm *shm;
    int shm_fd, signal_fd, lock_fd;
    int modules_fd; /* a lock that our modules hold with us, for who comes after us */
    bool root;      /* started by root: modules run as boot.user */
    bool stopping, told_ready;
    int64_t heartbeat_max_ms;
    int64_t stop_deadline_ms,
        others_ms;     /* others_ms: when those behind control are told; 0 = they are */
    int64_t reload_ms; /* not before this: the last attempt failed */
    struct child children[ARRAY_LEN(served)];
    struct services services;
    struct runner_child runner;
    char *buffer; /* for one message */
};

/* --- privileges --- */

/* Everything but binding and starting modules is done as the user, so that files belong to it. */
static int become_user(struct supervisor *s, const char *want, struct errinfo *ei)
{
    struct passwd *pw;

    pw = getpwnam(want);
    if (!pw)
        return err_set(ei, E_NOTFOUND, "user '%s' does not exist", want);
    if (pw->pw_uid == 0)
        return err_set(ei, E_PERM,
                       "user '%s' is the superuser; name an unprivileged one with --user", want);
    s->root = true;
    if (initgroups(want, pw->pw_gid) < 0 || setegid(pw->pw_gid) < 0 || seteuid(pw->pw_uid) < 0)
        return err_set_errno(ei, -errno, "switching to user '%s'", want);
    return 0;
}

/* Of this thread alone, so by the system call: seteuid() takes all threads along, and a log file or
 * archive that the sink's threads make in such a moment would be root's, for ever out of reach. */
static int set_own_euid(uid_t uid)
{
    return (int)syscall(SYS_setresuid, -1, uid, -1);
}

static void as_user(struct supervisor *s)
{
    struct passwd *pw = s->root ? getpwnam(s->boot.user) : NULL;

    if (pw && set_own_euid(pw->pw_uid) < 0)
        panic("euid of %s: %s", s->boot.user, strerror(errno));
}

static void as_root(struct supervisor *s)
{
    if (s->root && set_own_euid(0) < 0)
        panic("euid of root: %s", strerror(errno));
}

/* --- settings --- */

/* dir: of the logs; host: this server's name. They and c must outlive the result. */
static struct log_sink_conf log_conf(const struct conf *c, const char *dir, const char *host)
{
    return (struct log_sink_conf){
        .dir = dir,
        .server_id = c->system.server_id,
        .rotate_bytes = (uint64_t)c->log.rotate_size,
        .delete_days = (unsigned)c->log.delete_days,
        .archive = c->log.archive,
        .cache_bytes = (size_t)c->log.cache,
        .syslog = c->log.syslog,
        .forward = *c->log.syslog_server,
        .host = host,
    };
}

static void configure_logs(struct supervisor *s)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    _cleanup_(freep) char *dir = boot_log_path(&s->boot, c), *host = boot_hostname(c);
    struct log_sink_conf lc = log_conf(c, dir, host);

    log_sink_configure(s->sink, &lc);
}

static int start_logs(struct supervisor *s, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    _cleanup_(freep) char *dir = boot_log_path(&s->boot, c), *host = boot_hostname(c);
    struct log_sink_conf lc = log_conf(c, dir, host);
    int r = log_sink_new(&lc, &s->sink, ei);

    if (r == 0)
        log_attach(log_sink_local_fd(s->sink));
    return r;
}

static int ensure_certificate(struct supervisor *s, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    _cleanup_(freep) char *dir = boot_path(&s->boot, "certs");
    _cleanup_(freep) char *host = boot_hostname(c);
    _cleanup_(freep) char *names = xasprintf("%s;localhost", host);

    return c->net.tls ? tls_ensure_default(dir, names, ei) : 0;
}

static void privileged(void *arg, bool on)
{
    (on ? as_root : as_user)(arg);
}

/* At the server's start each address must be free; later a fault is told and the rest served. */
static int bind_all(struct supervisor *s, struct errinfo *ei)
{
    int r = 0;

    services_begin(&s->services);
    for (size_t i = 0; i < ARRAY_LEN(served) && r == 0; i++)
        r = services_sync(&s->services, served[i], ei);
    return r;
}

static void bind_again(struct supervisor *s, enum module m)
{
    struct errinfo ei = { 0 };

    if (services_sync(&s->services, m, &ei) < 0)
        log_error("%s", ei.text);
}

/* --- modules --- */

static void start_child(struct supervisor *s, struct child *c)
{
    struct child_env env = { .boot = &s->boot,
                             .sink = s->sink,
                             .shm_fd = s->shm_fd,
                             .forward_fd = log_sink_forward_fd(s->sink),
                             .commands_fd = s->runner.link[0],
                             .modules_fd = s->modules_fd };
    struct errinfo ei;
    int r;

    bind_again(s, c->module); /* its addresses may have changed since */
    as_root(s);
    r = child_start(c, &env, &ei);
    as_user(s);
    if (r < 0) {
        log_error("%s", ei.text);
        c->restart_ms = clock_mono_ms() + 1000;
    }
}

static void configure_runner(struct supervisor *s)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();

    runner_child_configure(&s->runner, c);
}

static void check_runner(struct supervisor *s)
{
    if (!runner_child_due(&s->runner))
        return;
    as_root(s);
    runner_child_start(&s->runner, s->root, s->boot.user);
    as_user(s);
}

static void tell_all(struct supervisor *s, enum ipc_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        child_send(&s->children[i], type);
}

static void begin_stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    applied_set(0);
    s->stop_deadline_ms = clock_mono_ms() + DRAIN_MS;
    os_sd_notify("STOPPING=1");
    for (size_t i = 0; i < ARRAY_LEN(served); i++) {
        s->children[i].draining = true;
        s->children[i].restart_ms = 0;
    }
    /* First of all control: what it has promised to do, it asks of the others. */
    s->others_ms = clock_mono_ms() + CONTROL_FIRST_MS;
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        if (served[i] == MOD_CONTROL)
            child_send(&s->children[i], IPC_DRAIN);
}

static void stop_others(struct supervisor *s)
{
    bool control = false;

    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        control = control || (served[i] == MOD_CONTROL && s->children[i].pid);
    if (!s->others_ms || (control && clock_mono_ms() < s->others_ms))
        return;
    s->others_ms = 0;
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        if (served[i] != MOD_CONTROL)
            child_send(&s->children[i], IPC_DRAIN);
}

static void reload(struct supervisor *s)
{
    uint64_t epoch = epoch_get(EPOCH_SETTINGS); /* first: what changes now is read once more */
    struct errinfo ei;
    int r;

    os_sd_notify("RELOADING=1");
    tell_all(s, IPC_RELOAD);
    epoch_bump(EPOCH_ACCOUNTS);
    r = boot_load_settings(s->db, &ei);
    configure_logs(s);
    if (r < 0)
        log_error("settings were not reloaded: %s", ei.text);
    else {
        bind_again(s, MOD_COUNT);
        configure_runner(s);
        check_runner(s);
        applied_set(epoch);
    }
    s->reload_ms = r < 0 ? clock_mono_ms() + RELOAD_AGAIN_MS : 0;
    os_sd_notify("READY=1");
}

static void catch_up(struct supervisor *s)
{
    if (!s->stopping && applied_get(MOD_SUPERVISOR) != epoch_get(EPOCH_SETTINGS) &&
        clock_mono_ms() >= s->reload_ms)
        reload(s);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (runner_child_ended(&s->runner, pid, status))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(served); i++)
            if (s->children[i].pid == pid) {
                event_drain(s->boot.data, s->children[i].module, s->children[i].events_fd);
                child_ended(&s->children[i], status);
                shm_module_reset(s->shm, s->children[i].module);
            }
    }
}

/* Whatever was changed behind our back is read too: certificates, rows of the database. */
static void ask_for_reload(struct supervisor *s)
{
    epoch_bump(EPOCH_SETTINGS);
    s->reload_ms = 0;
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo si;

    while (read(s->signal_fd, &si, sizeof(si)) == sizeof(si)) {
        if (si.ssi_signo == SIGCHLD)
            reap(s);
        else if (si.ssi_signo == SIGHUP)
            ask_for_reload(s);
        else
            begin_stop(s);
    }
}

static struct child *child_of(struct supervisor *s, enum module m)
{
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        if (s->children[i].module == m)
            return &s->children[i];
    return NULL;
}

/* Passes a module's message on. Hints to a full or absent module are dropped, answers wait a
 * moment. */
static void pass_on(struct supervisor *s, const struct ipc_msg *m)
{
    struct child *to = child_of(s, m->to);

    for (int i = 0; to && to->link >= 0 && i < 50; i++) {
        struct pollfd p = { .fd = to->link, .events = POLLOUT };

        if (ipc_send_fd(to->link, m) != E_FULL || m->type == IPC_MAILBOX)
            return;
        poll(&p, 1, 10);
    }
}

static void answer(struct supervisor *s, struct child *c, const struct ipc_msg *m)
{
    json_t *reply = services_request(&s->services, c->module, m->payload);
    char *text = json_dumps(reply, JSON_COMPACT);
    struct ipc_msg out = { .type = IPC_REPLY,
                           .from = MOD_SUPERVISOR,
                           .to = c->module,
                           .id = m->id,
                           .payload = sv_c(text ? text : "{}") };

    pass_on(s, &out);
    free(text);
    json_decref(reply);
}

static void on_link(struct supervisor *s, struct child *c)
{
    struct ipc_msg m;

    while (c->link >= 0 && ipc_recv_fd(c->link, s->buffer, IPC_MAX_PAYLOAD + 64, &m) > 0) {
        m.from = c->module; /* whatever the sender claims */
        switch (m.type) {
        case IPC_READY:
            c->ready = true;
            break;
        case IPC_HEARTBEAT:
            break;
        case IPC_RELOAD: /* control has changed a setting: run() looks at once */
            s->reload_ms = 0;
            break;
        case IPC_DRAIN:
        case IPC_MAILBOX:
        case IPC_REQUEST:
        case IPC_REPLY:
            if (m.type == IPC_REQUEST && m.to == MOD_SUPERVISOR)
                answer(s, c, &m);
            else
                pass_on(s, &m);
            break;
        case IPC_LISTEN: /* ours to send */
        case IPC_SERVICE:
        case IPC_TYPES:
            break;
        }
        c->beat_ms = clock_mono_ms();
    }
}

/* A module that has stopped answering is ended and, by that, started anew. */
static void watch(struct supervisor *s, struct child *c, int64_t now)
{
    int64_t allowed = c->ready ? s->heartbeat_max_ms : MAX(s->heartbeat_max_ms, START_MAX_MS);
    int signo = c->aborted_ms ? SIGKILL : SIGABRT;

    if (c->aborted_ms ? now - c->aborted_ms < ABORT_MS : now - c->beat_ms <= allowed)
        return;
    if (!c->aborted_ms)
        log_error("module %s (process %d) has not answered for %" PRId64 " s and is ended",
                  module_names[c->module], (int)c->pid, (now - c->beat_ms) / 1000);
    c->aborted_ms = now;
    as_root(s);
    kill(c->pid, signo);
    as_user(s);
}

static void check_children(struct supervisor *s)
{
    int64_t now = clock_mono_ms();
    bool all_ready = true;

    for (size_t i = 0; i < ARRAY_LEN(served); i++) {
        struct child *c = &s->children[i];

        if (!c->pid && c->restart_ms && now >= c->restart_ms && !s->stopping)
            start_child(s, c);
        if (c->pid && !s->stopping)
            watch(s, c, now);
        all_ready = all_ready && c->ready;
    }
    if (all_ready && !s->told_ready) {
        s->told_ready = true;
        os_sd_notify("READY=1");
        event(server_ready, log_here(), F_STR(version, POSTHORN_VERSION));
    }
}

static bool any_child(const struct supervisor *s)
{
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        if (s->children[i].pid)
            return true;
    return false;
}

static void kill_late(struct supervisor *s)
{
    as_root(s);
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        if (s->children[i].pid) {
            log_error("module %s did not finish within %d s and is ended",
                      module_names[s->children[i].module], DRAIN_MS / 1000);
            kill(s->children[i].pid, SIGKILL);
        }
    as_user(s);
    s->stop_deadline_ms = clock_mono_ms() + 5000;
}

static void run(struct supervisor *s)
{
    while (!s->stopping || any_child(s)) {
        struct pollfd p[1 + ARRAY_LEN(served)] = { { .fd = s->signal_fd, .events = POLLIN } };

        for (size_t i = 0; i < ARRAY_LEN(served); i++)
            p[1 + i] = (struct pollfd){ .fd = s->children[i].link, .events = POLLIN };
        if (poll(p, ARRAY_LEN(p), TICK_MS) < 0 && errno != EINTR)
            panic("poll: %s", strerror(errno));
        for (size_t i = 0; i < ARRAY_LEN(served); i++)
            if (p[1 + i].revents)
                on_link(s, &s->children[i]);
        if (p[0].revents)
            on_signal(s);
        /* A closed link of a process that still runs would spin: SIGCHLD follows, wait for that. */
        for (size_t i = 0; i < ARRAY_LEN(served); i++)
            if (p[1 + i].revents & (POLLHUP | POLLERR) && !(p[1 + i].revents & POLLIN)) {
                closep(&s->children[i].link);
                s->children[i].link = -1;
            }
        catch_up(s);
        check_children(s);
        check_runner(s);
        services_tick(&s->services);
        event_tick();
        if (s->stopping)
            stop_others(s);
        if (s->stopping && clock_mono_ms() > s->stop_deadline_ms)
            kill_late(s);
    }
}

/* Ours, and the memory of the modules' events. */
static int start_events(struct supervisor *s, struct errinfo *ei)
{
    int r = event_start(s->boot.data, MOD_SUPERVISOR, -1, ei);
    for (size_t i = 0; i < ARRAY_LEN(served) && r >= 0; i++)
        r = event_memory_new(&s->children[i].events_fd, ei);
    return r;
}

static int open_signals(struct errinfo *ei)
{
    static const int which[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT };
    sigset_t set;
    int fd;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(which); i++)
        sigaddset(&set, which[i]);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread: all inherit it */
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_set_errno(ei, -errno, "signalfd") : fd;
}

/* After a supervisor's violent end its modules finish by themselves, which takes a moment: until
 * then they have the ports and the queue. */
static int wait_for_orphans(struct supervisor *s, struct errinfo *ei)
{
    _cleanup_(freep) char *path = boot_path(&s->boot, "run/modules");
    int64_t until = clock_mono_ms() + ORPHANS_MS;
    int r;

    while ((r = os_lock_file(path, &s->modules_fd, ei)) == E_CONFLICT && clock_mono_ms() < until)
        poll(NULL, 0, 20);
    if (r == E_CONFLICT)
        return err_set(ei, r,
                       "modules of a server that was killed still use %s; end them (pgrep -f "
                       "'posthorn module')",
                       s->boot.data);
    return r;
}

static int start(struct supervisor *s, const struct supervisor_opts *o, struct errinfo *ei)
{
    _cleanup_(freep) char *lock = NULL, *control = NULL;
    const char *user = o->user && *o->user ? o->user : "posthorn";
    int r = open_signals(ei);

    if (r < 0)
        return r;
    s->signal_fd = r;
    os_raise_nofile();
    if (geteuid() == 0 &&
        ((r = boot_give_data(o->data, user, ei)) < 0 || (r = become_user(s, user, ei)) < 0))
        return r;
    r = boot_init(&s->boot, o->data, o->dsn, ei);
    if (r < 0)
        return r;
    if (s->root) {
        free(s->boot.user);
        s->boot.user = xstrdup(user);
    }
    lock = boot_path(&s->boot, "run/lock");
    control = boot_path(&s->boot, "run/control.sock");
    r = data_lock(lock, control, s->signal_fd, &s->lock_fd, ei);
    if (r == E_CONFLICT)
        return err_set(ei, r,
                       "%s: another posthorn serves this data directory, or a tool is changing it",
                       s->boot.data);
    if (r < 0 || (r = wait_for_orphans(s, ei)) < 0 ||
        (r = boot_open_db(&s->boot, &s->db, ei)) < 0 || (r = start_logs(s, ei)) < 0 ||
        (r = ensure_certificate(s, ei)) < 0 || (r = shm_create(&s->shm_fd, &s->shm, ei)) < 0)
        return r;
    shm_use(s->shm, MOD_SUPERVISOR);
    applied_set(epoch_get(EPOCH_SETTINGS));
    if ((r = start_events(s, ei)) < 0 || (r = runner_child_init(&s->runner, o->commands, ei)) < 0)
        return r;
    configure_runner(s);
    return bind_all(s, ei);
}

static void finish(struct supervisor *s)
{
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        listeners_close(&s->children[i].listeners);
    runner_child_stop(&s->runner);
    event_stop();
    log_flush();
    log_attach(-1);
    if (s->sink)
        log_sink_free(s->sink);
    if (s->db)
        db_close(s->db);
    boot_done(&s->boot);
    free(s->buffer);
}

static int64_t heartbeat_max_ms(void)
{
    const char *text = getenv("POSTHORN_WATCHDOG_MS"); /* for tests */
    int64_t ms;

    return text && sv_to_i64(sv_c(text), &ms) == 0 && ms > 0 ? ms : HEARTBEAT_MAX_MS;
}

int supervisor_main(const struct supervisor_opts *o)
{
    struct supervisor s = { .shm_fd = -1,
                            .signal_fd = -1,
                            .lock_fd = -1,
                            .modules_fd = -1,
                            .runner = { .life = -1, .link = { -1, -1 } },
                            .heartbeat_max_ms = heartbeat_max_ms() };
    struct errinfo ei = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        s.children[i] = (struct child){ .module = served[i], .link = -1, .events_fd = -1 };
    s.services = (struct services){
        .children = s.children, .n = ARRAY_LEN(served), .privileged = privileged, .arg = &s
    };
    if (start(&s, o, &ei) < 0) {
        fprintf(stderr, "posthorn: %s\n", ei.text);
        if (s.sink)
            log_error("%s", ei.text);
        finish(&s);
        return 1;
    }
    s.buffer = xmalloc(IPC_MAX_PAYLOAD + 64);
    check_runner(&s);
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        start_child(&s, &s.children[i]);
    if (!o->quiet) {
        printf("Posthorn %s serves %s\n", POSTHORN_VERSION, s.boot.data);
        fflush(stdout);
    }
    run(&s);
    finish(&s);
    return 0;
}
