/* HTTPS by libcurl, which is loaded here: the server itself does not need it. Certificates are
 * always checked. */
#define CURL_DISABLE_TYPECHECK 1 /* its macros would call what is linked */
#include "cli/remote.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "os/library.h"

#define CONNECT_S 10
#define MAX_TOKEN 512
#define PREFIX    "/api/v1"

/* clang-format off */
#define LIBCURL(X) \
    X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_init) X(curl_easy_perform) \
    X(curl_easy_setopt) X(curl_easy_strerror) X(curl_global_cleanup) X(curl_global_init) \
    X(curl_slist_append) X(curl_slist_free_all)
/* clang-format on */
static struct {
    LIBCURL(LIBRARY_POINTER)
} cu;

struct remote {
    CURL *curl;
    char *server; /* without a slash at its end */
    char *ca;
    char *auth; /* the header */
    int timeout_s;
    char error[CURL_ERROR_SIZE];
    struct buf body;
    bool too_long;
    char etag[64];
};

static int load_library(struct errinfo *ei)
{
#define SYMBOL(function) { #function, (void **)&cu.function },
    static const struct library_symbol symbols[] = { LIBCURL(SYMBOL) };
#undef SYMBOL
    return library_load("libcurl.so.4", "libcurl4", symbols, ARRAY_LEN(symbols), ei);
}

/* --- what is given --- */

static int check_server(const char *server, struct errinfo *ei)
{
    struct sv s = sv_c(server);
    struct sv host = sv_skip(s, MIN(s.n, strlen("https://")));

    if (sv_istarts(s, SV("http://")))
        return err_set(ei, E_PARSE,
                       "--server: '%.100s' would send the token in clear text; write https://",
                       server);
    if (!sv_istarts(s, SV("https://")) || !host.n || host.p[0] == '/' || sv_find(host, '@') >= 0 ||
        sv_find(host, '?') >= 0 || sv_find(host, '#') >= 0)
        return err_set(ei, E_PARSE,
                       "--server: '%.100s' is not an address; write https://host or "
                       "https://host:port",
                       server);
    return 0;
}

/* A token is one word: anything else is another file, or would change the request. */
static int take_token(struct remote *r, struct sv token, const char *from, struct errinfo *ei)
{
    token = sv_trim(token);
    if (!token.n)
        return err_set(ei, E_PARSE, "%s: there is no token in it", from);
    for (size_t i = 0; i < token.n; i++)
        if (!isgraph((unsigned char)token.p[i]) || token.n > MAX_TOKEN)
            return err_set(ei, E_PARSE,
                           "%s: this is not a token; `posthorn tool create token` "
                           "makes one",
                           from);
    r->auth = xasprintf("Authorization: Bearer " SV_FMT, SV_ARG(token));
    return 0;
}

static int read_token(struct remote *r, const char *path, struct errinfo *ei)
{
    char text[MAX_TOKEN + 100];
    FILE *f = fopen(path, "re");
    struct stat st;
    size_t n;
    int result;

    if (!f)
        return err_set_errno(ei, -errno, "--token-file: %s", path);
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0077)
        fprintf(stderr, "posthorn tool: %s can be read by others; chmod 600 makes it yours\n",
                path);
    n = fread(text, 1, sizeof(text), f);
    fclose(f);
    result = take_token(r, sv_n(text, n), path, ei);
    explicit_bzero(text, sizeof(text));
    return result;
}

static int find_token(struct remote *r, const struct remote_opts *o, struct errinfo *ei)
{
    const char *env = getenv("POSTHORN_TOKEN");

    if (o->token_file)
        return read_token(r, o->token_file, ei);
    if (o->token) {
        fprintf(stderr, "posthorn tool: --token shows the token to everybody who lists processes; "
                        "use --token-file or POSTHORN_TOKEN\n");
        return take_token(r, sv_c(o->token), "--token", ei);
    }
    if (env && *env)
        return take_token(r, sv_c(env), "POSTHORN_TOKEN", ei);
    return err_set(ei, E_PARSE, "--server needs a token: --token-file FILE, or POSTHORN_TOKEN");
}

static int check_ca(const char *ca, struct errinfo *ei)
{
    FILE *f = ca ? fopen(ca, "re") : NULL;

    if (ca && !f)
        return err_set_errno(ei, -errno, "--ca: %s", ca);
    if (f)
        fclose(f);
    return 0;
}

int remote_open(const struct remote_opts *o, struct remote **ret, struct errinfo *ei)
{
    struct remote *r;
    int result = check_server(o->server, ei);

    if (result == 0)
        result = check_ca(o->ca, ei);
    if (result < 0)
        return result;
    r = xcalloc(1, sizeof(*r));
    buf_init(&r->body, 64 * MiB);
    r->server = xstrdup(o->server);
    while (*r->server && r->server[strlen(r->server) - 1] == '/')
        r->server[strlen(r->server) - 1] = '\0';
    r->ca = o->ca ? xstrdup(o->ca) : NULL;
    r->timeout_s = o->timeout_s;
    result = find_token(r, o, ei);
    if (result == 0)
        result = load_library(ei);
    if (result == 0 &&
        (cu.curl_global_init(CURL_GLOBAL_DEFAULT) || !(r->curl = cu.curl_easy_init())))
        result = err_set(ei, E_TEMP, "libcurl cannot be started");
    if (result < 0) {
        remote_close(r);
        return result;
    }
    *ret = r;
    return 0;
}

void remote_close(struct remote *r)
{
    if (!r)
        return;
    if (r->curl) {
        cu.curl_easy_cleanup(r->curl);
        cu.curl_global_cleanup();
    }
    if (r->auth)
        explicit_bzero(r->auth, strlen(r->auth));
    free(r->auth);
    free(r->server);
    free(r->ca);
    buf_done(&r->body);
    free(r);
}

/* --- one request --- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct remote *r = arg;

    r->too_long = buf_add_sv(&r->body, sv_n(p, size * n)) < 0;
    return r->too_long ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct remote *r = arg;
    struct sv line = sv_n(p, size * n);

    if (sv_istarts(line, SV("ETag:")))
        sv_copy(r->etag, sizeof(r->etag), sv_trim(sv_skip(line, 5)));
    return size * n;
}

static struct curl_slist *headers(const struct remote *r, const struct tool_request *q)
{
    struct curl_slist *list = cu.curl_slist_append(NULL, r->auth);
    const struct {
        const char *name, *value;
    } more[] = {
        { "Content-Type", q->body ? "application/json" : NULL },
        { "If-Match", q->if_match },
        { "Idempotency-Key", q->idempotency_key },
    };

    list = cu.curl_slist_append(list, "Expect:"); /* no round trip before the body */
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        if (more[i].value) {
            _cleanup_(freep) char *line = xasprintf("%s: %s", more[i].name, more[i].value);

            list = cu.curl_slist_append(list, line);
        }
    return list;
}

static int failure(const struct remote *r, CURLcode c, struct errinfo *ei)
{
    const char *why = *r->error ? r->error : cu.curl_easy_strerror(c);

    if (r->too_long)
        return err_set(ei, TOOL_REFUSED, "the answer is longer than 64 MiB; narrow the request");
    if (c == CURLE_PEER_FAILED_VERIFICATION)
        return err_set(ei, TOOL_UNREACHABLE,
                       "%.60s: the certificate is not trusted (%.60s); --ca FILE names its issuer, "
                       "or a self-signed certificate itself",
                       r->server, why);
    if (c == CURLE_SSL_CACERT_BADFILE)
        return err_set(ei, TOOL_UNREACHABLE, "--ca: '%.100s' holds no certificate (PEM)", r->ca);
    if (c == CURLE_OPERATION_TIMEDOUT)
        return err_set(ei, TOOL_UNREACHABLE,
                       "%.60s has not answered within %d s; --timeout SECONDS waits longer",
                       r->server, r->timeout_s);
    return err_set(ei, TOOL_UNREACHABLE,
                   "%.60s cannot be reached: %.100s; does it run, and is web.listen_tls set?",
                   r->server, why);
}

static void set_up(struct remote *r, const struct tool_request *q, const char *url,
                   const char *body, struct curl_slist *list)
{
    CURL *c = r->curl;

    cu.curl_easy_setopt(c, CURLOPT_URL, url);
    cu.curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
    cu.curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
    cu.curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    cu.curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)(body ? strlen(body) : 0));
    if (!body)
        cu.curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    cu.curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
    cu.curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    cu.curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    cu.curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (r->ca)
        cu.curl_easy_setopt(c, CURLOPT_CAINFO, r->ca);
    cu.curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)MIN(CONNECT_S, r->timeout_s));
    cu.curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)r->timeout_s);
    cu.curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    cu.curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
    cu.curl_easy_setopt(c, CURLOPT_USERAGENT, "posthorn-tool/" POSTHORN_VERSION);
    cu.curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->error);
    cu.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    cu.curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
    cu.curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    cu.curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
}

int remote_ask(struct remote *r, const struct tool_request *q, struct tool_answer *ret,
               struct errinfo *ei)
{
    _cleanup_(freep) char *url = xasprintf("%s" PREFIX "%s", r->server, q->path);
    char *body = q->body ? json_dumps(q->body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct curl_slist *list = headers(r, q);
    const char *type = NULL;
    long status = 0;
    CURLcode c;

    buf_reset(&r->body);
    r->error[0] = r->etag[0] = '\0';
    r->too_long = false;
    set_up(r, q, url, body, list);
    c = cu.curl_easy_perform(r->curl);
    cu.curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, NULL);
    cu.curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, NULL);
    cu.curl_slist_free_all(list);
    if (body)
        explicit_bzero(body, strlen(body)); /* it may hold a password */
    free(body);
    if (c != CURLE_OK)
        return failure(r, c, ei);
    cu.curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    cu.curl_easy_getinfo(r->curl, CURLINFO_CONTENT_TYPE, &type);
    ret->status = (int)status;
    memcpy(ret->etag, r->etag, sizeof(ret->etag));
    return answer_read(ret, buf_sv(&r->body), type && strstr(type, "json"), r->server, ei);
}
