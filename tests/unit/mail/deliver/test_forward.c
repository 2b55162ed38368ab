/* Forwarding by the fields of accounts: copies, null mailboxes, loops, errors, repetition. */
#include "house.h"

#include "mail/account/script.h"

#define BODY "From: x@else.test\r\nTo: ann@home.test\r\nSubject: hi\r\n\r\nbody\r\n"

static int try_field(const char *address, enum account_option o, const char *value,
                     struct errinfo *ei)
{
    struct account_spec s = { .option = { [0] = NULL } };
    s.option[o] = value;
    return account_update(house.accounts, "test", sv_c(address), &s, ei);
}

static void set_field(const char *address, enum account_option o, const char *value)
{
    OK(try_field(address, o, value, &ei));
}

static void deliver_content(const char *rcpt, const char *content)
{
    struct message *m = new_message("ann@home.test", content);
    to_local(m, rcpt);
    submit(m);
    if (!house.deliver)
        house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
}

static void test_forward_and_keep(void **state)
{
    (void)state;
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    deliver_content("ann@home.test", BODY);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_true(strncmp(text, "Return-Path: <ann@home.test>\r\nReceived: by mx.home.test ", 54) ==
                0);
    assert_contains(text, "\r\nDelivered-To: ann@home.test\r\nReceived: from x by y;");
    assert_contains(text, BODY);
    assert_null(strstr(text + 10, "Return-Path"));
    free(text);
    assert_log("to <ann@home.test>: forwarded to bob@home.test as ");
}

static void test_forward_only(void **state)
{
    (void)state;
    mk_account("cat@home.test", NULL);
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test; cat@home.test");
    set_field("ann@home.test", OPT_KEEP_COPY, "no");
    deliver_content("ann@home.test", BODY);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("cat@home.test"), 1);
    unsigned links = 0;
    free(inbox_newest("cat@home.test", &links));
    assert_int_equal(links, 2); /* one message to both */
}

static void test_copy_incoming(void **state)
{
    (void)state;
    mk_account("cat@home.test", NULL);
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    set_field("ann@home.test", OPT_KEEP_COPY, "no");
    set_field("ann@home.test", OPT_COPY_INCOMING, "cat@home.test;bob@home.test");
    deliver_content("ann@home.test", BODY);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("cat@home.test"), 1);
}

/* Nobody takes it: the mailbox does, but a null mailbox cannot. */
static void test_targets_gone(void **state)
{
    (void)state;
    set_field("ann@home.test", OPT_FORWARD_TO, "nobody@home.test");
    set_field("ann@home.test", OPT_KEEP_COPY, "no");
    deliver_content("ann@home.test", BODY);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_log("forward_to nobody@home.test not sent: nobody@home.test does not exist here");
    set_field("ann@home.test", OPT_NULL_MAILBOX, "yes");
    const struct account *acc = NULL;
    OK(account_find_address(house.accounts, SV("ann@home.test"), &acc, &ei));
    assert_false(account_can_receive(house.accounts, acc));
    account_unref(acc);
    struct message *m = new_message("bob@home.test", BODY);
    to_local(m, "ann@home.test");
    submit(m);
    WAIT_FOR(inbox_count("bob@home.test") == 1 && queue_count(house.queue) == 0);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_contains(
        text, "550 5.1.1 User ann@home.test has invalid forward set and no mailbox; rejecting");
    free(text);
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

/* Two accounts forward to each other. With copies each has the message once and the first a second
 * time; without, the sender is told. */
static void test_loop(void **state)
{
    (void)state;
    mk_account("cat@home.test", NULL);
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    set_field("bob@home.test", OPT_FORWARD_TO, "ann@home.test");
    struct message *m = new_message("cat@home.test", BODY);
    to_local(m, "ann@home.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 2);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("cat@home.test"), 0);
    assert_log("forwarding not sent: the message came back from an earlier forwarding");
    set_field("ann@home.test", OPT_KEEP_COPY, "no");
    set_field("bob@home.test", OPT_KEEP_COPY, "no");
    m = new_message("cat@home.test", BODY);
    to_local(m, "ann@home.test");
    submit(m);
    WAIT_FOR(inbox_count("cat@home.test") == 1 && queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 2);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    char *text = inbox_newest("cat@home.test", NULL);
    assert_contains(text, "554 5.4.6 Mail forwarding loop for ann@home.test");
    free(text);
}

static void test_hops(void **state)
{
    (void)state;
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    struct message *m = new_message("x@else.test", BODY);
    m->hops = 30;
    to_local(m, "ann@home.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 0);
    assert_log("forwarding not sent: too many hops");
}

static void test_with_script(void **state)
{
    (void)state;
    OK(account_script_put(house.accounts, "test", SV("ann@home.test"), SV("main"), SV("discard;"),
                          &ei));
    OK(account_script_activate(house.accounts, "test", SV("ann@home.test"), SV("main"), &ei));
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    deliver_content("ann@home.test", BODY);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
}

/* A full mailbox refuses the message, and nothing has left. */
static void test_quota(void **state)
{
    (void)state;
    OK(account_update(house.accounts, "test", SV("ann@home.test"),
                      &(struct account_spec){ .quota = "10" }, &ei));
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    struct message *m = new_message("x@else.test", BODY);
    to_local(m, "ann@home.test")->notify = NOTIFY_NEVER;
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("bob@home.test"), 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
}

static void test_large(void **state)
{
    (void)state;
    house_conf((struct conf_pair[]){ { "queue.memory_limit", "64KiB" } }, 1);
    size_t n = 300 * KiB;
    char *content = xcalloc(1, n + 200);
    size_t at = strlen(BODY);
    memcpy(content, BODY, at);
    for (; at < n; at += 66)
        memcpy(content + at, "0123456789012345678901234567890123456789012345678901234567890123\r\n",
               66);
    set_field("ann@home.test", OPT_FORWARD_TO, "bob@home.test");
    deliver_content("ann@home.test", content);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, content);
    free(text);
    free(content);
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        enum account_option o;
        const char *value, *error;
    } rows[] = {
        { OPT_FORWARD_TO, "ann@home.test", "forward_to: 'ann@home.test' is the account itself" },
        { OPT_FORWARD_TO, "bob", "forward_to: 'bob': address 'bob': has no domain" },
        { OPT_COPY_INCOMING, "b b@x.test", "copy_incoming: 'b b@x.test'" },
        { OPT_NULL_MAILBOX, "maybe", "null_mailbox: 'maybe' is not a switch" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct errinfo ei = { 0 };
        assert_true(try_field("ann@home.test", rows[i].o, rows[i].value, &ei) < 0);
        assert_contains(ei.text, rows[i].error);
    }
    set_field("ann@home.test", OPT_FORWARD_TO, " Bob@Else.test ;; bob@else.test;x@else.test;");
    const struct account *acc = NULL;
    OK(account_find_address(house.accounts, SV("ann@home.test"), &acc, &ei));
    assert_string_equal(account_option(acc, OPT_FORWARD_TO), "Bob@Else.test;x@else.test");
    assert_true(account_stores(acc));
    account_unref(acc);
    set_field("ann@home.test", OPT_FORWARD_TO, "");
    OK(account_find_address(house.accounts, SV("ann@home.test"), &acc, &ei));
    assert_null(acc->option[OPT_FORWARD_TO]);
    account_unref(acc);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, house_setup, house_teardown)
    const struct CMUnitTest tests[] = {
        T(test_forward_and_keep), T(test_forward_only), T(test_copy_incoming),
        T(test_targets_gone),     T(test_loop),         T(test_hops),
        T(test_with_script),      T(test_quota),        T(test_large),
        T(test_fields),
    };
    return cmocka_run_group_tests_name("mail/deliver/forward", tests, NULL, NULL);
}
