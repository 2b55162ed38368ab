/* Tests of the archive of deleted logs: what unzip says of it, a second time, a folder, a file that
 * is no archive, a full disk, crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "log/archive.h"
#include "log/log.h"
#include "log/sink.h"
#include "logdir.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOON_21_NOV_2026 1795262400000 /* 2026-11-21 12:00:00 UTC */

static char *archive;
static const atomic_bool go_on;

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    clock_test_freeze(NOON_21_NOV_2026);
    memcpy(logdir + strlen(logdir) - 6, "XXXXXX", 6);
    if (!mkdtemp(logdir))
        return -1;
    archive = log_path("kept/logs.zip");
    _cleanup_(freep) char *kept = log_path("kept"), *auth = log_path("auth");
    return os_mkdirs(kept, 0700, NULL) < 0 ? -1 : os_mkdirs(auth, 0700, NULL);
}

static int teardown(void **state)
{
    (void)state;
    clock_test_freeze(0);
    free(archive);
    return os_remove_tree(logdir, NULL);
}

static void put(const char *name, const char *text)
{
    _cleanup_(freep) char *path = log_path(name);
    assert_int_equal(os_write_file_atomic(path, sv_c(text), 0640, NULL), 0);
}

static bool exists(const char *name)
{
    _cleanup_(freep) char *path = log_path(name);
    return access(path, F_OK) == 0;
}

/* What a command on the archive prints; fails when it fails. */
static char *shell(const char *fmt)
{
    _cleanup_(freep) char *command = xasprintf(fmt, archive);
    FILE *f = popen(command, "re");
    struct buf b;
    char mem[4096];
    buf_init(&b, 16 * MiB);
    for (size_t n; (n = fread(mem, 1, sizeof(mem), f)) > 0;)
        buf_add(&b, mem, n);
    int status = pclose(f);
    char *text = buf_take(&b, NULL);
    if (status != 0)
        fail_msg("%s: %s", command, text);
    return text;
}

#define assert_unzip(want, fmt)                                                                    \
    do {                                                                                           \
        _cleanup_(freep) char *got = shell(fmt);                                                   \
        assert_string_equal(got, want);                                                            \
    } while (0)

static void assert_intact(void)
{
    _cleanup_(freep) char *text = shell("unzip -t %s");
    assert_non_null(strstr(text, "No errors detected"));
    assert_int_equal(count_files("kept/logs.zip.new*"), 0);
}

static int add(const char *a, const char *b, struct errinfo *ei)
{
    char *names[] = { (char *)(uintptr_t)a, (char *)(uintptr_t)b };
    return log_archive_add(archive, logdir, names, b ? 2 : 1, &go_on, ei);
}

static void test_add(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    put("s20261101-00.log", "one\n");
    put("auth/20261101-00.log", "");
    if (add("s20261101-00.log", "auth/20261101-00.log", &ei) < 0)
        fail_msg("%s", ei.text);
    assert_unzip("auth/20261101-00.log\ns20261101-00.log\n", "unzip -Z1 %s | sort");
    assert_unzip("one\n", "unzip -p %s s20261101-00.log");
    assert_intact();
    struct stat st;
    assert_int_equal(stat(archive, &st), 0);
    assert_int_equal(st.st_mode & 0007, 0);
    assert_true(exists("s20261101-00.log")); /* deleting is the caller's */
    /* One more, one that is there already, one with the name of another. */
    put("e20261101-00.log", "two\n");
    assert_int_equal(add("e20261101-00.log", "s20261101-00.log", &ei), 0);
    put("s20261101-00.log", "other\n");
    assert_int_equal(add("s20261101-00.log", NULL, &ei), 0);
    assert_int_equal(add("s20261101-00.log", NULL, &ei), 0);
    assert_unzip("auth/20261101-00.log\ne20261101-00.log\ns20261101-00.log\ns20261101-00.log.2\n",
                 "unzip -Z1 %s | sort");
    assert_unzip("one\n", "unzip -p %s s20261101-00.log");
    assert_unzip("other\n", "unzip -p %s s20261101-00.log.2");
    assert_intact();
    /* A file that went meanwhile is no fault. */
    assert_int_equal(add("s20200101-00.log", NULL, &ei), 0);
    assert_intact();
}

static void test_refused(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    put("s20261101-00.log", "one\n");
    assert_int_equal(mkdir(archive, 0700), 0);
    assert_true(add("s20261101-00.log", NULL, &ei) < 0);
    assert_non_null(strstr(ei.text, "log.archive: '"));
    assert_non_null(strstr(ei.text, archive));
    assert_non_null(strstr(ei.text, "is a folder; name a file in it"));
    assert_int_equal(rmdir(archive), 0);
    put("kept/logs.zip", "this is the text of a letter\n");
    assert_true(add("s20261101-00.log", NULL, &ei) < 0);
    assert_non_null(strstr(ei.text, "move it away or name another file"));
    _cleanup_(freep) char *letter = log_read("kept/logs.zip");
    assert_string_equal(letter, "this is the text of a letter\n");
    assert_int_equal(count_files("kept/logs.zip.new*"), 0);
    assert_int_equal(unlink(archive), 0);
    _cleanup_(freep) char *kept = log_path("kept");
    assert_int_equal(os_remove_tree(kept, NULL), 0);
    assert_true(add("s20261101-00.log", NULL, &ei) < 0);
    assert_non_null(strstr(ei.text, "kept/logs.zip"));
    assert_true(exists("s20261101-00.log"));
}

static void fill_log(const char *name, size_t bytes)
{
    struct buf b;
    unsigned seed = 7;
    buf_init(&b, bytes + 1);
    while (b.n < bytes) { /* hardly to be compressed */
        seed = seed * 1103515245 + 12345;
        buf_add_c(&b, (char)(seed >> 16));
    }
    buf_terminate(&b);
    _cleanup_(freep) char *path = log_path(name);
    assert_int_equal(os_write_file_atomic(path, buf_sv(&b), 0600, NULL), 0);
    buf_done(&b);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    struct rlimit old, small;
    put("s20261101-00.log", "one\n");
    assert_int_equal(add("s20261101-00.log", NULL, &ei), 0);
    fill_log("s20261102-00.log", 1000000);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){ 100000, old.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int r = add("s20261102-00.log", NULL, &ei);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(r < 0);
    assert_non_null(strstr(ei.text, "the logs are kept"));
    assert_unzip("s20261101-00.log\n", "unzip -Z1 %s");
    assert_intact();
    assert_int_equal(add("s20261102-00.log", NULL, &ei), 0);
    assert_unzip("s20261101-00.log\ns20261102-00.log\n", "unzip -Z1 %s | sort");
    assert_intact();
}

/* The process dies at some moment of adding; whenever that was, the archive is whole, and the next
 * attempt has everything in it. */
static void test_crash(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    put("s20261101-00.log", "one\n");
    assert_int_equal(add("s20261101-00.log", NULL, &ei), 0);
    fill_log("s20261102-00.log", 4000000);
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(add("s20261102-00.log", NULL, &ei) == 0 ? 0 : 1);
        usleep((useconds_t)i * 5000);
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        _cleanup_(freep) char *names = shell("unzip -tqq %s && unzip -Z1 %1$s");
        assert_non_null(strstr(names, "s20261101-00.log\n"));
    }
    assert_int_equal(add("s20261102-00.log", NULL, &ei), 0);
    assert_unzip("s20261101-00.log\ns20261102-00.log\n", "unzip -Z1 %s | sort");
    assert_intact();
}

static void test_cancel(void **state)
{
    (void)state;
    struct errinfo ei = { 0 };
    static const atomic_bool stop = true;
    char name[] = "s20261101-00.log", *names[] = { name };
    put(name, "one\n");
    assert_int_equal(log_archive_add(archive, logdir, names, 1, &stop, &ei), E_CANCELLED);
    assert_int_equal(count_files("kept/logs.zip*"), 1); /* the lock */
}

/* The sink: what it deletes is in the archive, what it cannot archive stays. */
static void test_sink(void **state)
{
    (void)state;
    struct log_sink *sink;
    struct log_sink_conf c = { .dir = logdir, .server_id = "", .archive = archive };
    for (int i = 0; i < 300; i++) { /* more than go at once */
        char name[40];
        snprintf(name, sizeof(name), "s20261101-%02d.log", i);
        put(name, name);
    }
    put("auth/20261113-00.log", "old\n");
    put("auth/20261114-00.log", "young\n");
    assert_int_equal(mkdir(archive, 0700), 0); /* a folder: nothing goes */
    assert_int_equal(log_sink_new(&c, &sink, NULL), 0);
    log_attach(log_sink_local_fd(sink));
    c.delete_days = 7;
    log_sink_configure(sink, &c);
    for (int i = 0; i < 6000 && count_lines("e20261121-00.log") == 0; i++)
        usleep(10000);
    _cleanup_(freep) char *errors = log_read("e20261121-00.log");
    assert_non_null(strstr(errors, "old logs are not archived and not deleted: log.archive: '"));
    assert_int_equal(count_files("s20261101-*.log"), 300);
    /* Repaired: an hour later it is tried again. */
    assert_int_equal(rmdir(archive), 0);
    clock_test_advance(3600 * 1000);
    log_error("wakes it up");
    log_flush();
    for (int i = 0; i < 6000 && (count_files("s20261101-*.log") || exists("auth/20261113-00.log"));
         i++)
        usleep(10000);
    assert_int_equal(count_files("s20261101-*.log"), 0);
    assert_false(exists("auth/20261113-00.log"));
    assert_true(exists("auth/20261114-00.log"));
    log_detach();
    log_sink_free(sink);
    assert_unzip("301\n", "unzip -Z1 %s | wc -l");
    assert_unzip("old\n", "unzip -p %s auth/20261113-00.log");
    assert_unzip("s20261101-299.log", "unzip -p %s s20261101-299.log");
    assert_intact();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_add),   T(test_refused), T(test_disk_full),
        T(test_crash), T(test_cancel),  T(test_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
