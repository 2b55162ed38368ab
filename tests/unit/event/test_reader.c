/* Paging, following, merging, timelines and transcripts. */
#include "event_dir.h"

#define NOW_US (INT64_C(1700000000) * 1000000)

struct page {
    int64_t times[4000];
    enum module modules[4000];
    size_t n;
};

static bool add(const struct event_view *e, void *arg)
{
    struct page *p = arg;
    p->modules[p->n] = e->module;
    p->times[p->n++] = e->record.head.time_us;
    return p->n < ARRAY_LEN(p->times);
}

static void page_through(struct event_query q, struct page *p, void (*between)(int page))
{
    struct event_cursor c = { 0 };
    char text[EVENT_CURSOR_TEXT];
    bool more = true;
    p->n = 0;
    for (int i = 0; more; i++) {
        size_t before = p->n;
        assert_int_equal(event_query(data_dir, &q, &c, add, p, &more, NULL), 0);
        assert_true(p->n - before <= q.limit);
        event_cursor_text(&c, text);
        assert_int_equal(event_cursor_parse(sv_c(text), &c), 0);
        if (between && more)
            between(i);
        assert_true(i < 1000);
    }
}

static struct writer growing;

static void append_some(int page)
{
    (void)page;
    put_messages(&growing, 5000, 5010, NOW_US);
}

static void test_pages_are_stable(void **state)
{
    (void)state;
    struct page p;
    writer_open(&growing, MOD_SMTP);
    put_messages(&growing, 0, 600, NOW_US);
    put_messages(&growing, 600, 1200, NOW_US + INT64_C(86400000000));
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ 0 });
    struct writer other;
    writer_open(&other, MOD_ACCESS);
    put_messages(&other, 100, 200, NOW_US + 77);
    writer_close(&other);
    page_through((struct event_query){ .limit = 97 }, &p, append_some);
    assert_int_equal(p.n, 3000 + 250); /* what came later is not in them */
    for (size_t i = 1; i < p.n; i++)
        assert_true(p.times[i] <= p.times[i - 1]);
    size_t of_access = 0;
    for (size_t i = 0; i < p.n; i++)
        of_access += p.modules[i] == MOD_ACCESS;
    assert_int_equal(of_access, 250);
    page_through((struct event_query){ .limit = 7, .name = SV("session.end") }, &p, append_some);
    assert_true(p.n >= 600 + 50);
    writer_close(&growing);
}

static bool removed;

static void remove_oldest(int page)
{
    char path[SEGMENT_PATH];
    if (page != 2 || removed)
        return;
    removed = true;
    segment_path(path, growing.store.dir, STREAM_EVENTS, 1, false);
    assert_int_equal(unlink(path), 0);
}

static void test_pages_survive_retention(void **state)
{
    (void)state;
    struct page p;
    removed = false;
    writer_open(&growing, MOD_SMTP);
    put_messages(&growing, 0, 100, NOW_US);
    put_messages(&growing, 100, 200, NOW_US + INT64_C(86400000000));
    page_through((struct event_query){ .limit = 20 }, &p, remove_oldest);
    assert_int_equal(p.n, 250);
    writer_close(&growing);
}

static void test_following(void **state)
{
    (void)state;
    struct event_cursor c;
    size_t n = 0;
    struct event_query q = { .oldest_first = true };
    writer_open(&growing, MOD_SMTP);
    event_now(data_dir, &c);
    assert_false(event_any_since(data_dir, &c));
    for (int round = 0; round < 5; round++) {
        put_messages(&growing, 0, 10, NOW_US + round * INT64_C(43200000000)); /* across days */
        assert_true(event_any_since(data_dir, &c));
        n = 0;
        assert_int_equal(event_query(data_dir, &q, &c, count_event, &n, NULL, NULL), 0);
        assert_int_equal(n, 25);
        assert_false(event_any_since(data_dir, &c));
        assert_int_equal(event_query(data_dir, &q, &c, count_event, &n, NULL, NULL), 0);
        assert_int_equal(n, 25);
    }
    /* In small bites, with the end of a bite in the middle of a block. */
    put_messages(&growing, 0, 10, NOW_US + 5 * INT64_C(43200000000));
    q.limit = 4;
    n = 0;
    for (int i = 0; i < 8; i++)
        assert_int_equal(event_query(data_dir, &q, &c, count_event, &n, NULL, NULL), 0);
    assert_int_equal(n, 25);
    writer_close(&growing);
}

static void test_bad_questions(void **state)
{
    (void)state;
    struct event_cursor c;
    struct errinfo ei;
    size_t n = 0;
    assert_int_equal(event_cursor_parse(SV("x"), &c), E_PARSE);
    assert_int_equal(event_query(data_dir, &(struct event_query){ .name = SV("no.such") }, NULL,
                                 count_event, &n, NULL, &ei),
                     E_PARSE);
    assert_true(sv_find_sv(sv_c(ei.text), SV("no.such")) >= 0);
    assert_int_equal(query_count(&(struct event_query){ 0 }), 0); /* nothing was ever written */
    char text[EVENT_CURSOR_TEXT];
    for (int m = 0; m < MOD_COUNT; m++) {
        c.at[m].segment = 0xffffffff;
        c.at[m].offset = 0xfffffff0;
    }
    event_cursor_text(&c, text);
    writer_open(&growing, MOD_SMTP);
    put_messages(&growing, 0, 10, NOW_US);
    assert_int_equal(event_cursor_parse(sv_c(text), &c), 0);
    assert_int_equal(event_query(data_dir, &(struct event_query){ .oldest_first = true }, &c,
                                 count_event, &n, NULL, NULL),
                     0);
    assert_int_equal(n, 0);
    writer_close(&growing);
}

static void test_timeline_with_notice(void **state)
{
    (void)state;
    struct event_timeline t;
    writer_open(&growing, MOD_SMTP);
    put_messages(&growing, 0, 50, NOW_US);
    struct logctx parent = { .message = 0x7000000000000007u, .message_id = "AAA00007" };
    struct logctx child = { .message = 0x99, .message_id = "ZZZ00001" };
    const struct event_arg queued[] = { F_ADDR(sender, "s7@example.org"), F_STR(kind, "failed"),
                                        F_ID(child, "ZZZ00001"), F_KEY(child_key, 0x99) };
    const struct event_arg accepted[] = { F_ID(parent, "AAA00007") };
    const struct event_arg done[] = { F_ADDR(rcpt, "s7@example.org") };
    struct ring *r = &growing.memory.ring[0];
    put_event(r, EVT_notice_accepted, &child, NOW_US + 900000, accepted, 1);
    put_event(r, EVT_notice_queued, &parent, NOW_US + 900001, queued, ARRAY_LEN(queued));
    put_event(r, EVT_delivery_local, &child, NOW_US + 900002, done, 1);
    writer_flush(&growing);
    writer_close(&growing);
    assert_int_equal(event_timeline(data_dir, SV("aaa00007"), 0, &t), 0);
    assert_int_equal(t.n, 5);
    static const char *const names[] = { "smtp.rcpt.accepted", "smtp.message.accepted",
                                         "notice.accepted", "notice.queued",
                                         "delivery.local.done" };
    for (size_t i = 0; i < t.n; i++)
        assert_string_equal(t.events[i].def->name, names[i]);
    event_timeline_done(&t);
    assert_int_equal(event_timeline(data_dir, SV("NOP00000"), 0, &t), 0);
    assert_int_equal(t.n, 0);
    event_timeline_done(&t);
}

/* Several messages at once: all their events and no others, from the index and from what has none.
 */
static void test_timelines_of_several(void **state)
{
    (void)state;
    struct event_timeline t, one;
    uint64_t keys[3] = { 0 };
    static const char *const ids[] = { "AAA00003", "AAA00250", "AAA00599" };
    size_t sum = 0;
    writer_open(&growing, MOD_SMTP);
    put_messages(&growing, 0, 300, NOW_US);
    put_messages(&growing, 300, 600, NOW_US + INT64_C(86400000000));
    store_maintain(data_dir, MOD_SMTP, STREAM_EVENTS, &(struct store_limits){ 0 });
    writer_close(&growing);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_int_equal(event_timeline(data_dir, sv_c(ids[i]), 0, &one), 0);
        keys[i] = one.events[0].record.head.message;
        sum += one.n;
        event_timeline_done(&one);
    }
    assert_true(keys[0] < keys[1] && keys[1] < keys[2]);
    assert_int_equal(event_timelines(data_dir, keys, 3, &t), 0);
    assert_int_equal(t.n, sum);
    for (size_t i = 0; i < t.n; i++) {
        uint64_t k = t.events[i].record.head.message;
        assert_true(k == keys[0] || k == keys[1] || k == keys[2]);
    }
    event_timeline_done(&t);
    assert_int_equal(event_timelines(data_dir, keys, 0, &t), 0);
    assert_int_equal(t.n, 0);
    event_timeline_done(&t);
}

/* Looking at a candidate takes a millisecond. */
static bool slowly(const struct event_view *e, void *arg)
{
    (void)e;
    (void)arg;
    clock_test_advance(1);
    return true;
}

static void test_budget_goes_on_later(void **state)
{
    (void)state;
    writer_open(&growing, MOD_SMTP);
    for (int day = 0; day < 20; day++)
        put_messages(&growing, 0, 100, NOW_US + day * INT64_C(86400000000));
    writer_close(&growing);
    clock_test_freeze(NOW_US / 1000);
    for (int oldest_first = 0; oldest_first < 2; oldest_first++) {
        struct event_query q = { .address = SV("s3@example.org"),
                                 .oldest_first = oldest_first,
                                 .match = slowly,
                                 .budget_ms = 1 };
        struct event_cursor c = { 0 };
        size_t n = 0, rounds = 0;
        for (bool more = true; more; rounds++) {
            assert_int_equal(event_query(data_dir, &q, &c, count_event, &n, &more, NULL), 0);
            assert_true(rounds < 100);
        }
        assert_int_equal(n, 40);
        assert_true(rounds > 5);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, make_data_dir, remove_data_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pages_are_stable),     T(test_pages_survive_retention), T(test_following),
        T(test_bad_questions),        T(test_timeline_with_notice),    T(test_timelines_of_several),
        T(test_budget_goes_on_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
