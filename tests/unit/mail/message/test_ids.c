/* Tests of ids and item names: their form, uniqueness over threads, kill -9 and restarts, and
 * clocks that go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/rand.h"
#include "mail/message/message.h"
#include "os/file.h"

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[96];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/posthorn-ids-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/ids", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_freeze(0);
    return os_remove_tree(dir, NULL);
}

static void must_be_new(struct map *seen, const char *s)
{
    if (map_put(seen, sv_c(s), seen))
        fail_msg("%s was given twice", s);
}

static void test_form(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = message_new();
    assert_int_equal(message_ids_open(path, "02", NULL), 0);
    message_assign_ids(m);
    assert_int_equal(strlen(m->id), 8);
    for (int i = 0; i < 8; i++)
        assert_true(i < 3 ? isupper(m->id[i]) : isdigit(m->id[i]));
    assert_int_equal(strlen(m->item), 2 + 14 + 4);
    assert_memory_equal(m->item, "0220", 4);
    assert_true(llabs(m->received_ms - clock_wall_ms()) < 1000);
}

/* Without a file of its own a server does not begin where all others do. */
static void test_begins_anywhere(void **state)
{
    (void)state;
    struct map *seen = map_new();
    for (int i = 0; i < 3; i++) {
        _cleanup_(message_unrefp) struct message *m = message_new();
        unlink(path);
        assert_int_equal(message_ids_open(path, "", NULL), 0);
        message_assign_ids(m);
        must_be_new(seen, m->id);
    }
    map_free(seen, NULL);
}

enum { THREADS = 4, EACH = 30000 };
static struct message *made[THREADS][EACH];

static void *make(void *arg)
{
    struct message **out = arg;
    for (int i = 0; i < EACH; i++) {
        out[i] = message_new();
        message_assign_ids(out[i]);
    }
    return NULL;
}

static void test_unique_over_threads(void **state)
{
    (void)state;
    assert_int_equal(message_ids_open(path, "", NULL), 0);
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, make, made[i]);
    struct map *seen = map_new();
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < EACH; k++) {
            must_be_new(seen, made[i][k]->id);
            must_be_new(seen, made[i][k]->item);
            message_unref(made[i][k]);
        }
    }
    map_free(seen, NULL);
}

static void child_assigns(int fd)
{
    if (message_ids_open(path, "", NULL) < 0)
        _exit(1);
    for (;;) {
        struct message *m = message_new();
        message_assign_ids(m);
        char line[128];
        int n = snprintf(line, sizeof(line), "%s %s\n", m->id, m->item);
        if (write(fd, line, (size_t)n) != n)
            _exit(1);
        message_unref(m);
    }
}

static void test_unique_over_kill(void **state)
{
    (void)state;
    struct map *seen = map_new();
    for (int round = 0; round < 30; round++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(p[0]);
            child_assigns(p[1]);
        }
        close(p[1]);
        FILE *f = fdopen(p[0], "r");
        char id[64], item[64];
        int n = 0, until = (int)rand_below(3000);
        while (fscanf(f, "%60s %60s", id, item) == 2) {
            must_be_new(seen, id);
            must_be_new(seen, item);
            if (n++ == until)
                kill(pid, SIGKILL);
        }
        fclose(f);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
    }
    map_free(seen, NULL);
}

static void test_clock_goes_back(void **state)
{
    (void)state;
    struct map *seen = map_new();
    clock_test_freeze(1792890000000); /* the night summer time ends */
    assert_int_equal(message_ids_open(path, "", NULL), 0);
    for (int i = 0; i < 4 * 3600; i++) {
        _cleanup_(message_unrefp) struct message *m = message_new();
        message_assign_ids(m);
        must_be_new(seen, m->item);
        clock_test_advance(i == 5000 ? -1800 * 1000 : 1000);
    }
    map_free(seen, NULL);
}

static void test_damaged_file(void **state)
{
    (void)state;
    struct errinfo ei;
    assert_int_equal(os_write_file_atomic(path, SV("banana"), 0600, NULL), 0);
    assert_int_equal(message_ids_open(path, "", &ei), E_CORRUPT);
    assert_non_null(strstr(ei.text, path));
}

int main(void)
{
    setenv("TZ", "Europe/Rome", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_begins_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unique_over_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unique_over_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_goes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
