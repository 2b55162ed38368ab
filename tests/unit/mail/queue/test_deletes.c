/* Hundreds of messages are deleted by several threads while a checkpoint gives files to them, and
 * the power goes at any moment: what the administrator was told is deleted does not come back, and
 * all else is there, whole. */
#include "power_books.h"

enum { ROUNDS = 24, MAX_MS = 20000, ITEMS = 400, DELETERS = 2, CALLS = 1200 };

static struct env e, next;

static struct one {
    uint64_t key;
    bool chosen, deleted;
} all[ITEMS]; /* deleted: power.lock */

static struct map *by_id; /* struct one */

static void on_cut(void)
{
    books_cut(&e, &next);
}

static void accept_all(void)
{
    by_id = map_new();
    for (size_t i = 0; i < ITEMS; i++) {
        _cleanup_(message_unrefp) struct message *m = make_message(200 + i * 5, 0, 1);
        all[i] = (struct one){ .key = m->key, .chosen = rand_below(3) > 0 };
        assert_null(map_put(by_id, sv_c(m->id), &all[i]));
        must_accept(e.q, m);
    }
}

static bool chosen(const struct queue_info *i, void *arg _unused_)
{
    const struct one *o = map_get(by_id, sv_c(i->id));
    return o && o->chosen;
}

static void note_deleted(const char *id, enum queue_steer_result r, void *arg _unused_)
{
    struct one *o = map_get(by_id, sv_c(id));
    pthread_mutex_lock(&power.lock);
    o->deleted |= r == STEER_DONE && !books.dead;
    pthread_mutex_unlock(&power.lock);
}

static void *delete_all(void *arg _unused_)
{
    struct queue_steer s = {
        .action = QUEUE_DELETE, .admin = "boss", .want = chosen, .each = note_deleted
    };
    struct queue_steered done;
    (void)queue_steer(e.q, &s, &done, NULL); /* fails when the power goes */
    return NULL;
}

static void *checkpoint_all(void *arg _unused_)
{
    while (!is_dead())
        (void)queue_checkpoint(e.q);
    return NULL;
}

static void set_cut(void)
{
    pthread_mutex_lock(&power.lock);
    power.any_order = rand_below(2);
    power.keep = (enum keep)rand_below(3);
    power.cut_at = power.calls + 1 + rand_below(CALLS);
    pthread_mutex_unlock(&power.lock);
}

/* The cut may not have come yet. */
static void cut_at_last(void)
{
    pthread_mutex_lock(&power.lock);
    if (!books.dead)
        on_cut();
    power.cut_at = 0;
    pthread_mutex_unlock(&power.lock);
}

static void work_until_cut(void)
{
    pthread_t t[DELETERS + 1];
    set_cut();
    pthread_create(&t[DELETERS], NULL, checkpoint_all, NULL);
    for (size_t i = 0; i < DELETERS; i++)
        pthread_create(&t[i], NULL, delete_all, NULL);
    for (size_t i = 0; i < DELETERS; i++)
        pthread_join(t[i], NULL);
    cut_at_last();
    pthread_join(t[DELETERS], NULL);
}

/* Returns how many were deleted. */
static size_t check(void)
{
    size_t deleted = 0;
    bool there[ITEMS];
    uint64_t keys[ITEMS];
    for (size_t i = 0; i < ITEMS; i++)
        keys[i] = all[i].key;
    queue_find_keys(e.q, keys, ITEMS, there);
    for (size_t i = 0; i < ITEMS; i++) {
        deleted += all[i].deleted;
        if (all[i].deleted && there[i])
            fail_msg("%zu was deleted and has come back", i);
        if (!all[i].chosen && !there[i])
            fail_msg("%zu is lost", i);
    }
    check_contents(e.q);
    return deleted;
}

static void one_round(int round)
{
    env_make(&e);
    env_open(&e);
    books.dead = false;
    accept_all();
    if (round % 2)
        assert_int_equal(queue_checkpoint(e.q), 0);
    work_until_cut();
    env_crash(&e);
    env_remove(&e);
    e = next;
    power_on(&e);
}

static void test_deleted_is_deleted(void **state)
{
    (void)state;
    struct queue_io io = power_io();
    size_t deleted = 0;
    int round = 0;
    power_init(rand_u64());
    power.on_cut = on_cut;
    books_init();
    settings("1MiB", "2MiB", "1h");
    queue_io_test(&io);
    for (int64_t start = clock_mono_ms(); round < ROUNDS && clock_mono_ms() - start < MAX_MS;
         round++) {
        one_round(round);
        for (int starts = 0; starts < 2; starts++) { /* what a start does is not undone either */
            env_open(&e);
            deleted += check();
            starts ? env_close(&e) : env_crash(&e);
        }
        env_remove(&e);
        pthread_mutex_lock(&power.lock);
        forget_image();
        pthread_mutex_unlock(&power.lock);
        map_free(by_id, NULL);
    }
    printf("%zu seen to be deleted after %d power cuts\n", deleted / 2, round);
    queue_io_test(NULL);
    power_done();
    books_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deleted_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
