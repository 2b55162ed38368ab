/* TLS of outbound connections. The certificate is checked against the system's CAs and the result
 * reported; whether an unverified one will do is the caller's decision. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "log/log.h"
#include "net/client_priv.h"
#include "net/tls_priv.h"

/* One context for the system's authorities, and one for the files that settings name. */
struct files {
    char ca[512], cert[512];
    struct timespec ca_changed, cert_changed; /* when they were read */
};

static struct {
    pthread_mutex_t lock; /* guards the rest */
    SSL_CTX *system, *named;
    struct files files; /* of named */
} contexts = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A file that cannot be used leaves the context without it, never the connection without TLS: no
 * certificate is then valid, and we show none. */
static void load_files(SSL_CTX *ctx, const struct files *f)
{
    char why[128];
    ERR_clear_error();
    if (*f->ca && SSL_CTX_load_verify_file(ctx, f->ca) != 1)
        log_error("deliver.ca_file %s cannot be used: %s", f->ca, tls_error_text(why, sizeof(why)));
    if (*f->cert && (SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1 ||
                     SSL_CTX_use_PrivateKey_file(ctx, f->cert, SSL_FILETYPE_PEM) != 1))
        log_error("deliver.client_certificate %s cannot be used: %s", f->cert,
                  tls_error_text(why, sizeof(why)));
    ERR_clear_error();
}

static SSL_CTX *new_context(const struct files *f)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (!*f->ca)
        SSL_CTX_set_default_verify_paths(ctx);
    load_files(ctx, f);
    if (SSL_CTX_dane_enable(ctx) > 0)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

static void name_file(const char *path, char ret[512], struct timespec *ret_changed)
{
    struct stat st;
    if (path && *path && sv_copy(ret, 512, sv_c(path)) && stat(path, &st) == 0)
        *ret_changed = st.st_mtim;
}

/* Counted, for one connection; NULL: it cannot be made. */
static SSL_CTX *get_context(const struct client_tls_opts *o)
{
    struct files f = { .ca = "" };
    name_file(o->ca_file, f.ca, &f.ca_changed);
    name_file(o->cert_file, f.cert, &f.cert_changed);
    bool named = *f.ca || *f.cert;
    SSL_CTX **which = named ? &contexts.named : &contexts.system;
    pthread_mutex_lock(&contexts.lock);
    if (!*which || (named && memcmp(&contexts.files, &f, sizeof(f)) != 0)) {
        SSL_CTX_free(*which);
        *which = new_context(&f);
        if (named)
            contexts.files = f;
    }
    SSL_CTX *ctx = *which;
    if (ctx)
        SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&contexts.lock);
    return ctx;
}

static bool set_name(SSL *ssl, const char *name)
{
    uint8_t ip[16];
    if (!name || !name[0])
        return true;
    if (inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

/* 0 = wait for *ret_events; negative with ei. */
static int why_not(struct client *c, SSL *ssl, int r, int err_no, short *ret_events,
                   struct errinfo *ei)
{
    char why[128];
    switch (SSL_get_error(ssl, r)) {
    case SSL_ERROR_WANT_READ:
        *ret_events = POLLIN;
        return 0;
    case SSL_ERROR_WANT_WRITE:
        *ret_events = POLLOUT;
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return err_set(ei, E_CLOSED, "%s: the peer closed the connection", c->peer);
    case SSL_ERROR_SYSCALL:
        return err_set(ei, E_CLOSED, "%s: %s", c->peer,
                       err_no ? strerrordesc_np(err_no) : "the peer closed the connection");
    default:
        return err_set(ei, E_TLS, "%s: TLS: %s", c->peer, tls_error_text(why, sizeof(why)));
    }
}

/* RFC 7672 3.1: usages 0 and 1 (and what is not defined) are unusable, as is what OpenSSL refuses:
 * an unknown selector or matching type, a digest of a wrong length. The certificate may have the
 * name of the host or the domain that was asked for (3.2.2). */
static bool use_dane(SSL *ssl, const struct client_tls_opts *o, size_t *ret_usable)
{
    if (SSL_dane_enable(ssl, o->server_name) <= 0)
        return false;
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 0; i < o->n_tlsa; i++) {
        const struct tlsa *t = &o->tlsa[i];
        int r = t->usage == 2 || t->usage == 3
                    ? SSL_dane_tlsa_add(ssl, t->usage, t->selector, t->matching, t->data, t->n)
                    : 0;

        if (r < 0)
            return false;
        *ret_usable += (size_t)r;
    }
    ERR_clear_error();
    return true;
}

static bool set_up(SSL *ssl, struct client *c, const struct client_tls_opts *o, size_t *ret_usable)
{
    if (SSL_set_fd(ssl, c->fd) != 1)
        return false;
    if (o->n_tlsa ? !use_dane(ssl, o, ret_usable) : !set_name(ssl, o->server_name))
        return false;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !o->other_name || !o->other_name[0] || SSL_add1_host(ssl, o->other_name) == 1;
}

static int handshake(struct client *c, SSL *ssl, struct errinfo *ei)
{
    c->deadline_ms = clock_mono_ms() + c->timeout_ms;
    for (;;) {
        short events = POLLIN;
        ERR_clear_error();
        errno = 0;
        int r = SSL_connect(ssl);
        if (r == 1)
            return 0;
        r = why_not(c, ssl, r, errno, &events, ei);
        if (r == 0)
            r = client_wait(c, events, ei);
        if (r < 0)
            return r == E_CLOSED ? E_TLS : r;
    }
}

static void find_out(SSL *ssl, struct client_tls_result *ret)
{
    uint8_t usage, selector, matching;

    ret->verify = SSL_get_verify_result(ssl);
    if (!ret->usable_tlsa || ret->verify != X509_V_OK)
        return;
    if (SSL_get0_dane_authority(ssl, NULL, NULL) < 0 ||
        SSL_get0_dane_tlsa(ssl, &usage, &selector, &matching, NULL, NULL) < 0)
        ret->verify = X509_V_ERR_DANE_NO_MATCH;
    else
        snprintf(ret->how, sizeof(ret->how), "DANE %u %u %u", usage, selector, matching);
}

static void describe(SSL *ssl, struct client_tls_result *ret)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    if (x)
        certificate_describe(x, &ret->peer);
}

int client_tls_start(struct client *c, const struct client_tls_opts *o,
                     struct client_tls_result *ret, struct errinfo *ei)
{
    char why[128];
    *ret = (struct client_tls_result){ 0 };
    if (client_has_input(c))
        return err_set(ei, E_TLS, "%s: input before the TLS handshake", c->peer);
    int r = client_flush(c, ei);
    if (r < 0)
        return r;
    ERR_clear_error();
    SSL_CTX *ctx = get_context(o);
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx); /* ssl holds it */
    if (!ssl || !set_up(ssl, c, o, &ret->usable_tlsa)) {
        SSL_free(ssl);
        return err_set(ei, E_TLS, "%s: cannot begin TLS: %s", c->peer,
                       tls_error_text(why, sizeof(why)));
    }
    r = handshake(c, ssl, ei);
    if (r < 0) {
        SSL_free(ssl);
        return r;
    }
    find_out(ssl, ret);
    if (o->describe)
        describe(ssl, ret);
    c->ssl = ssl;
    c->tls_text = xasprintf("%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
    return 0;
}

int client_starttls(struct client *c, const char *server_name, long *ret_verify, struct errinfo *ei)
{
    struct client_tls_result found;
    int r =
        client_tls_start(c, &(struct client_tls_opts){ .server_name = server_name }, &found, ei);
    if (r == 0 && ret_verify)
        *ret_verify = found.verify;
    return r;
}

const char *client_verify_text(long verify)
{
    return X509_verify_cert_error_string(verify);
}

ssize_t client_tls_read(struct client *c, void *p, size_t n, short *ret_events, struct errinfo *ei)
{
    size_t got = 0;
    ERR_clear_error();
    errno = 0;
    int r = SSL_read_ex(c->ssl, p, n, &got);
    return r == 1 ? (ssize_t)got : why_not(c, c->ssl, r, errno, ret_events, ei);
}

ssize_t client_tls_write(struct client *c, const void *p, size_t n, short *ret_events,
                         struct errinfo *ei)
{
    size_t put = 0;
    ERR_clear_error();
    errno = 0;
    int r = SSL_write_ex(c->ssl, p, n, &put);
    return r == 1 ? (ssize_t)put : why_not(c, c->ssl, r, errno, ret_events, ei);
}

void client_tls_close(struct client *c)
{
    if (!c->ssl)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    c->ssl = NULL;
    ERR_clear_error();
}
