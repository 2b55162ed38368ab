/* The supervisor: binds, starts, watches, restarts the modules; owns the log files. */
#pragma once

#include "base/base.h"

struct supervisor_opts {
    const char *data, *dsn, *user; /* NULL = default */
    const char *commands;          /* directory of commands (smtp.commands); NULL = default */
    bool quiet;                    /* no start message on stdout */
};
int supervisor_main(const struct supervisor_opts *o); /* exit status */
