/* Domains that secure destinations have adapted to, on each database: what a message changes, until
 * when a domain counts, how it is found, who forgets it. */
#include "account_suite.h"

#include <pthread.h>
#include <stdatomic.h>

#include "mail/account/secure_adapted.h"

static struct secure_adapted row(const char *domain, int64_t at_ms)
{
    return (
        struct secure_adapted){ domain, domain, "CN = x", "CN = CA", "192.0.2.1", at_ms, at_ms };
}

static void put(const char *domain, int64_t at_ms)
{
    struct secure_adapted r = row(domain, at_ms);
    OK(secure_adapted_put(acc, &r, EI));
}

static bool see(const struct secure_adapted *r, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 2000 - n, "%s %s %s %s %s %d-%d;", r->domain, r->name, r->subject, r->issuer,
             r->ip, (int)r->since_ms, (int)r->seen_ms);
    return true;
}

static bool see_domain(const struct secure_adapted *r, void *arg)
{
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 2000 - n, "%s ", r->domain);
    return true;
}

static const char *domains(const char *after, const char *part)
{
    static char text[2000];
    text[0] = '\0';
    OK(secure_adapted_each(acc, sv_c(after), sv_c(part), see_domain, text, EI));
    return text;
}

static bool take_two(const struct secure_adapted *r _unused_, void *arg)
{
    return ++*(int *)arg < 2;
}

static bool count(const struct secure_adapted *r _unused_, void *arg)
{
    ++*(int *)arg;
    return true;
}

static void a_later_message_keeps_the_first(void **state _unused_)
{
    struct secure_adapted first = row("a.test", 1000);
    struct secure_adapted later = { "a.test",       "mx.a.test", "",  "CN = it's \xc3\xa4",
                                    "2001:db8::25", 2000,        3000 };
    char text[2000] = "";
    assert_int_equal(secure_adapted_put(acc, &first, EI), 1);
    assert_int_equal(secure_adapted_put(acc, &later, EI), 0);
    OK(secure_adapted_each(acc, SV(""), SV(""), see, text, EI));
    assert_string_equal(text, "a.test mx.a.test  CN = it's \xc3\xa4 2001:db8::25 1000-3000;");
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit"), 0);
}

static void it_counts_until_it_was_not_seen(void **state _unused_)
{
    put("a.test", 1000);
    put("b.test", 2000);
    assert_int_equal(secure_adapted_find(acc, "a.test", 1000, EI), 1);
    assert_int_equal(secure_adapted_find(acc, "a.test", 1001, EI), 0);
    assert_int_equal(secure_adapted_find(acc, "b.test", 1001, EI), 1);
    assert_int_equal(secure_adapted_find(acc, "x.a.test", 0, EI), 0);
    assert_int_equal(secure_adapted_find(acc, "test", 0, EI), 0);
    put("a.test", 5000);
    assert_int_equal(secure_adapted_find(acc, "a.test", 5000, EI), 1);
    OK(secure_adapted_prune(acc, 2000, EI));
    assert_string_equal(domains("", ""), "a.test b.test ");
    OK(secure_adapted_prune(acc, 2001, EI));
    assert_string_equal(domains("", ""), "a.test ");
    assert_int_equal(secure_adapted_find(acc, "b.test", 0, EI), 0);
}

static void the_list_can_be_searched(void **state _unused_)
{
    static const char *const names[] = { "b.test", "a_b.test", "a%b.test", "a.test", "a!b.test" };
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put(names[i], 1000);
    OK(secure_adapted_put(
        acc, &(struct secure_adapted){ "own.example", "mx.shared.example", "", "", "", 1, 1 }, EI));
    assert_string_equal(domains("", ""), "a!b.test a%b.test a.test a_b.test b.test own.example ");
    assert_string_equal(domains("a.test", ""), "a_b.test b.test own.example ");
    assert_string_equal(domains("", "B.Test"), "a!b.test a%b.test a_b.test b.test ");
    assert_string_equal(domains("a!b.test", "b.test"), "a%b.test a_b.test b.test ");
    assert_string_equal(domains("", "a_b"), "a_b.test ");
    assert_string_equal(domains("", "a%b"), "a%b.test ");
    assert_string_equal(domains("", "a!b"), "a!b.test ");
    assert_string_equal(domains("", "mx.shared"), "own.example "); /* by the certificate's name */
    assert_string_equal(domains("", "else"), "");
    OK(secure_adapted_each(acc, SV(""), SV(""), take_two, &n, EI));
    assert_int_equal(n, 2);
}

static void forgetting_is_audited(void **state _unused_)
{
    put("a.test", 1000);
    put("xn--bcher-kva.test", 1000);
    OK(secure_adapted_forget(acc, "t",
                             SV("B\xc3\xbc"
                                "cher.test"),
                             EI));
    assert_string_equal(domains("", ""), "a.test ");
    assert_int_equal(suite_number("SELECT COUNT(*) FROM audit WHERE admin = 't' AND object ="
                                  " 'adapted domain xn--bcher-kva.test'"),
                     1);
    BAD(E_NOTFOUND, "'b.test' is none that was adapted to",
        secure_adapted_forget(acc, "t", SV("b.test"), EI));
    BAD(E_PARSE, "", secure_adapted_forget(acc, "t", SV("no domain@"), EI));
    assert_string_equal(domains("", ""), "a.test ");
}

/* Doubles the rows until there are more than are allowed; each time the new ones end otherwise. */
static void fill(void)
{
    put("d", 1000);
    for (char end = 'a'; end <= 'q'; end++) {
        char sql[250];
        snprintf(sql, sizeof(sql),
                 "INSERT INTO secure_adapted (domain, name, subject, issuer, ip, since_ms, seen_ms)"
                 " SELECT domain || '%c', name, subject, issuer, ip, since_ms, seen_ms"
                 " FROM secure_adapted",
                 end);
        suite_sql(sql);
    }
    assert_true(suite_number("SELECT COUNT(*) FROM secure_adapted") > SECURE_ADAPTED_MAX);
}

static void there_is_a_limit(void **state _unused_)
{
    struct secure_adapted more = row("new.test", 2000), known = row("dq", 2000);
    int n = 0;
    fill();
    BAD(E_LIMIT, "'new.test'", secure_adapted_put(acc, &more, EI));
    assert_int_equal(secure_adapted_find(acc, "new.test", 0, EI), 0);
    assert_int_equal(secure_adapted_put(acc, &known, EI), 0);
    assert_int_equal(secure_adapted_find(acc, "dq", 2000, EI), 1);
    suite_sql("DELETE FROM secure_adapted WHERE domain LIKE '%q'");
    OK(secure_adapted_each(acc, SV(""), SV(""), count, &n, EI));
    assert_int_equal(n, 65536); /* many pages */
    assert_int_equal(secure_adapted_put(acc, &more, EI), 1);
}

#define WRITERS 8

static _Atomic int added, busy;

static void *write_all(void *arg _unused_)
{
    char domain[24];
    for (int i = 0; i < 40; i++) {
        struct secure_adapted r;
        snprintf(domain, sizeof(domain), "d%d.test", i);
        r = row(domain, 1000);
        switch (secure_adapted_put(acc, &r, EI)) {
        case 1:
            atomic_fetch_add(&added, 1);
            break;
        case 0:
            break;
        case E_TEMP:
            atomic_fetch_add(&busy, 1);
            break;
        default:
            fail_msg("%s", EI->text);
        }
    }
    return NULL;
}

/* Those who are not first either see the row or are told to come again. */
static void several_write_at_once(void **state _unused_)
{
    pthread_t t[WRITERS];
    added = busy = 0;
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_all, NULL), 0);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(added, 40);
    assert_int_equal(suite_number("SELECT COUNT(*) FROM secure_adapted"), 40);
    if (db_kind(suite_db) == DB_SQLITE) /* one process has one writer */
        assert_int_equal(busy, 0);
}

static const struct CMUnitTest tests[] = {
    SUITE_TEST(a_later_message_keeps_the_first),
    SUITE_TEST(it_counts_until_it_was_not_seen),
    SUITE_TEST(the_list_can_be_searched),
    SUITE_TEST(forgetting_is_audited),
    SUITE_TEST(there_is_a_limit),
    SUITE_TEST(several_write_at_once),
};
SUITE_MAIN("secure adapted")
