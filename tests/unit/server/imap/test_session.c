/* Whole sessions on the test driver: what daily clients do. */
#include "imap_test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(login_select_fetch_logout, setup, teardown),
        cmocka_unit_test_setup_teardown(idle_tells_of_new_mail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
