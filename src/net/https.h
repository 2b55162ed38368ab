/* Fetching and handing over small documents by HTTPS, through libcurl, which is loaded at the first
 * call. Blocking; delivery threads. */
#pragma once

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
