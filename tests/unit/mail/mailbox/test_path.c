/* Directories of accounts and names of message files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fixture.h"

static void check(int prefix, int group, const char *address, const char *want)
{
    struct mailstore_opts o = { .root = "/m", .alpha_prefix = prefix, .alpha_group = group };
    _cleanup_(buf_done) struct buf b;
    buf_init(&b, 1000);
    int r = mailstore_account_dir(&o, sv_c(address), &b);
    if (!want) {
        assert_int_equal(r, E_RANGE);
        return;
    }
    assert_int_equal(r, 0);
    buf_terminate(&b);
    assert_string_equal(b.p, want);
}

static void test_alphabetical_sorting(void **state)
{
    (void)state;
    check(0, 2, "john@example.org", "/m/example.org/john");
    check(4, 2, "john@example.org", "/m/example.org/jo/hn/john");
    check(4, 2, "george@example.org", "/m/example.org/ge/or/george");
    check(4, 2, "alexander@example.org", "/m/example.org/al/ex/alexander");
    check(6, 3, "alexander@example.org", "/m/example.org/ale/xan/alexander");
    check(6, 2, "mike@example.org", "/m/example.org/mi/ke/mike");
    check(6, 2, "mike1@example.org", "/m/example.org/mi/ke/1/mike1");
    check(4, 2, "J\xc3\xb6rg@Example.ORG", "/m/example.org/j\xc3\xb6/rg/j\xc3\xb6rg");
}

static void test_hostile_names(void **state)
{
    (void)state;
    check(0, 2, "../../etc@example.org", "/m/example.org/%2e.%2f..%2fetc");
    check(0, 2, ".@..", "/m/%2e./%2e");
    check(0, 2, "a%2fb@x", "/m/x/a%252fb");
    check(0, 2, "a b?\\@x", "/m/x/a%20b%3f%5c");
    check(0, 2, "john@_outgoing", "/m/%5foutgoing/john");
    check(9, 3, "mommommsgx@x", "/m/x/mom/mom/%6dsg/mommommsgx");
    check(8, 4, "momolock@x", "/m/x/momo/%6cock/momolock");
    check(0, 2, "@example.org", NULL);
    check(0, 2, "john", NULL);
    check(0, 2, "john@", NULL);
    check(0, 2, "j\xff@example.org", NULL);
    char longest[400];
    memset(longest, 'a', sizeof(longest));
    memcpy(longest + 300, "@x", 3);
    check(0, 2, longest, NULL);
}

static void test_blob_names(void **state)
{
    (void)state;
    char name[24];
    uint64_t key = 0;
    blob_name(0xab, name);
    assert_string_equal(name, "00000000000000ab.eml");
    assert_true(blob_name_key(name, &key));
    assert_int_equal(key, 0xab);
    assert_false(blob_name_key("00000000000000AB.eml", &key));
    assert_false(blob_name_key("00000000000000ab.emx", &key));
    assert_false(blob_name_key("0000000000000ab.eml", &key));
    assert_false(blob_name_key("lost+found", &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alphabetical_sorting),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_blob_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
