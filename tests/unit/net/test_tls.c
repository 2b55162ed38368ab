/* TLS on real connections: handshake, resumption, choice by name, reload, STARTTLS, bad files. */
#include "net_fixture.h"

#include <event2/event.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/net_priv.h"
#include "net/tls.h"
#include "net/tls_priv.h"
#include "os/file.h"
#include "stats/shm.h"

static char dir[64];
static SSL_CTX *client_ctx;

static void make_cert(const char *file, const char *names)
{
    char tmp[160], from[192], to[192];
    struct errinfo ei = { 0 };
    snprintf(tmp, sizeof(tmp), "%s.make", dir);
    assert_int_equal(tls_ensure_default(tmp, names, &ei), 0);
    snprintf(from, sizeof(from), "%s/default.pem", tmp);
    snprintf(to, sizeof(to), "%s/%s", dir, file);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(rmdir(tmp), 0);
}

static int setup_mode(bool tls)
{
    struct errinfo ei = { 0 };
    snprintf(dir, sizeof(dir), "/tmp/net_tls.XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_cert("default.pem", "mail.example.test");
    make_cert("star.pem", "*.example.test");
    make_cert("imap.pem", "imap.example.test;pop.example.test");
    if (tls_load(dir, &ei) < 0)
        fail_msg("%s", ei.text);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT);
    fx_start(NULL, 0, tls);
    return 0;
}

static int setup_tls(void **state)
{
    (void)state;
    return setup_mode(true);
}

static int setup_plain(void **state)
{
    (void)state;
    return setup_mode(false);
}

static int teardown(void **state)
{
    (void)state;
    fx_stop();
    SSL_CTX_free(client_ctx);
    tls_unload();
    assert_int_equal(os_remove_tree(dir, NULL), 0);
    return 0;
}

static SSL *shake(int fd, const char *name, SSL_SESSION *resume)
{
    SSL *ssl = SSL_new(client_ctx);
    SSL_set_fd(ssl, fd);
    if (name)
        SSL_set_tlsext_host_name(ssl, name);
    if (resume)
        SSL_set_session(ssl, resume);
    if (SSL_connect(ssl) != 1) {
        ERR_clear_error();
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}

static const char *line(SSL *ssl)
{
    static char text[4096];
    size_t n = 0;
    while (n < sizeof(text) - 1) {
        if (SSL_read(ssl, text + n, 1) != 1 || text[n] == '\n')
            break;
        n++;
    }
    if (n > 0 && text[n - 1] == '\r')
        n--;
    text[n] = '\0';
    return text;
}

static void put(SSL *ssl, const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void hang_up(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

/* The server's channel binding is the one that this client computes. Of the two Finished messages
 * the first counts, which is the server's after a resumption (RFC 5929 section 3). */
static void expect_binding(SSL *ssl)
{
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 section 2 */
    const char *type = "tls-exporter";
    uint8_t bytes[EVP_MAX_MD_SIZE];
    size_t n = 32;
    struct buf want;
    if (SSL_version(ssl) == TLS1_3_VERSION) {
        assert_int_equal(SSL_export_keying_material(ssl, bytes, n, label, sizeof(label) - 1,
                                                    (const uint8_t *)"", 0, 1),
                         1);
    } else {
        type = "tls-unique";
        n = SSL_session_reused(ssl) ? SSL_get_peer_finished(ssl, bytes, sizeof(bytes))
                                    : SSL_get_finished(ssl, bytes, sizeof(bytes));
        assert_int_equal(n, 12);
    }
    buf_init(&want, 256);
    assert_int_equal(buf_addf(&want, "%s ", type), 0);
    assert_int_equal(hex_enc(sv_n(bytes, n), &want), 0);
    assert_int_equal(buf_terminate(&want), 0);
    put(ssl, "BINDING\r\n");
    assert_string_equal(line(ssl), want.p);
    buf_done(&want);
}

static void test_implicit(void **state)
{
    (void)state;
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX_set_min_proto_version(client_ctx, versions[i]);
        SSL_CTX_set_max_proto_version(client_ctx, versions[i]);
        SSL *ssl = shake(fx_dial(), NULL, NULL);
        char want[128];
        assert_non_null(ssl);
        assert_string_equal(line(ssl), "hello tls");
        put(ssl, "ECHO one\r\nECHO two\r\nINFO\r\n");
        assert_string_equal(line(ssl), "one");
        assert_string_equal(line(ssl), "two");
        snprintf(want, sizeof(want), "1 1 [%s %s]", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
        assert_non_null(strstr(line(ssl), want));
        expect_binding(ssl);
        put(ssl, "QUIT\r\n");
        assert_string_equal(line(ssl), "bye");
        char byte;
        assert_int_equal(SSL_get_error(ssl, SSL_read(ssl, &byte, 1)), SSL_ERROR_ZERO_RETURN);
        hang_up(ssl);
    }
}

static void test_old_versions_are_refused(void **state)
{
    (void)state;
    uint64_t failed = ctr_get(shm_current(), CTR_tls_failed);
    SSL_CTX_set_security_level(client_ctx, 0);
    SSL_CTX_set_min_proto_version(client_ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client_ctx, TLS1_1_VERSION);
    int fd = fx_dial();
    assert_null(shake(fd, NULL, NULL));
    close(fd);
    fd = fx_dial();
    fx_send(fd, "EHLO this is no handshake\r\n");
    while (!fx_at_end(fd))
        ;
    close(fd);
    for (int i = 0; i < 200 && ctr_get(shm_current(), CTR_tls_failed) < failed + 2; i++)
        usleep(5000);
    assert_int_equal(ctr_get(shm_current(), CTR_tls_failed), failed + 2);
    assert_int_equal(fx.opened, 0);
}

static SSL_SESSION *seen_session;

static int on_session(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    SSL_SESSION_free(seen_session);
    seen_session = s;
    return 1;
}

static void test_resumption_survives_reload(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX_set_min_proto_version(client_ctx, versions[i]);
        SSL_CTX_set_max_proto_version(client_ctx, versions[i]);
        SSL_CTX_sess_set_new_cb(client_ctx, on_session);
        uint64_t resumed = ctr_get(shm_current(), CTR_tls_resumed);
        SSL *ssl = shake(fx_dial(), "imap.example.test", NULL);
        assert_non_null(ssl);
        assert_string_equal(line(ssl), "hello tls");
        assert_false(SSL_session_reused(ssl));
        hang_up(ssl);
        assert_non_null(seen_session);
        for (int k = 0; k < 2; k++) {
            SSL_SESSION *s = seen_session;
            seen_session = NULL;
            ssl = shake(fx_dial(), "imap.example.test", s);
            SSL_SESSION_free(s);
            assert_non_null(ssl);
            assert_string_equal(line(ssl), "hello tls");
            assert_true(SSL_session_reused(ssl));
            expect_binding(ssl);
            if (!seen_session)
                seen_session = SSL_get1_session(ssl);
            hang_up(ssl);
            assert_int_equal(tls_load(dir, &ei), 0);
        }
        assert_int_equal(ctr_get(shm_current(), CTR_tls_resumed), resumed + 2);
        SSL_SESSION_free(take_ptr(seen_session));
    }
}

static void name_of(SSL *ssl, char *ret, size_t n)
{
    X509 *x = SSL_get1_peer_certificate(ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, ret, (int)n);
    X509_free(x);
}

static void test_choice_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *ask, *get;
    } rows[] = {
        { NULL, "mail.example.test" },
        { "mail.example.test", "mail.example.test" },
        { "IMAP.example.test", "imap.example.test" },
        { "pop.example.test", "imap.example.test" },
        { "other.example.test", "*.example.test" },
        { "a.b.example.test", "mail.example.test" },
        { "example.test", "mail.example.test" },
        { "unknown.invalid", "mail.example.test" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[128];
        SSL *ssl = shake(fx_dial(), rows[i].ask, NULL);
        assert_non_null(ssl);
        name_of(ssl, got, sizeof(got));
        assert_string_equal(got, rows[i].get);
        hang_up(ssl);
    }
}

static void test_reload_serves_the_new_one(void **state)
{
    (void)state;
    char path[128], got[128];
    SSL *old = shake(fx_dial(), NULL, NULL);
    assert_non_null(old);
    assert_string_equal(line(old), "hello tls");
    snprintf(path, sizeof(path), "%s/default.pem", dir);
    unlink(path);
    make_cert("default.pem", "renewed.example.test");
    net_reload(fx.net);
    SSL *ssl = shake(fx_dial(), NULL, NULL);
    assert_non_null(ssl);
    name_of(ssl, got, sizeof(got));
    assert_string_equal(got, "renewed.example.test");
    put(old, "ECHO still here\r\n");
    assert_string_equal(line(old), "still here");
    hang_up(old);
    hang_up(ssl);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(os_write_file_atomic(path, sv_c(text), 0600, NULL), 0);
}

static char *read_part(const char *file, const char *begin)
{
    char path[128];
    struct buf b;
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    buf_init(&b, 64 * KiB);
    assert_int_equal(os_read_file(path, &b, NULL), 0);
    char *all = buf_take(&b, NULL), *at = strstr(all, begin);
    assert_non_null(at);
    char *end = strstr(strstr(at, "-----END"), "\n") + 1;
    char *part = xstrndup(at, (size_t)(end - at));
    free(all);
    return part;
}

static void expect_bad(const char *word)
{
    struct errinfo ei = { 0 };
    char got[128];
    assert_true(tls_load(dir, &ei) < 0);
    if (!strstr(ei.text, word) || !strstr(ei.text, "bad"))
        fail_msg("'%s' should be in: %s", word, ei.text);
    SSL *ssl = shake(fx_dial(), NULL, NULL);
    assert_non_null(ssl);
    name_of(ssl, got, sizeof(got));
    assert_string_equal(got, "mail.example.test");
    hang_up(ssl);
}

static void test_bad_files_keep_the_old(void **state)
{
    (void)state;
    _cleanup_(freep) char *cert = read_part("imap.pem", "-----BEGIN CERT");
    _cleanup_(freep) char *key = read_part("imap.pem", "-----BEGIN PRIV");
    _cleanup_(freep) char *other = read_part("star.pem", "-----BEGIN PRIV");
    _cleanup_(freep) char *mixed = xasprintf("%s%s", cert, other);
    write_file("bad.pem", mixed);
    expect_bad("does not belong");
    write_file("bad.pem", cert);
    expect_bad("no private key");
    write_file("bad.pem", "rubbish\n");
    expect_bad("cannot read the certificate");
    BIO *b = BIO_new_mem_buf(key, -1), *out = BIO_new(BIO_s_mem());
    EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    assert_non_null(k);
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(out, k, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
    char *text;
    long n = BIO_get_mem_data(out, &text);
    _cleanup_(freep) char *locked = xasprintf("%s%.*s", cert, (int)n, text);
    write_file("bad.pem", locked);
    expect_bad("pass phrase");
    BIO_free_all(b);
    BIO_free_all(out);
    EVP_PKEY_free(k);
    /* A key beside the certificate. */
    struct errinfo ei = { 0 };
    write_file("bad.pem", cert);
    write_file("bad.key", key);
    if (tls_load(dir, &ei) < 0)
        fail_msg("%s", ei.text);
}

static void test_default_is_made_once(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    char path[128];
    struct stat a, b;
    snprintf(path, sizeof(path), "%s/default.pem", dir);
    assert_int_equal(stat(path, &a), 0);
    assert_int_equal(a.st_mode & 0777, 0640);
    assert_int_equal(tls_ensure_default(dir, "new.example", &ei), 0);
    assert_int_equal(stat(path, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    struct errinfo none = { 0 };
    assert_int_equal(tls_load("/nonexistent/certs", &none), -ENOENT);
    assert_non_null(strstr(none.text, "/nonexistent/certs"));
}

static void test_large_output(void **state)
{
    (void)state;
    enum { N = 5000000 };
    SSL *ssl = shake(fx_dial(), NULL, NULL);
    assert_non_null(ssl);
    assert_string_equal(line(ssl), "hello tls");
    put(ssl, "GEN 5000000\r\nECHO behind\r\n");
    usleep(100000);
    char block[16384];
    for (int at = 0; at < N;) {
        int r = SSL_read(ssl, block, MIN((int)sizeof(block), N - at));
        assert_true(r > 0);
        for (int i = 0; i < r; i++)
            assert_int_equal(block[i], 'a' + (at + i) % 26);
        at += r;
    }
    assert_string_equal(line(ssl), "end");
    assert_string_equal(line(ssl), "behind");
    hang_up(ssl);
}

static sem_t held, go_on;

static void hold(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    sem_post(&held);
    sem_wait(&go_on);
}

/* A worker takes all records that have come, without parking (no reactor would wake it) behind
 * each. */
static void test_records_that_wait(void **state)
{
    (void)state;
    static const struct timeval now = { 0 };
    static const int yes = 1;
    SSL *ssl = shake(fx_dial(), NULL, NULL);
    assert_non_null(ssl);
    assert_string_equal(line(ssl), "hello tls");
    assert_int_equal(setsockopt(SSL_get_fd(ssl), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), 0);
    sem_init(&held, 0, 0);
    sem_init(&go_on, 0, 0);
    put(ssl, "WAIT\r\n");
    fx_wait(&fx.busy, 1);
    for (unsigned i = 0; i < fx.net->n_reactors; i++) {
        assert_int_equal(event_base_once(fx.net->reactor[i].base, -1, EV_TIMEOUT, hold, NULL, &now),
                         0);
        sem_wait(&held);
    }
    for (int i = 0; i < 20; i++)
        put(ssl, "ECHO more\r\n");
    fx.go = true;
    for (int i = 0; i < 20; i++)
        assert_string_equal(line(ssl), "more");
    for (unsigned i = 0; i < fx.net->n_reactors; i++)
        sem_post(&go_on);
    hang_up(ssl);
}

/* Requests that arrive in one record, in halves of records, and byte by byte. */
static void test_pipelining_and_pieces(void **state)
{
    (void)state;
    SSL *ssl = shake(fx_dial(), NULL, NULL);
    struct buf b;
    assert_non_null(ssl);
    assert_string_equal(line(ssl), "hello tls");
    buf_init(&b, MiB);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_addf(&b, "ECHO %d\r\n", i), 0);
    assert_int_equal(buf_terminate(&b), 0);
    put(ssl, b.p);
    buf_done(&b);
    for (int i = 0; i < 3000; i++) {
        char want[16];
        snprintf(want, sizeof(want), "%d", i);
        assert_string_equal(line(ssl), want);
    }
    for (const char *p = "ECHO abc\r\nSLOW 1\r\n"; *p; p++)
        assert_int_equal(SSL_write(ssl, p, 1), 1);
    assert_string_equal(line(ssl), "abc");
    assert_string_equal(line(ssl), "slow");
    hang_up(ssl);
}

/* A record of which only a part has come must not look like input, nor be lost. */
static void test_partial_record(void **state)
{
    (void)state;
    int fd = fx_dial();
    SSL *ssl = SSL_new(client_ctx);
    BIO *rb = BIO_new(BIO_s_mem()), *wb = BIO_new(BIO_s_mem());
    char block[16384];
    SSL_set_bio(ssl, rb, wb);
    SSL_set_connect_state(ssl);
    while (SSL_do_handshake(ssl) != 1 || BIO_pending(wb) > 0) {
        int n = BIO_read(wb, block, sizeof(block));
        if (n > 0)
            assert_int_equal(send(fd, block, (size_t)n, 0), n);
        if (SSL_is_init_finished(ssl))
            continue;
        ssize_t r = recv(fd, block, sizeof(block), 0);
        assert_true(r > 0);
        BIO_write(rb, block, (int)r);
    }
    assert_int_equal(SSL_write(ssl, "ECHO halves\r\n", 13), 13);
    int n = BIO_read(wb, block, sizeof(block));
    for (int i = 0; i < n; i++) {
        assert_int_equal(send(fd, block + i, 1, 0), 1);
        usleep(2000);
    }
    char got[256] = "";
    for (int at = 0; !strstr(got, "halves");) {
        ssize_t r = recv(fd, block, sizeof(block), 0);
        assert_true(r > 0);
        BIO_write(rb, block, (int)r);
        for (int k; (k = SSL_read(ssl, got + at, (int)sizeof(got) - 1 - at)) > 0;)
            at += k;
    }
    SSL_free(ssl);
    close(fd);
}

static void test_handshake_timeout(void **state)
{
    (void)state;
    static const struct conf_pair p[] = { { "net.handshake_timeout", "1s" } };
    fx_conf(p, 1);
    int64_t start = clock_mono_ms();
    int fd = fx_dial();
    for (int i = 0; i < 3; i++) {
        (void)!send(fd, "\x16", i == 0, MSG_NOSIGNAL);
        usleep(200000);
    }
    assert_true(fx_at_end(fd));
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 900 && took < 25000); /* the default is 30 s */
    close(fd);
}

static void test_starttls(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "BINDING\r\n");
    fx_expect(fd, "none ");
    fx_send(fd, "STARTTLS\r\n");
    fx_expect(fd, "220 go");
    SSL *ssl = shake(fd, "imap.example.test", NULL);
    assert_non_null(ssl);
    put(ssl, "ECHO secret\r\n");
    assert_string_equal(line(ssl), "secret");
    assert_true(fx.secured);
    assert_int_equal(fx.opened, 1);
    put(ssl, "INFO\r\n");
    assert_non_null(strstr(line(ssl), "[TLSv1.3 "));
    hang_up(ssl);
}

static void test_starttls_injection_is_cut(void **state)
{
    (void)state;
    int fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "STARTTLS\r\nECHO injected\r\n");
    assert_true(fx_at_end(fd));
    close(fd);
    fx_wait(&fx.closed, 1);
    assert_int_equal(fx.why[CLOSE_ERROR], 1);
    /* A single byte behind the line is enough. */
    fd = fx_dial();
    fx_expect(fd, "hello plain");
    fx_send(fd, "STARTTLS\r\n\x16");
    assert_true(fx_at_end(fd));
    close(fd);
    fx_wait(&fx.closed, 2);
    assert_int_equal(fx.why[CLOSE_ERROR], 2);
}

static void *tls_client(void *arg)
{
    for (int k = 0; k < 10; k++) {
        int fd = fx_dial();
        SSL *ssl = SSL_new(arg);
        SSL_set_fd(ssl, fd);
        assert_int_equal(SSL_connect(ssl), 1);
        char text[64];
        for (int i = 0; i < 10; i++) {
            assert_int_equal(SSL_write(ssl, "SLOW 0\r\n", 8), 8);
            for (int n = 0; n < 2; n++)
                assert_true(SSL_read(ssl, text, 1) == 1);
        }
        if (k % 2)
            SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    return NULL;
}

static void test_clients_and_reloads_race(void **state)
{
    (void)state;
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, tls_client, client_ctx), 0);
    for (int i = 0; i < 10; i++) {
        net_reload(fx.net);
        usleep(5000);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    fx_wait(&fx.closed, 40);
}

int main(void)
{
#define T(setup, f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(setup_tls, test_implicit),
        T(setup_tls, test_old_versions_are_refused),
        T(setup_tls, test_resumption_survives_reload),
        T(setup_tls, test_choice_by_name),
        T(setup_tls, test_reload_serves_the_new_one),
        T(setup_tls, test_bad_files_keep_the_old),
        T(setup_tls, test_default_is_made_once),
        T(setup_tls, test_large_output),
        T(setup_tls, test_records_that_wait),
        T(setup_tls, test_pipelining_and_pieces),
        T(setup_tls, test_partial_record),
        T(setup_tls, test_handshake_timeout),
        T(setup_plain, test_starttls),
        T(setup_plain, test_starttls_injection_is_cut),
        T(setup_tls, test_clients_and_reloads_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
