/* Tests of the log files: names, rotation, midnight, deletion, a changed directory, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "log/log.h"
#include "log/sink.h"
#include "logdir.h"
#include "stats/shm.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOON_21_NOV_2026 1795262400000 /* 2026-11-21 12:00:00 UTC */
#define DAY              86400000

static struct log_sink *sink;
static const struct logctx smtp = { .type = LOG_SMTP, .id = 1, .source = "10.0.0.1" };

static struct log_sink_conf conf(void)
{
    return (struct log_sink_conf){ .dir = logdir, .server_id = "" };
}

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    clock_test_freeze(NOON_21_NOV_2026);
    memcpy(logdir + strlen(logdir) - 6, "XXXXXX", 6);
    if (!mkdtemp(logdir))
        return -1;
    log_configure_levels((const int64_t[LOG_TYPE_COUNT]){ 2, 2, 2, 2, 2, 2, 3, 2, 2, 2 });
    struct log_sink_conf c = conf();
    if (log_sink_new(&c, &sink, NULL) < 0)
        return -1;
    log_attach(log_sink_local_fd(sink));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_detach();
    log_sink_free(sink);
    sink = NULL;
    clock_test_freeze(0);
    return os_remove_tree(logdir, NULL);
}

/* Waits until a file ends with text. */
static void wait_for(const char *name, const char *text)
{
    for (int i = 0; i < 6000; i++) {
        _cleanup_(freep) char *have = log_read(name);
        size_t n = strlen(have), k = strlen(text);
        if (n >= k && strcmp(have + n - k, text) == 0)
            return;
        usleep(10000);
    }
    fail_msg("%s does not end with: %s", name, text);
}

static void test_names(void **state)
{
    (void)state;
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        log_line(&(struct logctx){ .type = t, .id = t }, LOG_SUMMARY, "line");
    log_flush();
    static const char *const names[] = { "s20261121-00.log",
                                         "p20261121-00.log",
                                         "m20261121-00.log",
                                         "c20261121-00.log",
                                         "e20261121-00.log",
                                         "auth/20261121-00.log",
                                         "maintenance/20261121-00.log",
                                         "mailflow/20261121-00.log",
                                         "dns/20261121-00.log",
                                         "sql/20261121-00.log" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char want[100];
        snprintf(want, sizeof(want), "SYSTEM          [%04zX] 12:00:00%s line\n", i,
                 i == LOG_AUTH ? ":000" : "");
        wait_for(names[i], want);
    }
    struct stat st;
    _cleanup_(freep) char *path = log_path(names[0]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0007, 0);
}

static void test_server_id(void **state)
{
    (void)state;
    struct log_sink_conf c = conf();
    c.server_id = "b2";
    log_sink_configure(sink, &c);
    log_line(&smtp, LOG_SUMMARY, "one");
    log_write(log_here(), LOG_MAINTENANCE, LOG_SUMMARY, SV("x 'root'"));
    log_flush();
    wait_for("sb220261121-00.log", "one\n");
    wait_for("maintenance/b220261121-00.log", "x 'root'\n");
}

static void test_goes_on(void **state)
{
    (void)state;
    log_line(&smtp, LOG_SUMMARY, "one");
    log_detach();
    log_sink_free(sink);
    struct log_sink_conf c = conf();
    assert_int_equal(log_sink_new(&c, &sink, NULL), 0);
    log_attach(log_sink_local_fd(sink));
    log_line(&smtp, LOG_SUMMARY, "two");
    log_flush();
    wait_for("s20261121-00.log", "one\n10.0.0.1        [0001] 12:00:00 two\n");
}

static void test_rotation(void **state)
{
    (void)state;
    struct log_sink_conf c = conf();
    c.rotate_bytes = 1000;
    log_sink_configure(sink, &c);
    for (int i = 0; i < 100; i++) /* 40 bytes each: 25 in a file */
        log_line(&smtp, LOG_SUMMARY, "%07d", i);
    log_flush();
    wait_for("s20261121-03.log", "0000099\n");
    assert_int_equal(count_files("s20261121-*.log"), 4);
    assert_int_equal(count_lines("s20261121-00.log"), 25);
    assert_int_equal(count_lines("s20261121-03.log"), 25);
    assert_int_equal(count_lines("s20261121-*.log"), 100);
    /* A line larger than the limit gets a file, whole. */
    char big[1500];
    memset(big, 'x', sizeof(big));
    big[1499] = '\0';
    log_line(&smtp, LOG_SUMMARY, "%s", big);
    log_line(&smtp, LOG_SUMMARY, "after");
    log_flush();
    wait_for("s20261121-05.log", "after\n");
    assert_int_equal(count_lines("s20261121-04.log"), 1);
}

static void test_midnight(void **state)
{
    (void)state;
    clock_test_advance(DAY / 2 - 1000); /* 23:59:59 */
    log_line(&smtp, LOG_SUMMARY, "late");
    clock_test_advance(1000);
    log_line(&smtp, LOG_SUMMARY, "early");
    log_flush();
    wait_for("s20261122-00.log", "00:00:00 early\n");
    wait_for("s20261121-00.log", "23:59:59 late\n");
}

static void touch(const char *name)
{
    _cleanup_(freep) char *path = log_path(name);
    assert_int_equal(os_write_file_atomic(path, SV("x\n"), 0600, NULL), 0);
}

static bool exists(const char *name)
{
    _cleanup_(freep) char *path = log_path(name);
    return access(path, F_OK) == 0;
}

static void test_delete(void **state)
{
    (void)state;
    static const char *const go[] = { "s20261113-00.log", "s20261113-12.log", "e20251231-00.log",
                                      "maintenance/20261113-00.log" };
    static const char *const stay[] = { "s20261114-00.log",    "s20261120-00.log",
                                        "x20261113-00.log",    "s20261113-00.txt",
                                        "s20261113.log",       "sb20261113-00.log",
                                        "s20261113-00.log.gz", "mig_20261113_101010_Logs.log" };
    _cleanup_(freep) char *sub = log_path("maintenance");
    assert_int_equal(os_mkdirs(sub, 0700, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(go); i++)
        touch(go[i]);
    for (size_t i = 0; i < ARRAY_LEN(stay); i++)
        touch(stay[i]);
    log_line(&smtp, LOG_SUMMARY, "today");
    log_flush();
    wait_for("s20261121-00.log", "today\n");
    struct log_sink_conf c = conf();
    c.delete_days = 7;
    log_sink_configure(sink, &c);
    for (int i = 0; i < 6000 && exists(go[3]); i++)
        usleep(10000);
    for (size_t i = 0; i < ARRAY_LEN(go); i++)
        assert_false(exists(go[i]));
    for (size_t i = 0; i < ARRAY_LEN(stay); i++)
        assert_true(exists(stay[i]));
    /* The next day's first line takes one more day away. */
    clock_test_advance(DAY);
    log_line(&smtp, LOG_SUMMARY, "tomorrow");
    log_flush();
    wait_for("s20261122-00.log", "tomorrow\n");
    for (int i = 0; i < 6000 && exists("s20261114-00.log"); i++)
        usleep(10000);
    assert_false(exists("s20261114-00.log"));
    assert_true(exists("s20261121-00.log"));
}

static void test_new_directory(void **state)
{
    (void)state;
    log_line(&smtp, LOG_SUMMARY, "old");
    log_flush();
    wait_for("s20261121-00.log", "old\n");
    struct log_sink_conf c = conf();
    _cleanup_(freep) char *other = log_path("other/place");
    c.dir = other;
    log_sink_configure(sink, &c);
    log_line(&smtp, LOG_SUMMARY, "new");
    log_flush();
    wait_for("other/place/s20261121-00.log", "new\n");
}

static void test_deleted_by_hand(void **state)
{
    (void)state;
    uint64_t before = ctr_get(shm_current(), CTR_log_lines_lost);
    log_line(&smtp, LOG_SUMMARY, "one");
    log_flush();
    wait_for("s20261121-00.log", "one\n");
    _cleanup_(freep) char *path = log_path("s20261121-00.log");
    assert_int_equal(unlink(path), 0);
    log_line(&smtp, LOG_SUMMARY, "two");
    log_flush();
    wait_for("s20261121-00.log", "two\n"); /* the very next one */
    /* And all of it. */
    log_write(log_here(), LOG_MAINTENANCE, LOG_SUMMARY, SV("x 'root'"));
    log_flush();
    wait_for("maintenance/20261121-00.log", "'root'\n");
    assert_int_equal(os_remove_tree(logdir, NULL), 0);
    log_line(&smtp, LOG_SUMMARY, "three");
    log_write(log_here(), LOG_MAINTENANCE, LOG_SUMMARY, SV("y 'root'"));
    log_flush();
    wait_for("s20261121-00.log", "three\n");
    wait_for("maintenance/20261121-00.log", "y 'root'\n");
    assert_int_equal(count_lines("s20261121-00.log"), 1);
    assert_int_equal(ctr_get(shm_current(), CTR_log_lines_lost), before);
}

static void put_record(int fd, uint32_t ymd, const char *text, size_t cut)
{
    struct {
        uint32_t n, ymd;
        uint8_t type, magic, unused[2];
        char text[200];
    } r = { .n = (uint32_t)strlen(text), .ymd = ymd, .type = LOG_SMTP, .magic = 0xa5 };
    memcpy(r.text, text, strlen(text));
    size_t n = 12 + r.n;
    /* In two pieces, with a pause that lets the sink see the first alone; cut 0: in one. */
    assert_int_equal(os_write_all(fd, &r, cut), 0);
    usleep(cut ? 30000 : 0);
    assert_int_equal(os_write_all(fd, (char *)&r + cut, n - cut), 0);
}

static void use_cache(size_t bytes)
{
    struct log_sink_conf c = conf();
    c.cache_bytes = bytes;
    log_sink_configure(sink, &c);
}

/* Lines of 40 bytes; the last ones of all may be in the cache. */
static void test_cache(void **state)
{
    (void)state;
    use_cache(4000);
    for (int i = 0; i < 250; i++)
        log_line(&smtp, LOG_SUMMARY, "%07d", i);
    log_flush();
    wait_for("s20261121-00.log", "0000199\n"); /* two caches full, and half of one */
    assert_int_equal(count_lines("s20261121-00.log"), 200);
    /* All types share it. */
    for (int i = 0; i < 60; i++)
        log_line(&(struct logctx){ .type = LOG_IMAP, .source = "10.0.0.1" }, LOG_SUMMARY, "%07d",
                 i);
    log_flush();
    wait_for("s20261121-00.log", "0000249\n");
    wait_for("m20261121-00.log", "0000049\n");
    /* It ages. */
    clock_test_advance(5000);
    log_line(&smtp, LOG_SUMMARY, "late");
    log_flush();
    wait_for("m20261121-00.log", "0000059\n");
    /* An error takes the others with it. */
    log_line(&smtp, LOG_SUMMARY, "before");
    log_error("now");
    log_flush();
    wait_for("s20261121-00.log", "before\n");
    wait_for("e20261121-00.log", "now\n");
    /* A line that is larger than the cache. */
    use_cache(100);
    log_line(&smtp, LOG_SUMMARY, "%0120d|", 1);
    log_flush();
    wait_for("s20261121-00.log", "1|\n");
    /* None from now on: what waits is written. */
    use_cache(4000);
    log_line(&smtp, LOG_SUMMARY, "waits");
    log_flush();
    use_cache(0);
    wait_for("s20261121-00.log", "waits\n");
    /* The end. */
    use_cache(4000);
    log_line(&smtp, LOG_SUMMARY, "last");
    log_detach();
    log_sink_free(sink);
    sink = NULL;
    wait_for("s20261121-00.log", "last\n");
}

/* A crash of the process that has the cache: this program, started again. */
enum { CRASH_CACHE = 2000, CRASH_LINES = 1009 };

static void crash(void)
{
    struct log_sink *s;
    struct log_sink_conf c = conf();
    c.cache_bytes = CRASH_CACHE;
    clock_test_freeze(NOON_21_NOV_2026);
    if (log_sink_new(&c, &s, NULL) < 0)
        _exit(1);
    int fd = log_sink_local_fd(s);
    for (int i = 0; i < CRASH_LINES; i++) {
        char line[41];
        snprintf(line, sizeof(line), "10.0.0.1        [0001] 12:00:00 %07d\n", i);
        put_record(fd, 20261121, line, 0);
    }
    for (int i = 0; i < 6000 && count_lines("s20261121-00.log") < CRASH_LINES / 50 * 50; i++)
        usleep(10000);
    kill(getpid(), SIGKILL);
}

static void test_cache_and_crash(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "test_sink", logdir, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    size_t kept = count_lines("s20261121-00.log");
    assert_true(kept < CRASH_LINES); /* there was a cache */
    assert_true((CRASH_LINES - kept) * 40 <= CRASH_CACHE);
}

/* stderr goes to a file for the time of fn. */
static char *stderr_of(void (*fn)(void))
{
    _cleanup_(freep) char *path = log_path("stderr");
    int keep = dup(2);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(fd, 2);
    fn();
    dup2(keep, 2);
    close(fd);
    close(keep);
    return log_read("stderr");
}

static void wait_lost(uint64_t n)
{
    for (int i = 0; i < 6000 && ctr_get(shm_current(), CTR_log_lines_lost) < n; i++)
        usleep(10000);
    assert_int_equal(ctr_get(shm_current(), CTR_log_lines_lost), n);
}

/* The log of errors tells how many lines are missing, in one or more lines. */
static unsigned told(void)
{
    _cleanup_(freep) char *text = log_read("e20261121-00.log");
    unsigned sum = 0, n;
    for (char *p = text; (p = strstr(p, "Error: ")); p++)
        if (sscanf(p, "Error: %u log lines were lost: cannot ", &n) == 1)
            sum += n;
    return sum;
}

static void cannot_open(void)
{
    uint64_t before = ctr_get(shm_current(), CTR_log_lines_lost);
    _cleanup_(freep) char *in_the_way = log_path("s20261121-00.log");
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    for (int i = 0; i < 10; i++) {
        log_line(&smtp, LOG_SUMMARY, "lost");
        log_error("kept"); /* other logs go on */
        log_flush();
        wait_lost(before + (uint64_t)i + 1);
    }
    assert_int_equal(rmdir(in_the_way), 0);
    clock_test_advance(61000);
    log_line(&smtp, LOG_SUMMARY, "works");
    log_flush();
    wait_for("s20261121-00.log", "works\n");
    for (int i = 0; i < 6000 && !told(); i++)
        usleep(10000);
}

static void test_open_error(void **state)
{
    (void)state;
    _cleanup_(freep) char *text = stderr_of(cannot_open);
    for (int i = 0; i < 6000 && told() < 10; i++) {
        clock_test_advance(11000);
        log_line(&smtp, LOG_SUMMARY, "goes on");
        log_flush();
        usleep(10000);
    }
    assert_int_equal(told(), 10);
    /* Once at first, once a minute later with the sum. */
    char *first = strstr(text, "cannot open"),
         *second = first ? strstr(first + 1, "cannot open") : NULL;
    assert_non_null(first);
    assert_non_null(second);
    assert_non_null(strstr(first, "; 1 log lines lost\n"));
    assert_non_null(strstr(second, "; 9 log lines lost\n"));
    assert_null(strstr(second + 1, "cannot open"));
}

static void disk_full(void)
{
    uint64_t before = ctr_get(shm_current(), CTR_log_lines_lost);
    struct rlimit old, small = { 1010, RLIM_INFINITY };
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 26; i++) { /* 40 bytes each: 25 fit, the last one only in part */
        log_line(&smtp, LOG_SUMMARY, "%07d", i);
        log_flush();
        usleep(2000);
        if (i == 24)
            wait_for("s20261121-00.log", "0000024\n");
    }
    wait_lost(before + 1);
    setrlimit(RLIMIT_FSIZE, &old);
    clock_test_advance(2000);
    log_line(&smtp, LOG_SUMMARY, "room again");
    log_flush();
    wait_for("s20261121-00.log", "room again\n");
}

static void test_disk_full(void **state)
{
    (void)state;
    _cleanup_(freep) char *text = stderr_of(disk_full);
    assert_non_null(strstr(text, "cannot write to"));
    _cleanup_(freep) char *all = log_read("s20261121-00.log");
    assert_null(strstr(all, "0000025")); /* no half line either */
    assert_int_equal(count_lines("s20261121-00.log"), 26);
    for (int i = 0; i < 6000 && told() < 1; i++)
        usleep(10000);
    assert_int_equal(told(), 1);
}

static void damaged(void)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(log_sink_add_pipe(sink, fds[0]), 0);
    assert_int_equal(write(fds[1], "this is no record, but it is long enough", 40), 40);
    /* The sink closes its end: then writing fails. */
    signal(SIGPIPE, SIG_IGN);
    int r = 0;
    for (int i = 0; i < 6000 && r == 0; i++) {
        usleep(10000);
        r = write(fds[1], "", 1) < 0 ? errno : 0;
    }
    assert_int_equal(r, EPIPE);
    close(fds[1]);
}

static void test_damaged(void **state)
{
    (void)state;
    _cleanup_(freep) char *text = stderr_of(damaged);
    assert_non_null(strstr(text, "damaged log records"));
    log_line(&smtp, LOG_SUMMARY, "others go on");
    log_flush();
    wait_for("s20261121-00.log", "others go on\n");
}

static void test_pieces_and_dates(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(log_sink_add_pipe(sink, fds[0]), 0);
    put_record(fds[1], 20261121, "one\n", 5);
    put_record(fds[1], 20261121, "two\n", 13);
    put_record(fds[1], 19991231, "wrong date\n", 12); /* no module chooses the file */
    close(fds[1]);
    wait_for("s20261121-00.log", "one\ntwo\nwrong date\n");
    assert_int_equal(count_files("s*"), 1);
}

static void test_killed_writer(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        put_record(fds[1], 20261121, "whole\n", 4);
        (void)!write(fds[1], "\7\0\0\0", 4); /* dies in the middle of a record */
        kill(getpid(), SIGKILL);
    }
    close(fds[1]);
    assert_int_equal(log_sink_add_pipe(sink, fds[0]), 0);
    waitpid(pid, NULL, 0);
    wait_for("s20261121-00.log", "whole\n");
    log_line(&smtp, LOG_SUMMARY, "others go on");
    log_flush();
    wait_for("s20261121-00.log", "others go on\n");
}

static void test_bad_directory(void **state)
{
    (void)state;
    struct errinfo ei;
    struct log_sink *s = NULL;
    struct log_sink_conf c = { .dir = "/proc/nonexistent/x", .server_id = "" };
    assert_true(log_sink_new(&c, &s, &ei) < 0);
    assert_non_null(strstr(ei.text, "/proc/nonexistent"));
    assert_null(s);
    log_sink_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
    if (argc > 1 && sv_copy(logdir, sizeof(logdir), sv_c(argv[1])))
        crash();
    const struct CMUnitTest tests[] = {
        T(test_names),           T(test_server_id),       T(test_goes_on),
        T(test_rotation),        T(test_midnight),        T(test_delete),
        T(test_new_directory),   T(test_deleted_by_hand), T(test_open_error),
        T(test_disk_full),       T(test_damaged),         T(test_pieces_and_dates),
        T(test_killed_writer),   T(test_bad_directory),   T(test_cache),
        T(test_cache_and_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
