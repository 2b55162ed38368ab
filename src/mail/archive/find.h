/* Looking into the archive: by plain reading of its folders, the newest first, by any process that
 * may read them. */
#pragma once

#include "base/buf.h"
#include "mail/archive/entry.h"

struct archive_row {
    const char *name;
    uint64_t size; /* of the message */
    struct entry entry;
    struct sv from, to, subject; /* of the header, decoded; "" */
};
struct archive_query {
    const char *dir;
    int64_t from_ms, to_ms; /* received, from <= t < to; 0 = open */
    struct sv id;           /* message id; p NULL = any */
    struct sv address;      /* part of sender, login or a recipient; NULL = any */
    struct sv subject;      /* part of it */
    const char *before;     /* only names that are less; NULL */
    size_t max_rows;
    size_t max_files;  /* so many are opened, and those of the same second */
    int64_t budget_ms; /* no further folder after this time */
    /* Rows that are wanted besides; NULL = all. */
    bool (*sees)(const struct archive_row *, void *arg);
    void (*row)(const struct archive_row *, void *arg);
    void *arg;
};
/* Newest first. next: what the next query has as `before`, "" at the end; it is the name of the
 * last row, or a time. A missing archive is empty. Files that are damaged are told to the log and
 * left out. */
int archive_find(const struct archive_query *q, char ret_next[ENTRY_NAME], struct errinfo *ei);

/* One message. E_NOTFOUND, E_CORRUPT. fn: with the row and a descriptor of its file; the message
 * begins at row->entry.length. Returns what fn returns. */
int archive_look(const char *dir, const char *name,
                 int (*fn)(const struct archive_row *, int fd, void *arg), void *arg,
                 struct errinfo *ei);

/* What is there. Messages and bytes (with their envelopes) are those of the newest days, counted
 * until max_files were looked at or the time was over; complete: of all. */
struct archive_sum {
    uint64_t days, messages, bytes;
    char first[11], last[11]; /* days: 2026-11-27; "" while there is none */
    bool complete;
};
/* A missing archive is empty. Any thread; blocks on the disk. */
int archive_sum(const char *dir, size_t max_files, int64_t budget_ms, struct archive_sum *ret,
                struct errinfo *ei);
