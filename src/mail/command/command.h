/* Commands: programs that are run on a message (docs/commands.md). They run in a process of their
 * own, which outlives no run and knows nothing of mail (proc/runner.h); this room asks it. ADR
 * 0027. */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "conf/commands.h"
#include "mail/command/output.h"

struct commands;
/* link: where the process that runs them takes connections from; -1: there is none. Taken. */
struct commands *commands_new(int link);
void commands_free(struct commands *c); /* when nobody asks any more; may be NULL */

struct command_ask {
    const struct conf_command *conf;
    unsigned at_once;          /* commands that may run at the same time, of all askers */
    struct sv env;             /* "NAME=value", each ended by NUL */
    int message;               /* open for reading, at its begin; not taken */
    const atomic_bool *cancel; /* set: the wait ends soon; or NULL */
};

struct command_answer {
    enum command_verdict verdict; /* never COMMAND_FAILED */
    struct command_output output;
    char *text; /* holds it */
};

/* Runs one command and waits for its verdict, at most as long as it is given. Any thread; blocks.
 * Negative, with a sentence about the command: it has not done its work. E_CANCELLED. */
int command_run(struct commands *c, const struct command_ask *a, struct command_answer *ret,
                struct errinfo *ei);
void command_answer_done(struct command_answer *a);
