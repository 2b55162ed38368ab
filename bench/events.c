/* What events cost, and how fast they are found. Prints
 *   emit         ns for an event like that of an accepted message, without a text log
 *   transcript   ns for a line of a session's transcript
 *   lookup       ms for a message's timeline by id, and for the latest 100 of an address, among so
 * many events
 *   bench_events DIR [EVENTS]    DIR is made and removed; default 10,000,000 events,
 * about 2 GB */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "admin/trace.h"
#include "base/clock.h"
#include "event/reader.h"
#include "event/store.h"
#include "os/file.h"

enum { EMITS = 2000000, LOOKUPS = 200 };

static double cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return 1e9 * (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e3 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void bench_emit(const char *dir)
{
    struct logctx c = { .type = LOG_SMTP,
                        .id = 7,
                        .source = "192.0.2.117",
                        .prefix = "",
                        .service = 1 + SVC_SMTP,
                        .session = shm_session_key(7),
                        .message = 99,
                        .message_id = "OSA88513" };
    event_configure(&(struct event_conf){ .enabled = true, .transcripts = true });
    log_set_level(LOG_SMTP, LOG_NONE);
    if (event_start(dir, MOD_SMTP, -1, NULL) < 0)
        exit(1);
    double begin = cpu_ns();
    c.session = 0; /* the line of the event is no part of a transcript then */
    for (int i = 0; i < EMITS; i++)
        event(smtp_message_accepted, &c, F_ADDR(sender, "alice@example.org"),
              F_ADDR(rcpt, "bob@example.test"), F_INT(rcpts, 1), F_BYTES(bytes, 5000),
              F_MS(duration, 3), F_STR(outcome, "OK"));
    event_flush();
    printf("emit        %7.0f ns/event with its writing, %" PRIu64 " of %d lost\n",
           (cpu_ns() - begin) / EMITS, ctr_get(shm_current(), CTR_events_lost), EMITS);
    c.session = shm_session_key(7);
    begin = cpu_ns();
    for (int i = 0; i < EMITS; i++)
        log_in(&c, SV("MAIL FROM:<alice@example.org> SIZE=5100\r\n"));
    event_flush();
    printf("transcript  %7.0f ns/line with its making and writing, %" PRIu64 " of %d lost\n",
           (cpu_ns() - begin) / EMITS, ctr_get(shm_current(), CTR_transcript_lines_lost), EMITS);
    event_stop();
    (void)os_remove_tree(dir, NULL);
}

static void put(struct ring *r, enum event_type t, const struct logctx *c, int64_t us,
                const struct event_arg *args, size_t n)
{
    unsigned char record[RECORD_EVENT_MAX];
    size_t size = record_encode(t, c, args, n, record);
    memcpy(record + offsetof(struct event_head, time_us), &us, 8);
    ring_put(r, &(struct iovec){ record, size }, 1);
}

/* Five events for each message; a session of ten messages. */
static void put_message(struct ring *r, unsigned i, int64_t us)
{
    char id[12], from[48], to[48], ip[24];
    snprintf(id, sizeof(id), "%c%c%c%05u", 'A' + i / 100000 / 676 % 26, 'A' + i / 100000 / 26 % 26,
             'A' + i / 100000 % 26, i % 100000);
    snprintf(from, sizeof(from), "sender%u@example.org", i % 20000);
    snprintf(to, sizeof(to), "user%u@example.test", i % 1000);
    snprintf(ip, sizeof(ip), "10.%u.%u.%u", i % 50, i / 50 % 200, i % 250);
    struct logctx c = { .type = LOG_SMTP,
                        .service = 1 + SVC_SMTP,
                        .session = 0x5000000000000000u + i / 10,
                        .message = 0x7000000000000000u + i };
    (void)sv_copy(c.source, sizeof(c.source), sv_c(ip));
    const struct event_arg rcpt[] = { F_ADDR(rcpt, to) };
    const struct event_arg accepted[] = { F_ADDR(sender, from), F_ADDR(rcpt, to),
                                          F_INT(rcpts, 1),      F_BYTES(bytes, 5000),
                                          F_MS(duration, 12),   F_STR(outcome, "OK") };
    const struct event_arg done[] = { F_ADDR(rcpt, to),
                                      F_STR(reply, "250 2.1.5 Delivered to mailbox"),
                                      F_MS(waited, 9) };
    put(r, EVT_smtp_rcpt_accepted, &c, us, rcpt, 1);
    put(r, EVT_smtp_rcpt_accepted, &c, us + 1, rcpt, 1);
    c.message_id = id;
    put(r, EVT_smtp_message_accepted, &c, us + 2, accepted, ARRAY_LEN(accepted));
    put(r, EVT_delivery_local, &c, us + 3, done, ARRAY_LEN(done));
    put(r, EVT_delivery_local, &c, us + 4, done, ARRAY_LEN(done));
}

static void generate(const char *data, unsigned messages)
{
    struct ring_memory memory;
    struct store store;
    char dir[SEGMENT_PATH];
    struct errinfo ei = { 0 };
    int fd = -1;
    int64_t now = clock_wall_us() - (int64_t)messages * 100;
    if (ring_memory_new(&fd, &ei) < 0 || ring_memory_map(fd, &memory, &ei) < 0)
        exit(1);
    store_dir(dir, data, MOD_SMTP);
    store_init(&store, dir, STREAM_EVENTS);
    for (unsigned i = 0; i < messages; i++) {
        put_message(&memory.ring[0], i, now + (int64_t)i * 100);
        if (i % 200 == 199 || i + 1 == messages)
            while (store_flush(&store, &memory.ring[0], 256 * KiB, &ei) > 0)
                ;
    }
    if (*ei.text) {
        fprintf(stderr, "%s\n", ei.text);
        exit(1);
    }
    store_done(&store);
    ring_memory_unmap(&memory);
    double begin = cpu_ns();
    store_maintain(data, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ 0 });
    printf("index       %7.0f ns/event\n", (cpu_ns() - begin) / messages / 5);
}

static bool count(const struct event_view *e, void *arg)
{
    (void)e;
    ++*(size_t *)arg;
    return true;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Each lookup as it was waited for, and its CPU time, which other work on the machine changes less.
 */
struct lookups {
    int64_t wall_us[LOOKUPS], cpu_us[LOOKUPS];
    size_t found;
};

static int64_t thread_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void begin(struct lookups *l, int i)
{
    l->wall_us[i] = clock_mono_us();
    l->cpu_us[i] = thread_us();
}

static void end(struct lookups *l, int i)
{
    l->cpu_us[i] = thread_us() - l->cpu_us[i];
    l->wall_us[i] = clock_mono_us() - l->wall_us[i];
}

static void report(const char *what, struct lookups *l)
{
    qsort(l->wall_us, LOOKUPS, sizeof(*l->wall_us), by_value);
    qsort(l->cpu_us, LOOKUPS, sizeof(*l->cpu_us), by_value);
    printf("lookup      %s: median %.1f ms (CPU %.1f ms), worst %.1f ms (CPU %.1f ms), %zu found "
           "in %d\n",
           what, (double)l->wall_us[LOOKUPS / 2] / 1000, (double)l->cpu_us[LOOKUPS / 2] / 1000,
           (double)l->wall_us[LOOKUPS - 1] / 1000, (double)l->cpu_us[LOOKUPS - 1] / 1000, l->found,
           LOOKUPS);
    l->found = 0;
}

static void bench_lookup(const char *data, unsigned messages)
{
    struct lookups l = { 0 };
    for (int i = 0; i < LOOKUPS; i++) {
        char id[12];
        unsigned n = (unsigned)((uint64_t)i * 7919 * 977 % messages);
        struct event_timeline t;
        snprintf(id, sizeof(id), "%c%c%c%05u", 'A' + n / 100000 / 676 % 26,
                 'A' + n / 100000 / 26 % 26, 'A' + n / 100000 % 26, n % 100000);
        begin(&l, i);
        event_timeline(data, sv_c(id), 0, &t);
        end(&l, i);
        l.found += t.n;
        event_timeline_done(&t);
    }
    report("timeline by message id", &l);
    for (int i = 0; i < LOOKUPS; i++) {
        char address[48];
        snprintf(address, sizeof(address), "user%d@example.test", i);
        struct event_query q = { .address = sv_c(address), .limit = 100 };
        begin(&l, i);
        event_query(data, &q, NULL, count, &l.found, NULL, NULL);
        end(&l, i);
    }
    report("latest 100 of an address", &l);
    for (int i = 0; i < LOOKUPS; i++) {
        struct event_query q = { .limit = 100 };
        begin(&l, i);
        event_query(data, &q, NULL, count, &l.found, NULL, NULL);
        end(&l, i);
    }
    report("latest 100 of all", &l);
}

static void count_message(void *arg, const struct trace *t _unused_)
{
    ++*(size_t *)arg;
}

/* Pages of messages with what became of each, as the console lists them. */
static void bench_messages(const char *data)
{
    struct lookups l = { 0 };
    for (int by_address = 0; by_address < 2; by_address++) {
        for (int i = 0; i < LOOKUPS; i++) {
            char address[48];
            struct trace_query q = { .limit = 100 };
            snprintf(address, sizeof(address), "user%d@example.test", i);
            if (by_address)
                q.address = sv_c(address);
            begin(&l, i);
            trace_find(data, &q, NULL, count_message, &l.found, NULL, NULL);
            end(&l, i);
        }
        report(by_address ? "page of 100 messages of an address" : "page of 100 messages", &l);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_events DIR [EVENTS]\n");
        return 2;
    }
    unsigned messages = (unsigned)(argc > 2 ? strtoul(argv[2], NULL, 10) : 10000000) / 5;
    bench_emit(argv[1]);
    generate(argv[1], messages);
    printf("            %u events\n", messages * 5);
    bench_lookup(argv[1], messages);
    bench_messages(argv[1]);
    return os_remove_tree(argv[1], NULL) < 0;
}
