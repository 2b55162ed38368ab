/* An account's rules of content filters at delivery: folders, header fields, what they send,
 * refuse, delete; before its scripts, beside its forwarding; others in the message are untouched.
 */
#include "house.h"

#include "mail/account/filter_store.h"
#include "mail/account/script.h"

#define BODY   "Subject: hi\r\n\r\nbody\r\n"
#define TO_ANN "From: x@else.test\r\nTo: Ann <ann@home.test>\r\nMessage-ID: <1@else.test>\r\n" BODY

static void use_rules(const char *address, const char *text)
{
    OK(filters_put(house.accounts, "test", sv_c(address), sv_c(text), true, &ei));
}

static void test_move(void **state)
{
    (void)state;
    use_rules("ann@home.test",
              "rule \"lists\" if header \"Subject\" is \"hi\" then move \"Lists/Dev\"");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(folder_count("ann@home.test", "Lists/Dev"), 1);
    assert_log("Filter rule 'lists' of ann@home.test: move 'Lists/Dev'");
    deliver_to("ann@home.test", "x@else.test", "Subject: other\r\n\r\n");
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

/* The folder takes the inbox's place; what a script says itself goes before that. */
static void test_move_and_script(void **state)
{
    (void)state;
    use_rules("ann@home.test", "rule \"r\" then move \"Moved\", set-header \"X-Rule\" \"yes\"");
    use_script("ann@home.test", "require [\"fileinto\", \"mailbox\"];"
                                "if allof (header \"X-Rule\" \"yes\", header \"Subject\" \"file\")"
                                " { fileinto :create \"Filed\"; }");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    deliver_to("ann@home.test", "x@else.test", "Subject: file\r\n\r\n");
    assert_int_equal(folder_count("ann@home.test", "Moved"), 1);
    assert_int_equal(folder_count("ann@home.test", "Filed"), 1);
    assert_int_equal(inbox_count("ann@home.test"), 0);
}

static void test_others_are_untouched(void **state)
{
    (void)state;
    use_rules("ann@home.test", "rule \"no\" then delete");
    struct message *m = new_message("x@else.test", TO_ANN);
    to_local(m, "ann@home.test");
    to_local(m, "bob@home.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
}

static void test_header(void **state)
{
    (void)state;
    use_rules(
        "ann@home.test",
        "rule \"tag\" if size under 10K then tag-subject \"[x]\", add-header \"X-New\" \"1\"");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_string_equal(text, "Return-Path: <x@else.test>\r\nX-New: 1\r\n"
                              "Received: from x by y;\r\n\ttoday\r\nFrom: x@else.test\r\n"
                              "To: Ann <ann@home.test>\r\nMessage-ID: <1@else.test>\r\n"
                              "Subject: [x] hi\r\n\r\nbody\r\n");
    free(text);
}

static void test_reject(void **state)
{
    (void)state;
    use_rules("ann@home.test", "rule \"no\" then reject \"not wanted\"");
    deliver_to("ann@home.test", "bob@home.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    WAIT_FOR(inbox_count("bob@home.test") == 1); /* the notice */
    assert_log("550 5.7.1 not wanted");
}

static void test_copy_and_forward(void **state)
{
    (void)state;
    use_rules("ann@home.test",
              "rule \"c\" if header \"Subject\" is \"hi\" then copy \"bob@home.test\"\n"
              "rule \"f\" if header \"Subject\" is \"f\" then forward \"bob@home.test\"");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    deliver_to("ann@home.test", "x@else.test", "Subject: f\r\n\r\n");
    WAIT_FOR(inbox_count("bob@home.test") == 2);
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

/* A forwarding that leads nowhere keeps the message. */
static void test_forward_to_nobody(void **state)
{
    (void)state;
    use_rules("ann@home.test", "rule \"f\" then forward \"nobody@home.test\"");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_log("to <ann@home.test>: redirect not sent:");
}

/* Neither does one that is not made, as rules send too much. */
static void test_forward_beyond_the_limit(void **state)
{
    (void)state;
    house_conf((struct conf_pair[]){ { "sieve.max_sent", "1" } }, 1);
    use_rules("ann@home.test", "rule \"f\" then copy \"bob@home.test\", forward \"bob@home.test\"");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_log("they send more than sieve.max_sent messages");
}

/* The delivery is made twice, as after a crash: everything is there once. */
static void test_repeated_after_a_crash(void **state)
{
    (void)state;
    struct message *m = new_message("bob@home.test", TO_ANN);
    mk_account("cid@home.test", NULL);
    use_rules("ann@home.test", "rule \"r\" then copy \"cid@home.test\", respond \"away\","
                               " tag-subject \"[x]\", move \"A\"");
    deliver_again_and_again(m);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(folder_count("ann@home.test", "A"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("cid@home.test"), 1);
    message_unref(m);
}

/* RFC 3834: once to a sender, never to programs. */
static void test_respond(void **state)
{
    (void)state;
    use_rules("ann@home.test", "rule \"r\" then respond \"I have moved.\"");
    deliver_to("ann@home.test", "bob@home.test", TO_ANN);
    deliver_to("ann@home.test", "bob@home.test", TO_ANN);
    deliver_to("ann@home.test", "", TO_ANN);
    deliver_to("ann@home.test", "bob@home.test", "Auto-Submitted: auto-replied\r\n" TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 4);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, "Auto-Submitted: auto-replied");
    assert_contains(text, "I have moved.");
    free(text);
    assert_log("automatic reply not sent: the sender has had this reply not long ago");
}

/* Rules go before the account's forwarding, which keeps nothing here. */
static void test_account_that_forwards(void **state)
{
    (void)state;
    struct account_spec spec = { .option = {
                                     [OPT_FORWARD_TO] = "bob@home.test", [OPT_KEEP_COPY] = "no" } };
    OK(account_update(house.accounts, "test", SV("ann@home.test"), &spec, &ei));
    use_rules("ann@home.test", "rule \"no\" if header \"Subject\" is \"bad\" then delete\n"
                               "rule \"t\" then move \"Never\"");
    deliver_to("ann@home.test", "x@else.test", "Subject: bad\r\n\r\n");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(folder_count("ann@home.test", "Never"), 0);
}

static bool add_hits(const struct filter_info *i, void *arg)
{
    *(int64_t *)arg = *(int64_t *)arg * 10 + i->hits;
    return true;
}

static void test_hits(void **state)
{
    (void)state;
    int64_t n = 0;
    use_rules("ann@home.test", "rule \"a\" then score 1\nrule \"b\" if score over 2 then stop\n"
                               "rule \"c\" if score is 1 then stop");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    OK(filters_each(house.accounts, SV("ann@home.test"), add_hits, &n, &ei));
    assert_int_equal(n, 202);
}

/* The same in the spool: changed, and delivered once. */
static void test_large_message(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 16 * MiB);
    OK(buf_add_str(&b, TO_ANN));
    for (int i = 0; i < 100000; i++)
        OK(buf_add_str(&b, "hay and hay and hay\r\n"));
    OK(buf_add_str(&b, "the needle\r\n"));
    OK(buf_terminate(&b));
    use_rules("ann@home.test",
              "rule \"n\" if body contains \"the needle\" then set-header \"Subject\" \"found\"");
    deliver_to("ann@home.test", "x@else.test", b.p);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_contains(text, "\r\nSubject: found\r\n\r\nbody\r\nhay");
    assert_contains(text, "hay\r\nthe needle\r\n");
    free(text);
    buf_done(&b);
}

/* What an account may not do is refused when it is stored. */
static void test_not_for_accounts(void **state)
{
    (void)state;
    static const char *const bad[] = { "rule \"x\" if helo is \"a\" then stop",
                                       "rule \"x\" then quarantine", "rule \"x\" then priority low",
                                       "rule \"x\" then reject \"451 Later\"" };
    struct errinfo ei;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(
            filters_put(house.accounts, "test", SV("ann@home.test"), sv_c(bad[i]), false, &ei),
            E_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_move, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_move_and_script, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_others_are_untouched, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_header, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_reject, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_copy_and_forward, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_forward_to_nobody, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_forward_beyond_the_limit, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_repeated_after_a_crash, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_respond, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_account_that_forwards, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_hits, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_large_message, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_not_for_accounts, house_setup, house_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
