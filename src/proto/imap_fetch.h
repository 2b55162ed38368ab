/* What a FETCH asks for. Pure. RFC 3501 section 6.4.5. */
#pragma once

#include "proto/imap_parse.h"

enum imap_fetch_item {
    FETCH_UID = 1,
    FETCH_FLAGS = 2,
    FETCH_INTERNALDATE = 4,
    FETCH_SIZE = 8,
    FETCH_ENVELOPE = 16,
    FETCH_BODY = 32, /* BODY without extension data */
    FETCH_BODYSTRUCTURE = 64,
};

enum imap_section_kind {
    SECTION_WHOLE,  /* BODY[], BODY[1.2] */
    SECTION_HEADER, /* [HEADER], [1.HEADER] */
    SECTION_FIELDS, /* [HEADER.FIELDS (...)] */
    SECTION_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME,
};

struct imap_section {
    enum imap_section_kind kind;
    bool sets_seen; /* no PEEK */
    bool partial;
    uint64_t offset, length; /* of partial */
    struct sv part;          /* "1.2", "" = the message */
    struct sv path;   /* for mime_section: "", "HEADER", "1.2", "1.2.MIME"; HEADER for fields */
    struct sv *names; /* of SECTION_FIELDS* */
    size_t n_names;
    struct sv label; /* as it is named in the response: "BODY[1.HEADER]<0>", "RFC822" */
};

struct imap_fetch {
    unsigned items;
    size_t n;
    struct imap_section *sections;
};
#define IMAP_FETCH_MAX_SECTIONS 256

/* Parses "ALL", an item or a parenthesised list. Everything lives in in->a: the input must too or
 * outlive it. E_PARSE, E_LIMIT. */
int imap_fetch_parse(struct imap_in *in, struct imap_fetch *ret);
