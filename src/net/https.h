/* Fetching and handing over small documents by HTTPS, through libcurl, which is loaded at the first
 * call. Blocking; delivery threads. */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"

struct https_get {
    const char *host; /* certificate and Host field; resolved by dns.h, never by the C library */
    const char *path;
    const char *ca_file;      /* authorities instead of the system's; NULL or "" = those */
    const char *content_type; /* that the answer must have */
    int64_t timeout_ms;       /* of everything after the names */
};
/* Appends the document to out (bounded by out->max). The certificate is verified; no redirection is
 * followed. E_NOTFOUND: another status than 200, or another type; E_TLS, E_TIMEOUT, E_RANGE: too
 * long, E_TEMP: not reached, or no libcurl. */
int https_get(const struct https_get *o, struct buf *out, struct errinfo *ei);

struct https_post {
    const char *host; /* as of https_get */
    uint16_t port;
    const char *path, *ca_file;
    const char *content_type;
    struct sv body;
    int64_t timeout_ms;
};
/* The answer's body is dropped. E_NOTFOUND: another status than 2xx; else as https_get. */
int https_post(const struct https_post *o, struct errinfo *ei);

/* A request of any kind, to a server that an administrator has named. */
struct https_request {
    const char *host; /* as of https_get; or a literal address */
    uint16_t port;
    bool clear;           /* by HTTP, without TLS */
    const char *method;   /* GET, POST, PUT */
    const char *path;     /* with the query; begins with / */
    const char *ca_file;  /* as of https_get */
    const char *const *v; /* header fields, "Name: value"; n_headers of them */
    size_t n_headers;
    struct sv body; /* p == NULL: none */
    int64_t timeout_ms;
    const atomic_bool *cancel; /* looked at while waiting; may be NULL */
};
/* Any status is an answer: 0, in *ret_status. Of its body as much as out has room for; what goes on
 * is not read. E_TLS, E_TIMEOUT, E_CANCELLED, E_TEMP as https_get. After E_TIMEOUT, E_CANCELLED and
 * E_TEMP the server may have taken the request all the same. */
int https_request(const struct https_request *o, long *ret_status, struct buf *out,
                  struct errinfo *ei);
