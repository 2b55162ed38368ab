/* Search programs: the keys of SEARCH as a tree. Pure. RFC 3501 section 6.4.4, RFC 5032 (WITHIN),
 * RFC 4731 (ESEARCH return options). */
#pragma once

#include "proto/imap_parse.h"

enum imap_key {
    KEY_ALL, /* also an empty AND */
    KEY_AND, /* of children */
    KEY_OR,
    KEY_NOT,     /* of one child */
    KEY_FLAGS,   /* all bits of number are set */
    KEY_KEYWORD, /* name */
    KEY_RECENT,
    KEY_SEQSET,
    KEY_UIDSET,
    KEY_LARGER, /* number */
    KEY_SMALLER,
    KEY_BEFORE, /* INTERNALDATE; day */
    KEY_ON,
    KEY_SINCE,
    KEY_SENTBEFORE,
    KEY_SENTON,
    KEY_SENTSINCE,
    KEY_YOUNGER, /* number of seconds */
    KEY_OLDER,
    KEY_FROM, /* text, in the envelope */
    KEY_TO,
    KEY_CC,
    KEY_BCC,
    KEY_SUBJECT,
    KEY_HEADER, /* name and text */
    KEY_BODY,
    KEY_TEXT,
    KEY_COUNT
};

struct imap_search_key {
    enum imap_key key;
    struct imap_search_key *children, *next;
    uint64_t number;
    struct imap_day day;
    struct imap_set set;
    struct sv name, text;
};

enum { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8 };

struct imap_search {
    bool esearch;      /* RETURN was given */
    unsigned returns;  /* RETURN_*; "RETURN ()" is RETURN_ALL */
    struct sv charset; /* p == NULL: none given */
    struct imap_search_key *root;
};
#define IMAP_SEARCH_MAX_KEYS  4000
#define IMAP_SEARCH_MAX_DEPTH 100

/* The arguments of SEARCH. E_PARSE, E_LIMIT (arena, number or depth of keys). */
int imap_search_parse(struct imap_in *in, struct imap_search *ret);
