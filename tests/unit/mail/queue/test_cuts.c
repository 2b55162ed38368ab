/* Power cuts (and kills) before each single call of a short history: boots with messages of all
 * kinds, settled, deferred and waiting, and checkpoints. Each boot recovers what the one before
 * left, and is cut, too. Everything follows from a struct plan, which is printed. */
#include "power_books.h"

#include "log/log.h"

/* Under a sanitizer, which makes it many times as long, cuts leave out some calls; the code that
 * runs is the same. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 7 }; /* no divisor of the number of disks and kinds of cuts */
#else
enum { STEP = 1 };
#endif

static struct env e, next;
static int64_t now_ms;

static void on_cut(void)
{
    books_cut(&e, &next);
}

/* --- one boot's work; every step ends early when the power went --- */

static void accept_one(size_t size, unsigned remote, bool streamed)
{
    struct message *m = make_message(size, 1, remote);
    int fd;
    if (streamed) {
        assert_int_equal(queue_spool_begin(e.q, m, &fd, NULL), 0);
        assert_int_equal(os_write_all(fd, m->content.p, m->content.n), 0);
        close(fd);
        message_drop_content(m);
    }
    uint64_t key = m->key;
    if (queue_accept(e.q, m, NULL) == 0)
        note_accepted(key, remote > 0);
    message_unref(m);
}

static bool something_for(enum rcpt_kind kind)
{
    return kind == RCPT_LOCAL ? !list_empty(&e.q->ready) : sched_runnable(e.q);
}

/* Every other message is sent on: to a mailbox and to another server. */
static void send_on(struct message *parent)
{
    char last = parent->item[strlen(parent->item) - 1];
    if (parent->parent || last % 2)
        return;
    uint64_t key = ~parent->key;
    struct message *m = make_keyed(key, last % 4 ? 2000 : 300000, 1, 1);
    note_child_tried(key);
    note_child(key, queue_accept_child(e.q, parent, m, NULL), true);
    message_unref(m);
}

/* --- what the administrator does --- */

struct steering {
    enum queue_action action;
    int outcome; /* for note_held */
    size_t n;
};

/* Some of those that wait or are being delivered. */
static bool third(const struct queue_info *i, void *arg)
{
    struct steering *s = arg;
    return i->held == (s->action == QUEUE_RELEASE) && s->n++ % 3 == 0;
}

static void note_each(const char *id, enum queue_steer_result r, void *arg)
{
    const struct steering *s = arg;
    if (r != STEER_DONE && r != STEER_LATER)
        return;
    list_for_each(l, &e.q->items)
    {
        struct item *it = container_of(l, struct item, link);
        char key[20];
        if (!it->committed || strcmp(it->m->id, id) != 0)
            continue;
        snprintf(key, sizeof(key), "%016" PRIx64, it->m->key);
        note_held(key, s->outcome);
    }
}

/* Unknown while it is done: a cut may leave either. */
static void steer(enum queue_action action)
{
    struct steering s = { action, HELD_UNKNOWN, 0 };
    struct queue_steer spec = {
        .action = action, .dry_run = true, .want = third, .each = note_each, .arg = &s
    };
    struct queue_steered done;
    if (is_dead())
        return;
    assert_int_equal(queue_steer(e.q, &spec, &done, NULL), 0);
    s = (struct steering){ action, action == QUEUE_HOLD ? HELD : NOT_HELD, 0 };
    spec.dry_run = false;
    (void)queue_steer(e.q, &spec, &done, NULL);
}

/* --- deliveries --- */

static void settle_some(enum rcpt_kind kind, size_t n, bool defer)
{
    struct message *got[16];
    if (is_dead() || !something_for(kind))
        return;
    n = queue_take(e.q, kind, got, n);
    if (defer)
        steer(QUEUE_HOLD);
    for (size_t i = 0; i < n; i++) {
        uint64_t key = got[i]->key;
        if (kind == RCPT_LOCAL)
            send_on(got[i]);
        if (defer)
            got[i]->next_try_ms = clock_wall_ms() + 1000;
        else
            note_delivered(key, kind);
        settle_as(e.q, got[i], kind, defer ? RCPT_WAITING : RCPT_DELIVERED, "");
        if (!defer)
            note_recorded(key, kind);
    }
}

/* A pause: what was answered last holds. */
static enum { PAUSE_UNKNOWN, PAUSED, NOT_PAUSED } paused;

static void pause_some(bool on)
{
    if (is_dead())
        return;
    paused = PAUSE_UNKNOWN;
    if (queue_pause(e.q, PAUSE_DESTINATION, SV("Paused.test"), on, "test", NULL) >= 0 && !is_dead())
        paused = on ? PAUSED : NOT_PAUSED;
}

static void check_pause(void)
{
    if (paused != PAUSE_UNKNOWN)
        assert_int_equal(pauses_hold(&e.q->pauses, PAUSE_DESTINATION, SV("paused.test")),
                         paused == PAUSED);
}

static void accept_all_kinds(void)
{
    accept_one(3000, 0, false);
    accept_one(3000, 1, false);
    accept_one(300000, 1, false); /* gets a file at once */
    accept_one(2000, 0, true);
    accept_one(240000, 0, false); /* several of these fill a segment */
    accept_one(240000, 1, false);
}

static void work(void)
{
    for (int i = 0; i < 2 && !is_dead(); i++) {
        accept_all_kinds();
        settle_some(RCPT_LOCAL, 3, false);
        settle_some(RCPT_LOCAL, 1, true);
        settle_some(RCPT_REMOTE, 1, true);
        steer(QUEUE_HOLD);
        pause_some(i == 0);
        settle_some(RCPT_REMOTE, 1, false);
        if (i == 0 && !is_dead())
            queue_checkpoint(e.q);
        settle_some(RCPT_LOCAL, 4, false);
        steer(QUEUE_RELEASE);
        settle_some(RCPT_REMOTE, 1, false);
    }
}

/* --- boots --- */

/* Ends the boot by a cut, at once or where power.cut_at says. The next one has what is left. */
static void power_off(void)
{
    pthread_mutex_lock(&power.lock);
    if (!power.off)
        on_cut();
    pthread_mutex_unlock(&power.lock);
    if (e.q)
        env_crash(&e);
    env_remove(&e);
    e = next;
    books.dead = false;
    clock_test_freeze(now_ms += 500);
    power_on(&e);
    power.calls = power.cut_at = 0;
}

/* Opening may meet the cut as well: then there is nothing to compare. */
static void boot(void)
{
    env_open(&e);
    if (is_dead())
        return;
    struct check c = books_check(e.q);
    if (c.lost || c.sent_again || c.held_wrong)
        fail_msg("%u lost, %u sent again, %u held or not", c.lost, c.sent_again, c.held_wrong);
    check_pause();
    check_contents(e.q);
}

static void drain(void)
{
    clock_test_freeze(now_ms += 5000);
    struct queue_steer all = { .action = QUEUE_RELEASE };
    struct queue_steered done;
    assert_int_equal(queue_steer(e.q, &all, &done, NULL), 0);
    for (int i = 0; i < 100 && queue_count(e.q); i++) {
        queue_retry(e.q, SV(""));
        settle_some(RCPT_LOCAL, 16, false);
        settle_some(RCPT_REMOTE, 16, false);
    }
    assert_int_equal(queue_count(e.q), 0);
    env_close(&e);
    env_open(&e);
    assert_int_equal(queue_count(e.q), 0);
    env_close(&e);
}

static const struct {
    enum keep keep;
    bool any_order, same_boot;
} disks[] = {
    { KEEP_EVERYTHING, false, false }, { KEEP_NOTHING, false, false },
    { KEEP_SOME, false, false },       { KEEP_SOME, true, false },
    { KEEP_EVERYTHING, false, true }, /* kill -9 */
};

enum { BOOTS = 3 };

struct plan {
    uint64_t seed;
    unsigned disk[BOOTS]; /* what a cut leaves */
    unsigned cut[BOOTS];  /* before which call of a boot it comes; 0 = after its work */
    bool kill;            /* the last boot is killed and started once more */
};

/* Returns how many calls the last boot that can be cut made. */
static unsigned history(const struct plan *p)
{
    unsigned calls = 0;
    env_make(&e);
    power.calls = 0;
    paused = PAUSE_UNKNOWN;
    for (unsigned i = 0; i < BOOTS; i++) {
        power.cut_at = p->cut[i];
        power.keep = disks[p->disk[i]].keep;
        power.any_order = disks[p->disk[i]].any_order;
        power.same_boot = disks[p->disk[i]].same_boot;
        boot();
        if (!is_dead())
            work();
        calls = power.calls;
        power_off();
    }
    if (p->kill) {
        env_open(&e);
        queue_checkpoint(e.q);
        env_crash(&e);
    }
    boot();
    drain();
    env_remove(&e);
    return calls;
}

static unsigned run(const struct plan *p)
{
    struct buf log;
    buf_init(&log, 1 * MiB);
    power_init(p->seed);
    books_init();
    log_test_capture(&log);
    printf("{ %" PRIu64 ", { %u, %u, %u }, { %u, %u, %u }, %d }\n", p->seed, p->disk[0], p->disk[1],
           p->disk[2], p->cut[0], p->cut[1], p->cut[2], p->kill);
    fflush(stdout);
    unsigned calls = history(p);
    log_test_capture(NULL);
    buf_terminate(&log);
    if (strstr(log.p, "is lost"))
        fail_msg("%s", log.p);
    buf_done(&log);
    power_done();
    books_done();
    return calls;
}

/* The disks change from cut to cut and from pass to pass. */
static struct plan plan(unsigned pass, unsigned i)
{
    struct plan p = { .seed = pass * 10000 + i };
    for (unsigned k = 0; k < BOOTS; k++)
        p.disk[k] = (i + pass + k * (i / ARRAY_LEN(disks))) % ARRAY_LEN(disks);
    p.kill = (i / ARRAY_LEN(disks) + pass) % 3 == 0;
    return p;
}

/* QUEUE_CUTS=n: so many passes. */
static unsigned passes(void)
{
    const char *n = getenv("QUEUE_CUTS");
    return n ? (unsigned)strtoul(n, NULL, 10) : 1;
}

static void test_one_boot_is_cut(void **state)
{
    (void)state;
    for (unsigned pass = 0; pass < passes(); pass++) {
        struct plan p = plan(pass, 0);
        unsigned calls = run(&p);
        for (unsigned i = 1 + pass % STEP; i <= calls; i += STEP) {
            p = plan(pass, i);
            p.cut[BOOTS - 1] = i;
            run(&p);
        }
    }
}

/* Cuts anywhere in all boots: also in a recovery of what another recovery left. */
static void test_all_boots_are_cut(void **state)
{
    (void)state;
    for (unsigned pass = 0; pass < passes(); pass++) {
        struct plan p = plan(pass, 0);
        unsigned calls = run(&p);
        for (unsigned i = 1 + pass % (4 * STEP); i <= calls; i += 4 * STEP) {
            p = plan(pass, i / (4 * STEP));
            for (unsigned k = 0; k < BOOTS; k++) /* half of them while it recovers */
                p.cut[k] = 1 + i * (37 + k) % (k % 2 ? calls : calls / 4 + 1);
            run(&p);
        }
    }
}

static int setup(void **state)
{
    static struct queue_io io;
    (void)state;
    io = power_io();
    power.on_cut = on_cut;
    settings("1MiB", "2MiB", "1h");
    clock_test_freeze(now_ms = 1800000000000);
    queue_io_test(&io);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_freeze(0);
    queue_io_test(NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_boot_is_cut),
        cmocka_unit_test(test_all_boots_are_cut),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
