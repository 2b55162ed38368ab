/* Requests for the API /api/v1 and their answers, whichever way they go. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

struct tool_request {
    const char *method, *path;              /* behind /api/v1, with its query */
    json_t *body;                           /* NULL = none */
    const char *if_match, *idempotency_key; /* NULL = none */
};
struct tool_answer {
    int status;
    char etag[64]; /* "" = none */
    json_t *json;  /* NULL: raw has the body, which is no JSON, or nothing */
    struct buf raw;
};
void answer_init(struct tool_answer *a);
void answer_done(struct tool_answer *a);

/* How a command failed, as an errinfo's code; the exit status follows from it. */
enum {
    TOOL_REFUSED = E_CONFLICT,
    TOOL_DENIED = E_AUTH,         /* no right: token, scope, role */
    TOOL_UNREACHABLE = E_TIMEOUT, /* no server, no answer, a certificate that is not trusted */
};

/* Takes a body apart: JSON or raw. what: who has sent it, for the error. */
int answer_read(struct tool_answer *a, struct sv body, bool json, const char *what,
                struct errinfo *ei);
/* An error answer (RFC 9457) in one line: detail, field and help. TOOL_REFUSED or TOOL_DENIED. */
int answer_error(const struct tool_answer *a, struct errinfo *ei);
/* The same as an operation of admin/ would say it: {"error": {"code", "text"}}. */
json_t *answer_as_reply(const struct tool_answer *a);
