/* Deliveries and the archive: the copy is there before the mail, and mail waits for it. */
#include "house.h"

#include "mail/archive/find.h"

#define BODY "Subject: hi\r\n\r\nbody\r\n"

static char dir[96];

static int setup(void **state)
{
    (void)state;
    static const struct conf_pair on[] = { { "archive.enabled", "yes" } };
    house_open(on, ARRAY_LEN(on));
    use_names(NULL, 0);
    snprintf(dir, sizeof(dir), "%s/archive", house.root);
    OK(archive_open(dir, &house.archive, &ei));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static void count_row(const struct archive_row *r, void *arg)
{
    (void)r;
    ++*(unsigned *)arg;
}

static unsigned archived(void)
{
    unsigned n = 0;
    char next[ENTRY_NAME];
    struct archive_query q = { .dir = dir,
                               .max_rows = 100,
                               .max_files = 100,
                               .budget_ms = 60000,
                               .row = count_row,
                               .arg = &n };
    OK(archive_find(&q, next, &ei));
    return n;
}

static void test_one_copy_for_all(void **state)
{
    (void)state;
    struct message *m = new_message("x@else.test", BODY);
    to_local(m, "ann@home.test");
    to_local(m, "bob@home.test");
    submit(m);
    house_start();
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(inbox_count("bob@home.test"), 1);
    assert_int_equal(archived(), 1);
}

static void test_mail_waits_for_its_copy(void **state)
{
    (void)state;
    struct message *in = new_message("x@else.test", BODY),
                   *out = new_message("ann@home.test", BODY);
    OK(os_write_file_atomic(dir, SV("in the way"), 0600, &ei));
    to_local(in, "ann@home.test");
    to_remote(out, "far@nowhere.test");
    submit(in);
    house_start();
    WAIT_FOR(deferred());
    assert_string_equal(queue_first().answer, ARCHIVE_ANSWER);
    assert_int_equal(inbox_count("ann@home.test"), 0);
    OK(unlink(dir));
    queue_retry(house.queue, SV(""));
    WAIT_FOR(queue_count(house.queue) == 0);
    assert_int_equal(inbox_count("ann@home.test"), 1);
    assert_int_equal(archived(), 1);
    /* The same with mail for another server, whose name does not even exist. */
    OK(os_remove_tree(dir, &ei));
    OK(os_write_file_atomic(dir, SV("in the way"), 0600, &ei));
    submit(out);
    WAIT_FOR(deferred());
    assert_string_equal(queue_first().answer, ARCHIVE_ANSWER);
    OK(unlink(dir));
    queue_retry(house.queue, SV(""));
    WAIT_FOR(queue_count(house.queue) == 0); /* the notice is delivered */
    assert_int_equal(inbox_count("ann@home.test"), 2);
    assert_int_equal(archived(), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_copy_for_all),
        TEST(test_mail_waits_for_its_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
