/* The process that runs commands (mail/command/command.h): `posthorn module commands`. It has no
 * settings, no database and no logs: orders come with all that a run needs. The supervisor starts
 * it while commands are set, as a user of its own, and ends it by closing its end of `life`.
 * ADR 0027. */
#pragma once

#include "base/base.h"

struct runner_conf {
    char *dir;     /* where commands are */
    uid_t owner;   /* besides root, who may own them */
    bool own_user; /* it runs as a user that does nothing else */
};

/* Runs until the supervisor is gone or wants it to end; the exit status. */
int runner_main(void);

/* In a process of its own, a child of the runner's: takes one order from sock, runs the command,
 * ends all processes that it leaves behind. signals: a signalfd for SIGCHLD and SIGTERM. */
_noreturn_ void runner_job(const struct runner_conf *conf, int sock, int signals);
