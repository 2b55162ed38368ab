/* Replies of POP3 and IMAP servers, as a client reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/remote_reply.h"

static void pop3(void **state)
{
    struct sv text, uid;
    uint32_t n;
    (void)state;
    assert_true(pop3_reply(SV("+OK 2 messages"), &text));
    assert_true(sv_eq(text, SV("2 messages")));
    assert_true(pop3_reply(SV("+ok"), &text) && text.n == 0);
    assert_false(pop3_reply(SV("-ERR [AUTH] no"), &text));
    assert_true(sv_eq(text, SV("-ERR [AUTH] no")));
    assert_false(pop3_reply(SV("+OKAY"), &text));
    assert_false(pop3_reply(SV(""), &text));
    assert_true(pop3_uidl(SV("12 whqtswO00WBw418f9t5JxYwZ"), &n, &uid));
    assert_int_equal(n, 12);
    assert_true(sv_eq(uid, SV("whqtswO00WBw418f9t5JxYwZ")));
    static const char *const bad[] = { "",       "1",     "1 ",   "0 a",
                                       "x a",    "1 a b", "-1 a", "99999999999 a",
                                       "1 a\x7f" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(pop3_uidl(sv_c(bad[i]), &n, &uid));
}

static void imap(void **state)
{
    struct sv text;
    uint32_t n;
    uint64_t bytes;
    (void)state;
    assert_int_equal(imap_reply(SV("* 3 EXISTS"), SV("a1"), &text), IMAP_UNTAGGED);
    assert_true(sv_eq(text, SV("3 EXISTS")));
    assert_int_equal(imap_reply(SV("+ go on"), SV("a1"), &text), IMAP_CONTINUE);
    assert_int_equal(imap_reply(SV("+"), SV("a1"), &text), IMAP_CONTINUE);
    assert_int_equal(imap_reply(SV("a1 ok done"), SV("a1"), &text), IMAP_OK);
    assert_true(sv_eq(text, SV("done")));
    assert_int_equal(imap_reply(SV("a1 NO"), SV("a1"), &text), IMAP_NO);
    assert_int_equal(imap_reply(SV("a1 BAD x"), SV("a1"), &text), IMAP_BAD_REPLY);
    assert_int_equal(imap_reply(SV("a2 OK x"), SV("a1"), &text), IMAP_OTHER);
    assert_int_equal(imap_reply(SV(""), SV("a1"), &text), IMAP_OTHER);
    assert_true(imap_uidvalidity(SV("OK [UIDVALIDITY 3857529045] UIDs valid"), &n));
    assert_int_equal(n, 3857529045u);
    assert_false(imap_uidvalidity(SV("OK [UIDVALIDITY 0] x"), &n));
    assert_false(imap_uidvalidity(SV("OK [UIDNEXT 7] x"), &n));
    assert_true(imap_search(SV("SEARCH 2 84 882"), &text));
    assert_true(imap_next_number(&text, &n) && n == 2);
    assert_true(imap_next_number(&text, &n) && n == 84);
    assert_true(imap_next_number(&text, &n) && n == 882);
    assert_false(imap_next_number(&text, &n));
    assert_true(imap_search(SV("SEARCH"), &text));
    assert_false(imap_next_number(&text, &n));
    assert_false(imap_search(SV("1 EXISTS"), &text));
    assert_true(imap_literal(SV("12 FETCH (UID 7 BODY[] {345}"), &bytes) && bytes == 345);
    assert_false(imap_literal(SV("12 FETCH (UID 7 BODY[] NIL)"), &bytes));
    assert_false(imap_literal(SV("{}"), &bytes));
    assert_false(imap_literal(SV("{12+}"), &bytes));
    assert_false(imap_literal(SV("}"), &bytes));
    assert_true(imap_has_word(SV("CAPABILITY IMAP4rev1 auth=plain"), SV("AUTH=PLAIN")));
    assert_false(imap_has_word(SV("CAPABILITY AUTH=PLAINER"), SV("AUTH=PLAIN")));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pop3), cmocka_unit_test(imap) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
