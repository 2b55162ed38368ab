/* Lines of the text logs: found by day, time of day and text. Blocks on the disk; memory for one
 * line and one read. */
#pragma once

#include "base/sv.h"
#include "log/names.h"

/* Of "<source padded> [<4 hex>] <hh:mm:ss> <text>", or in the session view's form with 8 hex and a
 * full date. The source may be empty; a continuation has text only. */
struct log_row {
    struct sv source, session, time, text;
};
/* Pure. False: a continuation line; text is all of it. */
bool log_row_parse(struct sv line, struct log_row *ret);

struct log_search {
    const char *dir; /* of the logs */
    enum log_type type;
    uint32_t ymd;
    struct sv from, to; /* "hh:mm:ss"; p == NULL = open */
    const char *filter; /* texts with ; between them, all must be there; - in front = not */
    unsigned nn;        /* file and offset to begin at */
    uint64_t offset;
    uint64_t at;       /* result: where in file nn the line begins that fn was given last */
    size_t max;        /* lines */
    int64_t budget_ms; /* stops after this time, to go on from where it was */
};
/* Calls fn for each line that fits, with where the line behind it begins. 1 = there may be more
 * behind (s->nn, s->offset), 0 = the end of the day; -errno. */
int log_search(struct log_search *s, void (*fn)(void *arg, struct sv line), void *arg);
/* Moves a place (s->nn, s->offset), which is the begin of a line, back by as many lines of its day,
 * or as there are within BACK_BYTES. Returns how many; E_NOTFOUND: no line begins there; -errno. */
int log_back(struct log_search *s, unsigned lines);

struct log_file {
    uint32_t ymd;
    unsigned nn;
    uint64_t size;
    bool current; /* lines may still come */
    char name[40];
};
/* The files of a log, the newest first: *ret is to be freed. today: yyyymmdd. */
int log_list_files(const char *dir, enum log_type t, uint32_t today, struct log_file **ret,
                   size_t *ret_n);
/* Calls fn for each day that has files: their number and bytes. The newest first. */
int log_days(const char *dir, enum log_type t,
             void (*fn)(void *arg, uint32_t ymd, unsigned files, uint64_t bytes), void *arg);
