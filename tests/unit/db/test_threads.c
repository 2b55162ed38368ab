/* Several threads on one database: the writer handed out in turn, lost updates, the pool's bound.
 */
#include <pthread.h>

#include "db_suite.h"
#include "db/db_priv.h"

enum { THREADS = 8, ROUNDS = 40 };

struct job {
    struct db *db;
    int64_t id;
    int failures; /* other than E_TEMP, which is tried again */
    int retries;
};

static int one_write(struct job *j, int64_t k)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(j->db, &c, EI);
    if (r == 0)
        r = db_begin(c, EI);
    if (r == 0)
        r = db_run(c, EI, "UPDATE counter SET n = n + 1 WHERE id = ?", "i", (int64_t)1);
    if (r == 0)
        r = db_run(c, EI, "INSERT INTO item (id, n) VALUES (?, ?)", "ii", j->id * 1000 + k, k);
    return r == 0 ? db_commit(c, EI) : r;
}

static int one_read(struct job *j)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int64_t n = 0;
    int r = db_get(j->db, &c, EI);
    return r == 0 ? db_value(c, &n, EI, "SELECT n FROM counter WHERE id = ?", "i", (int64_t)1) : r;
}

static void *worker(void *arg)
{
    struct job *j = arg;
    for (int64_t k = 0; k < ROUNDS; k++) {
        int r;
        while ((r = one_write(j, k)) == E_TEMP && j->retries++ < 1000)
            continue;
        if (r < 0 || one_read(j) < 0) {
            fprintf(stderr, "thread %d: %s\n", (int)j->id, suite_ei.text);
            j->failures++;
        }
    }
    return NULL;
}

static void eight_writers_lose_nothing(const char *options)
{
    struct db *db = suite_fresh(options);
    struct dbc *c;
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    int64_t n = 0;
    OK(db_get_writer(db, &c, EI));
    OK(db_run(c, EI, "INSERT INTO counter (id, n) VALUES (1, 0)", NULL));
    db_put(c);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ .db = db, .id = i + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &jobs[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].failures, 0);
        if (db_kind(db) == DB_SQLITE)
            assert_int_equal(jobs[i].retries, 0);
    }
    OK(db_get(db, &c, EI));
    OK(db_value(c, &n, EI, "SELECT n FROM counter WHERE id = 1", NULL));
    assert_int_equal(n, THREADS * ROUNDS);
    OK(db_value(c, &n, EI, "SELECT COUNT(*) FROM item", NULL));
    assert_int_equal(n, THREADS * ROUNDS);
    db_put(c);
    db_close(db);
}

static void eight_writers(void **state)
{
    (void)state;
    eight_writers_lose_nothing("");
}

static void eight_writers_share_three_connections(void **state)
{
    (void)state;
    eight_writers_lose_nothing("pool=3");
}

static void a_full_pool_gives_a_temporary_error(void **state)
{
    (void)state;
    struct db *db = suite_fresh("pool=2&wait_ms=30");
    struct dbc *a, *b, *c;
    OK(db_get(db, &a, EI));
    OK(db_get(db, &b, EI));
    assert_int_equal(db_get(db, &c, EI), E_TEMP);
    assert_non_null(strstr(suite_ei.text, "in use"));
    db_put(a);
    OK(db_get(db, &c, EI));
    db_put(c);
    db_put(b);
    db_close(db);
}

static struct {
    pthread_mutex_t lock;
    int order[THREADS];
    int n;
} arrivals = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *queue_up(void *arg)
{
    struct job *j = arg;
    struct dbc *c;
    if (db_get_writer(j->db, &c, EI) < 0) {
        j->failures++;
        return NULL;
    }
    pthread_mutex_lock(&arrivals.lock);
    arrivals.order[arrivals.n++] = (int)j->id;
    pthread_mutex_unlock(&arrivals.lock);
    db_put(c);
    return NULL;
}

/* Waits until n threads stand in the queue. */
static void await_queue(struct db *db, int n)
{
    for (int i = 0; i < 2000; i++) {
        int found = 0;
        pthread_mutex_lock(&db->lock);
        list_for_each(it, &db->wr->waiters) found++;
        pthread_mutex_unlock(&db->lock);
        if (found == n)
            return;
        usleep(5000);
    }
    fail_msg("%d threads never queued up", n);
}

static void connections_go_to_the_first_in_the_queue(void **state)
{
    (void)state;
    struct db *db = suite_fresh("pool=1");
    struct dbc *c;
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    arrivals.n = 0;
    OK(db_get_writer(db, &c, EI));
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){ .db = db, .id = i };
        assert_int_equal(pthread_create(&threads[i], NULL, queue_up, &jobs[i]), 0);
        await_queue(db, i + 1);
    }
    db_put(c);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].failures, 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(arrivals.order[i], i);
    db_close(db);
}

static int group(const char *label)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_writers),
        cmocka_unit_test(eight_writers_share_three_connections),
        cmocka_unit_test(a_full_pool_gives_a_temporary_error),
        cmocka_unit_test(connections_go_to_the_first_in_the_queue),
    };
    return _cmocka_run_group_tests(label, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
    return suite_run("threads", group);
}
