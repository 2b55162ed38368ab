/* A FETCH in progress: what is asked for, where it is, the rows read ahead, the file of the current
 * message. */
#pragma once

#include "proto/imap_fetch.h"
#include "server/imap/imap_priv.h"
#include "server/imap/msg_file.h"

struct fetch_row {
    uint32_t index;
    uint64_t key;
    int64_t date_s;
    size_t envelope, body, structure, end; /* offsets in the texts */
};

/* Octets that are being sent: memory that lives as long as the message, or a file range. */
struct source {
    const char *p;
    int fd;
    uint64_t off, left;
};

struct fetch_job {
    struct job j;
    const struct snap *snap;
    struct imap_fetch what;
    struct index_set set;
    const uint32_t *seen; /* uids that this command has made \Seen: sorted */
    size_t n_seen, seen_at;
    unsigned row_fields; /* MSG_*; 0 = the snapshot knows all */
    struct set_iter it;
    struct fetch_row *rows; /* read ahead */
    size_t n_rows, row;
    struct buf texts;
    uint32_t index; /* the current message */
    unsigned piece; /* 0 = none is begun */
    bool first;
    bool missing; /* a message was gone */
    int err;      /* of a query */
    struct source src;
    struct msg_file file; /* of the current message */
    struct buf fields;    /* header fields of the current section */
};

int fetch_step(struct job *j, struct buf *out);
void fetch_done(struct job *j);

/* fetch_body.c */
/* Writes " {n}CRLF" or NIL and sets the source. Negative: the file cannot be read. */
int fetch_section(struct fetch_job *f, const struct imap_section *s, struct buf *out);
/* Moves octets from the source; negative: the file cannot be read. */
int fetch_pump(struct fetch_job *f, struct buf *out, size_t room);
