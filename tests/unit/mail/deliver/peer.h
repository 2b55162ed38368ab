/* The other side: a thread that plays one script per connection. Lines of a script:
 *   "> text"   send text and CRLF          "< text"  a line must begin with text
 *   "data"     read up to the final dot    "close"   close at once
 *   "sleep N"  wait N ms                   "tls"     server side of a handshake
 *   "gone"     the peer must close         "reset"   close with RST */
#pragma once

#include "house.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "net/tls.h"

enum { MAX_SCRIPTS = 8 };

struct peer {
    int listener;
    uint16_t port;
    const char *scripts[MAX_SCRIPTS][48];
    unsigned n_scripts;
    pthread_t thread;
    _Atomic unsigned served; /* connections */
    _Atomic unsigned step;   /* of the script being played */
    char error[600];         /* first deviation from a script */
    struct buf data;         /* of the last "data" */
    SSL_CTX *ctx;
    /* of the connection: */
    int fd;
    SSL *ssl;
    char line[9000];
    size_t n;
};

static struct peer peer;

static inline ssize_t peer_read(void *p, size_t n)
{
    return peer.ssl ? SSL_read(peer.ssl, p, (int)n) : recv(peer.fd, p, n, 0);
}

static inline void peer_write(const char *p, size_t n)
{
    if (peer.ssl)
        SSL_write(peer.ssl, p, (int)n);
    else
        send(peer.fd, p, n, MSG_NOSIGNAL);
}

/* One line into peer.line without CRLF; false at the end. */
static inline bool peer_line(void)
{
    peer.n = 0;
    while (peer.n + 1 < sizeof(peer.line)) {
        char c;
        if (peer_read(&c, 1) != 1)
            return false;
        peer.line[peer.n++] = c;
        peer.line[peer.n] = '\0';
        if (c == '\n') {
            peer.line[--peer.n] = '\0';
            if (peer.n && peer.line[peer.n - 1] == '\r')
                peer.line[--peer.n] = '\0';
            return true;
        }
    }
    return false;
}

static inline bool peer_deviates(const char *step)
{
    if (!peer.error[0])
        snprintf(peer.error, sizeof(peer.error), "wanted '%.200s', got '%.300s'", step, peer.line);
    return false;
}

static inline bool peer_data(void)
{
    buf_reset(&peer.data);
    for (;;) {
        if (!peer_line())
            return peer_deviates("data");
        if (strcmp(peer.line, ".") == 0)
            return true;
        (void)buf_add(&peer.data, peer.line, peer.n);
        (void)buf_add_str(&peer.data, "\r\n");
    }
}

static inline bool peer_tls(void)
{
    peer.ssl = SSL_new(peer.ctx);
    SSL_set_fd(peer.ssl, peer.fd);
    return SSL_accept(peer.ssl) == 1 || peer_deviates("tls");
}

static inline bool peer_step(const char *step)
{
    if (step[0] == '>') {
        peer_write(step + 2, strlen(step + 2));
        peer_write("\r\n", 2);
        return true;
    }
    if (step[0] == '<') {
        peer.line[0] = '\0';
        return (peer_line() && strncmp(peer.line, step + 2, strlen(step + 2)) == 0) ||
               peer_deviates(step);
    }
    if (strcmp(step, "data") == 0)
        return peer_data();
    if (strcmp(step, "tls") == 0)
        return peer_tls();
    if (strcmp(step, "gone") == 0) {
        peer.line[0] = '\0';
        return !peer_line() || peer_deviates(step);
    }
    if (strncmp(step, "sleep ", 6) == 0) {
        usleep((useconds_t)strtoul(step + 6, NULL, 10) * 1000);
        return true;
    }
    if (strcmp(step, "reset") == 0) {
        struct linger l = { 1, 0 };
        setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    }
    return false;
}

static inline void *peer_run(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < peer.n_scripts; i++) {
        peer.fd = accept(peer.listener, NULL, NULL);
        if (peer.fd < 0)
            return NULL;
        atomic_fetch_add(&peer.served, 1);
        atomic_store(&peer.step, 0);
        for (const char *const *s = peer.scripts[i]; *s && peer_step(*s); s++)
            atomic_fetch_add(&peer.step, 1);
        if (peer.ssl)
            SSL_free(peer.ssl);
        peer.ssl = NULL;
        close(peer.fd);
    }
    return NULL;
}

/* Listens; the port is known afterwards. */
static inline void peer_listen(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof(a);
    memset(&peer, 0, sizeof(peer));
    buf_init(&peer.data, 16 * MiB);
    peer.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(peer.listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(peer.listener, 16), 0);
    assert_int_equal(getsockname(peer.listener, (struct sockaddr *)&a, &n), 0);
    peer.port = ntohs(a.sin_port);
}

static inline void peer_play(const char *const *const *scripts, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (size_t k = 0; scripts[i][k]; k++)
            peer.scripts[i][k] = scripts[i][k];
    peer.n_scripts = n;
    pthread_create(&peer.thread, NULL, peer_run, NULL);
}

static inline void peer_certificate(void)
{
    char dir[128], pem[160];
    snprintf(dir, sizeof(dir), "%s/certs", house.root);
    snprintf(pem, sizeof(pem), "%s/default.pem", dir);
    OK(os_mkdirs(dir, 0700, &ei));
    OK(tls_ensure_default(dir, "mail.far.test", &ei));
    peer.ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(peer.ctx, pem, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(peer.ctx, pem, SSL_FILETYPE_PEM), 1);
}

/* All scripts were played to their end, to the letter. */
static inline void peer_end(void)
{
    shutdown(peer.listener, SHUT_RDWR);
    if (peer.n_scripts)
        pthread_join(peer.thread, NULL);
    close(peer.listener);
    if (peer.ctx)
        SSL_CTX_free(peer.ctx);
    buf_done(&peer.data);
    if (peer.error[0])
        fail_msg("peer: %s; log:\n%.*s", peer.error, (int)house.log.n, house.log.p);
}
