/* A stored message that is being read: loaded as far as needed, parsed once. Runs on workers. */
#pragma once

#include "proto/mime.h"
#include "server/imap/imap_priv.h"

struct msg_file {
    int fd; /* -1 = none */
    uint64_t size;
    char *data; /* the first n octets */
    size_t n;
    bool mapped;
    struct arena arena;
    struct mime_part *root; /* NULL = not parsed */
};
#define MSG_FILE_INIT ((struct msg_file){ .fd = -1 })

int msg_file_open(struct msg_file *x, struct session *s, uint64_t key); /* E_NOTFOUND: gone */
void msg_file_close(struct msg_file *x);
int msg_file_load(struct msg_file *x, uint64_t n); /* at least the first n octets */
static inline struct sv msg_file_loaded(const struct msg_file *x)
{
    return sv_n(x->data ? x->data : "", x->n);
}
int msg_file_header(struct msg_file *x, struct sv *ret); /* with the empty line */
int msg_file_parse(struct msg_file *x);                  /* sets root */
