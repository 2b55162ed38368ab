/* Answers: headers that all carry, bodies, streams. */
#include <zlib.h>

#include "base/rand.h"
#include "server/http/http_priv.h"

#define STREAM_BLOCK 2048

static const char csp[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
                          "data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; "
                          "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

void http_add_common_headers(struct http_conn *c, struct MHD_Response *r)
{
    static const struct {
        const char *name, *value;
    } headers[] = {
        { "Content-Security-Policy", csp },
        { "X-Content-Type-Options", "nosniff" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "X-Frame-Options", "DENY" },
    };

    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        lib_mhd.MHD_add_response_header(r, headers[i].name, headers[i].value);
    if (c->peer->tls)
        lib_mhd.MHD_add_response_header(r, "Strict-Transport-Security", "max-age=31536000");
}

bool http_accepts_gzip(const char *accept)
{
    struct sv rest = sv_c(accept ? accept : "");

    while (rest.p && rest.n) {
        struct sv one = sv_split(&rest, ','), params = one;
        struct sv name = sv_trim(sv_split(&params, ';'));

        if (sv_ieq(name, SV("gzip")) || sv_ieq(name, SV("*")))
            return !params.p || (!sv_ieq(sv_trim(params), SV("q=0")) &&
                                 !sv_istarts(sv_trim(params), SV("q=0.000")));
    }
    return false;
}

bool http_gzip(struct buf *body, int level)
{
    z_stream z = { 0 };
    struct buf out;
    size_t cap = body->n;
    bool ok;

    if (body->n > UINT32_MAX / 2 ||
        deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    buf_init(&out, cap);
    ok = buf_reserve(&out, cap) == 0;
    if (ok) {
        z.next_in = (Bytef *)(void *)body->p;
        z.avail_in = (uInt)body->n;
        z.next_out = (Bytef *)(void *)out.p;
        z.avail_out = (uInt)cap;
        ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
        out.n = z.total_out;
    }
    deflateEnd(&z);
    if (!ok) {
        buf_done(&out);
        return false;
    }
    buf_done(body);
    *body = out;
    return true;
}

static void add_headers(struct MHD_Response *r, const struct buf *headers)
{
    struct sv rest = buf_sv(headers);

    while (rest.n) {
        struct sv line = sv_split(&rest, '\n'), value = line, name = sv_split(&value, ':');
        _cleanup_(freep) char *n = sv_dup(name), *v = value.p ? sv_dup(sv_trim(value)) : NULL;

        if (v)
            lib_mhd.MHD_add_response_header(r, n, v);
    }
}

/* --- streams --- */

struct open_stream {
    struct http_stream s;
    struct MHD_Connection *mhd;
};

static void stream_wait(void *arg)
{
    struct open_stream *o = arg;

    lib_mhd.MHD_suspend_connection(o->mhd);
}

static void stream_wake(void *arg)
{
    struct open_stream *o = arg;

    lib_mhd.MHD_resume_connection(o->mhd);
}

static ssize_t stream_read(void *arg, uint64_t pos _unused_, char *ret, size_t cap)
{
    struct open_stream *o = arg;
    struct peer *p = http_peer(o->mhd);
    ssize_t n = atomic_load(&p->killed) ? -1 : o->s.read(o->s.stream, ret, cap, stream_wait);

    /* Who does not take what is there keeps a connection for nothing. */
    http_phase(p, n > 0 ? PHASE_WRITE : PHASE_STREAM);
    if (n > 0)
        http_session_bytes(p);
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void stream_free(void *arg)
{
    struct open_stream *o = arg;

    o->s.free(o->s.stream);
    free(o);
}

static struct MHD_Response *stream_response(struct http_conn *c)
{
    struct open_stream *o = xcalloc(1, sizeof(*o));

    o->s = c->res.stream;
    o->mhd = c->mhd;
    c->res.stream.stream = NULL; /* the response's now */
    o->s.on_ready(o->s.stream, stream_wake, o);
    c->peer->s.streams = true;
    http_phase(c->peer, PHASE_STREAM);
    return lib_mhd.MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, o,
                                                     stream_free);
}

static struct MHD_Response *body_response(struct http_conn *c)
{
    size_t n = 0;
    char *body = buf_take(&c->res.body, &n);

    http_phase(c->peer, PHASE_WRITE);
    return lib_mhd.MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result queue_response(struct http_conn *c, struct MHD_Response *r, int status)
{
    enum MHD_Result ok = lib_mhd.MHD_queue_response(c->mhd, (unsigned)status, r);

    http_session_answered(c->peer, status);
    lib_mhd.MHD_destroy_response(r);
    return ok;
}

enum MHD_Result http_reply(struct http_conn *c)
{
    struct http_response *res = &c->res;
    struct MHD_Response *r = res->stream.stream ? stream_response(c) : body_response(c);

    if (!r)
        return MHD_NO;
    http_add_common_headers(c, r);
    add_headers(r, &res->headers);
    if (res->type)
        lib_mhd.MHD_add_response_header(r, "Content-Type", res->type);
    if (c->body_gzipped)
        lib_mhd.MHD_add_response_header(r, "Content-Encoding", "gzip");
    lib_mhd.MHD_add_response_header(r, "Vary", "Accept-Encoding, Cookie, Authorization");
    return queue_response(c, r, res->status);
}

static const struct {
    int status;
    const char *title, *code;
} problems[] = {
    { 404, "Not found", "not_found" },
    { 405, "Method not allowed", "method_not_allowed" },
    { 413, "Too large", "too_large" },
    { 500, "Server error", "internal" },
    { 503, "Not available now", "too_busy" },
    { 400, "Bad request", "malformed_request" }, /* and any other */
};

enum MHD_Result http_reply_error(struct http_conn *c, int status, const char *text, bool close)
{
    char id[20];
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(problems) && problems[i].status != status)
        i++;
    snprintf(id, sizeof(id), "%016" PRIx64, rand_u64());
    char *body = xasprintf("{\"type\":\"urn:posthorn:problem:%s\",\"title\":\"%s\",\"status\":%d,"
                           "\"code\":\"%s\",\"detail\":\"%s\",\"fields\":[],"
                           "\"request_id\":\"%s\",\"help\":null}",
                           problems[i].code, problems[i].title, status, problems[i].code, text, id);
    struct MHD_Response *r =
        lib_mhd.MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE);

    if (!r) {
        free(body);
        return MHD_NO;
    }
    http_phase(c->peer, PHASE_WRITE);
    http_add_common_headers(c, r);
    lib_mhd.MHD_add_response_header(r, "Content-Type", "application/problem+json");
    lib_mhd.MHD_add_response_header(r, "Cache-Control", "no-store");
    lib_mhd.MHD_add_response_header(r, "X-Request-Id", id);
    if (status == 503)
        lib_mhd.MHD_add_response_header(r, "Retry-After", "1");
    if (close)
        lib_mhd.MHD_add_response_header(r, "Connection", "close");
    return queue_response(c, r, status);
}
