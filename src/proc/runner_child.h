/* The process that runs commands (runner.h) as the supervisor sees it. Its main thread only. */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

struct runner_child {
    char *dir;   /* where commands are; "" = the default */
    int link[2]; /* who wants commands run has [0], the process [1]; both stay open here, so that
                    orders wait while it starts anew */
    int life;    /* our end of what tells it that we are there, -1 */
    pid_t pid;   /* 0 = not running */
    bool wanted, stopping;
    int64_t started_ms, restart_ms, backoff_ms; /* monotonic */
};

/* Zeroed but for dir, which is copied; NULL: $POSTHORN_COMMANDS, else /etc/posthorn/commands. */
int runner_child_init(struct runner_child *r, const char *dir, struct errinfo *ei);
/* After settings were read: is it wanted? */
void runner_child_configure(struct runner_child *r, const struct conf *c);
/* Starts it when that is due. root: the server was started by root, and privileges are taken back;
 * server_user: whom the modules run as. */
bool runner_child_due(const struct runner_child *r);
void runner_child_start(struct runner_child *r, bool root, const char *server_user);
/* After waitpid. False: it was another process. */
bool runner_child_ended(struct runner_child *r, pid_t pid, int wait_status);
/* Tells it to end and waits a moment. */
void runner_child_stop(struct runner_child *r);
