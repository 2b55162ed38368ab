/* Golden texts of notices, and who wants which (RFC 3461). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "mail/deliver/deliver_priv.h"

#include <time.h>

static struct message *sample(void)
{
    struct message *m = message_new();
    struct buf b;
    m->key = 0x1122334455667788;
    m->received_ms = 1317804434000;
    sv_copy(m->id, sizeof(m->id), SV("OSA88513"));
    message_set(&m->sender, SV("ann@home.test"));
    buf_init(&b, 4096);
    assert_int_equal(buf_add_str(&b, "Received: from x by y; today\r\nSubject: hi\r\n\r\nbody\r\n"),
                     0);
    message_take_content(m, &b);
    struct rcpt *r = message_add_rcpt(m, SV("u@far.test"), RCPT_REMOTE);
    r->state = RCPT_FAILED;
    message_set_original(r, SV("alias@home.test"));
    message_set(&r->answer, SV("550 5.1.1 User unknown"));
    message_set(&r->remote_mta, SV("mail.far.test"));
    r = message_add_rcpt(m, SV("ok@far.test"), RCPT_REMOTE);
    r->state = RCPT_RELAYED;
    r = message_add_rcpt(m, SV("v@far.test"), RCPT_REMOTE);
    r->state = RCPT_FAILED;
    message_set(&r->orcpt, SV("rfc822;vee@far.test"));
    message_set(&r->answer,
                SV("554 Could not connect and send the mail to recipient (mail.far.test "
                   "[192.0.2.1]: Connection refused)"));
    return m;
}

static const struct dsn_opts opts = {
    .kind = "failed",
    .hostname = "mx.home.test",
    .from = "MAILER-DAEMON",
    .max_content = 65536,
    .retry_until_ms = 1318150034000,
};

static char *text_of(struct message *dsn)
{
    return xstrndup(dsn->content.p, dsn->content.n);
}

static void test_failed(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    _cleanup_(message_unrefp) struct message *dsn = dsn_make(m, &opts, NULL);
    char want[4096];
    assert_non_null(dsn);
    assert_true(dsn->bounce);
    assert_string_equal(dsn->sender, "");
    assert_string_equal(dsn->original, "OSA88513");
    assert_int_equal(dsn->n_rcpts, 1);
    assert_string_equal(dsn->rcpts[0].address, "ann@home.test");
    snprintf(
        want, sizeof(want),
        "Return-Path: <>\r\n"
        "Date: Wed, 05 Oct 2011 10:50:14 +0200\r\n"
        "From: Mail Delivery System <MAILER-DAEMON@mx.home.test>\r\n"
        "To: <ann@home.test>\r\n"
        "Subject: Your message could not be delivered\r\n"
        "Message-ID: <%016" PRIx64 ".dsn@mx.home.test>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        "\tboundary=\"dsn=_1122334455667788\"\r\n"
        "\r\n"
        "This is a delivery report in MIME format (RFC 3464).\r\n"
        "\r\n"
        "--dsn=_1122334455667788\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "\r\n"
        "This is the mail server mx.home.test.\r\n"
        "\r\n"
        "Your message could not be delivered to the recipients below. It is not tried again.\r\n"
        "\r\n"
        "<u@far.test> (sent to <alias@home.test>)\r\n"
        "    The server mail.far.test answered:\r\n"
        "    550 5.1.1 User unknown\r\n"
        "    What to do: check the address for mistakes, or ask the recipient for the right "
        "one.\r\n"
        "\r\n"
        "<v@far.test>\r\n"
        "    554 Could not connect and send the mail to recipient (mail.far.test [192.0.2.1]: "
        "Connection refused)\r\n"
        "    What to do: the recipient's server cannot be reached; try again later, or tell the "
        "recipient.\r\n"
        "\r\n"
        "The message has the id OSA88513 and was received Wed, 05 Oct 2011 10:47:14 +0200.\r\n"
        "\r\n"
        "--dsn=_1122334455667788\r\n"
        "Content-Type: message/delivery-status\r\n"
        "\r\n"
        "Reporting-MTA: dns; mx.home.test\r\n"
        "Arrival-Date: Wed, 05 Oct 2011 10:47:14 +0200\r\n"
        "\r\n"
        "Final-Recipient: rfc822; u@far.test\r\n"
        "Action: failed\r\n"
        "Status: 5.1.1\r\n"
        "Remote-MTA: dns; mail.far.test\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"
        "Last-Attempt-Date: Wed, 05 Oct 2011 10:50:14 +0200\r\n"
        "\r\n"
        "Original-Recipient: rfc822;vee@far.test\r\n"
        "Final-Recipient: rfc822; v@far.test\r\n"
        "Action: failed\r\n"
        "Status: 5.4.1\r\n"
        "Diagnostic-Code: x-posthorn; 554 Could not connect and send the mail to recipient "
        "(mail.far.test [192.0.2.1]: Connection refused)\r\n"
        "Last-Attempt-Date: Wed, 05 Oct 2011 10:50:14 +0200\r\n"
        "\r\n"
        "--dsn=_1122334455667788\r\n"
        "Content-Type: message/rfc822\r\n"
        "\r\n"
        "Received: from x by y; today\r\n"
        "Subject: hi\r\n"
        "\r\n"
        "body\r\n"
        "\r\n"
        "--dsn=_1122334455667788--\r\n",
        dsn->key);
    char *got = text_of(dsn);
    assert_string_equal(got, want);
    free(got);
}

static void expect(struct message *m, const struct dsn_opts *o, const char *part, bool there)
{
    _cleanup_(message_unrefp) struct message *dsn = dsn_make(m, o, NULL);
    assert_non_null(dsn);
    char *text = text_of(dsn);
    if (!strstr(text, part) == there)
        fail_msg("'%s' %s in\n%s", part, there ? "is not" : "is", text);
    free(text);
}

static void test_what_is_returned(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    struct dsn_opts small = opts, from = opts;
    m->ret = 'H';
    expect(m, &opts, "text/rfc822-headers", true);
    expect(m, &opts, "\r\nbody\r\n", false);
    m->ret = 'F';
    expect(m, &opts, "\r\nbody\r\n", true);
    m->requiretls = true; /* RFC 8689 5: RET=FULL is disregarded */
    expect(m, &opts, "\r\nbody\r\n", false);
    expect(m, &opts, "text/rfc822-headers", true);
    m->requiretls = false;
    small.max_content = 10;
    expect(m, &small, "\r\nbody\r\n", false);
    expect(m, &small, "Subject: hi\r\n", true);
    from.from = "postmaster@home.test";
    expect(m, &from, "From: Mail Delivery System <postmaster@home.test>\r\n", true);
}

static void test_international(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    m->smtputf8 = true;
    message_remove_rcpts(m, 0, 1);
    struct rcpt *r = message_add_rcpt(m, SV("j\xc3\xb6rg@far.test"), RCPT_REMOTE);
    r->state = RCPT_FAILED;
    message_set(&r->answer, SV("550 5.1.1 User unknown"));
    expect(m, &opts, "Final-Recipient: utf-8; j\xc3\xb6rg@far.test\r\n", true);
    expect(m, &opts,
           "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n",
           true);
    expect(m, &opts, "Content-Type: message/global\r\n", true);
}

static void test_hostile_answer(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    message_set(&m->rcpts[0].answer, SV("550 x\r\n\r\n--dsn=_1122334455667788--\r\nBcc: y"));
    expect(m, &opts, "\r\n--dsn=_1122334455667788--\r\nBcc", false);
}

static void test_envid_and_orcpt_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *envid, *orcpt, *want_envid, *want_orcpt;
    } t[] = {
        { "QQ+2B314159", "rfc822;b+2Bob@example.org", "QQ+314159", "rfc822;b+ob@example.org" },
        { "plain", "x-other;a+20b+3Dc", "plain", "x-other;a b=c" },
        /* Nothing that breaks the line, or that is no text. */
        { "a+0D+0ABcc:+20x", "rfc822;a+00b", "a+0D+0ABcc:+20x", "rfc822;a+00b" },
        { "+C3+B6", "rfc822;+C3+B6@x.org", "+C3+B6", "rfc822;+C3+B6@x.org" },
        { "e", "utf-8;j\\x{F6}rg+2B@x.org", "e", "utf-8;j\\x{F6}rg+2B@x.org" },
    };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        _cleanup_(message_unrefp) struct message *m = sample();
        char line[200];
        message_set(&m->envid, sv_c(t[i].envid));
        message_set(&m->rcpts[0].orcpt, sv_c(t[i].orcpt));
        snprintf(line, sizeof(line),
                 "\r\nOriginal-Envelope-Id: %s\r\nReporting-MTA: ", t[i].want_envid);
        expect(m, &opts, line, true);
        snprintf(line, sizeof(line),
                 "\r\nOriginal-Recipient: %s\r\nFinal-Recipient: ", t[i].want_orcpt);
        expect(m, &opts, line, true);
    }
}

static void test_who_wants_which(void **state)
{
    (void)state;
    static const struct {
        enum rcpt_kind kind;
        enum rcpt_state st;
        unsigned notify;
        const char *wants; /* letters: f d(elayed) r(elayed) D(elivered) */
    } t[] = {
        { RCPT_REMOTE, RCPT_FAILED, 0, "f" },
        { RCPT_REMOTE, RCPT_FAILED, NOTIFY_NEVER, "" },
        { RCPT_REMOTE, RCPT_FAILED, NOTIFY_SUCCESS, "" },
        { RCPT_LOCAL, RCPT_FAILED, NOTIFY_FAILURE, "f" },
        { RCPT_REMOTE, RCPT_WAITING, 0, "d" },
        { RCPT_REMOTE, RCPT_WAITING, NOTIFY_FAILURE, "" },
        { RCPT_LOCAL, RCPT_WAITING, NOTIFY_DELAY, "d" },
        { RCPT_REMOTE, RCPT_DELIVERED, NOTIFY_SUCCESS, "r" },
        { RCPT_REMOTE, RCPT_RELAYED, NOTIFY_SUCCESS, "" },
        { RCPT_REMOTE, RCPT_DELIVERED, 0, "" },
        { RCPT_LOCAL, RCPT_DELIVERED, NOTIFY_SUCCESS | NOTIFY_FAILURE, "D" },
    };
    static const char *const kinds[] = { "failed", "delayed", "relayed", "delivered" };
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct rcpt r = { .kind = t[i].kind, .state = t[i].st, .notify = t[i].notify };
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(dsn_wants(&r, kinds[k]), strchr(t[i].wants, "fdrD"[k]) && *t[i].wants);
    }
}

static void test_none(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = sample();
    struct errinfo ei;
    struct dsn_opts delivered = opts;
    delivered.kind = "delivered";
    assert_null(dsn_make(m, &delivered, &ei));
    assert_int_equal(ei.code, E_NOTFOUND);
    m->bounce = true;
    assert_null(dsn_make(m, &opts, &ei));
    m->bounce = false;
    message_set(&m->sender, SV(""));
    assert_null(dsn_make(m, &opts, &ei));
    assert_null(deliver_make_dsn(m, "failed", "mx.home.test", &ei));
}

int main(void)
{
    setenv("TZ", "Europe/Rome", 1);
    tzset();
    clock_test_freeze(1317804614000);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_what_is_returned),
        cmocka_unit_test(test_envid_and_orcpt_are_decoded),
        cmocka_unit_test(test_international),
        cmocka_unit_test(test_hostile_answer),
        cmocka_unit_test(test_who_wants_which),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
