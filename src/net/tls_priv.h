/* Certificates inside net/: the process's store, counted because handshakes hold on to the one
 * they began with. Only tls*.c, certificate.c, peer_certificate.c, conn_tls.c and client_tls.c
 * include OpenSSL. */
#pragma once

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "base/err.h"
#include "base/sv.h"

struct tls_cert {
    SSL_CTX *ctx;
    char *file;
    char **names; /* lower case, of the certificate's SAN or CN */
    size_t n_names;
};

struct tls_store {
    atomic_uint refs;
    size_t n, dflt; /* dflt: index of the certificate for names without a match */
    struct tls_cert *cert;
};

struct tls_store *tls_store_pin(void); /* NULL when nothing is loaded */
void tls_store_unref(struct tls_store *s);
DEFINE_CLEANUP(struct tls_store, tls_store_unref)
bool tls_available(void);
int tls_reload(struct errinfo *ei); /* of the last directory; 0 when there was none */
/* Frees the store (ends of tests). */
void tls_unload(void);

/* tls_cert.c: one PEM file into ctx, with its names. */
int tls_cert_load(SSL_CTX *ctx, const char *path, struct tls_cert *ret, struct errinfo *ei);
void tls_cert_done(struct tls_cert *c);
/* The certificate that fits name best: exact, then the longest *.suffix, else the default. Pure. */
size_t tls_store_find(const struct tls_store *s, struct sv name);
/* certificate.c: what is known of it. */
struct certificate;
void certificate_describe(X509 *x, struct certificate *ret);
/* Text of the oldest error in OpenSSL's queue, which is emptied. */
const char *tls_error_text(char *buf, size_t n);
