/* A connection changes sides (conn_hand_over, net_adopt): no byte is lost, what came too early is
 * refused, TLS stays. Both ends are ours: the customer's outbound connection gets a session, the
 * provider's session becomes an outbound connection. Also under TSAN. */
#include "net_fixture.h"

#include "net/client.h"
#include "net/tls.h"
#include "net/tls_priv.h"
#include "os/file.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

enum { LINES = 200, TURNS = 12 };

static char dir[64];
static uint16_t turn_port;
static atomic_int taken, taken_none, said;

/* --- the provider: a session of one command, TURN --- */

static void *turn_open(struct conn *c, void *arg)
{
    (void)arg;
    assert_int_equal(conn_writef(c, "ready\r\n"), 0);
    fx.opened++;
    struct fx_session *s = xcalloc(1, sizeof(*s));
    s->c = c;
    return s;
}

/* Becomes the client: the other side greets, then answers line by line. */
static void *provider_main(void *arg)
{
    _cleanup_(client_closep) struct client *c = arg;
    struct errinfo ei = { 0 };
    struct sv line;
    client_set_timeout(c, 60000);
    assert_int_equal(client_read_line(c, 1000, &line, &ei), 0);
    assert_true(sv_starts(line, SV("hello")));
    for (int i = 0; i < LINES; i++) {
        char text[64];
        int n = snprintf(text, sizeof(text), "ECHO line %d\r\n", i);
        assert_int_equal(client_write(c, sv_n(text, (size_t)n), &ei), 0);
    }
    for (int i = 0; i < LINES; i++) {
        char text[64];
        snprintf(text, sizeof(text), "line %d", i);
        if (client_read_line(c, 1000, &line, &ei) < 0)
            fail_msg("line %d: %s", i, ei.text);
        assert_true(sv_eq(line, sv_c(text)));
        said++;
    }
    assert_int_equal(client_write(c, SV("QUIT\r\n"), &ei), 0);
    assert_int_equal(client_read_line(c, 1000, &line, &ei), 0);
    assert_true(sv_eq(line, SV("bye")));
    return NULL;
}

static pthread_t providers[TURNS];
static atomic_uint n_providers;

static void take(void *arg, struct client *c)
{
    assert_ptr_equal(arg, &fx);
    if (c) {
        unsigned i = n_providers++;
        assert_int_equal(pthread_create(&providers[i], NULL, provider_main, c), 0);
        taken++;
    } else {
        taken_none++;
    }
}

static void turn_run(void *session, const struct frame *f)
{
    struct fx_session *s = session;
    if (sv_eq(f->data, SV("STARTTLS"))) {
        conn_write(s->c, SV("220 go\r\n"));
        conn_starttls(s->c);
    } else if (sv_eq(f->data, SV("TURN"))) {
        conn_write(s->c, SV("250 turned\r\n"));
        conn_hand_over(s->c, take, &fx);
    } else {
        conn_write(s->c, SV("what\r\n"));
    }
}

static const struct proto_ops turn_ops = {
    .name = "TURN",
    .open = turn_open,
    .frame = fx_frame,
    .run = turn_run,
    .closed = fx_closed,
    .max_input = 2048,
};

/* --- the customer --- */

static struct client *dial(bool tls)
{
    struct errinfo ei = { 0 };
    struct client *c;
    struct sv line;
    if (client_connect(&(struct client_opts){ .ip = "127.0.0.1", .port = turn_port }, &c, &ei) < 0)
        fail_msg("%s", ei.text);
    client_set_timeout(c, 60000);
    assert_int_equal(client_read_line(c, 100, &line, &ei), 0);
    if (tls) {
        assert_int_equal(client_write(c, SV("STARTTLS\r\n"), &ei), 0);
        assert_int_equal(client_read_line(c, 100, &line, &ei), 0);
        if (client_starttls(c, "mail.example.test", NULL, &ei) < 0)
            fail_msg("%s", ei.text);
    }
    return c;
}

static void turn_round(struct client *c)
{
    static const struct net_listener l = { .service = SVC_SMTP, .ops = &fx_ops };
    struct errinfo ei = { 0 };
    struct sv line;
    uint32_t id = 0;
    assert_int_equal(client_write(c, SV("TURN\r\n"), &ei), 0);
    if (client_read_line(c, 100, &line, &ei) < 0)
        fail_msg("%s", ei.text);
    assert_true(sv_eq(line, SV("250 turned")));
    if (net_adopt(fx.net, &l, NULL, c, &id, &ei) < 0)
        fail_msg("%s", ei.text);
    assert_true(id != 0);
}

static void *customer_main(void *arg)
{
    turn_round(dial(arg));
    return NULL;
}

static void turns(bool tls)
{
    pthread_t t[TURNS];
    for (int i = 0; i < TURNS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, customer_main, tls ? &fx : NULL), 0);
    for (int i = 0; i < TURNS; i++)
        pthread_join(t[i], NULL);
    fx_wait(&taken, TURNS);
    for (int i = 0; i < TURNS; i++)
        pthread_join(providers[i], NULL);
    assert_int_equal(said, TURNS * LINES);
    fx_wait(&fx.closed, 2 * TURNS); /* the provider's session, and the customer's */
    assert_int_equal(fx.why[CLOSE_QUIT], 2 * TURNS);
    assert_int_equal(taken_none, 0);
}

static void test_in_clear(void **state)
{
    (void)state;
    turns(false);
}

static void test_with_tls(void **state)
{
    (void)state;
    turns(true);
}

static void test_input_before_the_answer(void **state)
{
    (void)state;
    static const char *const behind[] = { "TURN\r\nECHO x\r\n", "TURN\r\nx", "TURN\r\n\r\n" };
    for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
        int fd = fx_dial_from(NULL, turn_port);
        fx_expect(fd, "ready");
        fx_send(fd, behind[i]);
        assert_true(fx_at_end(fd)); /* not even "250 turned" */
        close(fd);
        fx_wait(&taken_none, (int)i + 1);
    }
    fx_wait(&fx.closed, 3);
    assert_int_equal(fx.why[CLOSE_ERROR], 3);
    assert_int_equal(taken, 0);
}

/* The answer of a peer that says more than it may, before the roles are reversed. */
static void test_adopting_with_input(void **state)
{
    (void)state;
    static const struct net_listener l = { .service = SVC_SMTP, .ops = &fx_ops };
    struct errinfo ei = { 0 };
    struct sv line;
    uint32_t id = 0;
    struct client *c = dial(false);
    assert_int_equal(client_write(c, SV("a\r\nb\r\n"), &ei), 0); /* two answers in one piece */
    assert_int_equal(client_read_line(c, 100, &line, &ei), 0);
    assert_true(client_has_input(c));
    assert_int_equal(net_adopt(fx.net, &l, NULL, c, &id, &ei), E_CONFLICT);
    assert_non_null(strstr(ei.text, "before the roles were reversed"));
    client_close(c);
}

/* The session of an adopted connection is one like others: it is listed, and ends when told so. */
static void test_an_adopted_one_is_killed(void **state)
{
    (void)state;
    static const struct net_listener l = { .service = SVC_SMTP, .ops = &fx_ops };
    struct errinfo ei = { 0 };
    uint32_t id = 0;
    struct client *c = dial(false);
    assert_int_equal(net_adopt(fx.net, &l, NULL, c, &id, &ei), 0);
    fx_wait(&fx.opened, 2);
    assert_int_equal(conn_kill_id(id), 0);
    fx_wait(&fx.closed, 2);
    assert_int_equal(fx.why[CLOSE_KILLED], 1);
}

/* --- set-up --- */

static void make_cert(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/default.pem", dir);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mail.example.test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static int setup(void **state)
{
    struct errinfo ei = { 0 };
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/net_hand.XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_cert();
    if (tls_load(dir, &ei) < 0)
        fail_msg("%s", ei.text);
    fx_start(NULL, 0, false);
    taken = taken_none = said = 0;
    n_providers = 0;
    turn_port = fx_listen(&(struct net_listener){ .service = SVC_SUBMISSION, .ops = &turn_ops });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_stop();
    tls_unload();
    assert_int_equal(os_remove_tree(dir, NULL), 0);
    return 0;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_in_clear),
        T(test_with_tls),
        T(test_input_before_the_answer),
        T(test_adopting_with_input),
        T(test_an_adopted_one_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
