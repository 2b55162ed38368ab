/* A queue of so many messages that its files are read by several threads, with damage among them.
 */
#include "queue_test.h"

#include "base/hash.h"
#include "mail/queue/found.h"

#include <dirent.h>
#include <fcntl.h>

enum { MANY = 2500 };

static struct env e;

static int setup(void **state)
{
    (void)state;
    env_make(&e);
    settings("1MiB", "64MiB", "1h");
    env_open(&e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_freeze(0);
    if (e.q)
        env_close(&e);
    env_remove(&e);
    return 0;
}

static unsigned files(const char *suffix)
{
    DIR *d = opendir(e.out);
    struct dirent *f;
    unsigned n = 0;
    while ((f = readdir(d)))
        n += sv_iends(sv_c(f->d_name), sv_c(suffix));
    closedir(d);
    return n;
}

static void rename_file(const char *item, const char *from, const char *to)
{
    char a[4096], b[4096];
    spool_path(e.q, item, from, a);
    spool_path(e.q, item, to, b);
    assert_int_equal(rename(a, b), 0);
}

static void write_file(const char *item, const char *suffix, struct sv text)
{
    assert_int_equal(spool_write(e.q, item, suffix, text, SV_NULL), 0);
}

/* Its files, as a checkpoint leaves them. */
static void put_in_files(const struct message *m)
{
    struct buf env;
    buf_init(&env, 1 * MiB);
    assert_int_equal(message_envelope_encode(m, &env), 0);
    write_file(m->item, ".tms", m->content);
    assert_int_equal(spool_write_env(e.q, m->item, m->key, 1, buf_sv(&env)), 0);
    rename_file(m->item, ".tm$.new", ".tm$");
    buf_done(&env);
}

struct seen {
    struct map *ids;
    int64_t last_ms;
    size_t n, large;
};

static bool see(const struct queue_info *i, void *arg)
{
    struct seen *s = arg;
    assert_true(i->received_ms >= s->last_ms); /* the oldest first */
    s->last_ms = i->received_ms;
    assert_ptr_equal(map_put(s->ids, sv_c(i->id), s), NULL);
    s->large += i->n_rcpts > 100;
    s->n++;
    return true;
}

static void check_view(const char *item)
{
    struct message *m;
    assert_int_equal(queue_view(e.q, sv_c(item), &m), 0);
    check_content(m);
    message_unref(m);
}

static void test_all_come_back(void **state)
{
    (void)state;
    char first[40], last[40], damaged[40], cut[40], lost[40];
    for (int i = 0; i < MANY; i++) { /* some have more recipients than are read at first */
        _cleanup_(message_unrefp) struct message *m =
            make_message(200 + (size_t)i % 300, 0, i % 1000 == 7 ? 900 : 1);
        m->received_ms = 1700000000000 + i * 7919 % MANY;
        put_in_files(m);
        if (i == 0)
            memcpy(first, m->item, sizeof(first));
        if (i == MANY - 1)
            memcpy(last, m->item, sizeof(last));
        if (i == 100)
            memcpy(damaged, m->item, sizeof(damaged));
        if (i == 200)
            memcpy(cut, m->item, sizeof(cut));
        if (i == 300)
            memcpy(lost, m->item, sizeof(lost));
    }
    write_file(damaged, ".tm$", SV("no envelope"));
    write_file(cut, ".tms", SV("less than it was"));
    rename_file(lost, ".tms", ".elsewhere");
    write_file("orphan", ".tms", SV("nobody's"));
    write_file("orphan", ".tm$.new", SV("unfinished"));
    env_crash(&e);
    env_open(&e);
    struct seen s = { .ids = map_new() };
    queue_each(e.q, see, &s);
    map_free(s.ids, NULL);
    list_for_each(l, &e.q->items) assert_null(container_of(l, struct item, link)->records);
    assert_int_equal(s.n, MANY - 3);
    assert_int_equal(s.large, 3);
    assert_int_equal(queue_count(e.q), MANY - 3);
    assert_int_equal(files(".tm$"), MANY - 3);
    assert_int_equal(files(".tms"), MANY - 3);
    assert_int_equal(files(".new"), 0);
    assert_int_equal(files(".bad"), 3);
    check_view(first);
    check_view(last);
}

static void test_orphan_alone(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = make_message(300, 0, 1);
    put_in_files(m);
    write_file("orphan", ".tms", SV("nobody's"));
    env_crash(&e);
    env_open(&e);
    assert_int_equal(files(".tms"), 1);
    check_view(m->item);
}

/* After a start not all deliverers go to destinations that old mail waits for. */
static void test_new_mail_has_room(void **state)
{
    enum { OLD = 300 };
    struct message *got[OLD];
    char to[40];
    (void)state;
    for (int i = 0; i < OLD; i++) {
        _cleanup_(message_unrefp) struct message *m = make_message(200, 0, 1);
        snprintf(to, sizeof(to), "x@old%d.test", i);
        message_remove_rcpts(m, 0, 1);
        message_add_rcpt(m, sv_c(to), RCPT_REMOTE);
        put_in_files(m);
    }
    env_crash(&e);
    env_open(&e);
    size_t n = queue_take(e.q, RCPT_REMOTE, got, OLD);
    assert_int_equal(n, 50); /* of 100 deliverers */
    _cleanup_(message_unrefp) struct message *m = make_message(200, 0, 1);
    message_remove_rcpts(m, 0, 1);
    message_add_rcpt(m, SV("x@new.test"), RCPT_REMOTE);
    must_accept(e.q, m);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got[n], OLD - n), 1);
    assert_true(got[n]->key == m->key);
    for (size_t i = 0; i <= n; i++)
        queue_give_back(e.q, got[i], RCPT_REMOTE);
}

/* Of a message that waits behind a destination that rests it is told once: before the start, but
 * not when its mailboxes came first. */
static void test_told_once(void **state)
{
    struct message *got[1];
    (void)state;
    _cleanup_(message_unrefp) struct message *tried = make_message(200, 0, 1);
    _cleanup_(message_unrefp) struct message *waits = make_message(200, 0, 1);
    _cleanup_(message_unrefp) struct message *local = make_message(200, 1, 1);
    message_set(&tried->rcpts[0].answer, SV("no connection"));
    tried->received_ms = 1700000000000;
    put_in_files(tried);
    put_in_files(waits);
    put_in_files(local);
    env_crash(&e);
    env_open(&e);
    assert_true(list_empty(&e.q->untold));
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 1), 1);
    settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    assert_false(list_empty(&e.q->untold));
    assert_true(container_of(e.q->untold.next, struct item, untold)->m->key == local->key);
    assert_ptr_equal(e.q->untold.next, e.q->untold.prev);
}

static bool see_answer(const struct queue_info *i, void *arg)
{
    snprintf(arg, 100, "%s", i->answer);
    return true;
}

/* The only one. */
static struct item *the_item(void)
{
    return container_of(e.q->items.next, struct item, link);
}

/* What is in files only keeps nothing for the journal, nor the path of its file; what is shown of
 * it is the message's own, but for the time when that is a deliverer's. */
static void test_what_waits_is_small(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = make_message(300, 0, 1);
    struct message *got;
    char answer[100] = "";
    must_accept(e.q, m);
    assert_non_null(the_item()->records);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    settle_as(e.q, got, RCPT_REMOTE, RCPT_WAITING, "451 later");
    assert_int_equal(queue_checkpoint(e.q), 0);
    for (int i = 0; i < 2; i++) {
        assert_null(the_item()->records);
        assert_string_equal(the_item()->m->spool_path, "");
        assert_null(the_item()->m->content.p);
        queue_each(e.q, see_answer, answer);
        assert_string_equal(answer, "451 later");
        assert_int_equal(queue_retry(e.q, SV("")), 1);
        assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
        check_content(got);
        message_set(&got->rcpts[0].answer, SV("452 the deliverer's"));
        queue_each(e.q, see_answer, answer);
        assert_string_equal(answer, "451 later");
        queue_give_back(e.q, got, RCPT_REMOTE);
        message_set(&m->rcpts[0].answer, SV("451 later"));
        if (i == 0) {
            env_crash(&e);
            env_open(&e);
            message_unref(m);
            m = message_ref(the_item()->m);
        }
    }
}

static void test_found_by_key(void **state)
{
    (void)state;
    struct founds fs = { 0 };
    assert_null(founds_get(&fs, 1));
    for (uint64_t k = 0; k < 20000; k++) /* those of parents and of children */
        founds_add(&fs, k % 2 ? ~(k << 40) : k << 40)->gen = k;
    for (uint64_t k = 0; k < 20000; k++) {
        struct found *f = founds_get(&fs, k % 2 ? ~(k << 40) : k << 40);
        assert_non_null(f);
        assert_int_equal(f->gen, k);
        assert_ptr_equal(f, founds_at(&fs, (size_t)k));
    }
    assert_null(founds_get(&fs, 12345));
    founds_done(&fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orphan_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_mail_has_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_waits_is_small, setup, teardown),
        cmocka_unit_test(test_found_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
