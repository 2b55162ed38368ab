/* What a command writes (docs/commands.md):
 *     posthorn 1
 *     reply 550 5.7.1 This is not wanted here
 *     reason Looks like a newsletter
 *     add-header X-Score: 7.3
 * Pure. Output whose first line is not "posthorn 1" is any program's: its first line is the
 * reason. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum {
    COMMAND_MAX_OUTPUT = 64 * 1024, /* who writes more is ended */
    COMMAND_MAX_ERRORS = 1024,      /* what is kept of its error output */
    COMMAND_MAX_EDITS = 200,
};

enum command_edit_kind { COMMAND_ADD_HEADER, COMMAND_SET_HEADER, COMMAND_REMOVE_HEADER };
struct command_edit {
    enum command_edit_kind kind;
    struct sv name, value; /* value: UTF-8 without control characters */
};

struct command_output { /* slices point into the output */
    struct sv reply;    /* "550 5.7.1 text"; n == 0: none */
    struct sv reason;
    size_t n_edits;
    struct command_edit edits[COMMAND_MAX_EDITS];
};
/* E_PARSE names the line. */
int command_parse_output(struct sv text, struct command_output *ret, struct errinfo *ei);
