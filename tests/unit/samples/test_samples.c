/* Samples of the counters: a minute's growth, coarser steps, restarts, gaps, torn records, clocks
 * that jump, files of an older version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "os/file.h"
#include "samples/query.h"
#include "samples/sampler.h"

/* Begin of a day, of an hour and of a minute: 2026-03-12 00:00:00 UTC. */
#define DAY INT64_C(1773273600)

static char dir[64];
static struct shm *shm;
static int shm_fd;
static struct sampler *sampler;

static void server_starts(void)
{
    assert_int_equal(shm_create(&shm_fd, &shm, NULL), 0);
    shm_use(shm, MOD_SMTP);
}

static void server_ends(void)
{
    sampler_close(take_ptr(sampler));
    shm_detach(shm);
    close(shm_fd);
}

static int setup(void **state _unused_)
{
    snprintf(dir, sizeof(dir), "/tmp/posthorn-samples-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    clock_test_freeze(DAY * 1000);
    server_starts();
    assert_int_equal(sampler_open(dir, shm, &sampler, NULL), 0);
    return 0;
}

static int teardown(void **state _unused_)
{
    server_ends();
    clock_test_freeze(0);
    return os_remove_tree(dir, NULL);
}

static void tick(void)
{
    struct errinfo ei = { 0 };
    if (sampler_tick(sampler, &ei) < 0)
        fail_msg("%s", ei.text);
}

/* The minutes pass, each with its sample at its end. */
static void minutes(int n)
{
    while (n--) {
        clock_test_advance(sampler_wait_ms());
        tick();
    }
}

static struct samples got;

static void ask(int64_t from_s, int64_t to_s, int64_t step_s)
{
    struct samples_query q = { .series = { CTR_smtp_messages_in, CTR_COUNT + SVC_IMAP },
                               .n = 2,
                               .from_s = from_s,
                               .to_s = to_s,
                               .step_s = step_s };
    struct errinfo ei = { 0 };
    samples_done(&got);
    if (samples_read(dir, &q, &got, &ei) < 0)
        fail_msg("%s", ei.text);
}

static void expect_messages(const int *want, size_t n)
{
    assert_int_equal(got.points, n);
    for (size_t i = 0; i < n; i++) {
        int have = got.present[i] ? (int)got.v[i] : -1;
        if (have != want[i])
            fail_msg("point %zu is %d instead of %d", i, have, want[i]);
    }
}
#define EXPECT(...) expect_messages((int[]){ __VA_ARGS__ }, ARRAY_LEN(((int[]){ __VA_ARGS__ })))

static void a_minute_holds_its_growth(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    minutes(1);
    ctr_add(CTR_smtp_messages_in, 4);
    minutes(1);
    ask(DAY, DAY + 240, 60);
    EXPECT(3, 0, 4, -1);
    assert_int_equal(got.covered_s[0], 60);
    assert_int_equal(got.from_s, DAY);
    assert_int_equal(got.since_s, DAY);
}

static void coarser_steps_add_up(void **state _unused_)
{
    for (int i = 0; i < 130; i++) {
        ctr_add(CTR_smtp_messages_in, 2);
        minutes(1);
    }
    ask(DAY, DAY + 7200, 3600);
    EXPECT(120, 120);
    ask(DAY, DAY + 7800, 3600);
    EXPECT(120, 120, 20);
    assert_int_equal(got.covered_s[2], 600);
    ask(DAY, DAY + 1200, 300);
    EXPECT(10, 10, 10, 10);
    ask(DAY, DAY + 900, 900);
    EXPECT(30);
    ask(DAY, DAY + 86400, 86400);
    EXPECT(260);
}

static void the_present_minute_is_told_without_a_sample(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    clock_test_advance(20000);
    ctr_add(CTR_smtp_messages_in, 5);
    struct samples_query q = {
        .series = { CTR_smtp_messages_in }, .n = 1, .from_s = DAY, .to_s = DAY + 120, .shm = shm
    };
    struct samples s;
    assert_int_equal(samples_read(dir, &q, &s, NULL), 0);
    assert_int_equal(s.step_s, 60);
    assert_int_equal(s.v[0], 3);
    assert_int_equal(s.v[1], 5);
    assert_true(s.present[1]);
    assert_int_equal(s.covered_s[1], 20);
    samples_done(&s);
    /* The coarser steps tell the same. */
    q.step_s = 3600;
    assert_int_equal(samples_read(dir, &q, &s, NULL), 0);
    assert_int_equal(s.v[0], 8);
    samples_done(&s);
}

static void peaks_are_the_largest_of_the_minute(void **state _unused_)
{
    int32_t a = shm_session_open(SVC_IMAP, 1, "192.0.2.1", "192.0.2.2");
    int32_t b = shm_session_open(SVC_IMAP, 2, "192.0.2.1", "192.0.2.2");
    shm_session_close(a);
    minutes(1);
    minutes(1);
    shm_session_close(b);
    minutes(1);
    minutes(1);
    ask(DAY, DAY + 240, 60);
    const uint64_t *peak = got.v + got.points;
    assert_int_equal(peak[0], 2);
    assert_int_equal(peak[1], 1);
    assert_int_equal(peak[2], 1);
    assert_int_equal(peak[3], 0);
    ask(DAY, DAY + 300, 300);
    assert_int_equal(got.v[got.points], 2);
}

static void a_stop_makes_a_gap_and_nothing_is_counted_twice(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    clock_test_advance(30000);
    ctr_add(CTR_smtp_messages_in, 2);
    tick(); /* at the server's end */
    server_ends();
    clock_test_advance(150000); /* 00:04:00 */
    server_starts();
    ctr_add(CTR_smtp_messages_in, 7);
    assert_int_equal(sampler_open(dir, shm, &sampler, NULL), 0);
    minutes(1);
    ask(DAY, DAY + 300, 60);
    EXPECT(3, 2, -1, -1, 7);
    assert_int_equal(got.covered_s[1], 30);
    ask(DAY, DAY + 300, 300);
    EXPECT(12);
}

static void a_new_module_goes_on_where_the_last_one_was(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    ctr_add(CTR_smtp_messages_in, 2);
    sampler_close(take_ptr(sampler)); /* killed: no last sample */
    clock_test_advance(5000);
    assert_int_equal(sampler_open(dir, shm, &sampler, NULL), 0);
    minutes(1);
    ask(DAY, DAY + 120, 60);
    EXPECT(3, 2);
}

static int64_t starts[8];
static size_t n_starts;
static void take_start(int64_t started_s, void *arg _unused_)
{
    starts[n_starts++] = started_s;
}
static void starts_of_the_server_are_known(void **state _unused_)
{
    minutes(2);
    server_ends();
    clock_test_advance(600000);
    server_starts();
    assert_int_equal(sampler_open(dir, shm, &sampler, NULL), 0);
    minutes(1);
    n_starts = 0;
    assert_int_equal(samples_starts(dir, DAY, DAY + 3600, take_start, NULL, NULL), 0);
    assert_int_equal(n_starts, 2);
    assert_int_equal(starts[0], DAY);
    assert_int_equal(starts[1], DAY + 720);
    n_starts = 0;
    assert_int_equal(samples_starts(dir, DAY + 1, DAY + 700, take_start, NULL, NULL), 0);
    assert_int_equal(n_starts, 0);
}

static void damage(const char *name, long at)
{
    _cleanup_(freep) char *path = xasprintf("%s/status/traffic/%s", dir, name);
    _cleanup_(closep) int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "torn", 4, at), 4);
}

static void a_torn_record_is_left_out(void **state _unused_)
{
    struct stat st;
    _cleanup_(freep) char *path = xasprintf("%s/status/traffic/1m", dir);
    for (int i = 0; i < 3; i++) {
        ctr_add(CTR_smtp_messages_in, 3);
        minutes(1);
    }
    /* The newest record is the file's last one only until the first round is over. */
    assert_int_equal(stat(path, &st), 0);
    damage("1m", st.st_size - 20);
    ask(DAY, DAY + 180, 60);
    EXPECT(3, 3, -1);
    /* It goes on. */
    ctr_add(CTR_smtp_messages_in, 1);
    minutes(1);
    ask(DAY, DAY + 240, 60);
    EXPECT(3, 3, -1, 1);
}

static void a_damaged_or_deleted_file_is_made_again(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    damage("1m", 0);
    ctr_add(CTR_smtp_messages_in, 4);
    minutes(1);
    ask(DAY, DAY + 120, 60);
    EXPECT(-1, 4);
    _cleanup_(freep) char *away = xasprintf("%s/status/traffic/1m.damaged", dir);
    assert_int_equal(access(away, F_OK), 0);
    _cleanup_(freep) char *status = xasprintf("%s/status", dir);
    assert_int_equal(os_remove_tree(status, NULL), 0);
    ctr_add(CTR_smtp_messages_in, 5);
    minutes(1);
    ask(DAY, DAY + 180, 60);
    EXPECT(-1, -1, 5);
}

static void clocks_that_jump(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 1);
    minutes(1);
    /* Ahead by an hour in the middle of a minute. */
    ctr_add(CTR_smtp_messages_in, 2);
    clock_test_freeze((DAY + 3600 + 90) * 1000);
    tick();
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    ask(DAY, DAY + 240, 60);
    EXPECT(1, 2, -1, -1);
    ask(DAY + 3600, DAY + 3720, 60);
    EXPECT(-1, 3);
    /* Back: minutes that come again hold both. */
    clock_test_freeze(DAY * 1000);
    tick();
    ctr_add(CTR_smtp_messages_in, 10);
    minutes(1);
    ask(DAY, DAY + 60, 60);
    EXPECT(11);
    assert_int_equal(got.covered_s[0], 120);
}

static void old_minutes_give_way(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 7);
    minutes(1);
    clock_test_advance(INT64_C(2) * 86400000);
    tick();
    ctr_add(CTR_smtp_messages_in, 1);
    minutes(1);
    ask(DAY, DAY + 60, 60);
    EXPECT(-1);
    ask(DAY, DAY + 300, 300);
    EXPECT(7);
    struct stat st;
    _cleanup_(freep) char *path = xasprintf("%s/status/traffic/1m", dir);
    assert_int_equal(stat(path, &st), 0);
    int64_t most = 16384 + (24 + 8 * ((int64_t)SERIES_COUNT + CTR_COUNT)) * 2880;
    assert_true(st.st_size <= most);
}

/* A file of an older version, which knew two series in another order, with one sample. */
static void write_older(const char *path)
{
    struct {
        uint64_t magic;
        uint32_t version, columns;
        int64_t step_s, slots, since_s;
        uint32_t unused, crc;
        char names[2][32];
    } head = { .magic = 0x314c504d41535050u,
               .version = 1,
               .columns = 2,
               .step_s = 3600,
               .slots = 9600,
               .since_s = DAY,
               .names = { "smtp_messages_in", "bytes_in" } };
    struct {
        uint32_t crc, covered_s;
        int64_t slot;
        uint64_t boot, v[2];
    } record = { .covered_s = 3600, .slot = DAY / 3600, .boot = DAY, .v = { 42, 43 } };
    _cleanup_(closep) int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    head.crc =
        crc32c(crc32c(0, &head, offsetof(__typeof__(head), crc)), head.names, sizeof(head.names));
    record.crc = crc32c(0, &record.covered_s, sizeof(record) - 4);
    assert_int_equal(os_pwrite_all(fd, &head, sizeof(head), 0), 0);
    assert_int_equal(os_pwrite_all(fd, &record, sizeof(record), 16384 + 40 * (DAY / 3600 % 9600)),
                     0);
}

static void an_older_file_is_read_by_its_names(void **state _unused_)
{
    ctr_add(CTR_smtp_messages_in, 9);
    minutes(1);
    sampler_close(take_ptr(sampler));
    _cleanup_(freep) char *path = xasprintf("%s/status/traffic/1h", dir);
    struct ring *r = NULL;
    struct sample s;
    write_older(path);
    assert_int_equal(ring_open(dir, RING_1H, false, &r, NULL), 0);
    assert_int_equal(ring_read(r, DAY / 3600, &s), 1);
    assert_int_equal(s.v[CTR_smtp_messages_in], 42);
    assert_int_equal(s.v[CTR_bytes_in], 43);
    assert_int_equal(s.v[CTR_bytes_out], 0);
    ring_close(r);
    /* The writer brings it into the present form; nothing is lost. */
    assert_int_equal(ring_open(dir, RING_1H, true, &r, NULL), 0);
    assert_int_equal(ring_read(r, DAY / 3600, &s), 1);
    assert_int_equal(s.v[CTR_smtp_messages_in], 42);
    s.v[CTR_bytes_out] = 5;
    assert_int_equal(ring_write(r, &s), 0);
    ring_close(r);
    assert_int_equal(ring_open(dir, RING_1H, false, &r, NULL), 0);
    assert_int_equal(ring_read(r, DAY / 3600, &s), 1);
    assert_int_equal(s.v[CTR_bytes_out], 5);
    ring_close(r);
    assert_int_equal(sampler_open(dir, shm, &sampler, NULL), 0);
}

static void a_volume_that_cannot_be_written_loses_no_count(void **state _unused_)
{
    _cleanup_(freep) char *status = xasprintf("%s/status", dir);
    _cleanup_(freep) char *aside = xasprintf("%s/aside", dir);
    _cleanup_(closep) int fd = -1;
    struct errinfo ei = { 0 };
    ctr_add(CTR_smtp_messages_in, 3);
    minutes(1);
    assert_int_equal(rename(status, aside), 0);
    fd = open(status, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ctr_add(CTR_smtp_messages_in, 4);
    clock_test_advance(60000);
    assert_true(sampler_tick(sampler, &ei) < 0);
    assert_non_null(strstr(ei.text, status));
    assert_int_equal(unlink(status), 0);
    assert_int_equal(rename(aside, status), 0);
    minutes(1);
    ask(DAY, DAY + 180, 60);
    EXPECT(3, -1, 4);
}

static void steps_fit_the_span(void **state _unused_)
{
    const int64_t now = DAY + 5 * 86400, day = 86400;
    assert_int_equal(samples_auto_step(now - 7200, now, now), 60);
    assert_int_equal(samples_auto_step(now - day, now, now), 300);
    assert_int_equal(samples_auto_step(now - 7 * day, now, now), 900);
    assert_int_equal(samples_auto_step(now - 30 * day, now, now), 3600);
    assert_int_equal(samples_auto_step(now - 120 * day, now, now), 6 * 3600);
    assert_int_equal(samples_auto_step(now - 400 * day, now, now), day);
    /* Minutes of last week are no longer there, five of them are; of last month hours are. */
    assert_int_equal(samples_auto_step(now - 6 * day, now - 6 * day + 7200, now), 300);
    assert_int_equal(samples_auto_step(now - 20 * day, now - 20 * day + 7200, now), 3600);
    struct samples_query q = { .n = 1, .from_s = DAY, .to_s = DAY, .step_s = 60 };
    struct samples s;
    struct errinfo ei = { 0 };
    assert_int_equal(samples_read(dir, &q, &s, &ei), E_RANGE);
    samples_done(&s);
    q.to_s = DAY + 30 * day;
    assert_int_equal(samples_read(dir, &q, &s, &ei), E_RANGE);
    assert_non_null(strstr(ei.text, "shorter span"));
    samples_done(&s);
}

static void every_series_has_a_name_of_its_own(void **state _unused_)
{
    for (int i = 0; i < SERIES_COUNT; i++) {
        assert_int_equal(series_find(sv_c(series_name(i))), i);
        assert_true(strlen(series_name(i)) < 31);
        assert_true(*series_help(i) && *series_group(i));
    }
    assert_int_equal(series_find(SV("nothing")), -1);
}

static void done(void)
{
    samples_done(&got);
}

enum { WRITES = 50000 };

static void *write_often(void *arg)
{
    struct ring *r = arg;
    struct sample s = { .slot = DAY / 60 };
    for (uint64_t n = 1; n <= WRITES; n++) {
        for (int i = 0; i < SERIES_COUNT; i++)
            s.v[i] = n;
        if (ring_write(r, &s) < 0)
            return arg;
    }
    return NULL;
}

/* A sample that is just written is the one before or the new one, never none. */
static void test_read_while_it_is_written(void **state)
{
    (void)state;
    struct ring *w, *r;
    struct sample s = { .slot = DAY / 60 };
    pthread_t t;
    void *failed;
    assert_int_equal(ring_open(dir, RING_1M, true, &w, NULL), 0);
    assert_int_equal(ring_write(w, &s), 0);
    assert_int_equal(ring_open(dir, RING_1M, false, &r, NULL), 0);
    assert_int_equal(pthread_create(&t, NULL, write_often, w), 0);
    while (s.v[0] < WRITES) {
        assert_int_equal(ring_read(r, DAY / 60, &s), 1);
        assert_int_equal(s.v[0], s.v[SERIES_COUNT - 1]);
    }
    pthread_join(t, &failed);
    assert_null(failed);
    ring_close(r);
    ring_close(w);
}

int main(void)
{
    atexit(done);
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_read_while_it_is_written),
        T(a_minute_holds_its_growth),
        T(coarser_steps_add_up),
        T(the_present_minute_is_told_without_a_sample),
        T(peaks_are_the_largest_of_the_minute),
        T(a_stop_makes_a_gap_and_nothing_is_counted_twice),
        T(a_new_module_goes_on_where_the_last_one_was),
        T(starts_of_the_server_are_known),
        T(a_torn_record_is_left_out),
        T(a_damaged_or_deleted_file_is_made_again),
        T(clocks_that_jump),
        T(old_minutes_give_way),
        T(an_older_file_is_read_by_its_names),
        T(a_volume_that_cannot_be_written_loses_no_count),
        T(steps_fit_the_span),
        T(every_series_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
