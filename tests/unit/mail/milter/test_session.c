/* Milters of a session with a scripted peer: order, what is kept of a milter that fails, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "mail/milter/milter.h"

/* One milter: what it will say, and the commands that it was sent. */
struct client {
    const char *name;
    struct buf script; /* packets */
    size_t read;
    char commands[200]; /* letters */
    int64_t read_ms;    /* each read takes so long */
    int64_t timeout_ms;
    bool closed, hangs;
};

static struct client peers[2];
static size_t n_dials;
static bool refuse_dial;

static int fake_connect(const struct client_opts *o, struct client **ret, struct errinfo *ei)
{
    struct client *c = &peers[o->port - 1];
    n_dials++;
    if (refuse_dial)
        return err_set(ei, E_CLOSED, "refused");
    c->closed = false;
    *ret = c;
    return 0;
}

static void fake_close(struct client *c)
{
    c->closed = true;
}

static void fake_timeout(struct client *c, int64_t ms)
{
    c->timeout_ms = ms;
}

static int fake_read(struct client *c, void *p, size_t n, struct errinfo *ei)
{
    struct sv have = sv_take(sv_skip(buf_sv(&c->script), c->read), n);
    if (c->read_ms > c->timeout_ms || (c->hangs && have.n == 0)) {
        clock_test_advance(c->timeout_ms);
        return err_set(ei, E_TIMEOUT, "no answer");
    }
    clock_test_advance(c->read_ms);
    if (have.n == 0)
        return err_set(ei, E_CLOSED, "closed");
    memcpy(p, have.p, have.n);
    c->read += have.n;
    return (int)have.n;
}

/* Whole packets come in one write each or several at once. */
static int fake_write(struct client *c, struct sv bytes, struct errinfo *ei)
{
    (void)ei;
    while (bytes.n >= 5) {
        uint32_t n;
        assert_int_equal(milter_packet_length(bytes.p, &n), 0);
        assert_true(bytes.n >= n + 4);
        if (bytes.p[4] != 'D') {
            size_t len = strlen(c->commands);
            assert_true(len + 1 < sizeof(c->commands));
            c->commands[len] = bytes.p[4];
        }
        bytes = sv_skip(bytes, n + 4);
    }
    assert_int_equal(bytes.n, 0);
    return 0;
}

static int fake_flush(struct client *c, struct errinfo *ei)
{
    (void)c;
    (void)ei;
    return 0;
}

static const struct milter_net net = { fake_connect, fake_close, fake_timeout,
                                       fake_read,    fake_write, fake_flush };

static struct sv no_macro(void *arg, struct sv name, char tmp[512])
{
    (void)arg;
    (void)name;
    (void)tmp;
    return SV_NULL;
}

static void says_packet(size_t i, struct sv packet)
{
    char head[4] = { 0, 0, (char)(packet.n >> 8), (char)packet.n };
    buf_add(&peers[i].script, head, 4);
    buf_add_sv(&peers[i].script, packet);
}

/* Each letter an answer without data; 'O' the negotiation. */
static void says(size_t i, const char *letters)
{
    for (; *letters; letters++)
        says_packet(i, *letters == 'O' ? SV("O\0\0\0\6\0\0\1\xff\0\0\4\0") : sv_n(letters, 1));
}

static struct logctx lc;
static struct milters *ms;
static struct milter_result res;

static int begin(void **state)
{
    (void)state;
    log_set_level(LOG_SMTP, LOG_NONE);
    clock_test_freeze(true);
    n_dials = 0;
    refuse_dial = false;
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        peers[i] = (struct client){ 0 };
        buf_init(&peers[i].script, MiB);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    milters_free(take_ptr(ms));
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        assert_true(peers[i].closed || !n_dials || !peers[i].commands[0]);
        buf_done(&peers[i].script);
    }
    return 0;
}

static void open_milters(const char *list)
{
    const struct milters_opts o = { .net = &net,
                                    .list = sv_c(list),
                                    .service = MILTER_FOR_SMTP,
                                    .log = &lc,
                                    .macro = no_macro,
                                    .peer_ip = "192.0.2.1" };
    milters_free(ms);
    ms = milters_new(&o);
}

static enum milter_verdict mail(void)
{
    return milters_mail(ms, SV("a@example.net"), SV_NULL, false, &res);
}

static enum milter_verdict rcpt(void)
{
    return milters_rcpt(ms, SV("b@example.org"), SV_NULL, &res);
}

static const char content[] = "A: 1\r\nB: 2\r\n\r\nbody\r\n";

static enum milter_verdict message(struct edit *e)
{
    *e = (struct edit){ .mem = sv_n(content, sizeof(content) - 1), .fd = -1 };
    e->size = e->mem.n;
    assert_int_equal(edit_open(e, NULL), 0);
    return milters_message(ms, e, &res);
}

static void test_order_and_abort(void **state)
{
    (void)state;
    struct edit e;
    bool connection = false;
    says(0, "Occccccc" /* h m r t ll */ "c" /* eoh */ "cc");
    says(1, "Occcc");
    open_milters("inet:1@127.0.0.1|name=one;inet:2@127.0.0.1|name=two");
    assert_int_equal(milters_helo(ms, SV("x"), &connection, &res), MILTERS_PASS);
    assert_int_equal(mail(), MILTERS_PASS);
    assert_int_equal(rcpt(), MILTERS_PASS);
    says(1, "ccccr"); /* data, two fields, eoh, body */
    assert_int_equal(message(&e), MILTERS_REFUSE);
    assert_false(res.temporary);
    assert_int_equal(res.reply.n, 0);
    edit_done(&e);
    assert_string_equal(peers[0].commands, "OCHMRTLLNBE");
    assert_string_equal(peers[1].commands, "OCHMRTLLNB");
    milters_reset(ms);
    /* The second one hears that it is over, when there is something new. */
    says(0, "c");
    says(1, "c");
    assert_int_equal(mail(), MILTERS_PASS);
    assert_string_equal(peers[0].commands, "OCHMRTLLNBEM");
    assert_string_equal(peers[1].commands, "OCHMRTLLNBAM");
    assert_int_equal(n_dials, 2);
}

static void test_first_objection_decides(void **state)
{
    (void)state;
    open_milters("inet:1@127.0.0.1;inet:2@127.0.0.1");
    says(0, "Occ");
    says_packet(0, SV("y450 4.2.1 Grey\0"));
    says(1, "Occ");
    assert_int_equal(mail(), MILTERS_PASS);
    assert_int_equal(rcpt(), MILTERS_REFUSE);
    assert_true(res.temporary && sv_eq(res.reply, SV("450 4.2.1 Grey\r\n")));
    assert_string_equal(peers[1].commands, "OCM");
    says(0, "c");
    says(1, "c");
    assert_int_equal(rcpt(), MILTERS_PASS);
}

static void test_accept_discard_shutdown(void **state)
{
    (void)state;
    open_milters("inet:1@127.0.0.1;inet:2@127.0.0.1");
    says(0, "Oa"); /* the whole session */
    says(1, "Ocd");
    assert_true(milters_may_block(ms));
    assert_int_equal(mail(), MILTERS_PASS);
    assert_true(milters_discard(ms) && peers[0].closed);
    assert_int_equal(rcpt(), MILTERS_PASS);
    milters_reset(ms);
    assert_false(milters_discard(ms));
    says(1, "4");
    assert_int_equal(mail(), MILTERS_CLOSE);
    assert_string_equal(peers[0].commands, "OCQ");
    assert_string_equal(peers[1].commands, "OCMAM");
}

static void test_refused_connection_is_asked_anew(void **state)
{
    (void)state;
    bool connection = false;
    open_milters("inet:1@127.0.0.1");
    says(0, "Or");
    assert_int_equal(milters_helo(ms, SV("x"), &connection, &res), MILTERS_REFUSE);
    assert_true(connection);
    says(0, "Or");
    assert_int_equal(mail(), MILTERS_REFUSE);
    says(0, "Occc");
    assert_int_equal(mail(), MILTERS_PASS);
    assert_int_equal(n_dials, 3);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        enum milter_verdict verdict;
        bool temporary;
    } rows[] = {
        { "", MILTERS_REFUSE, true },
        { "|failure=tempfail", MILTERS_REFUSE, true },
        { "|failure=reject", MILTERS_REFUSE, false },
        { "|failure=accept", MILTERS_PASS, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char list[100];
        snprintf(list, sizeof(list), "inet:1@127.0.0.1%s", rows[i].option);
        open_milters(list);
        says(0, "Occ");
        assert_int_equal(mail(), MILTERS_PASS);
        says_packet(0, SV("h\0\0")); /* not allowed here, nor anywhere */
        size_t dials = n_dials;
        /* What holds is the same for the rest of the transaction, without a new connection. */
        for (int k = 0; k < 2; k++) {
            res.temporary = false;
            assert_int_equal(rcpt(), rows[i].verdict);
            assert_int_equal(res.temporary, rows[i].temporary);
        }
        assert_int_equal(n_dials, dials);
        assert_true(peers[0].closed);
        says(0, "Occ");
        assert_int_equal(mail(), MILTERS_PASS);
        assert_int_equal(n_dials, dials + 1);
    }
    refuse_dial = true;
    open_milters("inet:1@127.0.0.1");
    bool connection;
    assert_int_equal(milters_helo(ms, SV("x"), &connection, &res), MILTERS_PASS);
    assert_int_equal(mail(), MILTERS_REFUSE);
}

static void test_half_done_changes_are_dropped(void **state)
{
    (void)state;
    struct edit e;
    open_milters("inet:1@127.0.0.1|failure=accept;inet:2@127.0.0.1");
    says(0, "Occccccc");
    says_packet(0, SV("hX\0half\0"));
    says(0, "z");
    says(1, "Occccccc");
    says_packet(1, SV("hY\0whole\0"));
    says_packet(1, SV("m\0\0\0\1a\0\0"));
    says(1, "pc");
    assert_int_equal(mail(), MILTERS_PASS);
    assert_int_equal(message(&e), MILTERS_PASS);
    assert_true(e.changed);
    assert_int_equal(e.n_fields, 2);
    assert_string_equal(e.fields[0].text, "B: 2\r\n");
    assert_string_equal(e.fields[1].text, "Y: whole\r\n");
    edit_done(&e);
}

static void test_times(void **state)
{
    (void)state;
    struct edit e;
    open_milters("inet:1@127.0.0.1|timeout=10s|total=60s");
    says(0, "Occ");
    assert_int_equal(mail(), MILTERS_PASS);
    /* A byte now and then is no answer. */
    peers[0].read_ms = 4000;
    says(0, "cccc");
    int64_t before = clock_mono_ms();
    assert_int_equal(rcpt(), MILTERS_PASS); /* two reads: 8 s */
    peers[0].read_ms = 6000;
    assert_int_equal(rcpt(), MILTERS_REFUSE);
    assert_true(res.temporary);
    assert_int_equal(clock_mono_ms() - before, 18000);
    /* It is not tried at once: not in other sessions either. */
    peers[0].read_ms = 0;
    size_t dials = n_dials;
    assert_int_equal(mail(), MILTERS_REFUSE);
    open_milters("inet:1@127.0.0.1|name=other");
    assert_int_equal(mail(), MILTERS_REFUSE);
    assert_int_equal(n_dials, dials);
    clock_test_advance(10001);
    /* Progress renews the time of the step, but not the whole. */
    open_milters("inet:1@127.0.0.1|timeout=10s|total=60s");
    buf_reset(&peers[0].script);
    peers[0].read = 0;
    says(0, "Occccccc");
    for (int i = 0; i < 100; i++)
        says(0, "p");
    assert_int_equal(mail(), MILTERS_PASS);
    peers[0].read_ms = 0;
    before = clock_mono_ms();
    peers[0].read_ms = 2000;
    assert_int_equal(message(&e), MILTERS_REFUSE);
    assert_int_equal(clock_mono_ms() - before, 60000);
    edit_done(&e);
    clock_test_advance(10001);
}

static void test_who_is_asked(void **state)
{
    (void)state;
    struct milters_opts o = {
        .net = &net, .service = MILTER_FOR_SUBMISSION, .log = &lc, .macro = no_macro
    };
    o.list = SV("inet:1@127.0.0.1|services=smtp");
    assert_null(milters_new(&o));
    o.list = SV("");
    assert_null(milters_new(&o));
    o.list = SV("inet:1@127.0.0.1|except=trusted");
    o.trusted = true;
    assert_null(milters_new(&o));
    o.trusted = false;
    ms = milters_new(&o);
    assert_non_null(ms);
    milters_free(ms);
    o.list = SV("inet:1@127.0.0.1|name=a|services=rules; inet:2@127.0.0.1|name=b|services=smtp");
    o.service = MILTER_FOR_RULES;
    o.name = SV("b");
    assert_null(milters_new(&o));
    o.name = SV("a");
    ms = milters_new(&o);
    assert_non_null(ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_abort, begin, end),
        cmocka_unit_test_setup_teardown(test_first_objection_decides, begin, end),
        cmocka_unit_test_setup_teardown(test_accept_discard_shutdown, begin, end),
        cmocka_unit_test_setup_teardown(test_refused_connection_is_asked_anew, begin, end),
        cmocka_unit_test_setup_teardown(test_failures, begin, end),
        cmocka_unit_test_setup_teardown(test_half_done_changes_are_dropped, begin, end),
        cmocka_unit_test_setup_teardown(test_times, begin, end),
        cmocka_unit_test_setup_teardown(test_who_is_asked, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
