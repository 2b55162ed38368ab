/* TLS of a connection: OpenSSL directly on the non-blocking socket, on whichever worker owns the
 * connection. The error queue is per thread and other connections leave things there, so it is
 * emptied before each call whose result is looked at. */
#include <stdio.h>

#include <openssl/err.h>

#include "log/log.h"
#include "net/conn_priv.h"
#include "net/tls_priv.h"

enum { EXPORTER_BYTES = 32, CHAIN_BYTES = 32 * KiB };

/* What it proves is judged later, if it matters: no client is turned away for its certificate. */
static int take_any(int ok _unused_, X509_STORE_CTX *x _unused_)
{
    return 1;
}

static void ask_certificate(const struct conn *c, SSL *ssl)
{
    const struct setting *asked = c->listener->certificate;
    _cleanup_(conf_unrefp) const struct conf *cf = asked ? conf_pin() : NULL;
    if (!cf || net_setting(cf, asked) == 0)
        return;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, take_any);
    SSL_set_max_cert_list(ssl, CHAIN_BYTES);
}

int tls_attach(struct conn *c)
{
    struct tls_store *s = tls_store_pin();
    if (!s)
        return E_TLS;
    ERR_clear_error();
    SSL *ssl = SSL_new(s->cert[s->dflt].ctx);
    if (!ssl || SSL_set_fd(ssl, c->fd) != 1) {
        SSL_free(ssl);
        tls_store_unref(s);
        return E_TLS;
    }
    SSL_set_app_data(ssl, s); /* for the choice by name; until the handshake is over */
    SSL_set_accept_state(ssl);
    ask_certificate(c, ssl);
    c->ssl = ssl;
    return 0;
}

static void drop_store(struct conn *c)
{
    struct tls_store *s = SSL_get_app_data(c->ssl);
    SSL_set_app_data(c->ssl, NULL);
    tls_store_unref(s);
}

static int result(struct conn *c, int r)
{
    switch (SSL_get_error(c->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        return TLS_FAILED;
    }
}

int tls_handshake(struct conn *c, struct errinfo *ei)
{
    ERR_clear_error();
    errno = 0;
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) {
        drop_store(c);
        return TLS_DONE;
    }
    int e = errno;
    r = result(c, r);
    if (r == TLS_WANT_READ || r == TLS_WANT_WRITE)
        return r;
    char why[128];
    if (ERR_peek_error() != 0)
        err_set(ei, E_TLS, "%s", tls_error_text(why, sizeof(why)));
    else
        err_set(ei, E_TLS, "%s", e ? strerrordesc_np(e) : "the peer closed the connection");
    return TLS_FAILED;
}

ssize_t tls_read(struct conn *c, void *p, size_t n)
{
    size_t got = 0;
    ERR_clear_error();
    int r = SSL_read_ex(c->ssl, p, n, &got);
    return r == 1 ? (ssize_t)got : result(c, r);
}

ssize_t tls_write(struct conn *c, const void *p, size_t n)
{
    size_t put = 0;
    ERR_clear_error();
    int r = SSL_write_ex(c->ssl, p, n, &put);
    return r == 1 ? (ssize_t)put : result(c, r);
}

bool tls_has_input(struct conn *c)
{
    char byte;
    size_t got;
    ERR_clear_error();
    return SSL_peek_ex(c->ssl, &byte, 1, &got) == 1;
}

bool tls_buffered(struct conn *c)
{
    return SSL_has_pending(c->ssl) == 1;
}

bool tls_resumed(const struct conn *c)
{
    return SSL_session_reused(c->ssl) == 1;
}

void tls_detach(struct conn *c, bool clean)
{
    if (!c->ssl)
        return;
    drop_store(c);
    ERR_clear_error();
    if (clean && SSL_is_init_finished(c->ssl))
        (void)SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    c->ssl = NULL;
    ERR_clear_error();
}

const char *conn_tls_info(const struct conn *c)
{
    if (!conn_is_tls(c))
        return "";
    if (!c->tls_text) {
        struct conn *own = (struct conn *)c; /* a cache; the caller owns the connection */
        own->tls_text = xasprintf("%s %s", SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl));
    }
    return c->tls_text;
}

bool conn_channel_binding(struct conn *c, const char **ret_type, struct buf *ret)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    size_t n;
    if (!conn_is_tls(c))
        return false;
    ERR_clear_error();
    if (SSL_version(c->ssl) >= TLS1_3_VERSION) {
        static const char label[] = "EXPORTER-Channel-Binding";
        n = EXPORTER_BYTES;
        if (SSL_export_keying_material(c->ssl, bytes, n, label, sizeof(label) - 1,
                                       (const uint8_t *)"", 0, 1) != 1)
            return false;
        *ret_type = "tls-exporter";
        return buf_add(ret, bytes, n) == 0;
    }
    /* Without the extended master secret tls-unique can be forged (RFC 7627 section 1). */
    if (SSL_get_extms_support(c->ssl) != 1)
        return false;
    /* RFC 5929 section 3: the first Finished; the server's when the session was resumed. */
    n = tls_resumed(c) ? SSL_get_finished(c->ssl, bytes, sizeof(bytes))
                       : SSL_get_peer_finished(c->ssl, bytes, sizeof(bytes));
    *ret_type = "tls-unique";
    return n > 0 && n <= sizeof(bytes) && buf_add(ret, bytes, n) == 0;
}
