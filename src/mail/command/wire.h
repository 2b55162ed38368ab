/* Between who wants a command run and the process that runs it, over a connection of packets that
 * is made for each run. Both ends are the same program on the same machine. Pure.
 *     order     with the message as descriptor; its file position is where it begins
 *     taken     one byte: the order has been read
 *     result    when the command has ended, or was ended */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { COMMAND_MAX_ORDER = 128 * 1024, COMMAND_MAX_RESULT = 80 * 1024 };

struct command_order {
    int64_t deadline_ms; /* clock_mono_ms */
    int64_t memory_bytes;
    struct sv name;
    struct sv env; /* "NAME=value", each ended by NUL */
};

enum command_end {
    COMMAND_EXITED,      /* code: its status */
    COMMAND_SIGNALLED,   /* code: the signal */
    COMMAND_TOO_LATE,    /* was ended at the deadline */
    COMMAND_TOO_LOUD,    /* was ended because of what it wrote */
    COMMAND_NOT_STARTED, /* errors says why */
    COMMAND_ENDS
};

struct command_result {
    enum command_end end;
    int code;
    struct sv output, errors;
};

/* -ENOMEM: longer than COMMAND_MAX_ORDER. */
int command_put_order(const struct command_order *o, struct buf *out);
void command_put_result(const struct command_result *r, struct buf *out);
/* E_PARSE. Slices point into packet. */
int command_parse_order(struct sv packet, struct command_order *ret);
int command_parse_result(struct sv packet, struct command_result *ret);
