/* Shared by the files of the room: the record on the pipe and the way of a line to it. */
#pragma once

#include "base/buf.h"
#include "log/log.h"

enum {
    LOG_RECORD_MAX = 256 * 1024, /* text of one record; continuation lines included */
    LOG_RECORD_MAGIC = 0xa5,
    LOG_CACHE_MAX = 64 * 1024 * 1024,
};

/* In front of each text on the pipe. The text ends with '\n'. */
struct log_record {
    uint32_t n;   /* bytes of text */
    uint32_t ymd; /* local date of the line: 20261121 */
    uint8_t type; /* enum log_type */
    uint8_t magic;
    uint8_t unused[2];
};

/* Hands a complete text to the pipe, the capture or stderr. */
void log_submit(enum log_type t, uint32_t ymd, struct sv text);
uint32_t log_ymd(int64_t wall_s);
