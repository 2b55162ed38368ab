/* Tests of the way from a line to the sink: many threads, a reader that stops, a pipe that ends. */
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
#include <unistd.h>

enum { THREADS = 8, LINES = 100000 };

static const struct logctx smtp = { .type = LOG_SMTP, .id = 1, .source = "10.0.0.1" };

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_SMTP, LOG_DEBUG);
    memcpy(logdir + strlen(logdir) - 6, "XXXXXX", 6);
    return mkdtemp(logdir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    log_detach();
    return os_remove_tree(logdir, NULL);
}

static uint64_t lost(void)
{
    return ctr_get(shm_current(), CTR_log_lines_lost);
}

/* The buffer is made to lose lines when the disk is slower than they come; this machine may be
 * busy. */
static void write_line(const struct logctx *c, int i)
{
    log_in(c, SV("RCPT TO:<somebody@example.org> NOTIFY=SUCCESS\r\n"));
    if (i % 1000 == 999)
        log_flush();
}

static void *write_lines(void *arg)
{
    struct logctx c = { .type = LOG_SMTP, .id = (uint32_t)(uintptr_t)arg, .source = "10.0.0.1" };
    for (int i = 0; i < LINES / THREADS * THREADS; i++)
        write_line(&c, i);
    return NULL;
}

static void test_none_lost(void **state)
{
    (void)state;
    struct log_sink_conf c = { .dir = logdir, .server_id = "", .rotate_bytes = 10 * MiB };
    struct log_sink *sink;
    assert_int_equal(log_sink_new(&c, &sink, NULL), 0);
    log_attach(log_sink_local_fd(sink));
    uint64_t before = lost();
    pthread_t t[THREADS];
    int64_t t0 = clock_mono_us();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, write_lines, (void *)(uintptr_t)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    int64_t t1 = clock_mono_us();
    log_detach();
    log_sink_free(sink);
    int64_t t2 = clock_mono_us();
    print_message("%d lines: %.0f lines/s into the buffer, %.0f lines/s to disk\n", THREADS * LINES,
                  1e6 * THREADS * LINES / (double)(t1 - t0),
                  1e6 * THREADS * LINES / (double)(t2 - t0));
    assert_int_equal(lost(), before);
    assert_int_equal(count_lines("s*.log"), THREADS * LINES);
    assert_true(count_files("s*.log") >= 5);
}

/* Nobody reads. */
static void test_reader_stops(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    log_attach(fds[1]);
    uint64_t before = lost();
    char text[1000];
    memset(text, 'x', sizeof(text));
    int64_t worst = 0, t0 = clock_mono_ms();
    for (int i = 0; i < 8000; i++) { /* 8 MB for 4 MiB of room */
        int64_t a = clock_mono_ms();
        log_in(&smtp, sv_n(text, sizeof(text)));
        worst = MAX(worst, clock_mono_ms() - a);
    }
    int64_t all = clock_mono_ms() - t0;
    print_message("worst line %d ms, all %d ms, %d lost\n", (int)worst, (int)all,
                  (int)(lost() - before));
    assert_true(worst >= 40 && worst < 1000); /* 50 ms, and what a busy machine adds */
    assert_true(all < 5000);                  /* only the first one waits */
    assert_true(lost() - before > 3000);
    /* The reader comes back: everything that was kept arrives, and a line that tells of the rest.
     */
    struct log_sink_conf c = { .dir = logdir, .server_id = "" };
    struct log_sink *sink;
    assert_int_equal(log_sink_new(&c, &sink, NULL), 0);
    assert_int_equal(log_sink_add_pipe(sink, fds[0]), 0);
    log_flush();
    uint64_t were_lost = lost() - before;
    log_in(&smtp, SV("works again"));
    log_detach();
    log_sink_free(sink);
    assert_int_equal(count_lines("s*.log"), 8001 - were_lost);
    _cleanup_(freep) char *path = log_path("e*.log");
    glob_t g;
    assert_int_equal(glob(path, 0, NULL, &g), 0);
    struct buf b;
    buf_init(&b, MiB);
    assert_int_equal(os_read_file(g.gl_pathv[0], &b, NULL), 0);
    globfree(&g);
    buf_terminate(&b);
    char want[60];
    snprintf(want, sizeof(want), "Error: %u log lines were lost", (unsigned)were_lost);
    assert_non_null(strstr(b.p, want));
    buf_done(&b);
}

static void test_detach_without_reader(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    log_attach(fds[1]);
    char text[8000];
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 100; i++)
        log_in(&smtp, sv_n(text, sizeof(text)));
    int64_t t0 = clock_mono_ms();
    log_detach();
    assert_true(clock_mono_ms() - t0 < 60000); /* not for ever */
    close(fds[0]);
}

/* The supervisor is gone: no signal, no wait, lines go to stderr. */
static void test_reader_gone(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    log_attach(fds[1]);
    close(fds[0]);
    uint64_t before = lost();
    log_in(&smtp, SV("into nothing"));
    log_flush();
    assert_int_equal(lost(), before + 1);
    _cleanup_(freep) char *path = log_path("stderr");
    int keep = dup(2), fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    dup2(fd, 2);
    log_in(&smtp, SV("seen"));
    dup2(keep, 2);
    close(keep);
    close(fd);
    _cleanup_(freep) char *text = log_read("stderr");
    assert_non_null(strstr(text, "<<< seen\n"));
}

static void test_attach_again(void **state)
{
    (void)state;
    struct log_sink_conf c = { .dir = logdir, .server_id = "" };
    struct log_sink *sink;
    assert_int_equal(log_sink_new(&c, &sink, NULL), 0);
    log_attach(log_sink_local_fd(sink));
    log_in(&smtp, SV("one"));
    log_attach(log_sink_local_fd(sink));
    log_in(&smtp, SV("two"));
    log_attach(-1); /* the same as log_detach */
    log_sink_free(sink);
    assert_int_equal(count_lines("s*.log"), 2);
}

static void test_soon(void **state)
{
    (void)state;
    struct log_sink_conf c = { .dir = logdir, .server_id = "" };
    struct log_sink *sink;
    assert_int_equal(log_sink_new(&c, &sink, NULL), 0);
    log_attach(log_sink_local_fd(sink));
    int64_t t0 = clock_mono_ms();
    log_in(&smtp, SV("one"));
    while (count_lines("s*.log") == 0 && clock_mono_ms() - t0 < 5000)
        usleep(1000);
    assert_int_equal(count_lines("s*.log"), 1); /* without a flush */
    log_detach();
    log_sink_free(sink);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_none_lost),   T(test_reader_stops), T(test_detach_without_reader),
        T(test_reader_gone), T(test_attach_again), T(test_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
