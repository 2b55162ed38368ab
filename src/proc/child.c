/* Starting and burying module processes. The child gets its link, its log pipe, the shared memory
 * and its listening sockets as inherited descriptors, named by a JSON text in POSTHORN_MODULE. */
#include "proc/child.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "os/proc.h"

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MAX_MS   60000
#define STABLE_MS        60000 /* a module that ran this long starts over with the shortest wait */

static json_t *describe_listeners(const struct listeners *l)
{
    json_t *a = json_array();

    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].fd >= 0)
            json_array_append_new(a, json_pack("{s:i, s:i, s:s}", "fd", l->v[i].fd, "def",
                                               (int)l->v[i].def, "addr", l->v[i].addr));
    return a;
}

void child_exec(char *const *argv, char *const *envp, const int *keep, size_t n_keep)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Equal real and effective ids: otherwise the loader takes the program for a set-id one. */
    if (setegid(getgid()) < 0 || seteuid(getuid()) < 0)
        _exit(126);
    setsid(); /* Ctrl-C in the terminal is for the supervisor, who then drains the modules */
    for (size_t i = 0; i < n_keep; i++)
        fcntl(keep[i], F_SETFD, 0);
    execve("/proc/self/exe", argv, envp);
    _exit(127);
}

char **child_environment(const char *name, const char *value)
{
    extern char **environ;
    size_t n = 0, k = 0;
    char **e;

    while (environ[n])
        n++;
    e = xcalloc(n + 2, sizeof(*e));
    e[k++] = xasprintf("%s=%s", name, value);
    for (size_t i = 0; i < n; i++)
        if (!sv_starts(sv_c(environ[i]), SV("POSTHORN_MODULE=")) &&
            !sv_starts(sv_c(environ[i]), SV("NOTIFY_SOCKET=")))
            e[k++] = environ[i];
    return e;
}

void child_environment_free(char **e)
{
    free(e[0]);
    free(e);
}

int child_start(struct child *c, const struct child_env *env, struct errinfo *ei)
{
    int link[2] = { -1, -1 }, pipefd[2] = { -1, -1 };
    char *argv[] = { (char *)"posthorn", (char *)"module", (char *)module_names[c->module], NULL };
    int *keep = xcalloc(c->listeners.n + 7, sizeof(*keep));
    int forward_fd = c->module == MOD_CONTROL ? env->forward_fd : -1;
    int commands_fd = c->module == MOD_SMTP ? env->commands_fd : -1;
    size_t n_keep = 0;
    json_t *j;
    char *text;
    char **envp;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0 ||
        pipe2(pipefd, O_CLOEXEC) < 0) {
        int r = err_set_errno(ei, -errno, "module %s: link", module_names[c->module]);

        closep(&link[0]);
        closep(&link[1]);
        free(keep);
        return r;
    }
    fcntl(pipefd[1], F_SETPIPE_SZ, 1 << 20);
    j = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:o}", "ipc", link[1], "log",
                  pipefd[1], "shm", env->shm_fd, "events", c->events_fd, "lock", env->modules_fd,
                  "forward", forward_fd, "commands", commands_fd, "data", env->boot->data, "dsn",
                  env->boot->dsn, "user", env->boot->user, "listen",
                  describe_listeners(&c->listeners));
    text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    envp = child_environment("POSTHORN_MODULE", text);
    keep[n_keep++] = link[1];
    keep[n_keep++] = pipefd[1];
    keep[n_keep++] = env->shm_fd;
    keep[n_keep++] = env->modules_fd;
    keep[n_keep++] = c->events_fd;
    if (forward_fd >= 0)
        keep[n_keep++] = forward_fd;
    if (commands_fd >= 0)
        keep[n_keep++] = commands_fd;
    for (size_t i = 0; i < c->listeners.n; i++)
        if (c->listeners.v[i].fd >= 0)
            keep[n_keep++] = c->listeners.v[i].fd;
    pid = fork();
    if (pid == 0)
        child_exec(argv, envp, keep, n_keep);
    child_environment_free(envp);
    free(text);
    free(keep);
    close(link[1]);
    close(pipefd[1]);
    if (pid < 0) {
        int r = err_set_errno(ei, -errno, "module %s: fork", module_names[c->module]);

        close(link[0]);
        close(pipefd[0]);
        return r;
    }
    log_sink_add_pipe(env->sink, pipefd[0]);
    for (size_t i = 0; i < c->listeners.n; i++)
        c->listeners.v[i].given = c->listeners.v[i].fd >= 0;
    c->pid = pid;
    c->link = link[0];
    c->ready = c->draining = false;
    c->restart_ms = c->aborted_ms = 0;
    c->started_ms = c->beat_ms = clock_mono_ms();
    return 0;
}

void child_ended(struct child *c, int status)
{
    int64_t ran = clock_mono_ms() - c->started_ms;
    pid_t pid = c->pid;

    closep(&c->link);
    c->link = -1;
    c->pid = 0;
    c->ready = false;
    if (c->draining) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            log_error("module %s (process %d) %s %d while it finished", module_names[c->module],
                      (int)pid, WIFSIGNALED(status) ? "was ended by signal" : "ended with status",
                      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return;
    }
    c->backoff_ms = !c->backoff_ms || ran > STABLE_MS ? BACKOFF_FIRST_MS
                                                      : MIN(c->backoff_ms * 2, BACKOFF_MAX_MS);
    c->restart_ms = clock_mono_ms() + c->backoff_ms;
    if (WIFSIGNALED(status))
        log_error("module %s (process %d) was ended by signal %d (%s) after %" PRId64
                  " s; it starts again in %" PRId64 " ms",
                  module_names[c->module], (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)),
                  ran / 1000, c->backoff_ms);
    else if (WEXITSTATUS(status) != 0)
        log_error("module %s (process %d) ended with status %d after %" PRId64
                  " s; it starts again in %" PRId64 " ms",
                  module_names[c->module], (int)pid, WEXITSTATUS(status), ran / 1000,
                  c->backoff_ms);
}

void child_send(struct child *c, enum ipc_type type)
{
    struct ipc_msg m = { .type = type, .from = MOD_SUPERVISOR, .to = c->module };

    if (c->link >= 0)
        ipc_send_fd(c->link, &m);
}
