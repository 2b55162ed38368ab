/* A SEARCH in progress: the program compiled against the mailbox, and what is known of the current
 * message. */
#pragma once

#include "proto/imap_envelope.h"
#include "proto/imap_search.h"
#include "server/imap/imap_priv.h"
#include "server/imap/msg_file.h"

/* What a key needs to be decided. */
enum search_level { LEVEL_SNAP, LEVEL_ROW, LEVEL_FILE };

struct node {
    enum imap_key key;
    enum search_level level; /* highest of the children for AND, OR, NOT */
    struct node *children, *next;
    uint64_t number;
    int64_t from, to; /* INTERNALDATE in [from, to) */
    int64_t day;      /* SENT*: day number */
    struct index_set set;
    struct sv name, text;      /* text is folded */
    enum envelope_field field; /* of LEVEL_ROW texts */
    bool never;
};

/* Compiles the tree. E_RANGE (message number), E_PARSE (text is not UTF-8), E_LIMIT. */
int search_compile(struct session *s, const struct imap_search_key *k, struct arena *a,
                   struct node **ret);
/* MSG_* that the tree needs. */
unsigned search_fields(const struct node *n);

/* The message that is looked at. */
struct subject {
    struct session *s;
    const struct snap *snap;
    uint32_t index;
    int64_t date_s;
    uint64_t key;
    struct sv envelope;
    int64_t now_s;
    struct msg_file *file;
    bool file_tried, file_ok;
    struct arena scratch;  /* parsed envelope pieces */
    struct buf text, fold; /* scratch */
};
/* 1 = yes, 0 = no, -1 = cannot be decided on this level (or the file is gone). */
int search_eval(const struct node *n, struct subject *x, enum search_level level);
int search_eval_text(const struct node *n, struct subject *x); /* search_text.c: LEVEL_FILE keys */
int search_eval_envelope(const struct node *n, struct subject *x); /* LEVEL_ROW texts */
int search_eval_sent(const struct node *n, struct subject *x);
