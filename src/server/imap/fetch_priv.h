/* A FETCH in progress: what is asked for, where it is, the rows read ahead, the file of the current
 * message. */
#pragma once

#include "proto/imap_fetch.h"
#include "proto/mime.h"
#include "server/imap/imap_priv.h"

/* Walks the indexes of a set in order. */
struct set_iter {
    const struct index_set *set;
    size_t r;
    uint32_t i;
};
static inline bool set_iter_end(const struct set_iter *it)
{
    return it->r >= it->set->n;
}
static inline void set_iter_next(struct set_iter *it)
{
    if (it->i < it->set->r[it->r].hi)
        it->i++;
    else if (++it->r < it->set->n)
        it->i = it->set->r[it->r].lo;
}
static inline struct set_iter set_iter_begin(const struct index_set *set)
{
    return (struct set_iter){ set, 0, set->n ? set->r[0].lo : 0 };
}
/* Last index of a span that is read with one range query: small gaps are read too and left out. */
uint32_t set_iter_span(const struct set_iter *it);

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

/* The file of the current message. */
struct fetch_file {
    int fd; /* -1 = none */
    uint64_t size;
    char *data; /* loaded: the first n octets */
    size_t n;
    bool mapped;
    struct arena arena;
    struct mime_part *root; /* parsed: all is loaded */
    struct buf fields;      /* of the current section */
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
    struct fetch_file file;
};

int fetch_step(struct job *j, struct buf *out);
void fetch_done(struct job *j);

/* fetch_body.c */
int fetch_file_open(struct fetch_job *f, uint64_t key); /* E_NOTFOUND and others */
void fetch_file_close(struct fetch_job *f);
/* Writes " {n}CRLF" or NIL and sets the source. Negative: the file cannot be read. */
int fetch_section(struct fetch_job *f, const struct imap_section *s, struct buf *out);
/* Moves octets from the source; negative: the file cannot be read. */
int fetch_pump(struct fetch_job *f, struct buf *out, size_t room);
