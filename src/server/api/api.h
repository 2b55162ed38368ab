/* The API /api/v1 as a function: a request in, a response out, no sockets. The HTTP server, the
 * command line and the tests call it in the same way. One table of routes (routes.c) says what
 * there is, who may call it and what it takes; docs/openapi.json is made from the same rows. */
#pragma once

#include <jansson.h>

#include "admin/admin.h"
#include "base/buf.h"
#include "server/api/caller.h"

#define API_PREFIX "/api/v1"

struct api;        /* one per process */
struct api_stream; /* an open event stream */

struct api_opts {
    struct admin *admin;  /* what the handlers use; lives longer than the api */
    const char *log_dir;  /* of the text logs; NULL = none here */
    const char *hostname; /* of this server */
};
struct api *api_new(const struct api_opts *o);
void api_free(struct api *a);
/* Settings were read again: where the logs are may have changed. */
void api_set_log_dir(struct api *a, const char *dir);

/* The slices live as long as the call. */
struct api_request {
    const char *method; /* upper case */
    struct sv path;     /* behind API_PREFIX, percent-encoded: "/accounts/a%40b.test" */
    struct sv query;    /* behind the question mark; p == NULL = none */
    struct sv body;
    const char *content_type;    /* NULL = none */
    const char *if_match;        /* NULL = none */
    const char *if_none_match;   /* NULL = none */
    const char *idempotency_key; /* NULL = none */
    const char *last_event_id;   /* NULL = none */
    const char *user_agent;      /* NULL = none */
    const char *host;            /* that was asked, maybe with a port; NULL = not known */
    const char *peer;            /* address, or "local" */
    uint64_t session;            /* key of the connection that it came by; 0 = none */
    bool tls, trusted;
    const struct api_caller *caller; /* NULL: nobody has signed in */
};

/* What the transport has to do beyond sending the body. */
enum api_effect {
    API_EFFECT_NONE,
    API_EFFECT_SIGNED_IN,  /* secret: the session's cookie value */
    API_EFFECT_SIGNED_OUT, /* the cookie goes */
};

struct api_response {
    int status;
    const char *type; /* of the body: a constant; NULL = no body */
    struct buf body;
    char etag[24];  /* "" = none; with its quotes */
    char allow[48]; /* of 405, else "" */
    char request_id[20];
    bool replayed;     /* an earlier answer to the same Idempotency-Key */
    int64_t delay_ms;  /* answer after this time: a refused sign-in */
    int retry_after_s; /* 0 = no such header */
    enum api_effect effect;
    char secret[80];
    char who[256];             /* SIGNED_IN: the account */
    struct api_stream *stream; /* an event stream instead of a body; the receiver frees it */
};
/* Any thread; may block on disk, database and modules. Never fails: errors are responses. res is
 * initialised here and belongs to the caller. */
void api_handle(struct api *a, const struct api_request *req, struct api_response *res);
void api_response_done(struct api_response *res);
/* An open event stream. Copies what is ready, at most cap bytes; -1 = the stream is over. 0 =
 * nothing now: wait(arg) has been called, and wake(arg) of api_stream_on_ready follows when there
 * is something; neither may call back. One reader per stream. */
ssize_t api_stream_read(struct api_stream *s, char *ret, size_t cap, void (*wait)(void *arg));
/* Before the first read. arg is for wake and wait. */
void api_stream_on_ready(struct api_stream *s, void (*wake)(void *arg), void *arg);
void api_stream_free(struct api_stream *s); /* no wake comes any more */
/* Ends all streams and refuses new ones: the server stops. */
void api_streams_end(struct api *a);

/* A response that the transport itself needs: problem+json in the same form. */
void api_problem(struct api_response *res, int status, const char *code, const char *fmt, ...)
    _printf_(4, 5);
/* Largest body that a route takes: the transport refuses more before it has read it. 0 = the
 * method and path take none. Pure. */
size_t api_body_max(const char *method, struct sv path);

/* The OpenAPI 3.1 document. New reference. */
json_t *api_openapi(void);
