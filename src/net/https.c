/* HTTPS as a client. The names are looked up here, so that libcurl asks nobody else than the
 * configured name servers. */
#include "net/https.h"

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
    int64_t timeout_ms;
    const struct https_post *post; /* NULL: GET */
    struct buf *out;               /* of the answer's body; NULL: dropped */
    struct curl_slist *names, *headers;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
    return buf_add(arg, p, size * n) == 0 ? n : 0;
}

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    (void)p, (void)arg;
    return size * n;
}

static int set_options(CURL *h, const struct exchange *x, const char *url)
{
    CURLcode rc = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (rc == CURLE_OK)                                                                        \
            rc = curl.curl_easy_setopt(h, option, value);                                          \
    } while (0)
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* whatever the environment says */
    SET(CURLOPT_RESOLVE, x->names);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)x->timeout_ms);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_USERAGENT, "Posthorn");
    SET(CURLOPT_WRITEFUNCTION, x->out ? take : drop);
    SET(CURLOPT_WRITEDATA, x->out);
    if (x->ca_file && *x->ca_file)
        SET(CURLOPT_CAINFO, x->ca_file);
    if (x->post) {
        SET(CURLOPT_POSTFIELDSIZE, (long)x->post->body.n);
        SET(CURLOPT_POSTFIELDS, x->post->body.p);
        SET(CURLOPT_HTTPHEADER, x->headers);
    }
#undef SET
    return rc == CURLE_OK ? 0 : E_TEMP;
}

static int code_of(CURLcode rc)
{
    switch ((int)rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return E_TIMEOUT;
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

static int perform(CURL *h, const struct exchange *x, struct errinfo *ei)
{
    char url[900];
    CURLcode rc;

    if ((size_t)snprintf(url, sizeof(url), "https://%s:%u%s", x->host, x->port, x->path) >=
        sizeof(url))
        return err_set(ei, E_RANGE, "%s: the address is too long", x->host);
    if (set_options(h, x, url) < 0)
        return err_set(ei, E_TEMP, "%s: libcurl does not take the options", x->host);
    rc = curl.curl_easy_perform(h);
    if (rc == CURLE_WRITE_ERROR && x->out)
        return err_set(ei, E_RANGE, "%s: the answer is longer than %zu bytes", x->host,
                       x->out->max);
    return rc == CURLE_OK
               ? 0
               : err_set(ei, code_of(rc), "%s: %s", x->host, curl.curl_easy_strerror(rc));
}

/* check: what the answer has to be. */
static int exchange(struct exchange *x, const void *arg,
                    int (*check)(CURL *, const void *arg, struct errinfo *), struct errinfo *ei)
{
    struct buf where;
    CURL *h = NULL;
    int r = load_library(ei);

    if (r < 0)
        return r;
    buf_init(&where, 1024);
    r = resolve(x->host, x->port, &where, ei);
    if (r == 0) {
        x->names = curl.curl_slist_append(NULL, where.p);
        h = curl.curl_easy_init();
        r = x->names && h ? perform(h, x, ei) : err_set(ei, -ENOMEM, "libcurl: no memory");
    }
    if (r == 0)
        r = check(h, arg, ei);
    if (h)
        curl.curl_easy_cleanup(h);
    if (x->names)
        curl.curl_slist_free_all(x->names);
    buf_done(&where);
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

int https_post(const struct https_post *o, struct errinfo *ei)
{
    char type[100];
    struct curl_slist *more;
    struct exchange x = { .host = o->host,
                          .port = o->port,
                          .path = o->path,
                          .ca_file = o->ca_file,
                          .timeout_ms = o->timeout_ms,
                          .post = o };
    int r = load_library(ei);

    if (r < 0)
        return r;
    snprintf(type, sizeof(type), "Content-Type: %s", o->content_type);
    x.headers = curl.curl_slist_append(NULL, type);
    more = x.headers ? curl.curl_slist_append(x.headers, "Expect:") : NULL;
    r = more ? exchange(&x, o, check_taken, ei) : err_set(ei, -ENOMEM, "libcurl: no memory");
    if (x.headers)
        curl.curl_slist_free_all(x.headers);
    return r;
}
