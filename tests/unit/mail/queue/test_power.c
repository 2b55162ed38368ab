/* Power cuts: whatever was accepted is in the queue or durably in the mail store afterwards; what
 * another server took and was recorded is not sent again. */
#include "power.h"

enum { ROUNDS = 40, MAX_MS = 40000, ACCEPTERS = 4 };

struct fate {
    char key[20];
    bool accepted, local, local_durable, remote_sent, remote_recorded, has_remote;
};

static struct env e;
static struct map *fates; /* power.lock guards it */
static bool dead;
static unsigned n_accepted;

static struct fate *fate_of(uint64_t key)
{
    char text[20];
    snprintf(text, sizeof(text), "%016" PRIx64, key);
    struct fate *f = map_get(fates, sv_c(text));
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        memcpy(f->key, text, sizeof(text));
        map_put(fates, sv_c(text), f);
    }
    return f;
}

static bool make_durable(struct sv key, void *value, void *arg)
{
    (void)key;
    (void)arg;
    struct fate *f = value;
    f->local_durable = f->local;
    return true;
}

static void mail_store_synced(void)
{
    map_each(fates, make_durable, NULL);
}

static bool is_dead(void)
{
    pthread_mutex_lock(&power.lock);
    bool d = dead;
    pthread_mutex_unlock(&power.lock);
    return d;
}

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
        int r = queue_accept(e.q, m, NULL);
        pthread_mutex_lock(&power.lock);
        if (r == 0 && !dead) {
            struct fate *f = fate_of(key);
            f->accepted = true;
            f->has_remote = remote;
            n_accepted++;
        }
        pthread_mutex_unlock(&power.lock);
        message_unref(m);
    }
    return NULL;
}

static void set_local(uint64_t key)
{
    pthread_mutex_lock(&power.lock);
    if (!dead)
        fate_of(key)->local = true;
    pthread_mutex_unlock(&power.lock);
}

static void set_remote(uint64_t key)
{
    pthread_mutex_lock(&power.lock);
    if (!dead)
        fate_of(key)->remote_sent = true;
    pthread_mutex_unlock(&power.lock);
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
            if (kind == RCPT_LOCAL && !defer)
                set_local(key);
            if (kind == RCPT_REMOTE && !defer)
                set_remote(key);
            if (defer)
                got[i]->next_try_ms = clock_wall_ms() + rand_below(300);
            settle_as(e.q, got[i], kind, defer ? RCPT_WAITING : RCPT_DELIVERED, "");
            pthread_mutex_lock(&power.lock);
            if (kind == RCPT_REMOTE && !defer && !dead)
                fate_of(key)->remote_recorded = true;
            pthread_mutex_unlock(&power.lock);
        }
    }
    return NULL;
}

struct check {
    struct map *items;
    unsigned lost, sent_again, waiting, unsynced;
};

static bool check_fate(struct sv key, void *value, void *arg)
{
    struct check *c = arg;
    struct fate *f = value;
    struct item *found = map_get(c->items, key);
    c->waiting += found != NULL;
    c->unsynced += f->local && !f->local_durable;
    if (f->accepted && !f->local_durable && !(found && found->waiting[RCPT_LOCAL])) {
        printf("%s: local lost, delivered %d, found %d\n", f->key, f->local, found != NULL);
        c->lost++;
    }
    if (f->accepted && f->has_remote && !f->remote_sent && !(found && found->waiting[RCPT_REMOTE]))
        c->lost++;
    if (f->remote_recorded && found && found->waiting[RCPT_REMOTE])
        c->sent_again++;
    f->local = f->local_durable; /* what was not durable is gone from the mail store */
    return true;
}

static struct map *items_by_key(void)
{
    struct map *m = map_new();
    char text[20];
    list_for_each(l, &e.q->items)
    {
        struct item *it = container_of(l, struct item, link);
        snprintf(text, sizeof(text), "%016" PRIx64, it->m->key);
        map_put(m, sv_c(text), it);
    }
    return m;
}

static bool settled(struct sv key, void *value, void *arg)
{
    (void)key;
    struct fate *f = value;
    if (f->local_durable && (!f->has_remote || f->remote_sent))
        *(unsigned *)arg += 1;
    return true;
}

static void one_round(struct env *next)
{
    pthread_t t[ACCEPTERS + 2];
    unsigned n = 0;
    dead = false;
    for (uintptr_t i = 0; i < ACCEPTERS; i++)
        pthread_create(&t[n++], NULL, accept_many, (void *)i);
    pthread_create(&t[n++], NULL, settle_many, (void *)RCPT_LOCAL);
    pthread_create(&t[n++], NULL, settle_many, (void *)RCPT_REMOTE);
    /* A slow machine gets time to work off what earlier cuts brought back. */
    for (unsigned i = 0; i < 1000 && queue_count(e.q) > 300; i++)
        usleep(5000);
    usleep(1000 + rand_below(100000));
    pthread_mutex_lock(&power.lock);
    dead = true;
    power_cut(&e, next);
    pthread_mutex_unlock(&power.lock);
    queue_stop(e.q);
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    /* The old process writes on for a moment; that is not of this image. */
    queue_crash(e.q);
    pthread_mutex_lock(&power.lock);
    forget_image();
    pthread_mutex_unlock(&power.lock);
    env_remove(&e);
}

static void test_power(void **state)
{
    (void)state;
    struct queue_io io = power_io();
    unsigned unsynced = 0;
    fates = map_new();
    power.names = map_new();
    power.on_syncfs = mail_store_synced;
    settings("1MiB", "2MiB", "20ms");
    queue_io_test(&io);
    env_make(&e);
    env_open(&e);
    int64_t start = clock_mono_ms();
    int round = 0;
    for (; round < ROUNDS && clock_mono_ms() - start < MAX_MS; round++) {
        struct env next;
        char dir[160];
        struct check c = { 0 };
        one_round(&next);
        e = next;
        snprintf(dir, sizeof(dir), "%s/journal", e.out);
        adopt_dir(e.out);
        adopt_dir(dir);
        if (rand_below(3) == 0) { /* killed again before it came to do anything */
            env_open(&e);
            env_crash(&e);
        }
        env_open(&e);
        pthread_mutex_lock(&e.q->lock); /* first, as in the queue itself */
        pthread_mutex_lock(&power.lock);
        c.items = items_by_key();
        map_each(fates, check_fate, &c);
        map_free(c.items, NULL);
        pthread_mutex_unlock(&power.lock);
        pthread_mutex_unlock(&e.q->lock);
        if (c.lost || c.sent_again)
            fail_msg("round %d: %u lost, %u sent again", round, c.lost, c.sent_again);
        unsynced += c.unsynced;
    }
    unsigned done = 0;
    map_each(fates, settled, &done);
    printf("%u accepted over %d power cuts, %u settled, %u deliveries lost by the mail store and "
           "repeated, "
           "%u blocks torn or written by chance\n",
           n_accepted, round, done, unsynced, power.torn_blocks);
    env_close(&e);
    env_remove(&e);
    queue_io_test(NULL);
    forget_image();
    map_free(power.names, NULL);
    map_free(fates, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
