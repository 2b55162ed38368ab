/* A data directory for a test, and ways to fill it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/reader.h"
#include "event/store.h"
#include "os/file.h"

static char data_dir[64];

static _unused_ int make_data_dir(void **state)
{
    (void)state;
    snprintf(data_dir, sizeof(data_dir), "/tmp/posthorn-events.XXXXXX");
    return mkdtemp(data_dir) ? 0 : -1;
}

static _unused_ int remove_data_dir(void **state)
{
    (void)state;
    clock_test_freeze(0);
    return os_remove_tree(data_dir, NULL);
}

/* One event of a made-up message, straight into a ring. */
static _unused_ void put_event(struct ring *r, enum event_type t, const struct logctx *c,
                               int64_t time_us, const struct event_arg *args, size_t n)
{
    unsigned char record[RECORD_EVENT_MAX];
    size_t size = record_encode(t, c, args, n, record);
    memcpy(record + offsetof(struct event_head, time_us), &time_us, 8);
    struct iovec part = { record, size };
    assert_true(ring_fits(r, size));
    ring_put(r, &part, 1);
}

/* A store of a module with its ring. */
struct writer {
    struct ring_memory memory;
    struct store store;
    int fd;
};

static _unused_ void writer_open(struct writer *w, enum module m)
{
    char dir[SEGMENT_PATH];
    *w = (struct writer){ .fd = -1 };
    assert_int_equal(ring_memory_new(&w->fd, NULL), 0);
    assert_int_equal(ring_memory_map(w->fd, &w->memory, NULL), 0);
    store_dir(dir, data_dir, m);
    store_init(&w->store, dir, STREAM_EVENTS);
}

static _unused_ void writer_flush(struct writer *w)
{
    int r;
    struct errinfo ei = { 0 };
    while ((r = store_flush(&w->store, &w->memory.ring[0], 64 * 1024, &ei)) > 0)
        ;
    if (r < 0)
        fail_msg("flush: %s", ei.text);
    ring_rewind(&w->memory.ring[0]);
}

static _unused_ void writer_close(struct writer *w)
{
    store_done(&w->store);
    ring_memory_unmap(&w->memory);
    closep(&w->fd);
}

/* The count of messages that put_messages has made is in the ids. */
static _unused_ void put_message(struct writer *w, unsigned i, int64_t time_us)
{
    char id[12], from[40], to[40], ip[24];
    snprintf(id, sizeof(id), "AAA%05u", i);
    snprintf(from, sizeof(from), "s%u@example.org", i % 50);
    snprintf(to, sizeof(to), "R%u@example.test", i % 7);
    snprintf(ip, sizeof(ip), "192.0.2.%u", i % 200);
    struct logctx c = { .type = LOG_SMTP,
                        .service = 1 + SVC_SMTP,
                        .session = 0x5000000000000000u + i / 2,
                        .message = 0x7000000000000000u + i,
                        .message_id = id };
    (void)sv_copy(c.source, sizeof(c.source), sv_c(ip));
    const struct event_arg rcpt[] = { F_ADDR(rcpt, to) };
    const struct event_arg accepted[] = { F_ADDR(sender, from), F_ADDR(rcpt, to), F_BYTES(bytes, i),
                                          F_MS(duration, 12), F_STR(outcome, "OK") };
    const struct event_arg end[] = { F_STR(outcome, i % 3 ? "success" : "failed") };
    put_event(&w->memory.ring[0], EVT_smtp_rcpt_accepted, &c, time_us, rcpt, ARRAY_LEN(rcpt));
    put_event(&w->memory.ring[0], EVT_smtp_message_accepted, &c, time_us + 1, accepted,
              ARRAY_LEN(accepted));
    if (i % 2) {
        c.message = 0;
        c.message_id = NULL;
        put_event(&w->memory.ring[0], EVT_session_end, &c, time_us + 2, end, ARRAY_LEN(end));
    }
}

static _unused_ void put_messages(struct writer *w, unsigned from, unsigned to, int64_t begin_us)
{
    for (unsigned i = from; i < to; i++) {
        put_message(w, i, begin_us + (int64_t)i * 1000);
        if (i % 100 == 99)
            writer_flush(w);
    }
    writer_flush(w);
}

static _unused_ size_t count_files(const char *dir, const char *suffix)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t n = 0;
    while (d && (e = readdir(d)))
        n += sv_iends(sv_c(e->d_name), sv_c(suffix));
    if (d)
        closedir(d);
    return n;
}

static bool count_event(const struct event_view *e, void *arg)
{
    (void)e;
    ++*(size_t *)arg;
    return true;
}

static _unused_ size_t query_count(const struct event_query *q)
{
    size_t n = 0;
    struct errinfo ei = { 0 };
    if (event_query(data_dir, q, NULL, count_event, &n, NULL, &ei) < 0)
        fail_msg("query: %s", ei.text);
    return n;
}
