/* The ring and the files: order, wrapping, torn ends, a writer that died in the middle, damage,
 * deleted directories, retention. */
#include "event_dir.h"

#include "event/index.h"

#include <signal.h>
#include <sys/resource.h>

#define NOW_US (INT64_C(1700000000) * 1000000)

static void last_segment(char path[SEGMENT_PATH], const char *dir)
{
    uint32_t *list;
    size_t n = segment_list(dir, STREAM_EVENTS, &list);
    assert_true(n > 0);
    segment_path(path, dir, STREAM_EVENTS, list[n - 1], false);
    free(list);
}

static void test_ring_wraps(void **state)
{
    (void)state;
    struct writer w;
    writer_open(&w, MOD_SMTP);
    struct ring *r = &w.memory.ring[0];
    struct ring_batch b;
    for (unsigned i = 0; i < 40000; i++) { /* several times around, never empty */
        put_message(&w, i, NOW_US + i);
        if (i >= 500)
            for (int k = 0; k < 2 + (i % 2 ? 1 : 0); k++) {
                assert_true(ring_peek(r, 8, &b) > 0);
                assert_int_equal(b.records, 1);
                ring_take(r, b.bytes);
            }
    }
    assert_true(ring_used(r) > 0 && ring_used(r) < RING_BYTES);
    assert_false(ring_rewind(r));
    writer_close(&w);
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct writer w;
    writer_open(&w, MOD_SMTP);
    put_messages(&w, 0, 1000, NOW_US);
    writer_close(&w);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 2500);
    assert_int_equal(query_count(&(struct event_query){ .oldest_first = true }), 2500);
    assert_int_equal(query_count(&(struct event_query){ .msgid = SV("aaa00321") }), 2);
    assert_int_equal(query_count(&(struct event_query){ .session = 0x5000000000000007u }), 5);
    assert_int_equal(query_count(&(struct event_query){ .address = SV("S3@example.org") }), 20);
    assert_int_equal(query_count(&(struct event_query){ .ip = SV("192.0.2.9") }), 15);
    assert_int_equal(query_count(&(struct event_query){ .name = SV("session.end") }), 500);
    assert_int_equal(query_count(&(struct event_query){ .name = SV("smtp.") }), 2000);
    assert_int_equal(query_count(&(struct event_query){ .service = 1 + SVC_IMAP }), 0);
    assert_int_equal(query_count(&(struct event_query){ .module = 1 + MOD_ACCESS }), 0);
    assert_int_equal(
        query_count(&(struct event_query){ .from_us = NOW_US + 500000, .to_us = NOW_US + 501000 }),
        2);
}

static void test_torn_tail_is_cut(void **state)
{
    (void)state;
    struct writer w;
    char path[SEGMENT_PATH];
    writer_open(&w, MOD_SMTP);
    put_messages(&w, 0, 100, NOW_US);
    struct stat whole, st;
    last_segment(path, w.store.dir);
    assert_int_equal(stat(path, &whole), 0);
    put_message(&w, 100, NOW_US + 100000);
    writer_flush(&w);
    assert_int_equal(stat(path, &st), 0);
    writer_close(&w);
    /* The last block in all states of incompleteness, and with a flipped bit. */
    for (off_t n = st.st_size - 1; n > whole.st_size; n -= 7) {
        assert_int_equal(truncate(path, n), 0);
        assert_int_equal(query_count(&(struct event_query){ 0 }), 250);
    }
    writer_open(&w, MOD_SMTP);
    put_message(&w, 101, NOW_US + 101000);
    writer_flush(&w);
    writer_close(&w);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 253);
    assert_int_equal(query_count(&(struct event_query){ .msgid = SV("AAA00100") }), 0);
    assert_int_equal(query_count(&(struct event_query){ .msgid = SV("AAA00101") }), 2);
    int fd = open(path, O_RDWR);
    char c = 'X';
    assert_int_equal(pwrite(fd, &c, 1, whole.st_size + 60), 1);
    close(fd);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 250);
}

static void test_damage_in_the_middle_costs_one_block(void **state)
{
    (void)state;
    struct writer w;
    char path[SEGMENT_PATH];
    writer_open(&w, MOD_SMTP);
    put_messages(&w, 0, 300, NOW_US);
    last_segment(path, w.store.dir);
    writer_close(&w);
    int fd = open(path, O_RDWR);
    char c = 'X';
    assert_int_equal(pwrite(fd, &c, 1, SEGMENT_HEAD + BLOCK_HEAD + 40), 1);
    close(fd);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 500);
    writer_open(&w, MOD_SMTP); /* goes on behind it, cuts nothing */
    put_message(&w, 301, NOW_US + 301000);
    writer_flush(&w);
    writer_close(&w);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 503);
}

/* Killed between write() and the note that it was done: not twice. Killed before: not lost. */
static void test_a_killed_writer(void **state)
{
    (void)state;
    struct writer w;
    char dir[SEGMENT_PATH];
    store_dir(dir, data_dir, MOD_SMTP);
    for (int written = 0; written < 2; written++) {
        writer_open(&w, MOD_SMTP);
        put_message(&w, 1, NOW_US);
        uint64_t end = atomic_load(&w.memory.ring[0].s->head);
        if (written) {
            writer_flush(&w);
            /* As it was just before the ring was told. */
            atomic_store(&w.memory.ring[0].s->head, end);
            atomic_store(&w.memory.ring[0].s->tail, 0);
            atomic_store(&w.memory.ring[0].s->pending_end, end);
        } else {
            atomic_store(&w.memory.ring[0].s->pending_end, end);
            atomic_store(&w.memory.ring[0].s->pending_segment, 1);
            atomic_store(&w.memory.ring[0].s->pending_offset, SEGMENT_HEAD);
        }
        store_done(&w.store);
        event_drain(data_dir, MOD_SMTP, w.fd);
        assert_int_equal(query_count(&(struct event_query){ 0 }), 3);
        event_drain(data_dir, MOD_SMTP, w.fd); /* nothing is left */
        assert_int_equal(query_count(&(struct event_query){ 0 }), 3);
        writer_close(&w);
        assert_int_equal(os_remove_tree(dir, NULL), 0);
    }
}

static void test_a_damaged_ring_is_given_up(void **state)
{
    (void)state;
    struct writer w;
    writer_open(&w, MOD_SMTP);
    put_message(&w, 1, NOW_US);
    memset(w.memory.ring[0].data, 0xff, 4);
    event_drain(data_dir, MOD_SMTP, w.fd);
    atomic_store(&w.memory.ring[0].s->head, UINT64_MAX);
    event_drain(data_dir, MOD_SMTP, w.fd);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 0);
    writer_close(&w);
}

static void test_a_deleted_directory_is_made_again(void **state)
{
    (void)state;
    struct writer w;
    char dir[SEGMENT_PATH];
    snprintf(dir, sizeof(dir), "%s/status", data_dir);
    writer_open(&w, MOD_SMTP);
    put_messages(&w, 0, 100, NOW_US);
    assert_int_equal(os_remove_tree(dir, NULL), 0);
    put_messages(&w, 100, 200, NOW_US);
    writer_close(&w);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 250);
}

/* No new file can be begun, and then the directory goes as well. */
static void test_a_directory_deleted_while_full_is_made_again(void **state)
{
    (void)state;
    struct writer w;
    struct errinfo ei;
    struct rlimit old, none;
    char dir[SEGMENT_PATH];
    snprintf(dir, sizeof(dir), "%s/status", data_dir);
    writer_open(&w, MOD_SMTP);
    put_message(&w, 0, NOW_US);
    getrlimit(RLIMIT_FSIZE, &old);
    none = (struct rlimit){ 0, old.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    int r = store_flush(&w.store, &w.memory.ring[0], 64 * 1024, &ei);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(r < 0);
    assert_int_equal(os_remove_tree(dir, NULL), 0);
    writer_flush(&w);
    writer_close(&w);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 2);
}

static void test_indexes_find_the_same(void **state)
{
    (void)state;
    struct writer w;
    writer_open(&w, MOD_SMTP);
    put_messages(&w, 0, 1000, NOW_US);
    put_messages(&w, 1000, 2000, NOW_US + INT64_C(86400000000)); /* another day: another file */
    writer_close(&w);
    const struct event_query q[] = {
        { .msgid = SV("AAA00321") },          { .session = 0x5000000000000007u },
        { .address = SV("R3@EXAMPLE.test") }, { .ip = SV("192.0.2.9") },
        { .name = SV("session.end") },        { .message = 0x7000000000000050u },
        { .address = SV("nobody@x") },        { .name = SV("smtp.message.accepted") },
    };
    size_t before[ARRAY_LEN(q)];
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        before[i] = query_count(&q[i]);
    assert_true(before[0] == 2 && before[2] > 500 && before[6] == 0);
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ 0 });
    assert_int_equal(count_files(w.store.dir, ".evx"), 1);
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        assert_int_equal(query_count(&q[i]), before[i]);
    /* A damaged index: the segment is read instead, the index goes and is made again. */
    char path[SEGMENT_PATH];
    segment_path(path, w.store.dir, STREAM_EVENTS, 1, true);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    char junk[4096];
    memset(junk, 0x5a, sizeof(junk));
    for (off_t at = 64 + 16 * 1024; at < st.st_size; at += (off_t)sizeof(junk))
        assert_true(pwrite(fd, junk, sizeof(junk), at) > 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        assert_int_equal(query_count(&q[i]), before[i]);
    assert_int_equal(count_files(w.store.dir, ".evx"), 0);
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ 0 });
    assert_int_equal(count_files(w.store.dir, ".evx"), 1);
}

static void test_retention(void **state)
{
    (void)state;
    struct writer w;
    clock_test_freeze(NOW_US / 1000);
    writer_open(&w, MOD_SMTP);
    for (int day = 0; day < 10; day++)
        put_messages(&w, 0, 100, NOW_US + day * INT64_C(86400000000));
    writer_close(&w);
    assert_int_equal(count_files(w.store.dir, ".ev"), 10);
    for (unsigned i = 1; i <= 10; i++) { /* as old as their events */
        char path[SEGMENT_PATH];
        segment_path(path, w.store.dir, STREAM_EVENTS, i, false);
        struct timespec t[2] = { { .tv_sec = NOW_US / 1000000 + (i - 1) * 86400 } };
        t[1] = t[0];
        assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
    }
    clock_test_advance(INT64_C(10) * 86400000);
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ .days = 5 });
    assert_int_equal(count_files(w.store.dir, ".ev"), 5);
    assert_int_equal(count_files(w.store.dir, ".evx"), 4);
    char path[SEGMENT_PATH];
    segment_path(path, w.store.dir, STREAM_EVENTS, 10, false);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    store_maintain(data_dir, MOD_ACCESS, STREAM_EVENTS,
                   &(struct store_limits){ .max_bytes = (uint64_t)st.st_size * 3 });
    assert_in_range(count_files(w.store.dir, ".ev"), 1, 3);
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ .max_bytes = 1 });
    assert_int_equal(count_files(w.store.dir, ".ev"), 1); /* the one that is written stays */
    assert_int_equal(query_count(&(struct event_query){ 0 }), 250);
}

static void test_segments_are_closed_by_size(void **state)
{
    (void)state;
    struct writer w;
    writer_open(&w, MOD_SMTP);
    put_messages(&w, 0, 90000, NOW_US);
    assert_int_equal(count_files(w.store.dir, ".ev"), 2);
    assert_int_equal(atomic_load(&w.store.sealed), 1);
    writer_close(&w);
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ 0 });
    struct stat ev, evx;
    char path[SEGMENT_PATH];
    segment_path(path, w.store.dir, STREAM_EVENTS, 1, false);
    assert_int_equal(stat(path, &ev), 0);
    segment_path(path, w.store.dir, STREAM_EVENTS, 1, true);
    assert_int_equal(stat(path, &evx), 0);
    assert_true(ev.st_size >= SEGMENT_BYTES && evx.st_size < ev.st_size / 2);
    assert_int_equal(query_count(&(struct event_query){ .name = SV("session.end") }), 45000);
    assert_int_equal(query_count(&(struct event_query){ .msgid = SV("AAA00777") }), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_data_dir, remove_data_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_ring_wraps),
        T(test_what_is_written_is_read),
        T(test_torn_tail_is_cut),
        T(test_damage_in_the_middle_costs_one_block),
        T(test_a_killed_writer),
        T(test_a_damaged_ring_is_given_up),
        T(test_a_deleted_directory_is_made_again),
        T(test_a_directory_deleted_while_full_is_made_again),
        T(test_indexes_find_the_same),
        T(test_retention),
        T(test_segments_are_closed_by_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
