/* Lists of senders, on each database: what is nearest holds, owners, checks, what is audited. */
#include "account_suite.h"

#include "mail/account/pattern.h"
#include "mail/account/sender_list.h"

static bool add_entry(const struct sender_entry *e, void *arg)
{
    char *text = arg;
    snprintf(text + strlen(text), 1000 - strlen(text), "%s%s;", e->allow ? "+" : "-", e->sender);
    assert_true(e->changed_ms > 0);
    assert_string_equal(e->admin, "t");
    return true;
}

static const char *all(const char *owner)
{
    static char text[1000];
    text[0] = '\0';
    OK(senders_each(acc, sv_c(owner), add_entry, text, EI));
    return text;
}

static bool add_owned(const struct sender_entry *e, void *arg)
{
    char *text = arg;
    assert_int_equal(!*e->owner, !e->owner_id);
    snprintf(text + strlen(text), 1000 - strlen(text), "%s/%s;", e->owner, e->sender);
    return true;
}

static const char *all_lists(void)
{
    static char text[1000];
    text[0] = '\0';
    OK(senders_each(acc, SV_NULL, add_owned, text, EI));
    return text;
}

static void put(const char *owner, const char *sender, bool allow)
{
    struct sv s = sv_c(sender);
    OK(senders_put(acc, "t", sv_c(owner), &s, 1, allow, NULL, EI));
}

/* '-', '+' or '?' */
static char verdict(const char *domain, const char *sender)
{
    enum sender_verdict v;
    int64_t id = 0;
    if (*domain)
        OK(account_domain_id(acc, sv_c(domain), &id));
    OK(account_sender_verdict(acc, id, sv_c(sender), &v));
    return v == SENDER_DENY ? '-' : v == SENDER_ALLOW ? '+' : '?';
}

static void nearest_holds(void **state _unused_)
{
    assert_int_equal(verdict("", "a@spam.test"), '?');
    put("", "Spam.Test", false);
    put("", "good@spam.test", true);
    put("", "news.spam.test", true);
    assert_string_equal(all(""), "+good@spam.test;+news.spam.test;-spam.test;");
    assert_int_equal(verdict("", "a@SPAM.test"), '-');
    assert_int_equal(verdict("", "a@deep.below.spam.test"), '-');
    assert_int_equal(verdict("", "Good@spam.test"), '+');
    assert_int_equal(verdict("", "x@news.spam.test"), '+');
    assert_int_equal(verdict("", "x@a.news.spam.test"), '+');
    assert_int_equal(verdict("", "a@notspam.test"), '?');
    assert_int_equal(verdict("", ""), '?');
    put("", "spam.test", true);
    assert_int_equal(verdict("", "a@spam.test"), '+');
    OK(senders_remove(acc, "t", SV(""), SV("SPAM.test"), EI));
    assert_int_equal(verdict("", "a@spam.test"), '?');
}

static void domains_come_first(void **state _unused_)
{
    mk_domain("b.test");
    mk_domain("a.test");
    put("", "spam.test", false);
    put("a.test", "spam.test", true);
    put("a.test", "x@other.test", false);
    assert_int_equal(verdict("a.test", "a@spam.test"), '+');
    assert_int_equal(verdict("b.test", "a@spam.test"), '-');
    assert_int_equal(verdict("a.test", "x@other.test"), '-');
    assert_int_equal(verdict("b.test", "x@other.test"), '?');
    assert_string_equal(all("b.test"), "");
    assert_string_equal(all_lists(), "/spam.test;a.test/spam.test;a.test/x@other.test;");
    OK(domain_delete(acc, "t", SV("a.test"), true, REFERENCES_REFUSE, EI));
    assert_int_equal(suite_number("SELECT COUNT(*) FROM sender_list"), 1);
}

static void several_at_once(void **state _unused_)
{
    struct sv three[] = { SV("a@x.test"), SV("b@x.test"), SV("a@x.test") };
    struct sv wrong[] = { SV("c@x.test"), SV("not an address@") };
    size_t changed = 0;
    OK(senders_put(acc, "t", SV(""), three, 3, false, &changed, EI));
    assert_int_equal(changed, 2);
    BAD(E_PARSE, "'not an address@' is no address",
        senders_put(acc, "t", SV(""), wrong, 2, false, NULL, EI));
    assert_string_equal(all(""), "-a@x.test;-b@x.test;");
    OK(senders_put(acc, "t", SV(""), three, 3, false, &changed, EI));
    assert_int_equal(changed, 0);
    assert_int_equal(
        suite_number("SELECT COUNT(*) FROM audit WHERE object = 'senders of the server'"), 2);
}

static void patterns(void **state _unused_)
{
    struct errinfo why = { 0 };
    OK(domain_create(acc, "t", &(struct domain_spec){ .name = "a.test" }, EI));
    OK(pattern_set(acc, "t", SV("bad"), "@bad.test;one@mixed.test", EI));
    OK(pattern_set(acc, "t", SV("good"), "fine@bad.test", EI));
    put("", "[Bad]", false);
    put("", "mixed.test", true);
    put("a.test", "mixed.test", true);
    assert_string_equal(all(""), "-[bad];+mixed.test;");
    assert_int_equal(verdict("", "x@bad.test"), '-');
    assert_int_equal(verdict("", "One@mixed.test"), '-'); /* before its domain */
    assert_int_equal(verdict("", "two@mixed.test"), '+');
    assert_int_equal(verdict("", "x@else.test"), '?');
    assert_int_equal(verdict("a.test", "one@mixed.test"),
                     '+'); /* the domain's list is asked first */
    put("", "one@mixed.test", true);
    assert_int_equal(verdict("", "one@mixed.test"), '+'); /* its own entry */
    put("", "[good]", true);
    assert_int_equal(verdict("", "fine@bad.test"), '+');
    OK(pattern_set(acc, "t", SV("bad"), "@other.test", EI));
    assert_int_equal(verdict("", "x@bad.test"), '?');
    assert_int_equal(verdict("", "x@other.test"), '-');
    assert_int_equal(pattern_delete(acc, "t", SV("bad"), &why), E_CONFLICT);
    assert_string_equal(why.text, "pattern '[bad]': is used by 'list of senders of the server'; "
                                  "take it out there first");
    OK(senders_remove(acc, "t", SV(""), SV("[BAD]"), EI));
    OK(pattern_delete(acc, "t", SV("bad"), EI));
    assert_int_equal(verdict("", "x@other.test"), '?');
}

static void checks(void **state _unused_)
{
    struct sv s = SV("a@x.test");
    BAD(E_NOTFOUND, "domain 'nowhere.test' does not exist",
        senders_put(acc, "t", SV("nowhere.test"), &s, 1, false, NULL, EI));
    BAD(E_NOTFOUND, "'a@x.test' is not in the list", senders_remove(acc, "t", SV(""), s, EI));
    s = SV("[none]");
    BAD(E_PARSE, "sender: pattern '[none]' does not exist",
        senders_put(acc, "t", SV(""), &s, 1, true, NULL, EI));
    s = SV("");
    BAD(E_PARSE, "is no address and no domain",
        senders_put(acc, "t", SV(""), &s, 1, true, NULL, EI));
}

int main(void);
static const struct CMUnitTest tests[] = {
    SUITE_TEST(nearest_holds),   SUITE_TEST(domains_come_first),
    SUITE_TEST(several_at_once), SUITE_TEST(patterns),
    SUITE_TEST(checks),
};
SUITE_MAIN("senders")
