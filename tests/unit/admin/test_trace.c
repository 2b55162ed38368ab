/* What became of a message, by its events, and finding it by that. */
#include "../event/event_dir.h"

#include "admin/trace.h"

#define NOW_US (INT64_C(1700000000) * 1000000)

/* of: what happened, in turn. A letter for each recipient: d(elivered), f(ailed, the sender is
 * told), w(aits), x: deleted for him, with his number; X: deleted as a whole, L: lost. */
static const struct life {
    const char *of;
    enum trace_status status;
    const char *says; /* begin of the sentence */
} lives[] = {
    { "d0 d1 d2", TRACE_DELIVERED, "delivered to 3 of 3" },
    { "d0 w1 w2", TRACE_WAITING, "waiting for the next attempt: 2 of 3" },
    { "d0 f1 d2", TRACE_MIXED, "1 of 3 recipients will not get it; the sender was told" },
    { "f0 f1 f2", TRACE_BOUNCED, "3 of 3 recipients will not get it; the sender was told" },
    { "d0 w1 x1 d2", TRACE_MIXED,
      "1 of 3 recipients will not get it; deleted by an administrator, without a notice: 1" },
    { "d0 f1 w2 x2", TRACE_MIXED,
      "2 of 3 recipients will not get it; the sender was told; deleted by an administrator, "
      "without a notice: 1" },
    { "w0 x0 f1 f2", TRACE_BOUNCED,
      "3 of 3 recipients will not get it; the sender was told; deleted by an administrator, "
      "without a notice: 1" },
    { "w0 w1 w2 x0 x1 x2", TRACE_DELETED, "deleted from the queue" },
    { "w0 w1 w2 x0", TRACE_WAITING, "waiting for the next attempt: 2 of 3" },
    { "w0 w1 w2 X", TRACE_DELETED, "deleted from the queue" },
    { "X", TRACE_DELETED, "deleted from the queue" },
    { "d0 w1 w2 X", TRACE_MIXED,
      "2 of 3 recipients will not get it; deleted by an administrator, without a notice: 2" },
    { "d0 f1 w2 X", TRACE_MIXED,
      "2 of 3 recipients will not get it; the sender was told; deleted by an administrator, "
      "without a notice: 1" },
    { "f0 w1 w2 X", TRACE_BOUNCED,
      "3 of 3 recipients will not get it; the sender was told; deleted by an administrator, "
      "without a notice: 2" },
    { "d0 w1 x1 w2 f2", TRACE_MIXED, "2 of 3 recipients will not get it; the sender was told" },
    { "d0 w1 L", TRACE_LOST, "lost" },
    { "", TRACE_ACCEPTED, "accepted" },
};

static uint64_t key_of(size_t i)
{
    return UINT64_C(0x7000000000000000) + i;
}

static void happen(struct writer *w, const struct logctx *c, char what, int who, int64_t time_us)
{
    _cleanup_(freep) char *to = xasprintf("r%d@example.test", who);
    const struct event_arg rcpt[] = { F_ADDR(rcpt, to), F_STR(reply, "550 no") };
    const struct event_arg deleted[] = { F_STR(object, "AAA00000"), F_STR(admin, "root"),
                                         F_ADDR(rcpt, who < 0 ? NULL : to) };
    enum event_type t = what == 'd'   ? EVT_delivery_remote
                        : what == 'f' ? EVT_delivery_failed
                        : what == 'w' ? EVT_delivery_deferred
                        : what == 'L' ? EVT_message_lost
                                      : EVT_queue_deleted;
    bool gone = t == EVT_queue_deleted;

    put_event(&w->memory.ring[0], t, c, time_us, gone ? deleted : rcpt,
              t == EVT_message_lost ? 0
              : gone                ? ARRAY_LEN(deleted)
                                    : ARRAY_LEN(rcpt));
}

static void live(struct writer *w, size_t i)
{
    char id[12];
    int64_t at_us = NOW_US + (int64_t)i * 1000000;
    struct logctx c = { .type = LOG_SMTP,
                        .service = 1 + SVC_SMTP,
                        .session = UINT64_C(0x5000000000000000) + i,
                        .message = key_of(i),
                        .message_id = id };
    const struct event_arg accepted[] = { F_ADDR(sender, "s@example.org"), F_INT(rcpts, 3) };
    struct sv rest = sv_c(lives[i].of);

    snprintf(id, sizeof(id), "AAA%05zu", i);
    for (int k = 0; k < 3; k++) {
        _cleanup_(freep) char *to = xasprintf("r%d@example.test", k);
        const struct event_arg rcpt[] = { F_ADDR(rcpt, to) };

        put_event(&w->memory.ring[0], EVT_smtp_rcpt_accepted, &c, at_us++, rcpt, 1);
    }
    put_event(&w->memory.ring[0], EVT_smtp_message_accepted, &c, at_us++, accepted, 2);
    c.service = 0;
    c.session = 0;
    while (rest.n) {
        struct sv word = sv_split(&rest, ' ');

        happen(w, &c, word.p[0], word.n > 1 ? word.p[1] - '0' : -1, at_us++);
    }
    writer_flush(w);
}

static int begin(void **state)
{
    struct writer w;
    int r = make_data_dir(state);

    writer_open(&w, MOD_SMTP);
    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        live(&w, i);
    writer_close(&w);
    return r;
}

static void what_became_of_it(void **state _unused_)
{
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        struct event_timeline tl;
        struct trace t;
        struct buf says;

        assert_int_equal(event_timeline(data_dir, SV_NULL, key_of(i), &tl), 0);
        trace_make(&tl, key_of(i), NULL, &t);
        buf_init(&says, 1024);
        trace_sentence(&t, &says);
        if (t.status != lives[i].status || !sv_starts(buf_sv(&says), sv_c(lives[i].says)))
            fail_msg("'%s' is %s: %.*s", lives[i].of, trace_statuses[t.status], (int)says.n,
                     says.p);
        buf_done(&says);
        trace_done(&t);
        event_timeline_done(&tl);
    }
}

struct found {
    size_t n;
    bool of[ARRAY_LEN(lives)];
};

static void note(void *arg, const struct trace *t)
{
    struct found *f = arg;

    f->n++;
    f->of[t->key - key_of(0)] = true;
}

/* By the index of rare events, and by an address. */
static void found_by_it(void **state _unused_)
{
    for (int status = 0; status < TRACE_STATUS_COUNT; status++)
        for (int way = 0; way < 2; way++) {
            struct trace_query q = { .status = 1 + status,
                                     .sender = way ? SV("s@example.org") : SV_NULL };
            struct found f = { 0 };
            size_t n = 0;

            assert_true(trace_find(data_dir, &q, NULL, note, &f, NULL, NULL) >= 0);
            for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
                if (f.of[i] != (lives[i].status == (enum trace_status)status))
                    fail_msg("'%s' is %sfound as %s", lives[i].of, f.of[i] ? "" : "not ",
                             trace_statuses[status]);
                n += f.of[i];
            }
            assert_int_equal(f.n, n); /* each once */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_became_of_it),
        cmocka_unit_test(found_by_it),
    };
    return cmocka_run_group_tests(tests, begin, remove_data_dir);
}
