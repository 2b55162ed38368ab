/* The process's certificates: loading a directory, choosing by SNI, exchanging the set while old
 * handshakes still use theirs. Session tickets are sealed with keys of the process, not of a
 * context, so that resumption survives a reload. Any thread. */
#include "net/tls.h"

#include <dirent.h>
#include <pthread.h>

#include <openssl/err.h>

#include "base/rand.h"
#include "conf/conf.h"
#include "net/tls_priv.h"

enum { FILES_MAX = 4096, TICKET_KEYS_BYTES = 80 };

/* AEAD suites with forward secrecy first; the rest is for old mail servers, which would fall back
 * to plain text otherwise. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:"
                              "DHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!eNULL:!MD5:!PSK:!SRP:!DSS";

static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the three below */
static struct tls_store *current;
static char *current_dir;
static uint8_t ticket_keys[TICKET_KEYS_BYTES];
static atomic_bool available;

static void make_ticket_keys(void)
{
    rand_bytes(ticket_keys, sizeof(ticket_keys));
}

struct tls_store *tls_store_pin(void)
{
    pthread_mutex_lock(&store_lock);
    struct tls_store *s = current;
    if (s)
        atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&store_lock);
    return s;
}

void tls_store_unref(struct tls_store *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->n; i++)
        tls_cert_done(&s->cert[i]);
    free(s->cert);
    free(s);
}

bool tls_available(void)
{
    return atomic_load(&available);
}

/* --- choice by name --- */

static bool wildcard_fits(struct sv pattern, struct sv name)
{
    ssize_t dot = sv_find(name, '.');
    return sv_starts(pattern, SV("*.")) && dot > 0 &&
           sv_ieq(sv_skip(pattern, 1), sv_skip(name, (size_t)dot));
}

size_t tls_store_find(const struct tls_store *s, struct sv name)
{
    size_t wild = s->dflt;
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->cert[i].n_names; k++) {
            struct sv have = sv_c(s->cert[i].names[k]);
            if (sv_ieq(have, name))
                return i;
            if (wildcard_fits(have, name))
                wild = i;
        }
    }
    return wild;
}

static int on_server_name(SSL *ssl, int *alert _unused_, void *arg _unused_)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct tls_store *s = SSL_get_app_data(ssl);
    if (!name || !s)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, s->cert[tls_store_find(s, sv_c(name))].ctx);
    return SSL_TLSEXT_ERR_OK;
}

/* --- loading --- */

static SSL_CTX *new_context(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    static const uint8_t id_context[] = "posthorn";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return NULL;
    pthread_once(&once, make_ticket_keys);
    SSL_CTX_set_min_proto_version(ctx,
                                  cf->net.tls_min_version == 1 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* Buffers are given back while a connection is idle; read-ahead saves a call per record. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_dh_auto(ctx, 1);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    if (SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_set_session_id_context(ctx, id_context, sizeof(id_context) - 1) != 1 ||
        SSL_CTX_set_tlsext_ticket_keys(ctx, ticket_keys, sizeof(ticket_keys)) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static bool same_names(const struct tls_cert *a, const struct tls_cert *b)
{
    if (a->n_names != b->n_names || a->n_names == 0)
        return false;
    for (size_t i = 0; i < a->n_names; i++) {
        if (strcmp(a->names[i], b->names[i]) != 0)
            return false;
    }
    return true;
}

static int key_type(SSL_CTX *ctx)
{
    return EVP_PKEY_get_base_id(SSL_CTX_get0_privatekey(ctx));
}

/* An RSA certificate beside an ECDSA one for the same names: one context offers both, and clients
 * that can take ECDSA get it. */
static bool merge(struct tls_store *s, const struct tls_cert *c, const char *path)
{
    for (size_t i = 0; i < s->n; i++) {
        struct tls_cert dummy, *o = &s->cert[i];
        if (!same_names(o, c) || key_type(o->ctx) == key_type(c->ctx))
            continue;
        if (tls_cert_load(o->ctx, path, &dummy, NULL) < 0)
            return false;
        tls_cert_done(&dummy);
        return true;
    }
    return false;
}

static int load_file(struct tls_store *s, const char *path, struct errinfo *ei)
{
    SSL_CTX *ctx = new_context();
    struct tls_cert c = { 0 };
    char why[128];
    if (!ctx)
        return err_set(ei, E_TLS, "cannot make a TLS context: %s",
                       tls_error_text(why, sizeof(why)));
    int r = tls_cert_load(ctx, path, &c, ei);
    c.ctx = ctx;
    if (r < 0 || merge(s, &c, path)) {
        tls_cert_done(&c);
        return r;
    }
    s->cert = xrealloc(s->cert, (s->n + 1) * sizeof(*s->cert));
    s->cert[s->n++] = c;
    return 0;
}

static int is_pem(const struct dirent *e)
{
    return e->d_name[0] != '.' && sv_iends(sv_c(e->d_name), SV(".pem"));
}

static int load_dir(struct tls_store *s, const char *dir, struct errinfo *ei)
{
    struct dirent **files = NULL;
    int n = scandir(dir, &files, is_pem, alphasort), r = 0;
    if (n < 0)
        return err_set_errno(ei, -errno, "%s: cannot read the directory of certificates", dir);
    for (int i = 0; i < n; i++) {
        char *path = xasprintf("%s/%s", dir, files[i]->d_name);
        size_t before = s->n;
        if (r == 0)
            r = i < FILES_MAX
                    ? load_file(s, path, ei)
                    : err_set(ei, E_LIMIT, "%s: more than %d certificates", dir, FILES_MAX);
        if (r == 0 && s->n > before && strcmp(files[i]->d_name, "default.pem") == 0)
            s->dflt = before;
        free(path);
        free(files[i]);
    }
    free(files);
    if (r == 0 && s->n == 0)
        r = err_set(ei, E_NOTFOUND, "%s: no certificate (NAME.pem) in it", dir);
    return r;
}

int tls_load(const char *dir, struct errinfo *ei)
{
    _cleanup_(tls_store_unrefp) struct tls_store *s = xcalloc(1, sizeof(*s));
    atomic_init(&s->refs, 1);
    int r = load_dir(s, dir, ei);
    pthread_mutex_lock(&store_lock);
    char *copy = xstrdup(dir); /* dir may be current_dir */
    free(current_dir);
    current_dir = copy;
    if (r == 0) {
        struct tls_store *old = current;
        current = s;
        s = old;
        atomic_store(&available, true);
    }
    pthread_mutex_unlock(&store_lock);
    return r;
}

int tls_reload(struct errinfo *ei)
{
    pthread_mutex_lock(&store_lock);
    _cleanup_(freep) char *dir = current_dir ? xstrdup(current_dir) : NULL;
    pthread_mutex_unlock(&store_lock);
    return dir ? tls_load(dir, ei) : 0;
}

void tls_unload(void)
{
    pthread_mutex_lock(&store_lock);
    struct tls_store *old = take_ptr(current);
    free(take_ptr(current_dir));
    atomic_store(&available, false);
    pthread_mutex_unlock(&store_lock);
    tls_store_unref(old);
}
