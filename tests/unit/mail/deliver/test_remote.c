/* Tests of the SMTP client against a scripted peer: what is said, what is logged, what becomes of
 * the message. */
#include "peer.h"

#include <ctype.h>

static const struct name far_names[] = {
    { "far.test", DNS_MX, 0, 10, "mail.far.test" },
    { "mail.far.test", DNS_A, 0, 0, "127.0.0.1" },
    { "null.test", DNS_MX, 0, 0, "" },
    { "servfail.test", DNS_MX, E_TEMP, 0, NULL },
    { "dead.test", DNS_MX, E_TIMEOUT, 0, NULL },
    { "implicit.test", DNS_A, 0, 0, "127.0.0.1" },
    { "loop.test", DNS_MX, 0, 10, "mx.home.test" },
    { "backup.test", DNS_MX, 0, 10, "mail.far.test" },
    { "backup.test", DNS_MX, 0, 20, "mx.home.test" },
    { "two.test", DNS_MX, 0, 10, "mail.far.test" },
    { "two.test", DNS_MX, 0, 20, "second.far.test" },
    { "second.far.test", DNS_A, 0, 0, "127.0.0.1" },
};

typedef void (*conf_user)(const struct conf_pair *pairs, size_t n);

static void with_port_of_peer(conf_user use, const struct conf_pair *more, size_t n)
{
    char port[8];
    struct conf_pair pairs[16] = { { "deliver.port", port } };
    snprintf(port, sizeof(port), "%u", peer.port);
    for (size_t i = 0; i < n; i++)
        pairs[i + 1] = more[i];
    use(pairs, n + 1);
}

static void open_with(const struct conf_pair *more, size_t n)
{
    peer_listen();
    with_port_of_peer(house_open, more, n);
    use_names(far_names, ARRAY_LEN(far_names));
}

#define OPEN(...)                                                                                  \
    do {                                                                                           \
        const struct conf_pair _p[] = { __VA_ARGS__ };                                             \
        open_with(_p, ARRAY_LEN(_p));                                                              \
    } while (0)
#define PLAY(...)                                                                                  \
    do {                                                                                           \
        const char *const *const _s[] = { __VA_ARGS__ };                                           \
        peer_play(_s, ARRAY_LEN(_s));                                                              \
    } while (0)
#define SCRIPT(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void close_all(void)
{
    if (house.deliver)
        house_stop();
    char *log = xstrndup(house.log.p ? house.log.p : "", house.log.n);
    peer_end();
    house_close();
    free(log);
}

/* The length of "dd:dd:dd" at the start of the text; 0 if it is not there. */
static size_t span_len(struct sv s)
{
    static const char form[] = "00:00:00";
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        bool digit = i < s.n && isdigit((unsigned char)s.p[i]);
        if (i >= s.n || (form[i] == '0' ? !digit : s.p[i] != form[i]))
            return 0;
    }
    return sizeof(form) - 1;
}

/* Ids, times, durations, item names and speeds become the same. */
static char *normal_log(void)
{
    struct buf out;
    buf_init(&out, MiB);
    struct sv rest = buf_sv(&house.log);
    while (rest.n) {
        struct sv line = sv_split(&rest, '\n');
        if (sv_find_sv(line, SV("Client session")) < 0)
            continue;
        (void)buf_add_sv(&out, sv_take(line, 15));
        (void)buf_add_str(&out, " [ID] hh:mm:ss");
        line = sv_skip(line, 31);
        for (size_t i = 0; i < line.n; i++) {
            size_t d = span_len(sv_skip(line, i));
            if (d) {
                (void)buf_add_str(&out, "hh:mm:ss");
                i += d - 1;
                continue;
            }
            while (i + d < line.n && isdigit((unsigned char)line.p[i + d]))
                d++;
            bool id = d == 5 && i >= 3 && isupper((unsigned char)line.p[i - 1]) &&
                      isupper((unsigned char)line.p[i - 2]) &&
                      isupper((unsigned char)line.p[i - 3]);
            bool speed = d && i >= 6 && memcmp(line.p + i - 6, "speed=", 6) == 0;
            bool took = d && i >= 5 && memcmp(line.p + i - 5, "' 0 (", 5) == 0;
            if (id)
                out.n -= 3;
            if (id || d >= 18 || speed || took)
                (void)buf_add_str(&out, id ? "ID" : speed || took ? "N" : "ITEM");
            else
                (void)buf_add(&out, line.p + i, MAX(d, 1u));
            i += MAX(d, 1u) - 1;
        }
        (void)buf_add_c(&out, '\n');
    }
    return buf_take(&out, &(size_t){ 0 });
}

static void expect_log(const char *want)
{
    char *got = normal_log();
    if (strcmp(got, want) != 0)
        fail_msg("log is\n%s\nnot\n%s", got, want);
    free(got);
}

#define BODY "Subject: hi\r\n\r\n.dot\r\n..two\r\nend\r\n"

static void test_good_session(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT(
        "> 220 mail.far.test ESMTP", "< EHLO mx.home.test",
        "> 250-mail.far.test\r\n250-SIZE 1000000\r\n250-TRANSID\r\n250 HELP",
        "< MAIL From:<ann@home.test> SIZE=65 TRANSID=<20",
        "> 250 2.1.0 <ann@home.test>... Sender ok", "< RCPT To:<u@far.test>",
        "> 250 2.1.5 <u@far.test>... Recipient ok", "< DATA", "> 354 go on", "data",
        "> 250 2.6.0 65 bytes received in 00:00:00; Message id OSA57912 accepted for delivery",
        "< QUIT", "> 221 2.0.0 mail.far.test closing connection", "gone"));
    struct message *m = new_message("ann@home.test", BODY);
    to_remote(m, "u@far.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    house_stop();
    /* On the wire: without Return-Path, dots doubled. */
    OK(buf_terminate(&peer.data));
    assert_string_equal(
        peer.data.p,
        "Received: from x by y;\r\n\ttoday\r\nSubject: hi\r\n\r\n..dot\r\n...two\r\nend\r\n");
    expect_log(
        "SYSTEM          [ID] hh:mm:ss Client session Message id ID item ITEM.tms\n"
        "SYSTEM          [ID] hh:mm:ss Client session DNS query 'far.test' 0 (N) [OK - 1]\n"
        "SYSTEM          [ID] hh:mm:ss Client session Connecting to 'mail.far.test'\n"
        "127.0.0.1       [ID] hh:mm:ss Client session Connected, local IP=127.0.0.1\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 220 mail.far.test ESMTP\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> EHLO mx.home.test\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 250 HELP\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> MAIL From:<ann@home.test> SIZE=65 "
        "TRANSID=<ITEM@home.test>\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 250 2.1.0 <ann@home.test>... Sender ok\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> RCPT To:<u@far.test>\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 250 2.1.5 <u@far.test>... Recipient ok\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> DATA\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 354 go on\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> 65 bytes (overall data transfer speed=N "
        "B/s)\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 250 2.6.0 65 bytes received in hh:mm:ss; "
        "Message id ID accepted for delivery\n"
        "127.0.0.1       [ID] hh:mm:ss Client session *** <ann@home.test> <u@far.test> 1 65 "
        "hh:mm:ss OK ID\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> QUIT\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 221 2.0.0 mail.far.test closing "
        "connection\n"
        "127.0.0.1       [ID] hh:mm:ss Client session Disconnected\n");
    close_all();
}

static void send_one(const char *rcpt)
{
    struct message *m = new_message("ann@home.test", BODY);
    to_remote(m, rcpt);
    submit(m);
    house_start();
}

/* The message waits with this reason. */
static void must_wait(const char *why)
{
    WAIT_FOR(deferred());
    struct first_info f = queue_first();
    assert_contains(f.answer, why);
    assert_int_equal(inbox_count("ann@home.test"), 0);
}

/* The sender has a bounce that says this. */
static void must_bounce(const char *why)
{
    WAIT_FOR(queue_count(house.queue) == 0 && inbox_count("ann@home.test") == 1);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, why);
    assert_contains(text, "Action: failed\r\n");
    assert_contains(text, "multipart/report");
    free(text);
}

static void test_no_connection(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    shutdown(peer.listener, SHUT_RDWR);
    send_one("u@far.test");
    must_wait(
        "451 4.4.1 Could not connect and send the mail to recipient (mail.far.test [127.0.0.1]");
    house_stop();
    expect_log("SYSTEM          [ID] hh:mm:ss Client session Message id ID item ITEM.tms\n"
               "SYSTEM          [ID] hh:mm:ss Client session DNS query 'far.test' 0 (N) [OK - 1]\n"
               "SYSTEM          [ID] hh:mm:ss Client session Connecting to 'mail.far.test'\n"
               "SYSTEM          [ID] hh:mm:ss Client session Could not connect to "
               "'mail.far.test(127.0.0.1)'\n"
               "SYSTEM          [ID] hh:mm:ss Client session *** <ann@home.test> <u@far.test> 1 "
               "65 hh:mm:ss INCOMPLETE-SESSION ID\n"
               "SYSTEM          [ID] hh:mm:ss Client session Disconnected\n");
    close_all();
}

static void test_greeting_554(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 554-5.7.1 Go\r\n554 5.7.1 away", "< QUIT", "> 221 bye"));
    send_one("u@far.test");
    must_bounce("Diagnostic-Code: smtp; 554 5.7.1 Go away");
    close_all();
}

static void test_greeting_421(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 421 4.3.2 shutting down", "close"));
    send_one("u@far.test");
    must_wait("421 4.3.2 shutting down");
    close_all();
}

static void test_next_host(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 554 no", "< QUIT", "> 221 bye"),
         SCRIPT("> 220 hi", "< EHLO", "> 500 what", "< HELO mx.home.test", "> 250 ok",
                "< MAIL From:<ann@home.test>", "> 250 ok", "< RCPT", "> 250 ok", "< DATA",
                "> 354 go", "data", "> 250 done", "< QUIT", "close"));
    send_one("u@two.test");
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    close_all();
}

static void test_closed_in_data(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "> 250 ok", "< RCPT", "> 250 ok",
                "< DATA", "> 354 go", "data", "close"));
    send_one("u@far.test");
    must_wait("451 4.4.2 Connection to mail.far.test was lost while waiting for the answer to the "
              "end of the data");
    close_all();
}

static void test_timeout(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" }, { "deliver.command_timeout", "1s" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "gone"));
    send_one("u@far.test");
    must_wait(
        "451 4.4.2 Connection to mail.far.test timed out while waiting for the answer to MAIL");
    house_stop();
    char *log = normal_log();
    assert_contains(log, "*** <ann@home.test> <u@far.test> 1 65 hh:mm:ss TIMEOUT ID\n");
    free(log);
    assert_true(sv_find_sv(buf_sv(&house.log), SV("65 00:00:00 TIMEOUT")) < 0);
    close_all();
}

static void test_garbage(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> HTTP/1.1 400 Bad Request", "gone"));
    send_one("u@far.test");
    must_wait("brought an answer that is not SMTP while waiting for the answer to the greeting");
    close_all();
}

static void test_refused_recipient(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 PIPELINING", "< MAIL", "< RCPT To:<u@",
                "< RCPT To:<v@", "< DATA",
                "> 250 ok\r\n550-5.1.1 User\r\n550 5.1.1 unknown\r\n250 ok\r\n354 go", "data",
                "> 250 done", "< QUIT", "> 221 bye"));
    struct message *m = new_message("ann@home.test", BODY);
    to_remote(m, "u@far.test");
    to_remote(m, "v@far.test");
    submit(m);
    house_start();
    must_bounce("Final-Recipient: rfc822; u@far.test\r\nAction: failed\r\nStatus: "
                "5.1.1\r\nRemote-MTA: dns; mail.far.test\r\n"
                "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n");
    close_all();
}

static void test_pipelined_mail_refused(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 PIPELINING", "< MAIL", "< RCPT", "< DATA",
                "> 550 5.7.1 not you\r\n503 5.5.1 need MAIL\r\n354 go", "data",
                "> 554 no valid recipients", "< QUIT", "> 221 bye"));
    send_one("u@far.test");
    must_bounce("Diagnostic-Code: smtp; 550 5.7.1 not you");
    close_all();
}

static void test_too_many_recipients(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "> 250 ok", "< RCPT To:<u@", "> 250 ok",
                "< RCPT To:<v@", "> 452 4.5.3 too many", "< DATA", "> 354 go", "data", "> 250 done",
                "< MAIL", "> 250 ok", "< RCPT To:<v@", "> 250 ok", "< DATA", "> 354 go", "data",
                "> 250 done", "< QUIT", "> 221 bye"));
    struct message *m = new_message("ann@home.test", BODY);
    to_remote(m, "u@far.test");
    to_remote(m, "v@far.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    close_all();
}

/* What has been tried once is too old for the next attempt. */
static void let_it_expire(const char *starttls)
{
    const struct conf_pair pairs[] = { { "deliver.starttls", starttls },
                                       { "queue.lifetime", "1s" } };
    with_port_of_peer(house_conf, pairs, ARRAY_LEN(pairs));
    usleep(1100000);
}

static void test_temporary_then_expired(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "> 250 ok", "< RCPT",
                "> 450 4.2.1 busy", "< QUIT", "> 221 bye"),
         SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "> 250 ok", "< RCPT",
                "> 450 4.2.1 busy", "< QUIT", "> 221 bye"));
    send_one("u@far.test");
    must_wait("450 4.2.1 busy");
    let_it_expire("never");
    assert_int_equal(queue_retry(house.queue, SV("")), 1);
    must_bounce("554 Permanent problems with the remote server (450 4.2.1 busy)");
    close_all();
}

static void expire_one(const char *rcpt, const char *wait_reason, const char *bounce_reason)
{
    OPEN({ "deliver.starttls", "never" });
    shutdown(peer.listener, SHUT_RDWR);
    send_one(rcpt);
    must_wait(wait_reason);
    let_it_expire("never");
    assert_int_equal(queue_retry(house.queue, SV("")), 1);
    must_bounce(bounce_reason);
    close_all();
}

static void test_reasons_at_the_end(void **state)
{
    (void)state;
    expire_one("u@far.test", "451 4.4.1 Could not connect",
               "554 Could not connect and send the mail to recipient");
    expire_one("u@servfail.test", "451 4.4.3 Server failure while issuing MX query",
               "554 Server failure while issuing MX query");
    expire_one("u@dead.test", "451 4.4.3 Could not resolve target DNS",
               "554 Could not resolve target DNS");
}

static void bounce_one(const char *rcpt, const char *reason)
{
    OPEN({ "deliver.starttls", "never" });
    send_one(rcpt);
    must_bounce(reason);
    close_all();
}

static void test_no_way_there(void **state)
{
    (void)state;
    bounce_one("u@nowhere.test", "554 Domain nowhere.test does not exist while issuing MX query");
    bounce_one("u@null.test", "556 5.1.10 Domain null.test does not accept mail (null MX)");
    bounce_one("u@loop.test", "554 5.4.6 Mail for loop.test loops back to this server by its MX");
}

#define EASY                                                                                       \
    SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "> 250 ok", "< RCPT", "> 250 ok", "< DATA", \
           "> 354 go", "data", "> 250 done", "< QUIT", "> 221 bye")

static void deliver_easily(const char *rcpt, const struct conf_pair *more)
{
    OPEN({ "deliver.starttls", "never" }, *more);
    PLAY(EASY);
    send_one(rcpt);
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    close_all();
}

static void test_ways_there(void **state)
{
    (void)state;
    const struct conf_pair none = { "deliver.source_ip", "127.0.0.1" };
    deliver_easily("u@implicit.test", &none);
    deliver_easily("u@backup.test", &none);
    deliver_easily("u@[127.0.0.1]", &none);
    const struct conf_pair relay = { "deliver.relay_host", "mail.far.test" };
    deliver_easily("u@nowhere.test", &relay);
}

static void test_too_many_hops(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    struct message *m = new_message("ann@home.test", BODY);
    m->hops = 31;
    to_remote(m, "u@far.test");
    submit(m);
    house_start();
    must_bounce("554 Too many hops");
    close_all();
}

static void test_tls(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "may" });
    peer_certificate();
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 STARTTLS", "< STARTTLS",
                "> 220 2.0.0 Ready to start TLS", "tls", "< EHLO", "> 250 ok", "< MAIL", "> 250 ok",
                "< RCPT", "> 250 ok", "< DATA", "> 354 go", "data", "> 250 done", "< QUIT",
                "> 221 bye"));
    send_one("u@far.test");
    WAIT_FOR(queue_count(house.queue) == 0);
    house_stop();
    char *log = normal_log();
    assert_contains(
        log,
        "Client session >>> STARTTLS\n"
        "127.0.0.1       [ID] hh:mm:ss Client session <<< 220 2.0.0 Ready to start TLS\n"
        "127.0.0.1       [ID] hh:mm:ss Client session SSL: Not verified (18) - proceed anyway\n"
        "127.0.0.1       [ID] hh:mm:ss Client session >>> EHLO mx.home.test\n");
    free(log);
    close_all();
}

static void test_tls_refused(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "may" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 STARTTLS", "< STARTTLS", "> 454 not now",
                "< MAIL", "> 250 ok", "< RCPT", "> 250 ok", "< DATA", "> 354 go", "data",
                "> 250 done", "< QUIT", "> 221 bye"));
    send_one("u@far.test");
    WAIT_FOR(queue_count(house.queue) == 0);
    close_all();
}

static void test_tls_broken(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "may" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 STARTTLS", "< STARTTLS", "> 220 go", "close"),
         EASY);
    send_one("u@far.test");
    WAIT_FOR(queue_count(house.queue) == 0);
    close_all();
}

/* Clear text behind the 220 must not be read as if it were protected. */
static void test_tls_injected(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "require" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 STARTTLS", "< STARTTLS",
                "> 220 go\r\n250 evil", "gone"));
    send_one("u@far.test");
    must_wait("Could not verify SSL connection (mail.far.test: the server sent more");
    close_all();
}

static void test_tls_required(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "require" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "gone"),
         SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "gone"));
    send_one("u@far.test");
    must_wait("451 4.7.4 Could not verify SSL connection (mail.far.test: STARTTLS is not offered)");
    let_it_expire("require");
    assert_int_equal(queue_retry(house.queue, SV("")), 1);
    must_bounce("554 Could not verify SSL connection (mail.far.test: STARTTLS is not offered)");
    close_all();
}

static void test_limits_of_the_peer(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250-x\r\n250 SIZE 50", "< QUIT", "> 221 bye"));
    send_one("u@far.test");
    must_bounce("552 5.3.4 The message has 65 bytes, mail.far.test accepts 50");
    close_all();
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< QUIT", "> 221 bye"));
    send_one("j\xc3\xb6rg@far.test");
    must_bounce("550 5.6.7 mail.far.test does not support internationalised addresses (SMTPUTF8)");
    close_all();
}

static void test_extensions(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(SCRIPT(
        "> 220 hi", "< EHLO",
        "> 250-x\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-TRANSID\r\n250 ok",
        "< MAIL From:<ann@home.test> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1 TRANSID=<t1@o.test>",
        "> 250 ok", "< RCPT To:<j\xc3\xb6rg@far.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y",
        "> 250 ok", "< DATA", "> 354 go", "data", "> 250 done", "< QUIT", "> 221 bye"));
    struct message *m = new_message("ann@home.test", BODY);
    m->body_8bit = m->smtputf8 = true;
    m->ret = 'H';
    message_set(&m->envid, SV("e1"));
    message_set(&m->transid, SV("t1@o.test")); /* of the first server, not ours */
    struct rcpt *r = to_remote(m, "j\xc3\xb6rg@far.test");
    r->notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    message_set(&r->orcpt, SV("rfc822;x@y"));
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 0); /* the duty went along */
    close_all();
}

static void test_relayed_notice(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(EASY);
    struct message *m = new_message("ann@home.test", BODY);
    to_remote(m, "u@far.test")->notify = NOTIFY_SUCCESS;
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0 && inbox_count("ann@home.test") == 1);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "Action: relayed\r\nStatus: 2.0.0\r\n");
    free(text);
    close_all();
}

/* One connection for several messages, because only one is allowed. */
static void test_reuse(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" }, { "deliver.per_destination", "1" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "sleep 300", "< MAIL", "> 250 ok", "< RCPT",
                "> 250 ok", "< DATA", "> 354 go", "data", "> 250 done", "< MAIL", "> 250 ok",
                "< RCPT", "> 550 no", "< RSET", "> 250 ok", "< MAIL", "> 250 ok", "< RCPT",
                "> 250 ok", "< DATA", "> 354 go", "data", "> 250 done", "< MAIL", "> 421 tired",
                "close"),
         EASY);
    house_start();
    for (int i = 0; i < 4; i++) {
        struct message *m = new_message(i == 1 ? "" : "ann@home.test", BODY);
        to_remote(m, "u@far.test");
        submit(m);
    }
    WAIT_FOR(queue_count(house.queue) == 0);
    close_all();
}

static bool find_session(const struct shm_session_info *i, void *arg)
{
    if (i->service == SVC_SMTP_CLIENT)
        *(uint32_t *)arg = i->id;
    return true;
}

static uint32_t client_session(void)
{
    uint32_t id = 0;
    shm_session_each(shm_current(), find_session, &id);
    return id;
}

static void test_kill(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" }, { "deliver.command_timeout", "60s" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "gone"));
    send_one("u@far.test");
    WAIT_FOR(client_session() != 0 && atomic_load(&peer.step) == 4); /* waits behind MAIL */
    assert_false(deliver_kill_session(house.deliver, 0));
    assert_true(deliver_kill_session(house.deliver, client_session()));
    must_wait("451 4.4.2 Connection to mail.far.test was ended by the administrator");
    assert_int_equal(client_session(), 0);
    close_all();
}

/* Stopping in the middle of a session: the message waits, and is sent by the next start. */
static void test_stop_and_start(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" }, { "deliver.command_timeout", "60s" });
    PLAY(SCRIPT("> 220 hi", "< EHLO", "> 250 ok", "< MAIL", "gone"), EASY);
    send_one("u@far.test");
    WAIT_FOR(client_session() != 0 && atomic_load(&peer.step) == 4); /* waits behind MAIL */
    int64_t t0 = clock_mono_ms();
    deliver_stop(house.deliver, 200);
    house.deliver = NULL;
    assert_true(clock_mono_ms() - t0 < 50000); /* the peer would be waited for 60 s */
    queue_close(house.queue);
    open_queue();
    assert_int_equal(queue_count(house.queue), 1);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    close_all();
}

static void test_large_from_file(void **state)
{
    (void)state;
    OPEN({ "deliver.starttls", "never" });
    PLAY(EASY);
    struct buf b;
    int fd;
    buf_init(&b, 16 * MiB);
    while (b.n < 300 * KiB)
        OK(buf_addf(&b, "%s%zu of a long message\r\n", b.n % 7 ? "" : ".", b.n));
    struct message *m = new_message("ann@home.test", "Subject: x\r\n\r\n");
    to_remote(m, "u@far.test");
    OK(queue_spool_begin(house.queue, m, &fd, &ei));
    OK(os_write_all(fd, m->content.p, m->content.n));
    OK(os_write_all(fd, b.p, b.n));
    close(fd);
    m->size += b.n;
    message_drop_content(m);
    uint64_t size = m->size;
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    house_stop();
    size_t want = 0;
    for (size_t i = 0; i < b.n; i++) /* what arrives, unstuffed */
        want += b.p[i] == '.' && (i == 0 || b.p[i - 1] == '\n');
    assert_int_equal(peer.data.n, size - strlen("Return-Path: <ann@home.test>\r\n") + want);
    buf_done(&b);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_session),
        cmocka_unit_test(test_no_connection),
        cmocka_unit_test(test_greeting_554),
        cmocka_unit_test(test_greeting_421),
        cmocka_unit_test(test_next_host),
        cmocka_unit_test(test_closed_in_data),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_refused_recipient),
        cmocka_unit_test(test_pipelined_mail_refused),
        cmocka_unit_test(test_too_many_recipients),
        cmocka_unit_test(test_temporary_then_expired),
        cmocka_unit_test(test_reasons_at_the_end),
        cmocka_unit_test(test_no_way_there),
        cmocka_unit_test(test_ways_there),
        cmocka_unit_test(test_too_many_hops),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_refused),
        cmocka_unit_test(test_tls_broken),
        cmocka_unit_test(test_tls_injected),
        cmocka_unit_test(test_tls_required),
        cmocka_unit_test(test_limits_of_the_peer),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_relayed_notice),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_stop_and_start),
        cmocka_unit_test(test_large_from_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
