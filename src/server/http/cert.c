/* Certificates for GnuTLS, from the directory that the mail services use too: NAME.pem (chain and
 * key, or the key in NAME.key), chosen by the name that the client asks for. Each handshake gets
 * copies of its own, so a reload frees the old ones at once. */
#include <dirent.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "log/log.h"
#include "os/file.h"
#include "server/http/http_priv.h"

#define MAX_CERTS 500
#define MAX_CHAIN 10
#define MAX_NAMES 100

struct cert {
    gnutls_x509_crt_t *chain;
    unsigned n_chain;
    gnutls_x509_privkey_t key;
    char *names[MAX_NAMES]; /* lower case */
    size_t n_names;
    bool is_default;
    char *path;
};

static struct {
    pthread_mutex_t lock; /* guards the rest; held while a handshake copies */
    struct cert *v;
    size_t n;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void cert_done(struct cert *c)
{
    for (unsigned i = 0; i < c->n_chain; i++)
        lib_tls.gnutls_x509_crt_deinit(c->chain[i]);
    free(c->chain);
    if (c->key)
        lib_tls.gnutls_x509_privkey_deinit(c->key);
    for (size_t i = 0; i < c->n_names; i++)
        free(c->names[i]);
    free(c->path);
    *c = (struct cert){ 0 };
}

static void add_name(struct cert *c, struct sv name)
{
    char *copy;

    if (!name.n || name.n > 253 || sv_find(name, '\0') >= 0 || c->n_names == MAX_NAMES)
        return;
    copy = sv_dup(name);
    for (char *p = copy; *p; p++)
        *p = ascii_lower(*p);
    c->names[c->n_names++] = copy;
}

static void read_names(struct cert *c)
{
    char text[256];
    size_t n = sizeof(text);

    for (unsigned i = 0; i < MAX_NAMES; i++) {
        int type;

        n = sizeof(text);
        type = lib_tls.gnutls_x509_crt_get_subject_alt_name(c->chain[0], i, text, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type == GNUTLS_SAN_DNSNAME)
            add_name(c, sv_n(text, n));
    }
    n = sizeof(text);
    if (!c->n_names && lib_tls.gnutls_x509_crt_get_dn_by_oid(
                           c->chain[0], GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &n) == 0)
        add_name(c, sv_n(text, n));
}

static gnutls_datum_t datum(const struct buf *b)
{
    return (gnutls_datum_t){ (unsigned char *)(void *)b->p, (unsigned)b->n };
}

static int load(const char *path, struct cert *ret, struct errinfo *ei)
{
    _cleanup_(freep) char *key_path = xasprintf("%.*s.key", (int)strlen(path) - 4, path);
    bool separate = access(key_path, F_OK) == 0;
    struct buf pem, key;
    gnutls_datum_t d;
    int r;

    buf_init(&pem, 1 * MiB);
    buf_init(&key, 1 * MiB);
    r = os_read_file(path, &pem, ei);
    if (r == 0 && separate)
        r = os_read_file(key_path, &key, ei);
    if (r == 0) {
        int g;

        d = datum(&pem);
        g = lib_tls.gnutls_x509_crt_list_import2(&ret->chain, &ret->n_chain, &d,
                                                 GNUTLS_X509_FMT_PEM, 0);
        if (g >= 0)
            g = lib_tls.gnutls_x509_privkey_init(&ret->key);
        d = datum(separate ? &key : &pem);
        if (g >= 0)
            g = lib_tls.gnutls_x509_privkey_import2(ret->key, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (g < 0)
            r = err_set(ei, E_TLS, "%s: %s", path, lib_tls.gnutls_strerror(g));
        else if (ret->n_chain > MAX_CHAIN)
            r = err_set(ei, E_TLS, "%s: a chain of more than %d certificates", path, MAX_CHAIN);
    }
    if (key.p)
        explicit_bzero(key.p, key.n);
    if (pem.p)
        explicit_bzero(pem.p, pem.n);
    buf_done(&key);
    buf_done(&pem);
    if (r < 0) {
        cert_done(ret);
        return r;
    }
    read_names(ret);
    return 0;
}

static void free_all(struct cert *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cert_done(&v[i]);
    free(v);
}

/* With the lock: a file that cannot be read any more leaves what it held before in force. */
static bool take_old(const char *path, struct cert *ret)
{
    for (size_t i = 0; i < store.n; i++)
        if (store.v[i].path && !strcmp(store.v[i].path, path)) {
            *ret = store.v[i];
            store.v[i] = (struct cert){ 0 };
            return true;
        }
    return false;
}

struct loading {
    struct cert *v;
    size_t n;
    char *broken[MAX_CERTS];
    size_t n_broken;
};

/* One file that is broken does not take the others with it. */
static void load_all(DIR *d, const char *dir, struct loading *l)
{
    struct dirent *e;

    while (l->n + l->n_broken < MAX_CERTS && (e = readdir(d))) {
        char *path = xasprintf("%s/%s", dir, e->d_name);
        struct errinfo ei = { 0 };

        if (e->d_name[0] == '.' || !sv_iends(sv_c(e->d_name), SV(".pem"))) {
            free(path);
        } else if (load(path, &l->v[l->n], &ei) == 0) {
            l->v[l->n].is_default = !strcmp(e->d_name, "default.pem");
            l->v[l->n++].path = path;
        } else {
            log_error("web server: %s; the file is left out", ei.text);
            l->broken[l->n_broken++] = path;
        }
    }
}

int http_certs_load(const char *dir, struct errinfo *ei)
{
    struct loading l = { .v = xcalloc(MAX_CERTS, sizeof(*l.v)) };
    struct cert *old;
    size_t n_old;
    DIR *d = opendir(dir);
    int r = d ? 0 : err_set_errno(ei, -errno, "%s", dir);

    if (d) {
        load_all(d, dir, &l);
        closedir(d);
    }
    pthread_mutex_lock(&store.lock);
    for (size_t i = 0; i < l.n_broken; i++)
        l.n += take_old(l.broken[i], &l.v[l.n]);
    if (r == 0 && l.n == 0)
        r = err_set(ei, E_NOTFOUND, "%s: there is no certificate that can be used (NAME.pem)", dir);
    old = r < 0 ? l.v : store.v;
    n_old = r < 0 ? l.n : store.n;
    if (r == 0) {
        store.v = l.v;
        store.n = l.n;
    }
    pthread_mutex_unlock(&store.lock);
    free_all(old, n_old);
    for (size_t i = 0; i < l.n_broken; i++)
        free(l.broken[i]);
    return r;
}

bool http_certs_any(void)
{
    bool any;

    pthread_mutex_lock(&store.lock);
    any = store.n > 0;
    pthread_mutex_unlock(&store.lock);
    return any;
}

void http_certs_unload(void)
{
    pthread_mutex_lock(&store.lock);
    free_all(store.v, store.n);
    store.v = NULL;
    store.n = 0;
    pthread_mutex_unlock(&store.lock);
}

void http_certs_each(void (*fn)(const char *name, int64_t ends_s, void *arg), void *arg)
{
    pthread_mutex_lock(&store.lock);
    for (size_t i = 0; i < store.n; i++) {
        const struct cert *c = &store.v[i];
        time_t ends = lib_tls.gnutls_x509_crt_get_expiration_time(c->chain[0]);

        if (ends != (time_t)-1)
            fn(c->n_names ? c->names[0] : "", (int64_t)ends, arg);
    }
    pthread_mutex_unlock(&store.lock);
}

/* How well a certificate's name fits: exact over *.suffix, 0 = not. */
static size_t fit(const char *have, struct sv want)
{
    struct sv h = sv_c(have);
    ssize_t dot = sv_find(want, '.');

    if (sv_eq(h, want))
        return 1000 + h.n;
    if (h.n > 2 && h.p[0] == '*' && dot > 0 && sv_eq(sv_skip(h, 1), sv_skip(want, (size_t)dot)))
        return h.n;
    return 0;
}

/* With the lock. */
static const struct cert *find(struct sv name)
{
    const struct cert *best = NULL;
    size_t best_fit = 0;

    for (size_t i = 0; i < store.n; i++) {
        if (!best || (!best_fit && store.v[i].is_default))
            best = &store.v[i];
        for (size_t k = 0; name.n && k < store.v[i].n_names; k++) {
            size_t f = fit(store.v[i].names[k], name);

            if (f > best_fit) {
                best_fit = f;
                best = &store.v[i];
            }
        }
    }
    return best;
}

/* With the lock. GnuTLS frees what it gets (GNUTLS_CERT_RETR_DEINIT_ALL). */
static int copy(const struct cert *c, gnutls_pcert_st **ret, unsigned *ret_n, gnutls_privkey_t *key)
{
    gnutls_pcert_st *p = calloc(c->n_chain, sizeof(*p));
    unsigned n = 0;
    int r = p ? 0 : GNUTLS_E_MEMORY_ERROR;

    *key = NULL;
    while (r >= 0 && n < c->n_chain) {
        r = lib_tls.gnutls_pcert_import_x509(&p[n], c->chain[n], 0);
        n += r >= 0;
    }
    if (r >= 0)
        r = lib_tls.gnutls_privkey_init(key);
    if (r >= 0)
        r = lib_tls.gnutls_privkey_import_x509(*key, c->key, GNUTLS_PRIVKEY_IMPORT_COPY);
    if (r >= 0) {
        *ret = p;
        *ret_n = n;
        return 0;
    }
    while (n)
        lib_tls.gnutls_pcert_deinit(&p[--n]);
    free(p);
    if (*key)
        lib_tls.gnutls_privkey_deinit(*key);
    return r;
}

/* The setting may have changed since the server began: both versions are spoken, one is refused. */
static bool version_allowed(gnutls_session_t session)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    return !cf->net.tls_min_version ||
           lib_tls.gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3;
}

int http_cert_callback(gnutls_session_t session, const struct gnutls_cert_retr_st *info _unused_,
                       gnutls_pcert_st **certs, unsigned *n, gnutls_ocsp_data_st **ocsp,
                       unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    char name[256];
    size_t len = sizeof(name);
    unsigned type;
    const struct cert *c;
    int r;

    if (!version_allowed(session))
        return -1;
    if (lib_tls.gnutls_server_name_get(session, name, &len, &type, 0) < 0 ||
        type != GNUTLS_NAME_DNS)
        len = 0;
    len = strnlen(name, MIN(len, sizeof(name)));
    for (size_t i = 0; i < len; i++)
        name[i] = ascii_lower(name[i]);
    pthread_mutex_lock(&store.lock);
    c = find(sv_n(name, len));
    r = c ? copy(c, certs, n, key) : -1;
    pthread_mutex_unlock(&store.lock);
    *ocsp = NULL;
    *n_ocsp = 0;
    *flags |= GNUTLS_CERT_RETR_DEINIT_ALL;
    return r < 0 ? -1 : 0;
}
