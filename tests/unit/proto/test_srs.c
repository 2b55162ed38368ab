/* SRS: there and back, over several servers, and what is forged, old or damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/hash.h"
#include "proto/srs.h"

/* Any keyed hash will do here. */
static void mac(void *arg, struct sv text, uint8_t ret[32])
{
    for (size_t i = 0; i < 4; i++) {
        uint64_t part = fnv1a64(text.p, text.n) * 0x9E3779B97F4A7C15u + *(uint64_t *)arg + i;
        part ^= part >> 29;
        part *= 0xBF58476D1CE4E5B9u;
        memcpy(ret + 8 * i, &part, 8);
    }
}

static uint64_t our_secret = 1, other_secret = 2;
static const struct srs_key ours = { mac, &our_secret }, other = { mac, &other_secret };

static const char *forward(const struct srs_key *k, const char *sender, const char *domain,
                           int64_t day)
{
    static char texts[8][400];
    static unsigned at;
    char *text = texts[at++ % 8];
    struct buf b;
    buf_init(&b, 399);
    int r = srs_forward(k, sv_c(sender), sv_c(domain), day, &b);
    snprintf(text, 400, "%.*s", r < 0 ? 0 : (int)b.n, b.p ? b.p : "");
    buf_done(&b);
    return r < 0 ? NULL : text;
}

static int reverse(const struct srs_key *k, const char *address, int64_t day, char ret[400])
{
    struct buf b;
    struct sv a = sv_c(address);
    buf_init(&b, 399);
    int r = srs_reverse(k, sv_take(a, (size_t)sv_rfind(a, '@')), day, 21, &b);
    snprintf(ret, 400, "%.*s", (int)b.n, b.p ? b.p : "");
    buf_done(&b);
    return r;
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const char *const senders[] = { "x@else.test", "Long.Name+tag=1@sub.else.test",
                                           "a=b=c@else.test", "SRS0rt@else.test" };
    char back[400];
    for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
        const char *a = forward(&ours, senders[i], "home.test", 20000);
        assert_true(sv_istarts(sv_c(a), SV("SRS0=")));
        assert_true(sv_iends(sv_c(a), SV("@home.test")));
        assert_int_equal(reverse(&ours, a, 20005, back), 0);
        assert_string_equal(back, senders[i]);
    }
}

/* else -> first -> second -> third; a bounce goes from the third to the first to else. */
static void test_chain(void **state)
{
    (void)state;
    char back[400];
    const char *a = forward(&other, "x@else.test", "first.test", 20000);
    const char *b = forward(&ours, a, "home.test", 20000);
    assert_true(sv_istarts(sv_c(b), SV("SRS1=")));
    assert_int_equal(reverse(&ours, b, 20100, back), 0); /* its age is the first one's business */
    assert_string_equal(back, a);
    const char *c = forward(&other, b, "third.test", 20000);
    assert_true(sv_istarts(sv_c(c), SV("SRS1=")));
    assert_true(strlen(c) <= strlen(b) + strlen("third.test"));
    assert_int_equal(reverse(&other, c, 20000, back), 0);
    assert_string_equal(back, a);
    assert_int_equal(reverse(&other, a, 20000, back), 0);
    assert_string_equal(back, "x@else.test");
}

static void test_case_changes(void **state)
{
    (void)state;
    char back[400], text[400];
    snprintf(text, sizeof(text), "%s", forward(&ours, "Some.Name@Else.test", "home.test", 20000));
    for (char *p = text; *p; p++)
        *p = ascii_lower(*p);
    assert_int_equal(reverse(&ours, text, 20000, back), 0);
    assert_string_equal(back, "some.name@else.test");
}

static void test_refused(void **state)
{
    (void)state;
    char back[400], text[400];
    const char *a = forward(&ours, "x@else.test", "home.test", 20000);
    assert_int_equal(reverse(&other, a, 20000, back), E_PERM);
    assert_int_equal(reverse(&ours, a, 20021, back), 0);
    assert_int_equal(reverse(&ours, a, 20022, back), E_TIMEOUT);
    assert_int_equal(reverse(&ours, a, 19999, back), 0);
    assert_int_equal(reverse(&ours, a, 19990, back), E_TIMEOUT);
    snprintf(text, sizeof(text), "%s", a);
    *strstr(text, "else") = 'f';
    assert_int_equal(reverse(&ours, text, 20000, back), E_PERM);
    static const char *const bad[] = { "SRS0=@h.test", "SRS0==@h.test", "SRS0=AAAAAA@h.test",
                                       "SRS0=AAAAAA=@h.test", "SRS1=AAAAAA=AA=b=c@h.test" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(reverse(&ours, bad[i], 20000, back), E_PERM);
    assert_int_equal(reverse(&ours, "x@h.test", 20000, back), E_PARSE);
}

static void test_no_address(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "x", "@h.test", "x@", "\"a b\"@h.test" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_null(forward(&ours, bad[i], "home.test", 20000));
    assert_true(srs_is(SV("srs0=a")) && srs_is(SV("SRS1+a")) && srs_is(SV("SRS0-a")));
    assert_false(srs_is(SV("SRS0")) || srs_is(SV("SRS0a")) || srs_is(SV("SRS2=a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_chain),
        cmocka_unit_test(test_case_changes),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_address),
    };
    return cmocka_run_group_tests_name("proto/srs", tests, NULL, NULL);
}
