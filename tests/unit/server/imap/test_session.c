/* Whole sessions on the test driver: what daily clients do. */
#include "imap_test.h"
#include "mail/mailbox/mailbox_priv.h"

static int setup(void **state)
{
    struct env *e = xcalloc(1, sizeof(*e));
    env_open(e);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    env_close(*state);
    free(*state);
    return 0;
}

static void login_select_fetch_logout(void **state)
{
    struct env *e = *state;
    struct conn *c = imap_connect(e);
    expect(imap_cmd(c, "SELECT INBOX"), "x BAD SELECT is not possible before login\r\n");
    expect(imap_cmd(c, "LOGIN ann wrong"), "x NO [AUTHENTICATIONFAILED]");
    expect(imap_cmd(c, "LOGIN {3+}\r\nann {6+}\r\nsecret"), "x OK [CAPABILITY IMAP4rev1 ");
    expect(imap_cmd(c, "LOGIN ann secret"), "x BAD LOGIN is not possible after login");
    struct sv out =
        imap_append(c, "INBOX (\\Flagged) \"05-Feb-2024 10:00:01 +0000\"", MESSAGE("one"));
    expect(out, "x OK [APPENDUID ");
    out = imap_cmd(c, "SELECT inbox");
    expect(out, "* 1 EXISTS\r\n* 1 RECENT\r\n* OK [UNSEEN 1]");
    expect(out, "* OK [UIDNEXT 2]");
    expect(out, "x OK [READ-WRITE] SELECT completed\r\n");
    expect(imap_cmd(c, "FETCH 1 FLAGS"), "* 1 FETCH (FLAGS (\\Flagged \\Recent))\r\nx OK FETCH");
    out = imap_cmd(c, "FETCH 1 (UID RFC822.SIZE INTERNALDATE ENVELOPE)");
    expect(out, "* 1 FETCH (UID 1 INTERNALDATE \" 5-Feb-2024 ");
    expect(out, "ENVELOPE (\"Mon, 5 Feb 2024 10:00:00 +0100\" \"one\" ((\"Bob\" NIL \"bob\" "
                "\"example.net\"))");
    out = imap_cmd(c, "FETCH 1 BODY[]");
    expect(out, "\\Seen");
    expect(out, "BODY[] {");
    assert_true(sv_find_sv(out, MESSAGE("one")) > 0);
    expect(imap_cmd(c, "FETCH 1 BODY.PEEK[HEADER.FIELDS (subject)]"),
           "BODY[HEADER.FIELDS (subject)] {16}\r\nSubject: one\r\n\r\n)\r\n");
    expect(imap_cmd(c, "FETCH 1 BODY[TEXT]<5.8>"), "BODY[TEXT]<5> {8}\r\nis about)\r\n");
    out = imap_cmd(c, "LOGOUT");
    expect(out, "* BYE Logging out\r\nx OK LOGOUT completed\r\n");
    assert_true(conn_test_closed(c));
    conn_test_free(c, CLOSE_QUIT);
}

static void idle_tells_of_new_mail(void **state)
{
    struct env *e = *state;
    struct conn *a = imap_login(e, "ann"), *b = imap_login(e, "ann@example.org");
    imap_cmd(a, "SELECT INBOX");
    expect(imap_cmd(a, "IDLE"), "+ idling\r\n");
    conn_test_take(a);
    expect(imap_append(b, "INBOX", MESSAGE("two")), "x OK [APPENDUID");
    conn_test_run_notes(a);
    struct sv out = conn_test_output(a);
    assert_true(sv_eq(out, SV("* 1 EXISTS\r\n* 1 RECENT\r\n")));
    expect(imap_cmd(b, "SELECT INBOX"), "* 0 RECENT");
    imap_cmd(b, "STORE 1 +FLAGS (\\Deleted $Junk)");
    conn_test_take(a);
    conn_test_run_notes(a);
    out = conn_test_output(a);
    expect(out, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk)\r\n");
    expect(out, "* 1 FETCH (FLAGS (\\Deleted $Junk \\Recent))\r\n");
    expect(imap_cmd(b, "EXPUNGE"), "* 1 EXPUNGE\r\nx OK EXPUNGE");
    conn_test_take(a);
    conn_test_run_notes(a);
    assert_true(sv_eq(conn_test_output(a), SV("* 1 EXPUNGE\r\n")));
    assert_true(sv_eq(imap_send(a, SV("DONE\r\n")), SV("x OK IDLE completed\r\n")));
    conn_test_free(a, CLOSE_QUIT);
    conn_test_free(b, CLOSE_QUIT);
}

/* n messages at once, by the store. */
static void fill(struct env *e, size_t n)
{
    struct errinfo ei = { 0 };
    const struct account *acc;
    _cleanup_(mailbox_unrefp) struct mailbox *m = NULL;
    must_be_ok(account_find_address(e->accounts, SV("ann@example.org"), &acc, &ei), &ei, "account");
    must_be_ok(mailbox_open(e->store, acc->id, sv_c(acc->address), &m, &ei), &ei, "mailbox");
    struct mailbox_add *adds = xcalloc(n, sizeof(*adds));
    for (size_t i = 0; i < n; i++)
        adds[i] = (struct mailbox_add){ .key = i + 1,
                                        .content = MESSAGE("many"),
                                        .size = MESSAGE("many").n,
                                        .internal_date_s = 1 };
    must_be_ok(mailbox_add(m, mailbox_inbox_id(m), adds, n, false, 0, NULL, NULL, &ei), &ei, "add");
    free(adds);
    account_unref(acc);
}

static size_t count_of(struct sv out, const char *what)
{
    size_t n = 0;
    for (ssize_t at; (at = sv_find_sv(out, sv_c(what))) >= 0; n++)
        out = sv_skip(out, (size_t)at + strlen(what));
    return n;
}

/* More output than is kept in memory at once. */
static void ten_thousand_messages(void **state)
{
    enum { N = 10000 };
    struct env *e = *state;
    fill(e, N);
    struct conn *a = imap_login(e, "ann"), *b = imap_login(e, "ann"), *idle = imap_login(e, "ann");
    expect(imap_cmd(a, "SELECT INBOX"), "* 10000 EXISTS");
    expect(imap_cmd(b, "SELECT INBOX"), "* 0 RECENT");
    imap_cmd(idle, "SELECT INBOX");
    imap_cmd(idle, "IDLE");
    conn_test_take(idle);
    struct sv out = imap_cmd(a, "FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[])");
    expect(out, "x OK FETCH completed\r\n");
    assert_int_equal(count_of(out, " FETCH (UID "), N);
    assert_int_equal(count_of(out, "This is about many."), N);
    assert_int_equal(count_of(imap_cmd(a, "UID SEARCH SUBJECT many"), " "), N + 5);
    out = imap_cmd(a, "STORE 1:* +FLAGS (\\Deleted)");
    assert_int_equal(count_of(out, " FETCH (FLAGS (\\Deleted \\Recent))\r\n"), N);
    assert_true(sv_iends(out, SV("x OK STORE completed\r\n")));
    out = imap_cmd(b, "NOOP");
    assert_int_equal(count_of(out, " FETCH (FLAGS (\\Deleted))\r\n"), N);
    assert_true(sv_iends(out, SV("x OK NOOP completed\r\n")));
    out = imap_cmd(a, "EXPUNGE");
    assert_int_equal(count_of(out, " EXPUNGE\r\n"), N);
    expect(out, "* 10000 EXPUNGE\r\n* 9999 EXPUNGE\r\n");
    conn_test_run_notes(idle);
    out = conn_test_output(idle);
    assert_int_equal(count_of(out, " EXPUNGE\r\n"), N);
    assert_true(sv_eq(imap_send(idle, SV("DONE\r\n")), SV("x OK IDLE completed\r\n")));
    /* b asks by number for what is gone. */
    out = imap_cmd(b, "FETCH 1:3 (FLAGS BODY.PEEK[])");
    expect(out, "x NO [EXPUNGEISSUED] Some of the messages no longer exist\r\n");
    expect(imap_cmd(b, "FETCH 1 FLAGS"), "* 1 FETCH (FLAGS (\\Deleted))\r\nx OK FETCH");
    expect(imap_cmd(b, "UID FETCH 1 BODY.PEEK[]"), " EXPUNGE\r\nx NO [EXPUNGEISSUED]");
    expect(imap_cmd(b, "NOOP"), "x OK");
    conn_test_free(a, CLOSE_QUIT);
    conn_test_free(b, CLOSE_QUIT);
    conn_test_free(idle, CLOSE_QUIT);
}

/* A change that waits for an EXPUNGE to be told, and is undone meanwhile. */
static void early_news_are_told_again(void **state)
{
    struct env *e = *state;
    fill(e, 3);
    struct conn *a = imap_login(e, "ann"), *b = imap_login(e, "ann");
    imap_cmd(a, "SELECT INBOX");
    imap_cmd(b, "SELECT INBOX");
    imap_cmd(b, "STORE 3 +FLAGS (\\Deleted)");
    imap_cmd(b, "EXPUNGE");
    struct sv out = imap_cmd(a, "STORE 1 +FLAGS (\\Flagged)");
    expect_not(out, "EXPUNGE");
    expect(out, "* 1 FETCH (FLAGS (\\Flagged \\Recent))\r\nx OK");
    imap_cmd(b, "STORE 1 -FLAGS (\\Flagged)");
    out = imap_cmd(a, "NOOP");
    expect(out, "* 3 EXPUNGE\r\n");
    expect(out, "* 1 FETCH (FLAGS (\\Recent))\r\n");
    conn_test_free(a, CLOSE_QUIT);
    conn_test_free(b, CLOSE_QUIT);
}

static void deleted_mailbox_ends_the_session(void **state)
{
    struct env *e = *state;
    struct conn *a = imap_login(e, "ann"), *b = imap_login(e, "ann");
    imap_cmd(b, "CREATE work");
    imap_cmd(a, "SELECT work");
    expect(imap_cmd(b, "DELETE work"), "x OK");
    expect(imap_cmd(a, "NOOP"), "* BYE The selected mailbox is not there any more\r\n");
    assert_true(conn_test_closed(a));
    conn_test_free(a, CLOSE_QUIT);
    conn_test_free(b, CLOSE_QUIT);
}

/* Another process has found the index damaged and made it anew: uids mean other messages now. */
static void rebuilt_mailbox_ends_the_sessions(void **state)
{
    struct env *e = *state;
    fill(e, 3);
    struct conn *selected = imap_login(e, "ann"), *idle = imap_login(e, "ann");
    struct conn *other = imap_login(e, "ann");
    imap_cmd(selected, "SELECT INBOX");
    imap_cmd(idle, "SELECT INBOX");
    imap_cmd(idle, "IDLE");
    struct mailbox *m = NULL;
    assert_int_equal(mailbox_open(e->store, 0, SV("ann@example.org"), &m, NULL), 0);
    atomic_fetch_add(&m->page->incarnation, 1);
    atomic_fetch_add(&m->page->gen, 2);
    mailbox_unref(m);
    struct sv out = imap_cmd(selected, "UID STORE 1 +FLAGS (\\Deleted)");
    expect(out, "x NO ");
    expect(out, "* BYE The mailbox was removed or made anew");
    assert_true(conn_test_closed(selected));
    expect(imap_cmd(other, "NOOP"), "* BYE The mailbox was removed or made anew");
    assert_true(conn_test_closed(other));
    fill(e, 4);
    conn_test_run_notes(idle);
    expect(conn_test_output(idle), "* BYE ");
    assert_true(conn_test_closed(idle));
    struct conn *again = imap_login(e, "ann");
    expect(imap_cmd(again, "SELECT INBOX"), "* 4 EXISTS\r\n");
    expect_not(imap_cmd(again, "FETCH 1:4 FLAGS"), "Deleted");
    conn_test_free(selected, CLOSE_QUIT);
    conn_test_free(idle, CLOSE_QUIT);
    conn_test_free(other, CLOSE_QUIT);
    conn_test_free(again, CLOSE_QUIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(login_select_fetch_logout, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_tells_of_new_mail, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(early_news_are_told_again, setup, teardown),
        cmocka_unit_test_setup_teardown(deleted_mailbox_ends_the_session, setup, teardown),
        cmocka_unit_test_setup_teardown(rebuilt_mailbox_ends_the_sessions, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
