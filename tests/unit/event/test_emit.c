/* The way from the call to the file: lines, counters, records, transcripts; what happens when the
 * files cannot be written. */
#include "event_dir.h"

#include "event/share.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>

static struct logctx ctx = { .type = LOG_SMTP,
                             .id = 0xabc1b6c,
                             .source = "192.0.2.7",
                             .prefix = "",
                             .service = 1 + SVC_SMTP,
                             .session = 0x655d78000abc1b6c };

static int begin(void **state)
{
    static const struct event_conf conf = { .enabled = true, .transcripts = true };
    if (make_data_dir(state) < 0)
        return -1;
    event_configure(&conf);
    return event_start(data_dir, MOD_SMTP, -1, NULL);
}

static int end(void **state)
{
    event_stop();
    return remove_data_dir(state);
}

static uint64_t counter(enum counter c)
{
    return ctr_get(shm_current(), c);
}

static void test_one_call(void **state)
{
    (void)state;
    struct buf lines;
    buf_init(&lines, 4096);
    uint64_t before = counter(CTR_smtp_messages_in);
    setenv("TZ", "UTC", 1);
    clock_test_freeze(1317811634874);
    log_test_capture(&lines);
    ctx.message_id = "OSA88513";
    ctx.message = 42;
    event(smtp_message_accepted, &ctx, F_ADDR(sender, "a@example.org"),
          F_ADDR(rcpt, "b\x1b@example.test"), F_INT(rcpts, 2), F_BYTES(bytes, 382),
          F_MS(duration, 12345), F_STR(outcome, "OK"));
    log_test_capture(NULL);
    ctx.message_id = NULL;
    ctx.message = 0;
    assert_true(
        sv_eq(buf_sv(&lines),
              SV("192.0.2.7       [1B6C] 10:47:14 *** <a@example.org> <b\\x1b@example.test> "
                 "2 382 00:00:12 OK OSA88513\n")));
    buf_done(&lines);
    event_flush();
    assert_int_equal(counter(CTR_smtp_messages_in), before + 1);
    assert_int_equal(query_count(&(struct event_query){ .msgid = SV("OSA88513") }), 1);
    assert_int_equal(query_count(&(struct event_query){ .session = ctx.session }), 1);
}

static bool add_line(const struct transcript_line *l, void *arg)
{
    static const char *const marks[] = { "", "<", ">", "*" };
    buf_add_str(arg, marks[l->type]);
    buf_add_sv(arg, l->text);
    buf_add_c(arg, '|');
    return true;
}

static void test_transcript_at_any_level(void **state)
{
    (void)state;
    struct event_cursor c = { 0 };
    struct buf got, lines;
    buf_init(&got, 64 * KiB);
    buf_init(&lines, 64 * KiB);
    log_test_capture(&lines);
    log_set_level(LOG_SMTP, LOG_NONE);
    event(smtp_session_start, &ctx, F_IP(local, "192.0.2.1"));
    log_in(&ctx, SV("EHLO x\r\n"));
    log_out(&ctx, SV("250-a\r\n250 b\r\n"));
    event_flush();
    event_transcript(data_dir, ctx.session, &c, add_line, &got);
    assert_true(sv_eq(buf_sv(&got), SV("*Connected, local IP=192.0.2.1|<EHLO x|>250-a\n250 b|")));
    buf_reset(&got);
    log_line(&ctx, LOG_DEBUG, "SSL: %s", "x");
    log_line(&ctx, LOG_EXTENDED, "not part of it");
    event_flush();
    event_transcript(data_dir, ctx.session, &c, add_line, &got);
    assert_true(sv_eq(buf_sv(&got), SV("*SSL: x|")));
    assert_int_equal(lines.n, 0);
    log_set_level(LOG_SMTP, LOG_DEBUG);
    log_test_capture(NULL);
    buf_done(&lines);
    buf_done(&got);
}

static void test_errors_are_events(void **state)
{
    (void)state;
    struct buf lines;
    buf_init(&lines, 4096);
    log_test_capture(&lines);
    log_error("the %s is full", "disk");
    log_test_capture(NULL);
    buf_done(&lines);
    event_flush();
    assert_int_equal(query_count(&(struct event_query){ .severity = SEV_ERROR }), 1);
    assert_int_equal(query_count(&(struct event_query){ .name = SV("server.error") }), 1);
}

enum { THREADS = 8, EACH = 5000 };

static void *emit_many(void *arg)
{
    for (int i = 0; i < EACH; i++)
        event(smtp_rcpt_accepted, &ctx, F_ADDR(rcpt, (const char *)arg));
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[THREADS];
    static char names[THREADS][32];
    uint64_t lost = counter(CTR_events_lost);
    for (int i = 0; i < THREADS; i++) {
        snprintf(names[i], sizeof(names[i]), "r%d@example.test", i);
        assert_int_equal(pthread_create(&t[i], NULL, emit_many, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    event_flush();
    lost = counter(CTR_events_lost) - lost;
    assert_int_equal(query_count(&(struct event_query){ .name = SV("smtp.rcpt.accepted") }) + lost,
                     THREADS * EACH);
    assert_int_equal(query_count(&(struct event_query){ .address = SV("r3@example.test") }) <= EACH,
                     1);
}

/* No volume: mail goes on, losses are counted, and told once it works again. */
static void test_a_store_that_cannot_be_written(void **state)
{
    (void)state;
    char status[100];
    snprintf(status, sizeof(status), "%s/status", data_dir);
    uint64_t lost = counter(CTR_events_lost);
    int fd = open(status, O_CREAT | O_WRONLY, 0600); /* a file where a directory should be */
    assert_true(fd >= 0);
    close(fd);
    event(smtp_rcpt_accepted, &ctx, F_ADDR(rcpt, "first@example.test"));
    event_flush();
    int64_t begin_ms = clock_mono_ms();
    for (int i = 0; i < 20000; i++)
        event(smtp_rcpt_accepted, &ctx, F_ADDR(rcpt, "many@example.test"));
    assert_true(clock_mono_ms() - begin_ms < 5000);
    assert_true(counter(CTR_events_lost) > lost);
    assert_int_equal(unlink(status), 0);
    for (int i = 0; i < 100 && !query_count(&(struct event_query){ .name = SV("events.lost") });
         i++)
        event_flush();
    assert_int_equal(query_count(&(struct event_query){ .name = SV("events.lost") }), 1);
    assert_int_equal(query_count(&(struct event_query){ .address = SV("first@example.test") }), 1);
    lost = counter(CTR_events_lost) - lost;
    assert_int_equal(query_count(&(struct event_query){ .address = SV("many@example.test") }),
                     20000 - lost);
}

/* --- a volume that is slow --- */

static atomic_bool stalled;
static atomic_uint blocks;

/* As libc's, but that the volume can stand still. */
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    ssize_t done = 0;
    while (atomic_load(&stalled))
        poll(NULL, 0, 1);
    atomic_fetch_add(&blocks, 1);
    for (int i = 0; i < n; i++) {
        ssize_t r = pwrite(fd, v[i].iov_base, v[i].iov_len, at + done);
        if (r < 0)
            return r;
        done += r;
        if ((size_t)r < v[i].iov_len)
            break;
    }
    return done;
}

/* One event may wait; those behind it do not until something has been written. */
static void test_a_volume_that_stands_still(void **state)
{
    (void)state;
    uint64_t lost = counter(CTR_events_lost);
    event(smtp_rcpt_accepted, &ctx, F_ADDR(rcpt, "first@example.test"));
    event_flush();
    assert_true(atomic_load(&blocks) > 0);
    atomic_store(&stalled, true);
    int64_t begin_ms = clock_mono_ms();
    for (int i = 0; i < 40000; i++)
        event(smtp_rcpt_accepted, &ctx, F_ADDR(rcpt, "many@example.test"));
    int64_t took_ms = clock_mono_ms() - begin_ms;
    lost = counter(CTR_events_lost) - lost;
    atomic_store(&stalled, false);
    event_flush();
    assert_true(lost > 1000);
    assert_true(took_ms < (int64_t)lost); /* not 50 ms each */
    for (int i = 0; i < 100 && !query_count(&(struct event_query){ .name = SV("events.lost") });
         i++)
        event_flush();
    assert_int_equal(query_count(&(struct event_query){ .address = SV("many@example.test") }),
                     40000 - lost);
    assert_int_equal(query_count(&(struct event_query){ .name = SV("events.lost") }), 1);
}

/* --- shares --- */

static void junk(const struct logctx *c, int n)
{
    for (int i = 0; i < n; i++) {
        event(smtp_command_refused, c, F_STR(reply, "500 5.5.1 what?"));
        log_in(c, SV("JUNK JUNK JUNK"));
        if (i % 500 == 0)
            event_flush();
    }
    event_flush();
}

static size_t events_of(const char *ip, const char *name)
{
    return query_count(&(struct event_query){ .ip = sv_c(ip), .name = sv_c(name) });
}

/* One stranger fills his share and no more; others, those who have logged in and messages stay. */
static void test_a_stranger_has_a_share(void **state)
{
    (void)state;
    struct event_conf conf = { .enabled = true,
                               .transcripts = true,
                               .days = 10,
                               .transcript_days = 10,
                               .max_bytes = 4 * MiB,
                               .transcript_max_bytes = 4 * MiB,
                               .peer_share = 25 };
    struct logctx evil = ctx, good = ctx, user = ctx, local = ctx, out = ctx;
    uint64_t over = counter(CTR_events_over_share),
             over_lines = counter(CTR_transcript_lines_over_share);
    snprintf(evil.source, sizeof(evil.source), "198.51.100.66");
    snprintf(good.source, sizeof(good.source), "198.51.100.67");
    snprintf(user.source, sizeof(user.source), "198.51.100.68");
    snprintf(local.source, sizeof(local.source), "127.0.0.9");
    snprintf(out.source, sizeof(out.source), "198.51.100.69");
    user.account = "a@example.test";
    out.prefix = LOG_CLIENT;
    event_configure(&conf);
    for (int i = 0; i < 8; i++) { /* in sessions that each have their own share */
        evil.session++;
        junk(&evil, 1000);
    }
    size_t kept = events_of("198.51.100.66", "smtp.command.refused");
    assert_true(kept > 200 && kept < 2000);
    assert_true(counter(CTR_events_over_share) - over == 8000 - kept);
    assert_true(counter(CTR_transcript_lines_over_share) - over_lines > 5000);
    assert_true(events_of("198.51.100.66", "events.capped") >= 2);
    evil.message = 77;
    event(smtp_rcpt_accepted, &evil, F_ADDR(rcpt, "b@example.test"));
    event(smtp_rcpt_refused, &evil, F_ADDR(rcpt, "c@example.test"), F_CODE(code, 550));
    event_flush();
    assert_int_equal(events_of("198.51.100.66", "smtp.rcpt.accepted"), 1);
    assert_int_equal(events_of("198.51.100.66", "smtp.rcpt.refused"), 0);
    good.session = user.session = local.session = out.session = 0x77;
    over = counter(CTR_events_over_share);
    junk(&good, 10);
    junk(&user, 3000);
    junk(&local, 3000);
    junk(&out, 3000);
    assert_int_equal(counter(CTR_events_over_share), over);
    assert_int_equal(events_of("198.51.100.67", "smtp.command.refused"), 10);
    assert_int_equal(events_of("198.51.100.68", "smtp.command.refused"), 3000);
    conf.peer_share = 0;
    event_configure(&conf);
    evil.message = 0;
    junk(&evil, 10);
    assert_int_equal(counter(CTR_events_over_share), over);
}

/* A session has a quarter of its address's share. */
static void test_shares_of_sessions_and_networks(void **state)
{
    (void)state;
    static struct share s = { .limit = 1000 };
    struct logctx c = { .session = 1, .prefix = "" };
    bool first = false;
    snprintf(c.source, sizeof(c.source), "2001:db8:1:2::1");
    assert_true(share_take(&s, &c, 250, 1, &first));
    assert_false(share_take(&s, &c, 1, 1, &first));
    assert_true(first);
    assert_false(share_take(&s, &c, 1, 1, &first));
    assert_false(first); /* told once */
    c.session = 2;
    snprintf(c.source, sizeof(c.source), "2001:db8:1:2:ffff::1"); /* of the same /64 */
    assert_true(share_take(&s, &c, 250, 1, &first));
    c.session = 0;
    assert_true(share_take(&s, &c, 500, 1, &first));
    assert_false(share_take(&s, &c, 1, 1, &first));
    snprintf(c.source, sizeof(c.source), "2001:db8:1:3::1");
    assert_true(share_take(&s, &c, 1000, 1, &first));
    assert_true(share_take(&s, &c, 1000, 2, &first)); /* of the next day */
    for (int i = 0; i < 100000; i++) { /* many small ones do not make him forgotten */
        struct logctx small = { .prefix = "" };
        snprintf(small.source, sizeof(small.source), "203.%d.%d.1", i / 256 % 256, i % 256);
        share_take(&s, &small, 10, 2, &first);
    }
    assert_false(share_take(&s, &c, 1, 2, &first));
    assert_true(share_limit(4096 * MiB, 30, 50) < 4096 * MiB / 30);
    assert_int_equal(share_limit(0, 30, 50), 0);
    assert_int_equal(share_limit(4096 * MiB, 30, 0), 0);
}

static void test_memory_outlives_the_process(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(make_data_dir(state), 0);
    assert_int_equal(event_memory_new(&fd, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        event_start(data_dir, MOD_ACCESS, fd, NULL);
        for (int i = 0; i < 100; i++)
            event(smtp_rcpt_accepted, &ctx, F_ADDR(rcpt, "x@example.test"));
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    event_drain(data_dir, MOD_ACCESS, fd);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 100);
    close(fd);
    remove_data_dir(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_one_call),
        T(test_transcript_at_any_level),
        T(test_errors_are_events),
        T(test_threads),
        T(test_a_store_that_cannot_be_written),
        T(test_a_volume_that_stands_still),
        T(test_a_stranger_has_a_share),
        cmocka_unit_test(test_shares_of_sessions_and_networks),
        cmocka_unit_test(test_memory_outlives_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
