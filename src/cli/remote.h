/* A server elsewhere: the API over HTTPS, with a token. */
#pragma once

#include "cli/answer.h"

struct remote;

struct remote_opts {
    const char *server;     /* https://host:port */
    const char *token_file; /* NULL: token, else $POSTHORN_TOKEN */
    const char *token;      /* NULL = none on the command line */
    const char *ca;         /* file with the certificates to trust; NULL = the system's */
    int timeout_s;          /* for one answer */
};
/* Connects to nothing yet. E_PARSE: usage; other errors: library, files. */
int remote_open(const struct remote_opts *o, struct remote **ret, struct errinfo *ei);
/* TOOL_UNREACHABLE, TOOL_REFUSED (too long). An answer with an error status is an answer. */
int remote_ask(struct remote *r, const struct tool_request *q, struct tool_answer *ret,
               struct errinfo *ei);
void remote_close(struct remote *r); /* NULL is fine */
