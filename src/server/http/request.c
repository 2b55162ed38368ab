/* A request's way: head, body, then a file, or the handler on a worker. */
#include "base/clock.h"
#include "server/http/http_priv.h"
#include "stats/shm.h"

#define DISCARD_MAX (256 * KiB) /* of a body that is too large, so that the client reads why */

/* libmicrohttpd calls this with the request's line; what it returns is the request. */
void *http_uri_begin(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct http_conn *c = xcalloc(1, sizeof(*c));

    c->h = arg;
    c->mhd = mhd;
    c->uri = xstrdup(uri);
    buf_init(&c->body, 0);
    buf_init(&c->res.body, 0);
    buf_init(&c->res.headers, 16 * KiB);
    return c;
}

static void response_done(struct http_response *r)
{
    buf_done(&r->body);
    buf_done(&r->headers);
    if (r->stream.stream)
        r->stream.free(take_ptr(r->stream.stream));
}

void http_completed(void *arg _unused_, struct MHD_Connection *mhd, void **req_cls,
                    enum MHD_RequestTerminationCode code)
{
    struct http_conn *c = *req_cls;
    struct peer *p = http_peer(mhd);

    if (!c)
        return;
    *req_cls = NULL;
    if (p) {
        p->s.cut = code != MHD_REQUEST_TERMINATED_COMPLETED_OK && !p->s.streams;
        http_session_bytes(p);
        http_phase(p, PHASE_HEAD);
    }
    if (c->body.p)
        explicit_bzero(c->body.p, c->body.n); /* a password may have been in it */
    http_body_release(c);
    buf_done(&c->body);
    response_done(&c->res);
    free(c->uri);
    free(c);
}

const char *http_head_fault(const struct http_head *h)
{
    if (h->bad_name)
        return "a header's name is malformed";
    if (h->content_lengths > 1)
        return "Content-Length is there twice";
    if (h->transfer_encodings && h->content_lengths)
        return "Content-Length and Transfer-Encoding are both there";
    if (h->transfer_encodings > 1 || (h->transfer_encodings && h->http_1_0) ||
        (h->transfer_encoding && !sv_ieq(sv_c(h->transfer_encoding), SV("chunked"))))
        return "Transfer-Encoding must be 'chunked' alone";
    if (h->content_length && (!*h->content_length ||
                              strspn(h->content_length, "0123456789") != strlen(h->content_length)))
        return "Content-Length is not a number";
    if (h->hosts != 1 && !(h->hosts == 0 && h->http_1_0))
        return "there must be one Host header";
    return NULL;
}

static bool is_token(const char *s)
{
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f ||
            strchr("\"(),/:;<=>?@[\\]{}", *p))
            return false;
    return *s != '\0';
}

static enum MHD_Result see_header(void *arg, enum MHD_ValueKind kind _unused_, const char *name,
                                  const char *value)
{
    struct http_head *h = arg;

    h->bad_name = h->bad_name || !is_token(name);
    if (sv_ieq(sv_c(name), SV("content-length"))) {
        h->content_lengths++;
        h->content_length = value ? value : "";
    } else if (sv_ieq(sv_c(name), SV("transfer-encoding"))) {
        h->transfer_encodings++;
        h->transfer_encoding = value ? value : "";
    } else if (sv_ieq(sv_c(name), SV("host"))) {
        h->hosts++;
    }
    return MHD_YES;
}

static struct sv path_of(const struct http_conn *c)
{
    struct sv rest = sv_c(c->uri);

    return sv_split(&rest, '?');
}

static bool is_api(struct sv path)
{
    return sv_eq(path, SV("/api")) || sv_starts(path, SV("/api/")) ||
           sv_eq(path, SV("/unsubscribe"));
}

static size_t handler_body_max(struct http_conn *c)
{
    const struct http_handler *handler = &c->h->o.handler;
    struct http_request head = { .method = c->method,
                                 .path = path_of(c),
                                 .peer = c->peer->ip,
                                 .tls = c->peer->tls,
                                 .trusted = c->peer->trusted,
                                 .conn = c };

    return handler->body_max(handler->arg, &head);
}

static const char no_room[] = "too much is being sent to this server at the moment; try again";

/* What the head tells. False: answered in *ret. */
static bool check_head(struct http_conn *c, const char *version, enum MHD_Result *ret)
{
    struct http_head h = { .http_1_0 = !strcmp(version, MHD_HTTP_VERSION_1_0) };
    const char *fault, *accept;
    uint64_t length = 0;

    lib_mhd.MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, see_header, &h);
    fault = http_head_fault(&h);
    if (fault) {
        *ret = http_reply_error(c, 400, fault, true);
        return false;
    }
    if (c->uri[0] != '/') {
        *ret = http_reply_error(c, 400, "the path must begin with /", true);
        return false;
    }
    accept = lib_mhd.MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Accept-Encoding");
    c->gzip = http_accepts_gzip(accept);
    c->api = is_api(path_of(c));
    c->body_max = c->api ? handler_body_max(c) : 0;
    if (h.content_length && sv_to_u64(sv_c(h.content_length), &length) < 0)
        length = UINT64_MAX;
    if (length > c->body_max && (c->body_max || !c->api)) {
        *ret = http_reply_error(c, 413, "the body is larger than this takes", true);
        return false;
    }
    /* A route that takes none says so itself, about a small one. */
    c->body_max = MAX(c->body_max, 4 * KiB);
    if (length > c->body_max) {
        *ret = http_reply_error(c, 413, "this takes no body", true);
        return false;
    }
    if (!http_body_fits(c, length)) {
        *ret = http_reply_error(c, 503, no_room, true);
        return false;
    }
    c->body.max = c->body_max;
    return true;
}

static enum MHD_Result take_body(struct http_conn *c, const char *data, size_t *n)
{
    size_t k = *n;

    *n = 0;
    if (!c->body.overflow)
        c->body_refused = !http_body_hold(c, k);
    if (c->body_refused || c->body.overflow || buf_add(&c->body, data, k) < 0) {
        c->body.overflow = true;
        c->body_max += k; /* counts what is thrown away */
        return c->body_max > c->body.max + DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    return MHD_YES;
}

static enum MHD_Result whole(struct http_conn *c)
{
    if (c->body_refused)
        return http_reply_error(c, 503, no_room, true);
    if (c->body.overflow)
        return http_reply_error(c, 413, "the body is larger than this takes", true);
    if (!c->api)
        return http_reply_file(c);
    http_phase(c->peer, PHASE_WORK);
    c->queued = true;
    if (!http_submit(c)) {
        c->queued = false;
        return http_reply_error(c, 503, "too many requests wait; try again", true);
    }
    return MHD_YES;
}

enum MHD_Result http_access(void *arg _unused_, struct MHD_Connection *mhd,
                            const char *url _unused_, const char *method, const char *version,
                            const char *data, size_t *n, void **req_cls)
{
    struct http_conn *c = *req_cls;
    enum MHD_Result r = MHD_YES;

    if (!c)
        return MHD_NO;
    if (!c->begun) {
        c->begun = true;
        c->method = method;
        c->peer = http_peer(mhd);
        ctr_inc(CTR_web_requests);
        http_session_request(c);
        http_phase(c->peer, PHASE_BODY);
        check_head(c, version, &r);
        return r;
    }
    if (*n)
        return take_body(c, data, n);
    if (c->done)
        return http_reply(c);
    return c->queued ? MHD_YES : whole(c);
}

const char *http_header(const struct http_request *r, const char *name)
{
    return lib_mhd.MHD_lookup_connection_value(r->conn->mhd, MHD_HEADER_KIND, name);
}
