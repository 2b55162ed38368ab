/* One run of a command. The process that watches it is the parent of all that it leaves behind
 * (PR_SET_CHILD_SUBREAPER), so that none of it outlives the run, whatever session or group it has
 * put itself into. */
#include "proc/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sv.h"
#include "mail/command/output.h"
#include "mail/command/wire.h"
#include "os/file.h"
#include "os/packet.h"
#include "os/proc.h"

enum {
    ORDER_MS = 5000,
    KILL_MS = 5000, /* for what was killed to end */
    MAX_ENV = 40,
    MAX_PROCESSES = 512, /* of the user, all commands together */
    MAX_FILES = 1024,
    CPU_SPARE_S = 5,
};
#define MAX_FILE_BYTES ((rlim_t)1024 * MiB)

struct job {
    const struct runner_conf *conf;
    int sock, signals;
    char *packet; /* order points into it */
    struct command_order order;
    int message;
    int out, err; /* our ends of its pipes, -1: at their end */
    pid_t pid;
    bool ended;
    int status;
    struct buf output, errors;
    struct command_result result;
};

/* --- the order --- */

static bool take_order(struct job *j)
{
    struct pollfd p = { .fd = j->sock, .events = POLLIN };
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    if (poll(&p, 1, ORDER_MS) <= 0)
        return false;
    j->packet = xmalloc(COMMAND_MAX_ORDER);
    ssize_t n = os_recv_packet(j->sock, j->packet, COMMAND_MAX_ORDER, &j->message);
    return n > 0 && j->message >= 0 &&
           command_parse_order(sv_n(j->packet, (size_t)n), &j->order) == 0 &&
           os_send_packet(j->sock, &iov, 1, -1) == 0;
}

static void say(struct job *j, const char *fmt, ...) _printf_(2, 3);
static void say(struct job *j, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)buf_vaddf(&j->errors, fmt, ap);
    va_end(ap);
}

static bool trusted(const struct job *j, const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == j->conf->owner) && !(st->st_mode & 022);
}

/* Whoever could change the file could run what he likes. */
static bool check_file(struct job *j, const char *path)
{
    struct stat dir, file;
    if (stat(j->conf->dir, &dir) < 0)
        say(j, "%s: %s", j->conf->dir, strerror(errno));
    else if (!trusted(j, &dir))
        say(j, "%s must belong to root, and only root may write there", j->conf->dir);
    else if (stat(path, &file) < 0)
        say(j, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(file.st_mode) || !trusted(j, &file))
        say(j, "%s must be a file of root's that only root may write", path);
    else
        return true;
    return false;
}

/* --- the command --- */

static void limit(int what, rlim_t n)
{
    struct rlimit l;
    if (getrlimit(what, &l) < 0)
        return;
    l.rlim_cur = l.rlim_max = MIN(n, l.rlim_max);
    (void)setrlimit(what, &l);
}

static void set_limits(const struct job *j)
{
    int64_t ms = MAX(j->order.deadline_ms - clock_mono_ms(), 0);
    limit(RLIMIT_CPU, (rlim_t)ms / 1000 + CPU_SPARE_S);
    limit(RLIMIT_FSIZE, MAX_FILE_BYTES);
    limit(RLIMIT_NOFILE, MAX_FILES);
    if (j->conf->own_user)
        limit(RLIMIT_NPROC, MAX_PROCESSES);
    limit(RLIMIT_AS, (rlim_t)j->order.memory_bytes); /* last: nothing is allocated any more */
}

/* Only what tells of the message is taken from the order: who has taken over the process that wrote
 * it shall not say what the loader loads. */
static char **make_env(const struct job *j)
{
    static const char *const fixed[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "HOME=/",
    };
    char **env = xcalloc(MAX_ENV + ARRAY_LEN(fixed) + 1, sizeof(*env));
    size_t n = 0;
    for (; n < ARRAY_LEN(fixed); n++)
        env[n] = (char *)fixed[n];
    for (struct sv rest = j->order.env; rest.n && n < MAX_ENV;) {
        char *text = (char *)rest.p;
        rest = sv_skip(rest, strlen(text) + 1);
        if (sv_starts(sv_c(text), SV("POSTHORN_")))
            env[n++] = text;
    }
    return env;
}

/* In the child. Everything but its three descriptors closes itself. */
static _noreturn_ void become(const struct job *j, pid_t parent, const char *path, char *name,
                              char **env, int out, int err)
{
    char *argv[] = { name, NULL };
    sigset_t none;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    (void)setsid();
    (void)signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(077);
    if (chdir("/") < 0 || dup2(j->message, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    set_limits(j);
    execve(path, argv, env);
    const char *why = strerror(errno);
    (void)!write(2, "cannot be run: ", 15);
    (void)!write(2, why, strlen(why));
    _exit(127);
}

static bool start_command(struct job *j)
{
    _cleanup_(freep) char *name = sv_dup(j->order.name);
    _cleanup_(freep) char *path = xasprintf("%s/%s", j->conf->dir, name);
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };
    if (strchr(name, '/') || name[0] == '.' || !check_file(j, path))
        return false;
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
        say(j, "pipe: %s", strerror(errno));
        return false;
    }
    char **env = make_env(j);
    pid_t self = getpid();
    j->pid = fork();
    if (j->pid == 0)
        become(j, self, path, name, env, out[1], err[1]);
    free(env);
    close(out[1]);
    close(err[1]);
    j->out = out[0];
    j->err = err[0];
    os_set_nonblock(j->out, true);
    os_set_nonblock(j->err, true);
    if (j->pid < 0)
        say(j, "fork: %s", strerror(errno));
    return j->pid > 0;
}

/* --- while it runs --- */

/* What there is. What does not fit into b is lost, and b->overflow tells. */
static void drain(int *fd, struct buf *b)
{
    char tmp[4096];
    for (int i = 0; i < 64 && *fd >= 0; i++) { /* then the deadline is looked at again */
        ssize_t n = read(*fd, tmp, sizeof(tmp));
        if (n == 0) {
            close(take_fd(fd));
            return;
        }
        if (n < 0)
            return;
        (void)buf_add_sv(b, sv_take(sv_n(tmp, (size_t)n), b->max - b->n));
        b->overflow |= b->n == b->max;
    }
}

/* False: the run is to end, told by the runner's end. */
static bool take_signals(struct job *j)
{
    struct signalfd_siginfo si;
    bool go_on = true;
    int status;
    pid_t pid;
    while (read(j->signals, &si, sizeof(si)) == sizeof(si))
        go_on &= si.ssi_signo == SIGCHLD;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == j->pid) {
            j->ended = true;
            j->status = status;
        }
    return go_on;
}

/* True: there is somebody to tell how it ended. */
static bool watch(struct job *j)
{
    while (!j->ended) {
        int64_t left = j->order.deadline_ms - clock_mono_ms();
        struct pollfd p[4] = {
            { .fd = j->sock, .events = POLLIN },
            { .fd = j->signals, .events = POLLIN },
            { .fd = j->out, .events = POLLIN },
            { .fd = j->err, .events = POLLIN },
        };
        if (left <= 0) {
            j->result.end = COMMAND_TOO_LATE;
            return true;
        }
        if (poll(p, ARRAY_LEN(p), (int)MIN(left, (int64_t)60000)) < 0 && errno != EINTR)
            return false;
        if (p[0].revents || (p[1].revents && !take_signals(j)))
            return false;
        drain(&j->out, &j->output);
        drain(&j->err, &j->errors);
        if (j->output.overflow) {
            j->result.end = COMMAND_TOO_LOUD;
            return true;
        }
    }
    drain(&j->out, &j->output);
    drain(&j->err, &j->errors);
    j->result.end = j->output.overflow     ? COMMAND_TOO_LOUD
                    : WIFEXITED(j->status) ? COMMAND_EXITED
                                           : COMMAND_SIGNALLED;
    j->result.code = WIFEXITED(j->status) ? WEXITSTATUS(j->status) : WTERMSIG(j->status);
    return true;
}

/* --- its end --- */

/* Our children now, among them those of children that have ended. False: the kernel does not
 * tell. */
static bool kill_children(void)
{
    char path[64];
    struct buf b;
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    buf_init(&b, 64 * KiB);
    bool ok = os_read_file(path, &b, NULL) == 0;
    struct sv rest = buf_sv(&b);
    while (rest.n) {
        uint32_t pid;
        if (sv_to_u32(sv_trim(sv_split(&rest, ' ')), &pid) == 0 && pid > 1)
            (void)kill((pid_t)pid, SIGKILL);
    }
    buf_done(&b);
    return ok;
}

static void kill_all(const struct job *j)
{
    int64_t until = clock_mono_ms() + KILL_MS;
    if (j->pid > 0)
        (void)kill(-j->pid, SIGKILL);
    while (clock_mono_ms() < until) {
        bool known = kill_children();
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 || (pid == 0 && !known)) /* ECHILD: none is left */
            return;
        if (pid == 0)
            (void)poll(NULL, 0, 5);
    }
}

static void send_result(struct job *j)
{
    struct buf b;
    j->result.output = j->result.end == COMMAND_EXITED ? buf_sv(&j->output) : SV("");
    j->result.errors = buf_sv(&j->errors);
    buf_init(&b, COMMAND_MAX_RESULT);
    command_put_result(&j->result, &b);
    struct iovec iov = { b.p, b.n };
    (void)os_send_packet(j->sock, &iov, 1, -1);
    buf_done(&b);
}

void runner_job(const struct runner_conf *conf, int sock, int signals)
{
    struct job j = {
        .conf = conf, .sock = sock, .signals = signals, .message = -1, .out = -1, .err = -1
    };
    bool told = false;
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    buf_init(&j.output, COMMAND_MAX_OUTPUT);
    buf_init(&j.errors, COMMAND_MAX_ERRORS);
    if (take_order(&j)) {
        j.result.end = COMMAND_NOT_STARTED;
        told = !start_command(&j) || watch(&j);
    }
    kill_all(&j);
    if (told)
        send_result(&j);
    _exit(0);
}
