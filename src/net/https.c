/* HTTPS as a client. The names are looked up here, so that libcurl asks nobody else than the
 * configured name servers. */
#include "net/https.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>

#define CURL_DISABLE_TYPECHECK /* its macros cannot be called through a pointer */
#include <curl/curl.h>

#include "net/dns.h"
#include "os/library.h"

/* clang-format off */
#define LIBCURL(X) \
    X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform) \
    X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_init) X(curl_slist_append) \
    X(curl_slist_free_all)
/* clang-format on */
static struct {
    LIBCURL(LIBRARY_POINTER)
} curl;
static CURLcode global_result;

static void init_library(void)
{
    global_result = curl.curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int load_library(struct errinfo *ei)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
#define SYMBOL(function) { #function, (void **)&curl.function },
    static const struct library_symbol symbols[] = { LIBCURL(SYMBOL) };
#undef SYMBOL
    int r = library_load("libcurl.so.4", "libcurl4", symbols, ARRAY_LEN(symbols), ei);

    if (r < 0)
        return r;
    pthread_once(&once, init_library);
    return global_result == CURLE_OK
               ? 0
               : err_set(ei, E_TEMP, "libcurl: %s", curl.curl_easy_strerror(global_result));
}

/* "host:port:address,address" */
static int resolve(const char *host, uint16_t port, struct buf *out, struct errinfo *ei)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA };
    size_t n = 0;
    int r = 0, failed = 0;

    (void)buf_addf(out, "%s:%u:", host, port);
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;

        r = dns_lookup(host, types[t], &a, ei);
        failed = r < 0 && !failed ? r : failed;
        for (size_t i = 0; r == 0 && i < a->n && n < 8; i++, n++)
            (void)buf_addf(out, "%s%s", n ? "," : "", a->rr[i].text);
    }
    if (!n)
        return failed;
    return buf_terminate(out);
}

struct exchange {
    const char *host, *path, *ca_file;
    uint16_t port;
    bool clear;         /* HTTP */
    const char *method; /* NULL: GET, or POST with a body */
    struct sv body;     /* p == NULL: none */
    int64_t timeout_ms;
    const atomic_bool *cancel;
    struct buf *out; /* of the answer's body; NULL: dropped */
    bool cut, full;  /* the body may be cut; it was */
    struct curl_slist *names, *headers;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
    return buf_add(arg, p, size * n) == 0 ? n : 0;
}

static size_t take_part(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    size_t room = x->out->max - x->out->n;

    (void)buf_add(x->out, p, MIN(room, size * n));
    x->full = size * n > room;
    return x->full ? 0 : size * n;
}

static int watch(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct exchange *x = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(x->cancel);
}

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    (void)p, (void)arg;
    return size * n;
}

static int set_options(CURL *h, struct exchange *x, const char *url)
{
    CURLcode rc = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (rc == CURLE_OK)                                                                        \
            rc = curl.curl_easy_setopt(h, option, value);                                          \
    } while (0)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, x->clear ? "http" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* whatever the environment says */
    if (x->names)
        SET(CURLOPT_RESOLVE, x->names);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)x->timeout_ms);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_USERAGENT, "Posthorn");
    SET(CURLOPT_WRITEFUNCTION, !x->out ? drop : x->cut ? take_part : take);
    SET(CURLOPT_WRITEDATA, x->cut ? (void *)x : (void *)x->out);
    if (x->cancel) {
        SET(CURLOPT_NOPROGRESS, 0L);
        SET(CURLOPT_XFERINFOFUNCTION, watch);
        SET(CURLOPT_XFERINFODATA, x);
    }
    if (x->ca_file && *x->ca_file)
        SET(CURLOPT_CAINFO, x->ca_file);
    if (x->body.p) {
        SET(CURLOPT_POSTFIELDSIZE, (long)x->body.n);
        SET(CURLOPT_POSTFIELDS, x->body.p);
    }
    if (x->method)
        SET(CURLOPT_CUSTOMREQUEST, x->method);
    if (x->headers)
        SET(CURLOPT_HTTPHEADER, x->headers);
#undef SET
    return rc == CURLE_OK ? 0 : E_TEMP;
}

static int code_of(CURLcode rc)
{
    switch ((int)rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return E_TIMEOUT;
    case CURLE_ABORTED_BY_CALLBACK:
        return E_CANCELLED;
    case CURLE_WRITE_ERROR:
        return E_RANGE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return E_TLS;
    default:
        return E_TEMP;
    }
}

static int perform(CURL *h, struct exchange *x, struct errinfo *ei)
{
    struct buf url;
    bool v6 = strchr(x->host, ':');
    CURLcode rc;
    int r;

    buf_init(&url, 32 * KiB); /* texts of SMS may be in it */
    r = buf_addf(&url, "%s://%s%s%s:%u%s", x->clear ? "http" : "https", v6 ? "[" : "", x->host,
                 v6 ? "]" : "", x->port, x->path);
    if (r == 0)
        r = buf_terminate(&url);
    if (r < 0)
        r = err_set(ei, E_RANGE, "%s: the address is too long", x->host);
    else if (set_options(h, x, url.p) < 0)
        r = err_set(ei, E_TEMP, "%s: libcurl does not take the options", x->host);
    buf_done(&url);
    if (r < 0)
        return r;
    rc = curl.curl_easy_perform(h);
    if (rc == CURLE_WRITE_ERROR && x->full)
        return 0;
    if (rc == CURLE_WRITE_ERROR && x->out)
        return err_set(ei, E_RANGE, "%s: the answer is longer than %zu bytes", x->host,
                       x->out->max);
    return rc == CURLE_OK
               ? 0
               : err_set(ei, code_of(rc), "%s: %s", x->host, curl.curl_easy_strerror(rc));
}

static bool is_literal(const char *host)
{
    unsigned char bin[16];

    return inet_pton(AF_INET, host, bin) == 1 || inet_pton(AF_INET6, host, bin) == 1;
}

/* "host:port:address,address", for libcurl. */
static int find_names(struct exchange *x, struct errinfo *ei)
{
    struct buf where;
    int r;

    if (is_literal(x->host))
        return 0;
    buf_init(&where, 1024);
    r = resolve(x->host, x->port, &where, ei);
    if (r == 0) {
        x->names = curl.curl_slist_append(NULL, where.p);
        r = x->names ? 0 : err_set(ei, -ENOMEM, "libcurl: no memory");
    }
    buf_done(&where);
    return r;
}

/* check: what the answer has to be. */
static int exchange(struct exchange *x, const void *arg,
                    int (*check)(CURL *, const void *arg, struct errinfo *), struct errinfo *ei)
{
    CURL *h = NULL;
    int r = load_library(ei);

    if (r < 0)
        return r;
    r = find_names(x, ei);
    if (r == 0) {
        h = curl.curl_easy_init();
        r = h ? perform(h, x, ei) : err_set(ei, -ENOMEM, "libcurl: no memory");
    }
    if (r == 0)
        r = check(h, arg, ei);
    if (h)
        curl.curl_easy_cleanup(h);
    if (x->names)
        curl.curl_slist_free_all(x->names);
    return r;
}

static long status_of(CURL *h)
{
    long status = 0;

    curl.curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static int check_document(CURL *h, const void *arg, struct errinfo *ei)
{
    const struct https_get *o = arg;
    long status = status_of(h);
    char *type = NULL;

    curl.curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
    if (status != 200)
        return err_set(ei, E_NOTFOUND, "%s answers with status %ld", o->host, status);
    if (!type || !sv_istarts(sv_c(type), sv_c(o->content_type)))
        return err_set(ei, E_NOTFOUND, "%s answers with the type '%.40s', not %s", o->host,
                       type ? type : "", o->content_type);
    return 0;
}

int https_get(const struct https_get *o, struct buf *out, struct errinfo *ei)
{
    struct exchange x = { .host = o->host,
                          .port = 443,
                          .path = o->path,
                          .ca_file = o->ca_file,
                          .timeout_ms = o->timeout_ms,
                          .out = out };

    return exchange(&x, o, check_document, ei);
}

static int check_taken(CURL *h, const void *arg, struct errinfo *ei)
{
    const struct https_post *o = arg;
    long status = status_of(h);

    return status / 100 == 2
               ? 0
               : err_set(ei, E_NOTFOUND, "%s answers with status %ld", o->host, status);
}

/* v: n fields. An answer to "Expect" would have to be waited for. */
static int exchange_with(struct exchange *x, const char *const *v, size_t n, const void *arg,
                         int (*check)(CURL *, const void *arg, struct errinfo *),
                         struct errinfo *ei)
{
    struct curl_slist *more;
    int r = load_library(ei);

    if (r < 0)
        return r;
    more = x->headers = curl.curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < n && more; i++)
        more = curl.curl_slist_append(x->headers, v[i]);
    r = more ? exchange(x, arg, check, ei) : err_set(ei, -ENOMEM, "libcurl: no memory");
    if (x->headers)
        curl.curl_slist_free_all(x->headers);
    return r;
}

int https_post(const struct https_post *o, struct errinfo *ei)
{
    char type[100];
    const char *const headers[] = { type };
    struct exchange x = { .host = o->host,
                          .port = o->port,
                          .path = o->path,
                          .ca_file = o->ca_file,
                          .timeout_ms = o->timeout_ms,
                          .body = o->body };

    snprintf(type, sizeof(type), "Content-Type: %s", o->content_type);
    return exchange_with(&x, headers, ARRAY_LEN(headers), o, check_taken, ei);
}

struct answer {
    long *status;
};

static int note_status(CURL *h, const void *arg, struct errinfo *ei)
{
    const struct answer *a = arg;

    (void)ei;
    *a->status = status_of(h);
    return 0;
}

int https_request(const struct https_request *o, long *ret_status, struct buf *out,
                  struct errinfo *ei)
{
    const struct answer a = { ret_status };
    struct exchange x = { .host = o->host,
                          .port = o->port,
                          .clear = o->clear,
                          .path = o->path,
                          .method = o->method,
                          .body = o->body,
                          .ca_file = o->ca_file,
                          .timeout_ms = o->timeout_ms,
                          .cancel = o->cancel,
                          .out = out,
                          .cut = true };

    return exchange_with(&x, o->v, o->n_headers, &a, note_status, ei);
}
