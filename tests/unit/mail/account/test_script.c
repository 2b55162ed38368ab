/* Sieve scripts of accounts and what they remember, on each database. */
#include "account_suite.h"

#include "mail/account/script.h"

#define ANN SV("ann@a.test")

static void one_domain(void)
{
    mk_domain("a.test");
    OK(account_create(acc, "t", ANN, &(struct account_spec){ .password = "{PLAIN}x" }, EI));
}

static int put(const char *name, const char *text)
{
    return account_script_put(acc, "t", ANN, sv_c(name), sv_c(text), EI);
}

static int activate(const char *name)
{
    return account_script_activate(acc, "t", ANN, sv_c(name), EI);
}

static bool list_one(const struct script_info *i, void *arg)
{
    char *text = arg;
    snprintf(text + strlen(text), 200 - strlen(text), "%s%s:%" PRIu64 ";", i->name,
             i->active ? "*" : "", i->bytes);
    return true;
}

static void assert_listed(const char *want)
{
    char text[200] = "";
    OK(account_script_each(acc, ANN, list_one, text, EI));
    assert_string_equal(text, want);
}

static int64_t id_of(struct sv address)
{
    const struct account *a = NULL;
    OK(account_find_address(acc, address, &a, EI));
    int64_t id = a->id;
    account_unref(a);
    return id;
}

static void assert_active(const char *name)
{
    const struct active_script *s = NULL;
    int r = account_script_active(acc, id_of(ANN), &s, EI);
    if (!name) {
        assert_int_equal(r, E_NOTFOUND);
        return;
    }
    assert_int_equal(r, 0);
    assert_string_equal(s->name, name);
    active_script_unref(s);
}

static void scripts_of_an_account(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    one_domain();
    assert_listed("");
    assert_active(NULL);
    OK(put("b", "keep;"));
    OK(put("a", "discard;"));
    assert_listed("a:8;b:5;");
    assert_active(NULL);
    OK(activate("a"));
    assert_active("a");
    assert_listed("a*:8;b:5;");
    OK(put("a", "keep; stop;")); /* a new text, and still active */
    assert_listed("a*:11;b:5;");
    const struct active_script *s = NULL;
    OK(account_script_active(acc, id_of(ANN), &s, EI));
    assert_int_equal(s->script.commands->word, SIEVE_KEEP);
    BAD(E_CONFLICT, "is active", account_script_delete(acc, "t", ANN, SV("a"), EI));
    OK(activate("b"));
    OK(account_script_delete(acc, "t", ANN, SV("a"), EI));
    assert_int_equal(s->script.commands->next->word, SIEVE_STOP); /* who has it keeps it */
    active_script_unref(s);
    OK(activate(""));
    assert_active(NULL);
    OK(account_script_get(acc, ANN, SV("b"), &b, EI));
    assert_true(sv_eq(buf_sv(&b), SV("keep;")));
    assert_true(suite_number("SELECT COUNT(*) FROM audit WHERE field = 'sieve a'") >= 4);
    OK(account_delete(acc, "t", ANN, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM sieve_script"), 0);
    buf_done(&b);
}

static void what_is_refused(void **state)
{
    (void)state;
    struct buf b;
    char name[12];
    buf_init(&b, 4096);
    one_domain();
    BAD(E_PARSE, "line 2, column 1: there is no 'kep' command", put("a", "\r\nkep;"));
    BAD(E_RANGE, "the name of a script", put("", "keep;"));
    BAD(E_RANGE, "the name of a script", put("a/b", "keep;"));
    BAD(E_NOTFOUND, "no script 'x'", activate("x"));
    BAD(E_NOTFOUND, "no script 'x'", account_script_delete(acc, "t", ANN, SV("x"), EI));
    BAD(E_NOTFOUND, "no script 'x'", account_script_get(acc, ANN, SV("x"), &b, EI));
    BAD(E_NOTFOUND, "does not exist",
        account_script_put(acc, "t", SV("no@a.test"), SV("x"), SV("keep;"), EI));
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "%d", i);
        OK(put(name, "keep;"));
    }
    BAD(E_QUOTA, "there are 20 scripts", put("more", "keep;"));
    OK(put("3", "stop;"));
    buf_done(&b);
}

static void memory(void **state)
{
    (void)state;
    one_domain();
    int64_t id = id_of(ANN), later = clock_wall_ms() + 60000;
    assert_int_equal(account_script_seen(acc, id, 'd', SV("m"), 1, EI), 0);
    OK(account_script_remember(acc, id, 'd', SV("m"), 1, later, false, EI));
    assert_int_equal(account_script_seen(acc, id, 'd', SV("m"), 1, EI), 0); /* the same message */
    assert_int_equal(account_script_seen(acc, id, 'd', SV("m"), 2, EI), 1);
    assert_int_equal(account_script_seen(acc, id, 'v', SV("m"), 2, EI), 0);
    assert_int_equal(account_script_seen(acc, id + 1, 'd', SV("m"), 2, EI), 0);
    OK(account_script_remember(acc, id, 'd', SV("m"), 2, later, false, EI));
    assert_int_equal(account_script_seen(acc, id, 'd', SV("m"), 1, EI), 1);
    OK(account_script_remember(acc, id, 'v', SV("m"), 1, later, true, EI));
    OK(account_script_remember(acc, id, 'v', SV("m"), 1, later, true, EI)); /* repeated */
    assert_int_equal(account_script_remember(acc, id, 'v', SV("m"), 2, later, true, EI), E_EXISTS);
    clock_test_advance(120000);
    assert_int_equal(account_script_seen(acc, id, 'd', SV("m"), 1, EI), 0);
    OK(account_script_remember(acc, id, 'v', SV("m"), 3, later + 120000, true, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM sieve_seen"), 1);
    clock_test_advance(-120000);
}

/* The server's own: apart from those of accounts, never active, and read by name. */
static void scripts_of_the_server(void **state)
{
    (void)state;
    const struct active_script *s = NULL, *again = NULL;
    struct errinfo why;
    one_domain();
    OK(account_script_put(acc, "t", SV("global"), SV("spam"), SV("discard;"), EI));
    assert_int_equal(account_script_named(acc, SCRIPT_GLOBAL_ID, SV("none"), &s, NULL), E_NOTFOUND);
    OK(account_script_named(acc, SCRIPT_GLOBAL_ID, SV("spam"), &s, EI));
    OK(account_script_named(acc, SCRIPT_GLOBAL_ID, SV("spam"), &again, EI));
    assert_ptr_equal(s, again); /* from the cache */
    assert_string_equal(s->name, "spam");
    active_script_unref(again);
    OK(account_script_put(acc, "t", SV("global"), SV("spam"), SV("keep; keep;"), EI));
    OK(account_script_named(acc, SCRIPT_GLOBAL_ID, SV("spam"), &again, EI));
    assert_ptr_not_equal(s, again);
    active_script_unref(again);
    active_script_unref(s);
    assert_int_equal(account_script_activate(acc, "t", SV("global"), SV("spam"), &why), E_CONFLICT);
    assert_int_equal(account_script_put(acc, "t", SV("global"), SV("x"), SV("bad"), &why), E_PARSE);
    OK(account_script_rename(acc, "t", SV("global"), SV("spam"), SV("ham"), EI));
    OK(account_script_delete(acc, "t", SV("global"), SV("ham"), EI));
    assert_int_equal(account_script_named(acc, SCRIPT_GLOBAL_ID, SV("ham"), &s, NULL), E_NOTFOUND);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(scripts_of_the_server),
    SUITE_TEST(scripts_of_an_account),
    SUITE_TEST(what_is_refused),
    SUITE_TEST(memory),
};
SUITE_MAIN("script")
