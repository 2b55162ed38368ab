/* Pages of the queue: every order, row by row over all pages, with and without a filter. */
#include "../mail/queue/queue_test.h"

#include "proc/queue_requests.h"

enum { MESSAGES = 1300, LIMIT = 70 };

static struct env e;

static int setup(void **state)
{
    (void)state;
    env_make(&e);
    settings("1MiB", "64MiB", "1h");
    env_open(&e);
    for (int i = 0; i < MESSAGES; i++) {
        struct message *m = make_message(200 + (size_t)(i * 7919 % 500), 0, 1);
        char sender[60], to[60], path[4096], final[4096];
        struct buf env;
        snprintf(sender, sizeof(sender), "u%d@one.test", i % 50);
        snprintf(to, sizeof(to), "x@d%d.test", i % 37);
        message_set(&m->sender, sv_c(sender));
        message_remove_rcpts(m, 0, 1);
        message_add_rcpt(m, sv_c(to), RCPT_REMOTE);
        m->received_ms = 1700000000000 + i * 31 % 400;
        m->attempts = (unsigned)i % 5;
        m->held = i % 10 == 0;
        buf_init(&env, 1 * MiB);
        assert_int_equal(message_envelope_encode(m, &env), 0);
        assert_int_equal(spool_write(e.q, m->item, ".tms", m->content, SV_NULL), 0);
        assert_int_equal(spool_write_env(e.q, m->item, m->key, 1, buf_sv(&env)), 0);
        spool_path(e.q, m->item, ".tm$.new", path);
        spool_path(e.q, m->item, ".tm$", final);
        assert_int_equal(rename(path, final), 0);
        buf_done(&env);
        message_unref(m);
    }
    env_crash(&e);
    env_open(&e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    env_close(&e);
    env_remove(&e);
    return 0;
}

static const char *text(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static json_int_t number(json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

/* <0: x comes first in the order. */
static int compare(json_t *x, json_t *y, const char *field, bool down)
{
    int r;
    if (json_is_string(json_object_get(x, field))) {
        r = strcmp(text(x, field), text(y, field));
    } else {
        json_int_t a = number(x, field), b = number(y, field);
        r = a < b ? -1 : a > b;
    }
    if (!strcmp(field, "received_ms"))
        r = -r; /* by age */
    if (!r)
        r = strcmp(text(x, "id"), text(y, "id"));
    return down ? -r : r;
}

/* Over all pages: each row once, in order. */
static void walk(const char *sort, const char *field, const char *sender, json_int_t expected)
{
    char after[300] = "";
    json_t *last = NULL;
    json_int_t rows = 0;
    bool more = true;
    while (more) {
        json_t *args = json_pack("{s:s, s:i, s:s, s:{s:s*}}", "sort", sort, "limit", LIMIT, "after",
                                 after, "filter", "sender", sender);
        json_t *page = queue_request(e.q, NULL, "queue.page", args), *row;
        const char *next = text(page, "next");
        size_t i;
        assert_int_equal(number(page, "total"), expected);
        assert_true(json_array_size(json_object_get(page, "rows")) <= LIMIT);
        json_array_foreach(json_object_get(page, "rows"), i, row)
        {
            if (last && compare(last, row, field, *sort == '-') >= 0)
                fail_msg("by %s: %s comes before %s", sort, text(last, "id"), text(row, "id"));
            json_decref(last);
            last = json_incref(row);
            rows++;
        }
        more = next;
        snprintf(after, sizeof(after), "%s", next ? next : "");
        json_decref(args);
        json_decref(page);
    }
    json_decref(last);
    assert_int_equal(rows, expected);
}

static void test_every_order(void **state)
{
    static const struct {
        const char *sort, *field;
    } orders[] = {
        { "age", "received_ms" },      { "size", "size" },     { "attempts", "attempts" },
        { "next_try", "next_try_ms" }, { "sender", "sender" }, { "recipient", "recipient" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        char down[20];
        snprintf(down, sizeof(down), "-%s", orders[i].sort);
        walk(orders[i].sort, orders[i].field, NULL, MESSAGES);
        walk(down, orders[i].field, NULL, MESSAGES);
        walk(down, orders[i].field, "u7@", MESSAGES / 50);
    }
}

/* With a filter the messages are counted, without one the queue knows. */
static void test_same_numbers(void **state)
{
    (void)state;
    json_t *args = json_pack("{s:i}", "limit", 5);
    json_t *counting = json_pack("{s:i, s:{s:s}}", "limit", 5, "filter", "sender", "@one.test");
    json_t *kept = queue_request(e.q, NULL, "queue.page", args);
    json_t *counted = queue_request(e.q, NULL, "queue.page", counting);
    assert_true(json_equal(kept, counted));
    assert_int_equal(number(kept, "total"), MESSAGES);
    assert_int_equal(number(json_object_get(kept, "states"), "held"), MESSAGES / 10);
    json_decref(args);
    json_decref(counting);
    json_decref(kept);
    json_decref(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_order),
        cmocka_unit_test(test_same_numbers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
