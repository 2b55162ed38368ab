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

/* "host:443:address,address" */
static int resolve(const char *host, struct buf *out, struct errinfo *ei)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA };
    size_t n = 0;
    int r = 0, failed = 0;

    (void)buf_addf(out, "%s:443:", host);
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

static size_t take(char *p, size_t size, size_t n, void *arg)
{
    return buf_add(arg, p, size * n) == 0 ? n : 0;
}

static int set_options(CURL *h, const struct https_get *o, const char *url,
                       struct curl_slist *names, struct buf *out)
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
    SET(CURLOPT_RESOLVE, names);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_USERAGENT, "Posthorn");
    SET(CURLOPT_WRITEFUNCTION, take);
    SET(CURLOPT_WRITEDATA, out);
    if (o->ca_file && *o->ca_file)
        SET(CURLOPT_CAINFO, o->ca_file);
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

static int check_answer(CURL *h, const struct https_get *o, struct errinfo *ei)
{
    long status = 0;
    char *type = NULL;

    curl.curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    curl.curl_easy_getinfo(h, CURLINFO_CONTENT_TYPE, &type);
    if (status != 200)
        return err_set(ei, E_NOTFOUND, "%s answers with status %ld", o->host, status);
    if (!type || !sv_istarts(sv_c(type), sv_c(o->content_type)))
        return err_set(ei, E_NOTFOUND, "%s answers with the type '%.40s', not %s", o->host,
                       type ? type : "", o->content_type);
    return 0;
}

static int perform(CURL *h, const struct https_get *o, struct curl_slist *names, struct buf *out,
                   struct errinfo *ei)
{
    char url[700];
    CURLcode rc;

    if ((size_t)snprintf(url, sizeof(url), "https://%s%s", o->host, o->path) >= sizeof(url))
        return err_set(ei, E_RANGE, "%s: the address is too long", o->host);
    if (set_options(h, o, url, names, out) < 0)
        return err_set(ei, E_TEMP, "%s: libcurl does not take the options", o->host);
    rc = curl.curl_easy_perform(h);
    if (rc == CURLE_WRITE_ERROR)
        return err_set(ei, E_RANGE, "%s: the answer is longer than %zu bytes", o->host, out->max);
    if (rc != CURLE_OK)
        return err_set(ei, code_of(rc), "%s: %s", o->host, curl.curl_easy_strerror(rc));
    return check_answer(h, o, ei);
}

int https_get(const struct https_get *o, struct buf *out, struct errinfo *ei)
{
    struct buf where;
    struct curl_slist *names = NULL;
    CURL *h = NULL;
    int r = load_library(ei);

    if (r < 0)
        return r;
    buf_init(&where, 1024);
    r = resolve(o->host, &where, ei);
    if (r == 0) {
        names = curl.curl_slist_append(NULL, where.p);
        h = curl.curl_easy_init();
        r = names && h ? perform(h, o, names, out, ei) : err_set(ei, -ENOMEM, "libcurl: no memory");
    }
    if (h)
        curl.curl_easy_cleanup(h);
    if (names)
        curl.curl_slist_free_all(names);
    buf_done(&where);
    return r;
}
