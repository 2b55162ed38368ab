/* One module process as the supervisor sees it. Supervisor's main thread only. */
#pragma once

#include "ipc/ipc.h"
#include "log/sink.h"
#include "proc/boot.h"
#include "proc/listeners.h"

struct child {
    enum module module;
    pid_t pid; /* 0 = not running */
    int link;  /* our end of the ipc socket, -1 */
    bool ready, draining;
    int64_t started_ms, beat_ms,
        restart_ms; /* monotonic; restart_ms: when to start again, 0 = not waiting */
    int64_t backoff_ms;
    int events_fd;      /* memory of its events, which outlives it */
    int64_t aborted_ms; /* when it was told to end because it did not answer, 0 = it was not */
    struct listeners listeners; /* stay open over restarts: nobody is refused meanwhile */
};

struct child_env {
    const struct boot *boot;
    struct log_sink *sink;
    int shm_fd;
    int forward_fd;  /* lines for the syslog server, for module control */
    int commands_fd; /* where commands are ordered, for module smtp */
    int modules_fd;  /* a locked file: stays locked until the last module has ended */
};
/* Forks and executes this program in the module's role. Needs the privilege to switch users when
 * boot->user is set. */
int child_start(struct child *c, const struct child_env *env, struct errinfo *ei);
/* After waitpid: says why in the error log, frees the link, plans the restart with growing
 * back-off. */
void child_ended(struct child *c, int wait_status);
void child_send(struct child *c, enum ipc_type type);

/* The environment with name=value in front, and without what is for us alone. */
char **child_environment(const char *name, const char *value);
void child_environment_free(char **e);
/* Between fork and exec of this program (async-signal-safe calls only): a session of its own, and
 * the descriptors that it inherits. */
_noreturn_ void child_exec(char *const *argv, char *const *envp, const int *keep, size_t n_keep);
