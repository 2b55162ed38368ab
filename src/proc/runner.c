#include "proc/runner.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/packet.h"
#include "os/proc.h"
#include "os/sandbox.h"

enum { MAX_JOBS = 256 }; /* further orders wait in the socket, up to their deadlines */

struct runner {
    struct runner_conf conf;
    int link, life, signals;
    unsigned jobs;
};

static int inherit(struct runner *r, char **ret_user, struct errinfo *ei)
{
    const char *text = getenv("POSTHORN_RUNNER"), *user, *dir;
    json_int_t owner;
    json_error_t je;
    json_t *j = text ? json_loads(text, 0, &je) : NULL;
    int own_user;
    int e = json_unpack(j, "{s:i, s:i, s:s, s:s, s:I, s:b}", "link", &r->link, "life", &r->life,
                        "user", &user, "dir", &dir, "owner", &owner, "own_user", &own_user);
    if (e == 0) {
        r->conf = (struct runner_conf){
            .dir = xstrdup(dir),
            .owner = (uid_t)owner,
            .own_user = own_user,
        };
        *ret_user = xstrdup(user);
    }
    json_decref(j);
    return e == 0 ? 0 : err_set(ei, E_PARSE, "it is started by `posthorn serve`, not by hand");
}

static int open_signals(struct errinfo *ei)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_set_errno(ei, -errno, "signalfd") : fd;
}

static int begin(struct runner *r, struct errinfo *ei)
{
    _cleanup_(freep) char *user = NULL;
    const struct rlimit none = { 0, 0 };
    int e = inherit(r, &user, ei);
    if (e < 0)
        return e;
    os_set_cloexec(r->link, true);
    os_set_cloexec(r->life, true);
    if (*user && (e = os_drop_privileges(user, ei)) < 0)
        return e;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0); /* commands have the same user */
    r->signals = open_signals(ei);
    return r->signals < 0 ? r->signals : os_sandbox(true, ei);
}

/* One order, in a process that ends with it: what goes wrong there goes wrong for one message. */
static void start_job(struct runner *r, int sock)
{
    pid_t self = getpid(), pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != self)
            _exit(0);
        closep(&r->link);
        closep(&r->life);
        runner_job(&r->conf, sock, r->signals);
    }
    if (pid > 0)
        r->jobs++;
    close(sock); /* without a process its other end sees the end */
}

/* False: who orders has shut the link down. */
static bool take_order(struct runner *r)
{
    char byte;
    int sock;
    ssize_t n = os_recv_packet(r->link, &byte, 1, &sock);
    if (n > 0 && sock >= 0)
        start_job(r, sock);
    else
        closep(&sock);
    return n > 0 || n == -EAGAIN;
}

/* True: told to end. */
static bool take_signals(struct runner *r)
{
    struct signalfd_siginfo si;
    bool end = false;
    while (read(r->signals, &si, sizeof(si)) == sizeof(si))
        end |= si.ssi_signo != SIGCHLD;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        r->jobs--;
    return end;
}

int runner_main(void)
{
    struct runner r = { .link = -1, .life = -1, .signals = -1 };
    struct errinfo ei = { 0 };
    if (begin(&r, &ei) < 0) {
        fprintf(stderr, "posthorn: the process for commands cannot start: %s\n", ei.text);
        return 1;
    }
    for (;;) {
        struct pollfd p[3] = {
            { .fd = r.signals, .events = POLLIN },
            { .fd = r.life, .events = POLLIN },
            { .fd = r.jobs < MAX_JOBS ? r.link : -1, .events = POLLIN },
        };
        if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
            panic("poll: %s", strerror(errno));
        if (p[1].revents || (p[0].revents && take_signals(&r)))
            break;
        if (p[2].revents && !take_order(&r))
            break;
    }
    free(r.conf.dir);
    return 0; /* jobs get SIGTERM by it */
}
