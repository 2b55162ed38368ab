#include "net/peer_certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/conn_priv.h"
#include "net/tls_priv.h"

enum { SECURITY_LEVEL = 2 }; /* of OpenSSL: keys and digests of 112 bits */

DEFINE_CLEANUP(X509_STORE_CTX, X509_STORE_CTX_free)

struct peer_certificate {
    X509 *own;
    STACK_OF(X509) * chain; /* NULL after a resumption: it is not part of a session */
};

struct peer_authorities {
    X509_STORE *store;
};

struct peer_certificate *peer_certificate_of(const struct conn *c)
{
    X509 *x = c->ssl ? SSL_get1_peer_certificate(c->ssl) : NULL;
    if (!x)
        return NULL;
    struct peer_certificate *p = xcalloc(1, sizeof(*p));
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(c->ssl);
    p->own = x;
    p->chain = chain ? X509_chain_up_ref(chain) : NULL;
    return p;
}

void peer_certificate_free(struct peer_certificate *p)
{
    if (!p)
        return;
    X509_free(p->own);
    sk_X509_pop_free(p->chain, X509_free);
    free(p);
}

bool peer_certificate_names(const struct peer_certificate *p, const char *host)
{
    return X509_check_host(p->own, host, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

void peer_certificate_describe(const struct peer_certificate *p, struct certificate *ret)
{
    certificate_describe(p->own, ret);
}

int peer_authorities_load(const char *file, struct peer_authorities **ret, struct errinfo *ei)
{
    char why[128];
    ERR_clear_error();
    X509_STORE *s = X509_STORE_new();
    if (!s || (*file ? X509_STORE_load_file(s, file) : X509_STORE_set_default_paths(s)) != 1) {
        X509_STORE_free(s);
        return err_set(ei, E_TLS, "%s cannot be used: %s",
                       *file ? file : "the system's certificate authorities",
                       tls_error_text(why, sizeof(why)));
    }
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->store = s;
    return 0;
}

void peer_authorities_free(struct peer_authorities *a)
{
    if (!a)
        return;
    X509_STORE_free(a->store);
    free(a);
}

const char *peer_certificate_doubt(const struct peer_certificate *p,
                                   const struct peer_authorities *a)
{
    _cleanup_(X509_STORE_CTX_freep) X509_STORE_CTX *x = X509_STORE_CTX_new();
    ERR_clear_error();
    if (!x || X509_STORE_CTX_init(x, a->store, p->own, p->chain) != 1)
        return "it cannot be checked";
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(x), SECURITY_LEVEL);
    bool vouched = X509_verify_cert(x) == 1;
    ERR_clear_error();
    if (!vouched)
        return X509_verify_cert_error_string(X509_STORE_CTX_get_error(x));
    /* Authorities issue certificates of clients less and less: that of the server will do. */
    return X509_check_purpose(p->own, X509_PURPOSE_SSL_CLIENT, 0) == 1 ||
                   X509_check_purpose(p->own, X509_PURPOSE_SSL_SERVER, 0) == 1
               ? NULL
               : "it is neither a server's nor a client's";
}
