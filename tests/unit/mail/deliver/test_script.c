/* Sieve scripts at delivery: folders, flags, redirects, replies, refusals; what a repetition after
 * a crash or an error does. */
#include "house.h"

#include "mail/account/script.h"

#define BODY   "Subject: hi\r\n\r\nbody\r\n"
#define TO_ANN "From: x@else.test\r\nTo: Ann <ann@home.test>\r\nMessage-ID: <1@else.test>\r\n" BODY

static void test_filed_with_flags(void **state)
{
    (void)state;
    _cleanup_(snap_unrefp) const struct snap *s = NULL;
    _cleanup_(arena_done) struct arena a;
    struct folder f;
    use_script("ann@home.test",
               "require [\"fileinto\", \"mailbox\", \"imap4flags\"];\r\n"
               "if header \"subject\" \"hi\" {\r\n"
               "fileinto :create :flags [\"\\\\Seen\", \"$Work\"] \"Lists/Dev\";\r\n}");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    _cleanup_(mailbox_unrefp) struct mailbox *mb = open_mailbox("ann@home.test");
    arena_init(&a, 64 * KiB);
    OK(mailbox_folder(mb, SV("Lists/Dev"), &a, &f, &ei));
    OK(mailbox_snapshot(mb, f.id, NULL, &s, &ei));
    assert_int_equal(s->n, 1);
    assert_int_equal(s->n_keywords, 1);
    assert_string_equal(s->keywords[0], "$Work");
    assert_int_equal(s->m[0].flags, FLAG_SEEN | UINT64_C(1) << FLAG_KEYWORD0);
    assert_log("to <ann@home.test>: filed into 'Lists/Dev' by Sieve script 'main' line 3");
}

static void test_no_folder(void **state)
{
    (void)state;
    use_script("ann@home.test", "require \"fileinto\"; fileinto \"None\";");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_log("line 1 failed, the message stays in the inbox: the folder 'None' does not exist");
    house_conf((struct conf_pair[]){ { "sieve.create_folders", "yes" } }, 1);
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(folder_count("ann@home.test", "None"), 1);
}

static void test_others_are_untouched(void **state)
{
    (void)state;
    use_script("ann@home.test", "discard;");
    struct message *m = new_message("x@else.test", TO_ANN);
    to_local(m, "ann@home.test");
    to_local(m, "bob@home.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_log("to <ann@home.test>: not kept by Sieve script 'main' line 1: discarded");
    house_conf((struct conf_pair[]){ { "sieve.enabled", "no" } }, 1);
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

static void test_error_keeps(void **state)
{
    (void)state;
    use_script("ann@home.test",
               "require \"variables\"; discard;\n set \"a\" \"x\"; redirect \"${a}\";");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_log("line 2 failed, the message stays in the inbox: \"x\" is no address");
}

static void test_redirect(void **state)
{
    (void)state;
    use_script("ann@home.test", "require \"copy\"; redirect :copy \"bob@home.test\";");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_true(strncmp(text, "Return-Path: <x@else.test>\r\nReceived: by mx.home.test ", 53) == 0);
    assert_contains(text, "\r\nX-Sieve-Redirected-From: ann@home.test\r\nReceived: from x by y;");
    assert_contains(text, BODY);
    assert_null(strstr(text + 10, "Return-Path"));
    free(text);
    assert_log("redirect to bob@home.test as ");
}

/* Two users send everything to each other: the message ends where it would come a second time. */
static void test_redirect_loop(void **state)
{
    (void)state;
    use_script("ann@home.test", "redirect \"bob@home.test\";");
    use_script("bob@home.test", "redirect \"ann@home.test\";");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    WAIT_FOR(inbox_count("ann@home.test") == 1);
    assert_int_equal(inbox_count("bob@home.test"), 0);
    assert_log("redirect of Sieve script 'main' line 1 not sent: the message came back");
}

static void test_redirect_to_nobody_keeps(void **state)
{
    (void)state;
    use_script("ann@home.test", "redirect \"nobody@home.test\";");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_log("not sent: nobody@home.test does not exist here");
}

static void test_reject_tells_the_sender(void **state)
{
    (void)state;
    use_script("ann@home.test", "require \"reject\"; reject \"I want\nno mail.\";");
    deliver_to("ann@home.test", "bob@home.test", TO_ANN);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, "550 5.7.1 I want no mail.");
    free(text);
    deliver_to("ann@home.test", "", TO_ANN); /* the null sender is told nothing */
    assert_int_equal(inbox_count("ann@home.test"), 0);
    assert_int_equal(inbox_count("bob@home.test"), 1);
}

static void test_vacation(void **state)
{
    (void)state;
    static const char to_ann[] = "From: bob@home.test\r\nTo: Ann <ann@home.test>\r\n"
                                 "Message-ID: <7@home.test>\r\nReferences: <6@home.test>\r\n" BODY;
    use_script("ann@home.test",
               "require \"vacation\"; vacation \"I am in M\xc3\xbcnchen.\nBack soon.\";");
    deliver_to("ann@home.test", "bob@home.test", to_ann);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    char *text = inbox_newest("bob@home.test", NULL);
    static const char *const parts[] = {
        "Return-Path: <>\r\n",
        "\r\nFrom: <ann@home.test>\r\n",
        "\r\nTo: <bob@home.test>\r\n",
        "\r\nSubject: Auto: hi\r\n",
        "\r\nAuto-Submitted: auto-replied (vacation)\r\n",
        "\r\nIn-Reply-To: <7@home.test>\r\n",
        "\r\nReferences: <6@home.test> <7@home.test>\r\n",
        "\r\n\r\nI am in M\xc3\xbcnchen.\r\nBack soon.\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_contains(text, parts[i]);
    free(text);
    deliver_to("ann@home.test", "bob@home.test", to_ann); /* once is enough */
    assert_log("not sent: the sender has had this reply not long ago");
    deliver_to("ann@home.test", "", to_ann);
    assert_log("not sent: the message has the null sender");
    deliver_to("ann@home.test", "bob@home.test", "To: list@else.test\r\n" BODY);
    assert_log("not sent: the user is not named as a recipient");
    deliver_to("ann@home.test", "bob@home.test",
               "To: ann@home.test\r\nList-Id: <l.else.test>\r\n" BODY);
    assert_log("not sent: the message comes from a mailing list");
    deliver_to("ann@home.test", "bob@home.test",
               "To: ann@home.test\r\nAuto-Submitted: auto-replied\r\n" BODY);
    assert_log("not sent: the message was sent by a program");
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("ann@home.test"), 6);
    house_stop(); /* remembered beyond a restart */
    open_queue();
    deliver_to("ann@home.test", "bob@home.test", to_ann);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    clock_test_advance((int64_t)8 * 86400 * 1000);
    deliver_to("ann@home.test", "bob@home.test", to_ann);
    WAIT_FOR(inbox_count("bob@home.test") == 2);
    clock_test_advance((int64_t)-8 * 86400 * 1000);
}

static void test_notify(void **state)
{
    (void)state;
    use_script("ann@home.test", "require \"enotify\"; notify :message \"New mail\" "
                                "\"mailto:bob@home.test?body=look%20here\";");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    WAIT_FOR(inbox_count("bob@home.test") == 1);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, "\r\nAuto-Submitted: auto-notified; owner-email=\"ann@home.test\"\r\n");
    assert_contains(text, "\r\nSubject: New mail\r\n");
    assert_contains(text, "\r\n\r\nlook here\r\n");
    free(text);
    assert_int_equal(inbox_count("ann@home.test"), 1);
}

static void test_edited_header(void **state)
{
    (void)state;
    use_script("ann@home.test",
               "require [\"editheader\", \"fileinto\", \"mailbox\"];\n"
               "fileinto :create \"as it came\"; addheader \"X-New\" \"1\"; keep;");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    char *text = inbox_newest("ann@home.test", NULL);
    assert_true(strncmp(text, "X-New: 1\r\nReturn-Path: <x@else.test>\r\n", 38) == 0);
    assert_contains(text, BODY);
    free(text);
    assert_int_equal(folder_count("ann@home.test", "as it came"), 1);
}

static void test_duplicate(void **state)
{
    (void)state;
    use_script("ann@home.test", "require \"duplicate\"; if duplicate { discard; }");
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    deliver_to("ann@home.test", "x@else.test", TO_ANN);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    deliver_to("ann@home.test", "x@else.test", "Message-ID: <2@else.test>\r\n" BODY);
    assert_int_equal(inbox_count("ann@home.test"), 2);
}

static void test_large_message(void **state)
{
    (void)state;
    struct message *m = new_message("x@else.test", TO_ANN);
    struct buf b;
    int fd;
    use_script("ann@home.test",
               "require [\"copy\", \"body\"];\n"
               "if body :contains \"needle\" { redirect :copy \"bob@home.test\"; }");
    buf_init(&b, 4 * MiB);
    while (b.n < 2 * MiB)
        OK(buf_add_str(&b, "a line of a long text\r\n"));
    OK(buf_add_str(&b, "needle\r\n"));
    to_local(m, "ann@home.test");
    OK(queue_spool_begin(house.queue, m, &fd, &ei));
    OK(os_write_all(fd, m->content.p, m->content.n));
    OK(os_write_all(fd, b.p, b.n));
    close(fd);
    m->size = m->content.n + b.n;
    message_drop_content(m);
    submit(m);
    house_start();
    WAIT_FOR(inbox_count("bob@home.test") == 1 && inbox_count("ann@home.test") == 1);
    char *text = inbox_newest("bob@home.test", NULL);
    assert_contains(text, BODY "a line of a long text\r\n");
    assert_true(strlen(text) > b.n);
    free(text);
    buf_done(&b);
}

/* --- repetitions --- */

/* Killed between what is sent and the record of the delivery, which is then repeated: nothing is
 * twice in the mailbox, nothing is sent twice. */
static void test_repeated_after_a_crash(void **state)
{
    (void)state;
    struct message *m = new_message("bob@home.test", TO_ANN);
    mk_account("cid@home.test", NULL);
    use_script("ann@home.test", "require [\"copy\", \"vacation\", \"duplicate\", \"fileinto\", "
                                "\"mailbox\"];\n"
                                "if duplicate { discard; stop; }\n"
                                "redirect :copy \"cid@home.test\"; vacation \"away\";\n"
                                "fileinto :create \"A\"; keep;");
    deliver_again_and_again(m);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(folder_count("ann@home.test", "A"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(inbox_count("cid@home.test"), 1);
    message_unref(m);
}

/* The queue takes nothing for a while: nothing is lost, and nothing comes twice. */
static void test_full_queue(void **state)
{
    (void)state;
    struct message *m = new_message("x@else.test", TO_ANN);
    struct script_outcome out;
    use_script("ann@home.test", "require \"copy\"; redirect :copy \"bob@home.test\";");
    to_local(m, "ann@home.test");
    house_conf((struct conf_pair[]){ { "queue.min_free_space", "1TiB" } }, 1);
    assert_int_equal(run_once(m, &out), E_FULL);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    house_conf(NULL, 0);
    clock_test_advance(60000); /* free space is looked at now and then */
    assert_int_equal(run_once(m, &out), 0);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    message_unref(m);
    clock_test_advance(-60000);
}

static void test_full_mailbox_sends_nothing(void **state)
{
    (void)state;
    mk_account("small@home.test", "10");
    use_script("small@home.test", "require \"copy\"; redirect :copy \"bob@home.test\";");
    deliver_to("small@home.test", "ann@home.test", TO_ANN);
    WAIT_FOR(inbox_count("ann@home.test") == 1); /* the bounce */
    assert_int_equal(inbox_count("bob@home.test"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_filed_with_flags, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_no_folder, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_others_are_untouched, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_error_keeps, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_redirect, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_redirect_loop, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_redirect_to_nobody_keeps, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_reject_tells_the_sender, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_vacation, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_notify, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_edited_header, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_duplicate, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_large_message, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_repeated_after_a_crash, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_full_queue, house_setup, house_teardown),
        cmocka_unit_test_setup_teardown(test_full_mailbox_sends_nothing, house_setup,
                                        house_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
