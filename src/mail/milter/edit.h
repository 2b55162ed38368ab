/* A message while milters may change it: its header as fields, its body where it is. One thread. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum {
    EDIT_MAX_HEADER = 1024 * 1024, /* a message with a longer header is not shown to milters */
    EDIT_MAX_FIELDS = 10000,
};

struct edit_field {
    char *text; /* as it travels: "Name: value\r\n", folded lines too */
    size_t n;
    size_t name_n; /* 0: not a field; kept, not shown */
};

struct edit_rcpt {
    bool add;
    char *address;
};

struct edit {
    /* The content, without our trace headers: in memory, or in a file from `offset` on. */
    struct sv mem;
    int fd;
    uint64_t offset, size;
    /* An empty file without a name for a new body; the caller closes it in edit_done. */
    int (*scratch)(void *arg, int *ret_fd, struct errinfo *ei);
    void *arg;
    uint64_t max_body; /* of a new one */

    struct edit_field *fields;
    size_t n_fields, cap_fields;
    bool separated; /* an empty line ends the header */
    uint64_t body_offset, body_size;

    /* What milters made of it. */
    bool changed; /* header or body */
    int body_fd;  /* new body, -1 = the old one */
    struct edit_rcpt *rcpts;
    size_t n_rcpts;
    char *sender;     /* new reverse path, NULL = the old one; "" = the null sender */
    char *quarantine; /* reason, NULL = none */
};

/* Splits the header; e's first part must be set, the rest zero. E_RANGE: its header is too long; or
 * the file cannot be read. */
int edit_open(struct edit *e, struct errinfo *ei);
void edit_done(struct edit *e);
/* Bytes of the body from `at` on; fewer than n only at its end. Negative: errors of the file. */
ssize_t edit_read_body(const struct edit *e, uint64_t at, char *p, size_t n);
/* Header as it is now, with the line that ends it. */
struct buf;
void edit_put_header(const struct edit *e, struct buf *out);
uint64_t edit_header_size(const struct edit *e);

/* Value without the line's end, lines parted by LF; leading: with the blanks behind the colon.
 * Points into tmp. */
struct sv edit_value(const struct edit_field *f, bool leading, struct buf *tmp);
/* The same in the other direction: lines may be parted by CRLF, LF or CR, and go on with a blank.
 * position: index of the field that it comes before. */
void edit_insert(struct edit *e, size_t position, struct sv name, struct sv value, bool leading);
/* The nth field (from 1) of a name: new value, or gone when that is empty. What is not there is
 * added. */
void edit_change(struct edit *e, uint32_t nth, struct sv name, struct sv value, bool leading);
void edit_rcpt(struct edit *e, bool add, struct sv address);
