/* Outbound connections against a scripted peer: one thread that plays "S: text", "C: line" in turn.
 */
#include "net_fixture.h"

#include <openssl/ssl.h>

#include "net/client.h"
#include "net/tls.h"
#include "net/tls_priv.h"
#include "os/file.h"

struct peer {
    const char *const *script; /* NULL-terminated */
    int listen_fd;
    uint16_t port;
    pthread_t thread;
    bool ok;
};

static char cert_dir[64];

static bool put(int fd, SSL *ssl, const char *p, size_t n)
{
    return ssl ? SSL_write(ssl, p, (int)n) == (int)n : send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool expect(int fd, SSL *ssl, const char *want)
{
    char line[512];
    size_t n = 0;
    while (n < sizeof(line) - 1) {
        if ((ssl ? SSL_read(ssl, line + n, 1) : recv(fd, line + n, 1, 0)) != 1)
            return false;
        if (line[n++] == '\n')
            break;
    }
    line[n] = '\0';
    return strcmp(line, want) == 0;
}

/* "S:text" sends, "C:line" expects, "W:ms" waits, "T" handshakes, "BIG:n" sends n bytes x, "EAT"
 * reads to the end. */
static void *play(void *arg)
{
    struct peer *p = arg;
    int fd = accept(p->listen_fd, NULL, NULL);
    SSL *ssl = NULL;
    SSL_CTX *ctx = NULL;
    bool may_fail = false;
    p->ok = fd >= 0;
    for (size_t i = 0; p->ok && p->script[i]; i++) {
        const char *s = p->script[i];
        uint64_t n = 0;
        if (strncmp(s, "S:", 2) == 0) {
            p->ok = put(fd, ssl, s + 2, strlen(s + 2));
        } else if (strncmp(s, "C:", 2) == 0) {
            p->ok = expect(fd, ssl, s + 2);
        } else if (strncmp(s, "W:", 2) == 0) {
            (void)sv_to_u64(sv_c(s + 2), &n);
            usleep((useconds_t)n * 1000);
        } else if (strcmp(s, "T") == 0) {
            char path[128];
            snprintf(path, sizeof(path), "%s/default.pem", cert_dir);
            ctx = SSL_CTX_new(TLS_server_method());
            SSL_CTX_use_certificate_chain_file(ctx, path);
            SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM);
            ssl = SSL_new(ctx);
            SSL_set_fd(ssl, fd);
            p->ok = SSL_accept(ssl) == 1;
        } else if (strncmp(s, "BIG:", 4) == 0) {
            char block[1000];
            memset(block, 'x', sizeof(block));
            (void)sv_to_u64(sv_c(s + 4), &n);
            for (; p->ok && n > 0; n -= MIN(n, sizeof(block)))
                p->ok = put(fd, ssl, block, MIN(n, sizeof(block)));
        } else if (strcmp(s, "MAY") == 0) {
            may_fail = true;
        } else if (strcmp(s, "EAT") == 0) {
            char block[65536];
            while ((ssl ? SSL_read(ssl, block, sizeof(block)) : recv(fd, block, sizeof(block), 0)) >
                   0)
                ;
        }
    }
    p->ok |= may_fail;
    if (ssl)
        SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return NULL;
}

static void peer_start(struct peer *p, const char *const *script)
{
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    *p = (struct peer){ .script = script };
    assert_int_equal(net_bind("127.0.0.1:0", &p->listen_fd, NULL), 0);
    fcntl(p->listen_fd, F_SETFL, 0);
    getsockname(p->listen_fd, (struct sockaddr *)&a, &n);
    p->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&p->thread, NULL, play, p), 0);
}

static void peer_end(struct peer *p)
{
    pthread_join(p->thread, NULL);
    close(p->listen_fd);
    assert_true(p->ok);
}

static struct client *dial(const struct peer *p)
{
    struct errinfo ei = { 0 };
    struct client *c = NULL;
    struct client_opts o = { .ip = "127.0.0.1", .port = p->port, .connect_timeout_ms = 5000 };
    if (client_connect(&o, &c, &ei) < 0)
        fail_msg("%s", ei.text);
    return c;
}

static void expect_line(struct client *c, const char *want)
{
    struct errinfo ei = { 0 };
    struct sv line;
    if (client_read_line(c, 1000, &line, &ei) < 0)
        fail_msg("%s", ei.text);
    assert_int_equal(line.n, strlen(want));
    assert_memory_equal(line.p, want, line.n);
}

static void test_dialogue(void **state)
{
    (void)state;
    static const char *const script[] = { "S:220 hello\r\n250-a\r\n250 b\n",
                                          "C:EHLO x\r\n",
                                          "S:25",
                                          "W:20",
                                          "S:0 split\r",
                                          "W:20",
                                          "S:\n\r\n",
                                          "C:BYE\r\n",
                                          "S:123456",
                                          NULL };
    struct peer p;
    struct errinfo ei = { 0 };
    char bytes[16];
    peer_start(&p, script);
    struct client *c = dial(&p);
    assert_string_equal(client_local_ip(c), "127.0.0.1");
    assert_false(client_is_tls(c));
    assert_string_equal(client_tls_info(c), "");
    expect_line(c, "220 hello");
    assert_true(client_has_input(c));
    expect_line(c, "250-a");
    expect_line(c, "250 b");
    assert_false(client_has_input(c));
    /* No flush: reading sends what is buffered. */
    assert_int_equal(client_write(c, SV("EHLO "), &ei), 0);
    assert_int_equal(client_write(c, SV("x\r\n"), &ei), 0);
    expect_line(c, "250 split");
    expect_line(c, "");
    assert_int_equal(client_write(c, SV("BYE\r\n"), &ei), 0);
    assert_int_equal(client_flush(c, &ei), 0);
    size_t n = 0;
    while (n < 6) {
        int r = client_read(c, bytes + n, 4, &ei);
        assert_true(r > 0 && r <= 4);
        n += (size_t)r;
    }
    assert_memory_equal(bytes, "123456", 6);
    assert_int_equal(client_read(c, bytes, 1, &ei), E_CLOSED);
    struct sv line;
    assert_int_equal(client_read_line(c, 10, &line, &ei), E_CLOSED);
    assert_non_null(strstr(ei.text, "127.0.0.1:"));
    client_close(c);
    peer_end(&p);
}

static void test_long_lines(void **state)
{
    (void)state;
    static const char *const script[] = { "BIG:1000",        "S:\r\nnext\r\n", "MAY", "BIG:1001",
                                          "S:\r\nafter\r\n", "BIG:100000",     "EAT", NULL };
    struct peer p;
    struct errinfo ei = { 0 };
    struct sv line;
    peer_start(&p, script);
    struct client *c = dial(&p);
    assert_int_equal(client_read_line(c, 1000, &line, &ei), 0);
    assert_int_equal(line.n, 1000);
    expect_line(c, "next");
    assert_int_equal(client_read_line(c, 1000, &line, &ei), E_RANGE);
    client_close(c);
    peer_end(&p);
}

static void test_timeouts(void **state)
{
    (void)state;
    /* The deadline is for the whole line: dribbling does not extend it. */
    static const char *const script[] = { "MAY",    "S:d",    "W:2000", "S:r",    "W:2000",
                                          "S:i",    "W:2000", "S:b",    "W:2000", "S:b",
                                          "W:2000", "S:l",    "EAT",    NULL };
    struct peer p;
    struct errinfo ei = { 0 };
    struct sv line;
    peer_start(&p, script);
    struct client *c = dial(&p);
    client_set_timeout(c, 2500);
    int64_t start = clock_mono_ms();
    assert_int_equal(client_read_line(c, 1000, &line, &ei), E_TIMEOUT);
    int64_t took = clock_mono_ms() - start;
    assert_true(took >= 2490 && took < 9000); /* 12 s if it did */
    client_close(c);
    peer_end(&p);
}

static void test_write_timeout_and_lost_peer(void **state)
{
    (void)state;
    static const char *const deaf[] = { "W:500", NULL };
    static const char *const eater[] = { "EAT", NULL };
    struct peer p;
    struct errinfo ei = { 0 };
    enum { N = 20 << 20 };
    char *big = xcalloc(1, N);
    peer_start(&p, deaf);
    struct client *c = dial(&p);
    client_set_timeout(c, 100);
    assert_int_equal(client_write(c, sv_n(big, N), &ei), E_TIMEOUT);
    /* The peer closes with data unread: later writes say so. */
    client_set_timeout(c, 3000);
    assert_int_equal(client_write(c, sv_n(big, N), &ei), E_CLOSED);
    client_close(c);
    peer_end(&p);
    peer_start(&p, eater);
    c = dial(&p);
    assert_int_equal(client_write(c, sv_n(big, N), &ei), 0);
    client_close(c);
    peer_end(&p);
    free(big);
}

static void *set_later(void *arg)
{
    usleep(50000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    static const char *const script[] = { "EAT", NULL };
    struct peer p;
    struct errinfo ei = { 0 };
    atomic_bool cancel = false;
    pthread_t t;
    struct sv line;
    peer_start(&p, script);
    struct client_opts o = { .ip = "127.0.0.1", .port = p.port, .cancel = &cancel };
    struct client *c = NULL;
    assert_int_equal(client_connect(&o, &c, &ei), 0);
    pthread_create(&t, NULL, set_later, &cancel);
    assert_int_equal(client_read_line(c, 100, &line, &ei), E_CANCELLED);
    pthread_join(t, NULL);
    client_close(c);
    peer_end(&p);
}

static void test_connect_errors(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    struct client *c = NULL;
    struct client_opts o = { .ip = "127.0.0.1", .port = 1, .connect_timeout_ms = 1000 };
    assert_int_equal(client_connect(&o, &c, &ei), -ECONNREFUSED);
    assert_non_null(strstr(ei.text, "127.0.0.1:1"));
    o.ip = "not.an.address";
    assert_int_equal(client_connect(&o, &c, &ei), E_PARSE);
    o.ip = "127.0.0.1";
    o.source_ip = "203.0.113.9";
    assert_int_equal(client_connect(&o, &c, &ei), -EADDRNOTAVAIL);
    assert_non_null(strstr(ei.text, "203.0.113.9"));
    assert_null(c);
    client_close(NULL);
    /* A queue that is full does not answer. */
    int fd;
    struct sockaddr_in a;
    socklen_t n = sizeof(a);
    assert_int_equal(net_bind("127.0.0.1:0", &fd, &ei), 0);
    assert_int_equal(listen(fd, 0), 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    o = (struct client_opts){ .ip = "127.0.0.1",
                              .port = ntohs(a.sin_port),
                              .connect_timeout_ms = 200 };
    struct client *fill[8] = { NULL };
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(fill) && r == 0; i++)
        r = client_connect(&o, &fill[i], &ei);
    assert_int_equal(r, E_TIMEOUT);
    for (size_t i = 0; i < ARRAY_LEN(fill); i++)
        client_close(fill[i]);
    close(fd);
}

static void test_source_address(void **state)
{
    (void)state;
    static const char *const script[] = { "EAT", NULL };
    struct peer p;
    struct errinfo ei = { 0 };
    struct client *c = NULL;
    peer_start(&p, script);
    struct client_opts o = { .ip = "127.0.0.1", .port = p.port, .source_ip = "127.0.0.7" };
    assert_int_equal(client_connect(&o, &c, &ei), 0);
    assert_string_equal(client_local_ip(c), "127.0.0.7");
    client_close(c);
    peer_end(&p);
}

static void handshake(const char *name, long want)
{
    static const char *const script[] = {
        "S:220 go\r\n", "C:STARTTLS\r\n", "S:220 tls\r\n", "T",   "C:EHLO again\r\n",
        "S:250 ok\r\n", "BIG:100000",     "S:\r\n",        "EAT", NULL
    };
    struct peer p;
    struct errinfo ei = { 0 };
    struct sv line;
    long verify = -1;
    peer_start(&p, script);
    struct client *c = dial(&p);
    expect_line(c, "220 go");
    assert_int_equal(client_write(c, SV("STARTTLS\r\n"), &ei), 0);
    expect_line(c, "220 tls");
    if (client_starttls(c, name, &verify, &ei) < 0)
        fail_msg("%s", ei.text);
    assert_int_equal(verify, want);
    assert_true(client_is_tls(c));
    assert_non_null(strstr(client_tls_info(c), "TLSv1.3 TLS_"));
    assert_int_equal(client_write(c, SV("EHLO again\r\n"), &ei), 0);
    expect_line(c, "250 ok");
    assert_int_equal(client_read_line(c, 100000, &line, &ei), 0);
    assert_int_equal(line.n, 100000);
    client_close(c);
    peer_end(&p);
}

static void test_tls_verification(void **state)
{
    (void)state;
    handshake("peer.test", X509_V_OK);
    handshake("other.test", X509_V_ERR_HOSTNAME_MISMATCH);
    handshake(NULL, X509_V_OK);
    handshake("127.0.0.1", X509_V_ERR_IP_ADDRESS_MISMATCH);
}

static void test_tls_failures(void **state)
{
    (void)state;
    static const char *const rubbish[] = { "S:220 x\r\n", "W:50", "S:rubbish, not TLS\r\n", "EAT",
                                           NULL };
    static const char *const inject[] = { "S:220 x\r\n250 injected\r\n", "EAT", NULL };
    static const char *const silent[] = { "S:220 x\r\n", "EAT", NULL };
    const struct {
        const char *const *script;
        int want;
        bool input;
    } rows[] = { { rubbish, E_TLS, false }, { inject, E_TLS, true }, { silent, E_TIMEOUT, false } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer p;
        struct errinfo ei = { 0 };
        long verify;
        peer_start(&p, rows[i].script);
        struct client *c = dial(&p);
        expect_line(c, "220 x");
        assert_int_equal(client_has_input(c), rows[i].input);
        client_set_timeout(c, 300);
        assert_int_equal(client_starttls(c, "peer.test", &verify, &ei), rows[i].want);
        assert_false(client_is_tls(c));
        client_close(c);
        peer_end(&p);
    }
}

int main(void)
{
    struct errinfo ei = { 0 };
    char path[128];
    snprintf(cert_dir, sizeof(cert_dir), "/tmp/net_client.XXXXXX");
    if (!mkdtemp(cert_dir) || tls_ensure_default(cert_dir, "peer.test", &ei) < 0)
        return 1;
    /* The self-signed certificate is this process's only CA. */
    snprintf(path, sizeof(path), "%s/default.pem", cert_dir);
    setenv("SSL_CERT_FILE", path, 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogue),       cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_timeouts),       cmocka_unit_test(test_write_timeout_and_lost_peer),
        cmocka_unit_test(test_cancel),         cmocka_unit_test(test_connect_errors),
        cmocka_unit_test(test_source_address), cmocka_unit_test(test_tls_verification),
        cmocka_unit_test(test_tls_failures),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    os_remove_tree(cert_dir, NULL);
    return r;
}
