/* Arguments of SMTP commands: names, paths, ESMTP parameters, xtext. Pure: slices point into the
 * line. RFC 5321 4.1, RFC 3461 4 (DSN), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8),
 * RFC 4954 5 (AUTH), RFC 8689 2 (REQUIRETLS), RFC 3030 (BDAT). Takes what real clients send beside
 * the grammar: a path without brackets, a space behind the colon. */
#pragma once

#include "base/buf.h"

enum smtp_arg {
    SMTP_ARG_OK,
    SMTP_ARG_SYNTAX,     /* not the command's grammar, unknown or repeated parameter */
    SMTP_ARG_UNBALANCED, /* brackets or quotes */
    SMTP_ARG_DOMAIN,     /* address without a domain */
};

#define SMTP_MAX_LOCAL  255 /* RFC 5321 4.5.3.1.1 wants 64; VERP and SRS make longer ones */
#define SMTP_MAX_DOMAIN 255

struct smtp_path {
    struct sv address; /* without brackets and source route; empty: the null path */
    struct sv local, domain;
    bool utf8;
};

enum smtp_body_type { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

/* The same numbers as enum rcpt_notify. */
enum {
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8
};

struct smtp_mail_args {
    struct smtp_path from;
    bool has_size, smtputf8, requiretls;
    uint64_t size;
    enum smtp_body_type body;
    char ret;          /* 'F', 'H' or 0 */
    struct sv envid;   /* xtext as given; p == NULL: none */
    struct sv auth;    /* the same; "<>" = unknown */
    struct sv transid; /* without brackets; p == NULL: none */
};

struct smtp_rcpt_args {
    struct smtp_path to;
    unsigned notify;
    struct sv orcpt; /* "rfc822;" and xtext as given; p == NULL: none */
};

/* Cuts "VERB arguments": *args without blanks at its ends. */
struct sv smtp_verb(struct sv line, struct sv *args);
/* Words of an argument list, counted by blanks outside quotes and brackets. */
unsigned smtp_arg_count(struct sv args);

/* args: what follows MAIL ("FROM:<...> ...") and RCPT ("TO:<...> ..."). */
enum smtp_arg smtp_parse_mail(struct sv args, struct smtp_mail_args *ret);
enum smtp_arg smtp_parse_rcpt(struct sv args, struct smtp_rcpt_args *ret);
/* One address by itself, with or without brackets (VRFY). */
enum smtp_arg smtp_parse_path(struct sv s, struct smtp_path *ret);
/* "<size> [LAST]" */
enum smtp_arg smtp_parse_bdat(struct sv args, uint64_t *ret_size, bool *ret_last);
/* A name a client may greet with: domain, address literal, or something close to it. */
bool smtp_helo_valid(struct sv name);
bool smtp_xtext_valid(struct sv s);
int smtp_xtext_decode(struct sv s, struct buf *out); /* E_PARSE */
