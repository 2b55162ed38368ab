/* Tests of the queue's behaviour without crashes: accept, take, settle, schedule, admin, memory
 * bound, large messages, restart. */
#include "queue_test.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

static struct env e;

static int setup(void **state)
{
    (void)state;
    return env_start(&e);
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

static void test_local(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = make_message(5000, 2, 0);
    struct message *got[8];
    must_accept(e.q, m);
    assert_int_equal(queue_count(e.q), 1);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 8), 1);
    assert_true(got[0]->key == m->key);
    check_content(got[0]);
    settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    assert_int_equal(queue_count(e.q), 0);
    queue_idle_wait(e.q);
}

static void test_mixed_goes_one_after_the_other(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = make_message(500, 1, 1);
    struct message *got[8];
    must_accept(e.q, m);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 8), 1);
    settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    assert_int_equal(queue_count(e.q), 1);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 8), 1);
    assert_int_equal(got[0]->rcpts[0].state, RCPT_DELIVERED);
    settle_as(e.q, got[0], RCPT_REMOTE, RCPT_RELAYED, "250 ok");
    assert_int_equal(queue_count(e.q), 0);
}

static void test_discard(void **state)
{
    (void)state;
    _cleanup_(message_unrefp) struct message *m = make_message(500, 0, 0);
    message_add_rcpt(m, SV("hole@example.org"), RCPT_DISCARD);
    must_accept(e.q, m);
    assert_int_equal(queue_count(e.q), 0);
}

struct seen {
    unsigned n;
    struct queue_info last;
    char answer[100], rcpt[100], id[20];
};

static bool see(const struct queue_info *i, void *arg)
{
    struct seen *s = arg;
    s->n++;
    s->last = *i;
    snprintf(s->answer, sizeof(s->answer), "%s", i->answer);
    snprintf(s->rcpt, sizeof(s->rcpt), "%s", i->rcpt);
    snprintf(s->id, sizeof(s->id), "%s", i->id);
    return true;
}

static void test_defer_and_admin(void **state)
{
    (void)state;
    clock_test_freeze(1700000000000);
    _cleanup_(message_unrefp) struct message *m = make_message(3000, 0, 2);
    struct message *got[8];
    struct seen s = { 0 };
    struct errinfo ei;
    must_accept(e.q, m);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 8), 1);
    queue_each(e.q, see, &s);
    assert_true(s.last.active && s.last.n_waiting == 2);
    got[0]->rcpts[0].state = RCPT_RELAYED;
    message_set(&got[0]->rcpts[1].answer, SV("451 later"));
    queue_settle(e.q, got[0], RCPT_REMOTE);
    queue_each(e.q, see, &s);
    assert_int_equal(s.n, 2);
    assert_false(s.last.active);
    assert_int_equal(s.last.n_waiting, 1);
    assert_int_equal(s.last.attempts, 1);
    assert_true(s.last.next_try_ms == 1700000060000);
    assert_string_equal(s.answer, "451 later");
    assert_string_equal(s.rcpt, "far1@example.net");

    clock_test_advance(61000); /* the schedule's first wait: 1m */
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 8), 1);
    check_content(got[0]);
    queue_settle(e.q, got[0], RCPT_REMOTE);
    queue_each(e.q, see, &s);
    assert_true(s.last.next_try_ms == 1700000061000 + 300000 && s.last.attempts == 2);

    struct message *view;
    char item[64];
    snprintf(item, sizeof(item), "%s.tms", m->item);
    assert_int_equal(queue_view(e.q, sv_c(item), &view), 0);
    check_content(view);
    assert_string_equal(view->rcpts[1].answer, "451 later");
    message_unref(view);
    assert_int_equal(queue_retry(e.q, SV("nothing")), E_NOTFOUND);
    assert_int_equal(queue_retry(e.q, SV("")), 1);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 8), 1);
    queue_settle(e.q, got[0], RCPT_REMOTE);
    assert_int_equal(queue_delete(e.q, sv_c(m->id), &ei), 0);
    assert_int_equal(queue_count(e.q), 0);
    assert_int_equal(queue_delete(e.q, sv_c(m->id), &ei), E_NOTFOUND);
    assert_false(queue_expired(e.q, m, NULL));
    clock_test_advance(5ll * 86400000);
    assert_true(queue_expired(e.q, m, NULL));
}

/* Each recipient has its own end; the message's is the first of them. */
static void test_backup_lifetime(void **state)
{
    (void)state;
    const struct conf_pair pairs[] = { { "queue.lifetime", "4d" },
                                       { "queue.backup_lifetime", "20d" } };
    struct conf *c = NULL;
    struct conf_backups *l = xcalloc(1, sizeof(*l));
    _cleanup_(message_unrefp) struct message *m = make_message(500, 0, 1);
    message_add_rcpt(m, SV("x@Backup.test"), RCPT_REMOTE);
    assert_int_equal(conf_build(pairs, ARRAY_LEN(pairs), &c, NULL), 0);
    conf_backups_add(l, SV("backup.test"), SV(""), false);
    conf_set_backups(c, l);
    assert_true(queue_lifetime(c, m, &m->rcpts[0]) == 4ll * 86400000);
    assert_true(queue_lifetime(c, m, &m->rcpts[1]) == 20ll * 86400000);
    assert_true(queue_lifetime(c, m, NULL) == 4ll * 86400000);
    m->rcpts[0].state = RCPT_FAILED;
    assert_true(queue_lifetime(c, m, NULL) == 20ll * 86400000);
    m->bounce = true;
    assert_true(queue_lifetime(c, m, NULL) == c->queue.bounce_lifetime);
    conf_unref(c);
}

static struct message *stream_message(size_t size)
{
    struct message *m = make_message(size, 1, 1);
    int fd;
    struct errinfo ei;
    assert_int_equal(queue_spool_begin(e.q, m, &fd, &ei), 0);
    assert_int_equal(os_write_all(fd, m->content.p, m->content.n), 0);
    close(fd);
    message_drop_content(m);
    return m;
}

static void test_large(void **state)
{
    (void)state;
    struct message *list[2] = { stream_message(3 * MiB), make_message(700000, 1, 1) }, *got[8];
    for (int i = 0; i < 2; i++) {
        must_accept(e.q, list[i]);
        assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 8), 1);
        assert_true(*got[0]->spool_path);
        check_content(got[0]);
        settle_as(e.q, got[0], RCPT_LOCAL, RCPT_DELIVERED, "");
    }
    assert_int_equal(files(".tms"), 2);
    env_close(&e); /* and over a restart */
    assert_int_equal(files(".tm$"), 2);
    env_open(&e);
    assert_int_equal(queue_count(e.q), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 1), 1);
        check_content(got[0]);
        settle_as(e.q, got[0], RCPT_REMOTE, RCPT_DELIVERED, "");
        message_unref(list[i]);
    }
    assert_int_equal(queue_checkpoint(e.q), 0);
    assert_int_equal(files(".tms") + files(".tm$"), 0);
}

static void test_refused_leaves_nothing(void **state)
{
    (void)state;
    struct message *m = stream_message(100000);
    snprintf(m->item, sizeof(m->item), "taken");
    char path[200], temp[200];
    snprintf(path, sizeof(path), "%s/taken.tms", e.out);
    snprintf(temp, sizeof(temp), "%s", m->spool_path);
    assert_int_equal(os_write_file_atomic(path, SV("somebody's"), 0600, NULL), 0);
    struct errinfo ei;
    assert_int_equal(queue_accept(e.q, m, &ei), E_TEMP);
    assert_int_equal(access(temp, F_OK), -1);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(queue_count(e.q), 0);
    message_unref(m);
}

static void test_memory_bound(void **state)
{
    (void)state;
    env_close(&e);
    settings("1MiB", "1MiB", "200ms");
    env_open(&e);
    for (int i = 0; i < 100; i++) {
        struct message *m = make_message(50000, 1, 0);
        must_accept(e.q, m);
        message_unref(m);
    }
    pthread_mutex_lock(&e.q->lock);
    uint64_t used = e.q->mem_used;
    pthread_mutex_unlock(&e.q->lock);
    assert_true(used <= MiB);
    struct message *got[16];
    for (size_t left = 100; left > 0;) {
        size_t n = queue_take(e.q, RCPT_LOCAL, got, 16);
        for (size_t i = 0; i < n; i++) {
            check_content(got[i]);
            settle_as(e.q, got[i], RCPT_LOCAL, RCPT_DELIVERED, "");
        }
        left -= n;
    }
    assert_int_equal(e.q->mem_used, 0);
}

/* Segments come back: many times their size goes through. */
static void test_recycling(void **state)
{
    (void)state;
    struct message *got[64];
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 5; i++) {
            struct message *m = make_message(50000, 1, 0);
            must_accept(e.q, m);
            message_unref(m);
        }
        for (size_t left = 5; left > 0;) {
            size_t n = queue_take(e.q, RCPT_LOCAL, got, 64);
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < got[i]->n_rcpts; k++)
                    got[i]->rcpts[k].state = RCPT_DELIVERED;
            queue_settle_all(e.q, got, n, RCPT_LOCAL);
            left -= n;
        }
    }
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/journal", e.out);
    DIR *d = opendir(dir);
    unsigned n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    assert_true(n < 12); /* 50 MB went through 1 MiB segments */
}

enum { DEFERRED = 10000 };

static void test_many_deferred(void **state)
{
    (void)state;
    static char ids[DEFERRED][40];
    struct message *got[64];
    for (int i = 0; i < DEFERRED; i++) {
        struct message *m = make_message(1000, 0, 1);
        must_accept(e.q, m);
        snprintf(ids[i], sizeof(ids[i]), "%s", m->item);
        message_unref(m);
    }
    for (size_t left = DEFERRED; left > 0;) {
        size_t n = queue_take(e.q, RCPT_REMOTE, got, 64);
        for (size_t i = 0; i < n; i++) {
            message_set(&got[i]->rcpts[0].answer, SV("450 not now"));
            got[i]->next_try_ms = clock_wall_ms() + 3600000;
            queue_settle(e.q, got[i], RCPT_REMOTE);
        }
        left -= n;
    }
    int64_t t0 = clock_mono_ms();
    env_close(&e);
    int64_t t1 = clock_mono_ms();
    env_open(&e);
    int64_t t2 = clock_mono_ms();
    printf("10000 deferred: close %" PRId64 " ms, open %" PRId64 " ms\n", t1 - t0, t2 - t1);
    assert_int_equal(queue_count(e.q), DEFERRED);
    struct seen s = { 0 };
    queue_each(e.q, see, &s);
    assert_int_equal(s.n, DEFERRED);
    assert_string_equal(s.answer, "450 not now");
    assert_true(s.last.next_try_ms > clock_wall_ms() + 3000000);
    assert_int_equal(queue_retry(e.q, SV("")), DEFERRED);
    for (size_t left = DEFERRED; left > 0;) {
        size_t n = queue_take(e.q, RCPT_REMOTE, got, 64);
        for (size_t i = 0; i < n; i++) {
            if (left == DEFERRED)
                check_content(got[i]);
            settle_as(e.q, got[i], RCPT_REMOTE, RCPT_DELIVERED, "");
        }
        left -= n;
    }
    assert_int_equal(files(".tm$") + files(".tms"), 0);
}

static void *stop_later(void *arg)
{
    usleep(50000);
    queue_stop(arg);
    return NULL;
}

static void test_stop_ends_take(void **state)
{
    (void)state;
    pthread_t t;
    struct message *got[4];
    pthread_create(&t, NULL, stop_later, e.q);
    assert_int_equal(queue_take(e.q, RCPT_LOCAL, got, 4), 0);
    pthread_join(t, NULL);
}

static void test_one_owner(void **state)
{
    (void)state;
    struct env other = e;
    struct errinfo ei;
    assert_int_equal(env_try_open(&other, &ei), E_CONFLICT);
}

/* A restart after the clock was set back, or in the hour that summer time repeats. The file of
 * numbers does not know the last second that was used. */
/* What a checkpoint wrote before a crash, while the journal has the content: it goes at the start,
 * as nobody would remove it when the message is delivered. */
static void test_content_of_a_checkpoint_that_did_not_end(void **state)
{
    (void)state;
    char path[300];
    struct message *m = make_message(300, 0, 1), *got;
    must_accept(e.q, m);
    snprintf(path, sizeof(path), "%s/%s.tms", e.out, m->item);
    env_crash(&e);
    assert_int_equal(os_write_file_atomic(path, SV("Subject: ha"), 0600, NULL), 0);
    env_open(&e);
    /* Gone, or being written anew by a checkpoint that was due at once. */
    struct buf found;
    buf_init(&found, MiB);
    (void)os_read_file(path, &found, NULL);
    assert_false(sv_eq(buf_sv(&found), SV("Subject: ha")));
    buf_done(&found);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, &got, 1), 1);
    assert_true(got->key == m->key);
    check_content(got);
    settle_as(e.q, got, RCPT_REMOTE, RCPT_DELIVERED, "");
    message_unref(m);
}

static void test_item_names_are_not_used_twice(void **state)
{
    (void)state;
    enum { START = 1800000000 };
    char ids[128];
    struct message *got[1], *view;
    snprintf(ids, sizeof(ids), "%s/ids", e.root);
    clock_test_freeze(START * INT64_C(1000));
    assert_int_equal(message_ids_open(ids, "", NULL), 0);
    clock_test_freeze((START + 100) * INT64_C(1000));
    _cleanup_(message_unrefp) struct message *a = make_message(2000, 0, 1);
    must_accept(e.q, a);
    assert_int_equal(queue_take(e.q, RCPT_REMOTE, got, 1), 1);
    settle_as(e.q, got[0], RCPT_REMOTE, RCPT_WAITING, "450 not now");
    assert_int_equal(queue_checkpoint(e.q), 0);
    assert_int_equal(files(".tms"), 1);
    env_crash(&e);
    clock_test_freeze((START + 50) * INT64_C(1000));
    assert_int_equal(message_ids_open(ids, "", NULL), 0);
    env_open(&e);
    clock_test_freeze((START + 100) * INT64_C(1000));
    _cleanup_(message_unrefp) struct message *b = make_message(3000, 0, 1);
    must_accept(e.q, b);
    assert_int_equal(queue_checkpoint(e.q), 0);
    assert_int_equal(files(".tms"), 2);
    assert_int_equal(queue_view(e.q, sv_c(a->id), &view), 0);
    assert_true(view->key == a->key);
    check_content(view);
    message_unref(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_local, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mixed_goes_one_after_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_discard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defer_and_admin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large, setup, teardown),
        cmocka_unit_test(test_backup_lifetime),
        cmocka_unit_test_setup_teardown(test_refused_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recycling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_deferred, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_ends_take, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content_of_a_checkpoint_that_did_not_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_item_names_are_not_used_twice, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
