/* Power cuts at random moments while several threads accept and settle. */
#include "power_books.h"

enum { ROUNDS = 40, MAX_MS = 40000, ACCEPTERS = 4 };

static struct env e;

static struct message *some_message(unsigned who)
{
    unsigned size = rand_below(30) == 0 ? 500000 : 200 + rand_below(6000);
    struct message *m = make_message(size, 1, who % 2);
    int fd;
    if (rand_below(15) == 0 && queue_spool_begin(e.q, m, &fd, NULL) == 0) {
        assert_int_equal(os_write_all(fd, m->content.p, m->content.n), 0);
        close(fd);
        message_drop_content(m);
    }
    return m;
}

static void *accept_many(void *arg)
{
    unsigned who = (unsigned)(uintptr_t)arg;
    while (!is_dead()) {
        if (queue_count(e.q) > 200) { /* or no checkpoint would end before the next cut */
            usleep(2000);
            continue;
        }
        struct message *m = some_message(who);
        uint64_t key = m->key;
        bool remote = m->n_rcpts > 1;
        if (queue_accept(e.q, m, NULL) == 0)
            note_accepted(key, remote);
        message_unref(m);
    }
    return NULL;
}

static void *settle_many(void *arg)
{
    enum rcpt_kind kind = (enum rcpt_kind)(uintptr_t)arg;
    struct message *got[8];
    size_t n;
    while (!is_dead() && (n = queue_take(e.q, kind, got, 8))) {
        for (size_t i = 0; i < n; i++) {
            uint64_t key = got[i]->key;
            bool defer = rand_below(5) == 0;
            if (defer)
                got[i]->next_try_ms = clock_wall_ms() + rand_below(300);
            else
                note_delivered(key, kind);
            settle_as(e.q, got[i], kind, defer ? RCPT_WAITING : RCPT_DELIVERED, "");
            if (!defer)
                note_recorded(key, kind);
        }
    }
    return NULL;
}

static bool settled(struct sv key, void *value, void *arg)
{
    (void)key;
    struct fate *f = value;
    if (f->local_durable && (!f->has_remote || f->remote_sent))
        *(unsigned *)arg += 1;
    return true;
}

static void cut_now(struct env *next)
{
    pthread_mutex_lock(&power.lock);
    power.any_order = rand_below(2);
    power.keep = (enum keep)rand_below(3);
    books_cut(&e, next);
    pthread_mutex_unlock(&power.lock);
}

static void one_round(struct env *next)
{
    pthread_t t[ACCEPTERS + 2];
    unsigned n = 0;
    books.dead = false;
    for (uintptr_t i = 0; i < ACCEPTERS; i++)
        pthread_create(&t[n++], NULL, accept_many, (void *)i);
    pthread_create(&t[n++], NULL, settle_many, (void *)RCPT_LOCAL);
    pthread_create(&t[n++], NULL, settle_many, (void *)RCPT_REMOTE);
    /* A slow machine gets time to work off what earlier cuts brought back. */
    for (unsigned i = 0; i < 1000 && queue_count(e.q) > 300; i++)
        usleep(5000);
    usleep(1000 + rand_below(100000));
    cut_now(next);
    queue_stop(e.q);
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    env_crash(&e); /* the old process wrote on for a moment; that is not of the image */
    env_remove(&e);
}

static void test_power(void **state)
{
    (void)state;
    struct queue_io io = power_io();
    power_init(rand_u64());
    books_init();
    settings("1MiB", "2MiB", "20ms");
    queue_io_test(&io);
    env_make(&e);
    env_open(&e);
    int64_t start = clock_mono_ms();
    int round = 0;
    for (; round < ROUNDS && clock_mono_ms() - start < MAX_MS; round++) {
        struct env next;
        one_round(&next);
        e = next;
        power_on(&e);
        if (rand_below(3) == 0) { /* killed again before it came to do anything */
            env_open(&e);
            env_crash(&e);
        }
        env_open(&e);
        struct check c = books_check(e.q);
        if (c.lost || c.sent_again)
            fail_msg("round %d: %u lost, %u sent again", round, c.lost, c.sent_again);
        check_contents(e.q);
    }
    env_close(&e); /* the books are read when nobody writes them any more */
    unsigned done = 0;
    map_each(books.fates, settled, &done);
    printf("%u accepted over %d power cuts, %u settled, %u deliveries lost by the mail store and "
           "repeated, %u blocks torn or written by chance\n",
           books.accepted, round, done, books.unsynced, power.torn_blocks);
    env_remove(&e);
    queue_io_test(NULL);
    power_done();
    books_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
