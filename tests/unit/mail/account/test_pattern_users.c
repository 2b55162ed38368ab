/* Who uses a pattern, on each database: each kind, in order, no more than asked for, bounded. */
#include "account_suite.h"

#include "mail/account/filter_store.h"
#include "mail/account/pattern.h"
#include "mail/account/sender_list.h"
#include "mail/account/settings_store.h"

static void add_user(const struct pattern_user *u, void *arg)
{
    char *text = arg;
    snprintf(text + strlen(text), 2000 - strlen(text), "%s " SV_FMT " of " SV_FMT ": %s\n", u->kind,
             SV_ARG(u->name), SV_ARG(u->owner), u->text);
}

static const char *users_of(const char *name)
{
    static char text[2000];
    text[0] = '\0';
    suite_ei.text[0] = '\0';
    int r = pattern_users(acc, sv_c(name), add_user, text, EI);
    if (r != 0)
        fail_msg("%s: %d %s", name, r, suite_ei.text);
    return text;
}

static void put_rule(const char *owner, const char *text)
{
    OK(filters_put(acc, "t", sv_c(owner), sv_c(text), false, EI));
}

static void put_sender(const char *owner, const char *sender)
{
    struct sv s = sv_c(sender);
    OK(senders_put(acc, "t", sv_c(owner), &s, 1, false, NULL, EI));
}

static void recipients(const char *account, enum account_option option, const char *list)
{
    struct account_spec s = { 0 };
    s.option[option] = list;
    OK(account_update(acc, "t", sv_c(account), &s, EI));
}

static void world(void)
{
    mk_domain("a.test");
    mk_domain("b.test");
    mk_account("u@a.test", NULL);
    mk_account("v@b.test", NULL);
    OK(pattern_set(acc, "t", SV("Desk"), "x@far.test;192.0.2.7;desk-*@a.test", EI));
    /* Names that contain the other, and every place that this one may have. */
    OK(pattern_set(acc, "t", SV("desk.2"), "y@far.test;192.0.2.8;desk-*@a.test", EI));
}

static void use(const char *word)
{
    char text[200];
    snprintf(text, sizeof(text), "%s@a.test", word);
    OK(alias_set(acc, "t", sv_c(text), "u@a.test;v@b.test", EI));
    OK(pattern_set(acc, "t", SV("all"), word, EI));
    OK(settings_set(suite_db, "t", SV("net.trusted_ips"), sv_c(word), EI));
    snprintf(text, sizeof(text), "z@far.test;%s", word);
    recipients("u@a.test", OPT_FORWARD_TO, text);
    recipients("u@a.test", OPT_COPY_OUTGOING, text);
    recipients("v@b.test", OPT_COPY_INCOMING, word);
    put_sender("", word);
    put_sender("b.test", word);
    snprintf(text, sizeof(text), "rule \"r\" if sender is \"%s\" then stop", word);
    put_rule("", text);
    put_rule("a.test", text);
    put_rule("v@b.test", text);
}

static void each_kind(void **state _unused_)
{
    world();
    assert_string_equal(users_of("desk"), "");
    use("[DESK]");
    assert_string_equal(users_of("desk"),
                        "alias [desk]@a.test of a.test: [desk]@a.test\n"
                        "pattern all of : pattern [all]\n"
                        "setting net.trusted_ips of : setting net.trusted_ips\n"
                        "account copy_outgoing of u@a.test: copy_outgoing of u@a.test\n"
                        "account forward_to of u@a.test: forward_to of u@a.test\n"
                        "account copy_incoming of v@b.test: copy_incoming of v@b.test\n"
                        "senders [desk] of : list of senders of the server\n"
                        "senders [desk] of b.test: list of senders of b.test\n"
                        "rule r of : rule 'r' of the server\n"
                        "rule r of a.test: rule 'r' of a.test\n"
                        "rule r of v@b.test: rule 'r' of v@b.test\n");
    assert_string_equal(users_of("[Desk]"), users_of("desk"));
    assert_string_equal(users_of("desk.2"), "");
    BAD(E_CONFLICT, "is used by '[desk]@a.test'", pattern_delete(acc, "t", SV("desk"), EI));
}

/* What names another pattern, or only looks like a name, is none. */
static void no_others(void **state _unused_)
{
    world();
    use("[desk.2]");
    put_rule("", "rule \"told\" if header \"Subject\" is \"[desk]\" then stop");
    assert_string_equal(users_of("desk"), "");
    OK(pattern_delete(acc, "t", SV("desk"), EI));
    char text[2000] = "";
    BAD(E_NOTFOUND, "pattern 'desk' does not exist",
        pattern_users(acc, SV("desk"), add_user, text, EI));
    BAD(E_NOTFOUND, "pattern 'no name' does not exist",
        pattern_users(acc, SV("no name"), add_user, text, EI));
    assert_string_equal(text, "");
}

static void count_user(const struct pattern_user *u _unused_, void *arg)
{
    ++*(int *)arg;
}

static void bounded(void **state _unused_)
{
    struct dbc *c;
    int n = 0;
    world();
    OK(db_get_writer(suite_db, &c, EI));
    OK(db_begin(c, EI));
    for (int i = 0; i < PATTERN_USERS_MAX; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%d", i);
        OK(db_run(c, EI, "INSERT INTO pattern_item (name, place, item) VALUES (?, 1, '[desk]')",
                  "s", name));
    }
    OK(db_commit(c, EI));
    db_put(c);
    assert_int_equal(pattern_users(acc, SV("desk"), count_user, &n, EI), 0);
    assert_int_equal(n, PATTERN_USERS_MAX);
    put_sender("", "[desk]");
    n = 0;
    assert_int_equal(pattern_users(acc, SV("desk"), count_user, &n, EI), 1);
    assert_int_equal(n, PATTERN_USERS_MAX);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(each_kind),
    SUITE_TEST(no_others),
    SUITE_TEST(bounded),
};
SUITE_MAIN("pattern_users")
