/* The event stream without sockets: what a stream begins with, what it is told of what it missed.
 */
#include "api_test.h"

#include "server/api/api_priv.h"
#include "server/api/feed.h"

static void nothing(void *arg _unused_)
{
}

static struct api_stream *open_stream(const struct api_caller *who, const char *topics,
                                      const char *last_id)
{
    _cleanup_(freep) char *path = xasprintf("/events?topics=%s", topics);
    struct api_request r = request(who, "GET", path, NULL);
    struct api_response res;
    struct api_stream *s;

    r.last_event_id = last_id;
    api_handle(api, &r, &res);
    assert_int_equal(res.status, 200);
    s = take_ptr(res.stream);
    assert_non_null(s);
    api_response_done(&res);
    api_stream_on_ready(s, nothing, NULL);
    return s;
}

/* The next event: its id, "type topic" and data; comments are left out. False: nothing is there. */
struct seen {
    uint64_t id;
    char what[64];
    char *text; /* data */
};

static char *pending;

static bool next(struct api_stream *s, struct seen *ret)
{
    static char buf[4 * MiB];
    static size_t n;
    char *end, topic[32];
    const char *at;

    if (!pending) {
        pending = buf;
        n = 0;
        buf[0] = '\0';
    }
    for (;;) {
        ssize_t k;

        while (*pending == ':' && (end = strstr(pending, "\n\n")))
            pending = end + 2;
        end = strstr(pending, "\n\n");
        if (end)
            break;
        n = strlen(pending);
        memmove(buf, pending, n + 1);
        pending = buf;
        k = api_stream_read(s, buf + n, sizeof(buf) - n - 1, nothing);
        if (k <= 0)
            return false;
        buf[n + (size_t)k] = '\0';
    }
    *end = '\0';
    assert_int_equal(sscanf(pending, "id: %" SCNu64 "\nevent: %30s", &ret->id, ret->what), 2);
    ret->text = strstr(pending, "\ndata: ") + 7;
    at = strstr(ret->text, "\"topic\":\"");
    assert_non_null(at);
    sscanf(at + 9, "%31[^\"]", topic);
    snprintf(ret->what + strlen(ret->what), 34, " %s", topic);
    pending = end + 2;
    return true;
}

static void close_stream(struct api_stream *s)
{
    pending = NULL;
    api_stream_free(s);
}

static void expect(struct api_stream *s, const char *what)
{
    struct seen e;

    if (!next(s, &e))
        fail_msg("nothing comes; expected: %s", what);
    assert_string_equal(e.what, what);
}

static void publish(enum topic t, const char *type, const char *id)
{
    feed_publish(api->feed, t, type, json_pack("{s:s}", "id", id));
}

static void a_stream_goes_on_where_it_ended(void **state _unused_)
{
    struct api_stream *s = open_stream(root, "sessions", NULL), *other;
    struct seen first, e;
    char last[24];

    expect(s, "snapshot sessions");
    publish(TOPIC_SESSIONS, "remove", "1");
    publish(TOPIC_SESSIONS, "remove", "2");
    assert_true(next(s, &first));
    assert_string_equal(first.what, "remove sessions");
    snprintf(last, sizeof(last), "%" PRIu64, first.id);
    close_stream(s);
    other = open_stream(root, "sessions", last);
    assert_true(next(other, &e));
    assert_string_equal(e.what, "remove sessions");
    assert_non_null(strstr(e.text, "\"2\""));
    assert_true(e.id > first.id);
    assert_false(next(other, &e));
    close_stream(other);
    /* An id of another time is not known: everything anew. */
    other = open_stream(root, "sessions", "7");
    expect(other, "snapshot sessions");
    close_stream(other);
}

/* More is published than is kept, before the stream reads on. */
static void a_slow_stream_is_told_what_it_missed(void **state _unused_)
{
    struct api_stream *s = open_stream(root, "sessions,operations", NULL);
    struct api_stream *hints = open_stream(dom, "sessions", NULL);
    _cleanup_(freep) char *large = xcalloc(1, 10001);
    struct seen e;
    uint64_t last = 0;
    unsigned rows = 0;

    expect(s, "snapshot sessions");
    expect(s, "invalidate operations");
    pending = NULL;
    expect(hints, "invalidate sessions");
    pending = NULL;
    memset(large, 'x', 10000);
    for (int i = 0; i < 300; i++)
        publish(TOPIC_SESSIONS, "remove", large);
    expect(s, "resync sessions"); /* and nothing of operations, where nothing was lost */
    while (next(s, &e)) {
        assert_string_equal(e.what, "remove sessions");
        assert_true(e.id > last);
        last = e.id;
        rows++;
    }
    assert_true(rows > 100 && rows < 300);
    publish(TOPIC_SESSIONS, "remove", "3");
    expect(s, "remove sessions"); /* told once */
    pending = NULL;
    expect(hints, "invalidate sessions");
    close_stream(s);
    close_stream(hints);
}

/* What comes between the snapshot and the first look belongs to neither. */
static void rows_between_snapshot_and_first_look(void **state _unused_)
{
    json_t *one = json_pack("[{s:s}, {s:s}]", "id", "A", "id", "B");
    json_t *two = json_pack("[{s:s}, {s:s}]", "id", "B", "id", "A");
    json_t *less = json_pack("[{s:s}]", "id", "A");

    assert_true(feed_rows_sum(one) == feed_rows_sum(two));
    assert_true(feed_rows_sum(one) != feed_rows_sum(less));
    assert_true(feed_rows_sum(NULL) == 0);
    json_decref(one);
    json_decref(two);
    json_decref(less);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_goes_on_where_it_ended),
        cmocka_unit_test(a_slow_stream_is_told_what_it_missed),
        cmocka_unit_test(rows_between_snapshot_and_first_look),
    };
    int r = cmocka_run_group_tests(tests, begin, end);
    json_decref(got.body);
    return r;
}
