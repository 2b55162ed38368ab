/* Whose turn it is, at which destination: the scheduler alone, with a clock of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/queue/dests.h"

#include <stdio.h>
#include <time.h>

enum { MANY = 100000, DEAD = 5000 };

struct thing {
    struct waiter w;
    struct list all; /* in made */
    char to[40], from[20];
};

static struct list made; /* what is left of them goes in the end */

static struct dests *ds;
static int64_t now;

static int64_t wait_of(void *arg, unsigned failures)
{
    (void)arg;
    return MIN(1000LL << MIN(failures - 1, 10u), 60000LL);
}

static const struct dest_policy policy = {
    .start = 2,
    .max = 5,
    .strikes = 3,
    .limit = { [DEST_PROVEN] = 8, [DEST_NEW] = 6, [DEST_BACKLOG] = 4, [DEST_PROBE] = 4 },
    .wait = wait_of,
};

static struct thing *add_as(const char *to, const char *from, enum priority p)
{
    struct thing *t = xcalloc(1, sizeof(*t));
    snprintf(t->to, sizeof(t->to), "%s", to);
    snprintf(t->from, sizeof(t->from), "%s", from);
    list_init(&t->w.link);
    list_add_tail(&made, &t->all);
    dests_add(ds, sv_c(to), sv_c(from), p, false, &t->w);
    return t;
}

static void drop(struct thing *t)
{
    if (t)
        list_del(&t->all);
    free(t);
}

static void add(const char *to, unsigned n)
{
    while (n--)
        add_as(to, "a", PRIORITY_NORMAL);
}

/* Takes one; NULL when there is none now. Drop it. */
static struct thing *take(struct place *at)
{
    struct waiter *w = dests_take(ds, &policy, now, at);
    return w ? container_of(w, struct thing, w) : NULL;
}

static bool take_for(struct place *at, const char *to)
{
    struct thing *t = take(at);
    if (!t)
        return false;
    assert_string_equal(t->to, to);
    assert_string_equal(dests_key(at), to);
    drop(t);
    return true;
}

static void tell(struct place *at, enum peer what)
{
    dests_tell(ds, &policy, now, at, what, "451 reason");
}

static void deliver(const char *to)
{
    struct place at;
    assert_true(take_for(&at, to));
    tell(&at, PEER_ANSWERED);
    dests_leave(ds, &at);
}

static void fails(const char *to)
{
    struct place at;
    assert_true(take_for(&at, to));
    tell(&at, PEER_FAILED);
    dests_leave(ds, &at);
}

static struct dest_info info(const char *to)
{
    struct dest_info i = { 0 };
    assert_true(dests_info(ds, sv_c(to), &i));
    return i;
}

/* Everything that can be taken now. */
static unsigned drain(void)
{
    struct place at;
    struct thing *t;
    unsigned n = 0;
    for (; (t = take(&at)); n++) {
        tell(&at, PEER_ANSWERED);
        dests_leave(ds, &at);
        drop(t);
    }
    return n;
}

/* One connection to a new destination; after its answer two; one more for each window of answers.
 */
static void test_window_grows(void **state)
{
    (void)state;
    struct place at[8];
    add("x.test", 40);
    assert_true(take_for(&at[0], "x.test"));
    assert_null(take(&at[1]));
    tell(&at[0], PEER_ANSWERED);
    assert_int_equal(info("x.test").window, 2);
    for (unsigned i = 1; i < 2; i++)
        assert_true(take_for(&at[i], "x.test"));
    assert_null(take(&at[2]));
    for (unsigned i = 0; i < 40; i++)
        tell(&at[0], PEER_ANSWERED);
    assert_int_equal(info("x.test").window, 5); /* no more than the limit */
    for (unsigned i = 2; i < 5; i++)
        assert_true(take_for(&at[i], "x.test"));
    assert_null(take(&at[5]));
    tell(&at[0], PEER_FAILED);
    assert_int_equal(info("x.test").window, 4);
    dests_leave(ds, &at[0]);
    assert_null(take(&at[0])); /* four are there */
    dests_leave(ds, &at[1]);
    assert_true(take_for(&at[0], "x.test"));
    for (unsigned i = 0; i < 5; i++)
        dests_leave(ds, &at[i]);
    assert_int_equal(drain(), 40 - 6);
}

/* A dead destination has one attempt for each wait, however many wait for it. */
static void test_dead_is_probed_by_one(void **state)
{
    (void)state;
    struct place at;
    add("dead.test", 100);
    fails("dead.test");
    assert_null(take(&at));
    assert_int_equal(info("dead.test").state, DEST_RESTS);
    assert_string_equal(info("dead.test").answer, "451 reason");
    assert_true(dests_wake(ds) == now + 1000);
    unsigned probes = 0;
    for (int64_t end = now + 63100; now < end; now += 100) {
        struct thing *t = take(&at);
        if (!t)
            continue;
        assert_null(take(&(struct place){ 0 })); /* a probe is alone */
        drop(t);
        tell(&at, PEER_FAILED);
        dests_leave(ds, &at);
        probes++;
    }
    assert_int_equal(probes, 6); /* after 1, 3, 7, 15, 31, 63 s */
    now += 60000;
    assert_true(take_for(&at, "dead.test"));
    assert_null(take(&(struct place){ 0 }));
    tell(&at, PEER_ANSWERED);
    dests_leave(ds, &at);
    assert_int_equal(drain(), 100 - 8); /* all that waited go */
}

/* One that has answered before rests only after several failures in a row. */
static void test_strikes(void **state)
{
    (void)state;
    struct place at;
    add("x.test", 20);
    deliver("x.test");
    fails("x.test");
    fails("x.test");
    deliver("x.test");
    fails("x.test");
    fails("x.test");
    assert_int_equal(info("x.test").state, DEST_OPEN);
    fails("x.test");
    assert_int_equal(info("x.test").state, DEST_RESTS);
    assert_null(take(&at));
    now += 1000;
    fails("x.test"); /* a probe has one chance */
    assert_null(take(&at));
}

/* Those who were there when it fell silent count as one failure. */
static void test_failures_at_once(void **state)
{
    (void)state;
    struct place at[5];
    add("x.test", 20);
    deliver("x.test");
    for (unsigned i = 0; i < 30; i++) {
        add("x.test", 1);
        deliver("x.test");
    }
    for (unsigned i = 0; i < 5; i++)
        assert_true(take_for(&at[i], "x.test"));
    for (unsigned i = 0; i < 5; i++) {
        tell(&at[i], PEER_FAILED);
        dests_leave(ds, &at[i]);
    }
    assert_int_equal(info("x.test").failures, 1);
    assert_true(dests_wake(ds) == now + 1000);
}

/* A sender with very many messages does not keep the others waiting, at one destination and at
 * many. */
static void test_senders_take_turns(void **state)
{
    (void)state;
    char to[40];
    add("x.test", 1000);
    deliver("x.test");
    add_as("x.test", "b", PRIORITY_NORMAL);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(to, sizeof(to), "d%u.test", i);
        add(to, 5);
    }
    add_as("y.test", "c", PRIORITY_NORMAL);
    bool b = false, c = false;
    for (unsigned i = 0; i < 8; i++) {
        struct place at;
        struct thing *t = take(&at);
        assert_non_null(t);
        tell(&at, PEER_ANSWERED);
        dests_leave(ds, &at);
        b |= !strcmp(t->from, "b");
        c |= !strcmp(t->from, "c");
        drop(t);
    }
    assert_true(b && c);
    drain();
}

static void test_priorities(void **state)
{
    (void)state;
    struct place at;
    unsigned n[PRIORITIES] = { 0 };
    add("x.test", 1);
    deliver("x.test");
    for (unsigned i = 0; i < 64; i++) {
        add_as("x.test", "low", PRIORITY_LOW);
        add_as("x.test", "normal", PRIORITY_NORMAL);
        add_as("x.test", "high", PRIORITY_HIGH);
    }
    for (unsigned i = 0; i < 64; i++) {
        struct thing *t = take(&at);
        n[*t->from == 'h' ? PRIORITY_HIGH : *t->from == 'n' ? PRIORITY_NORMAL : PRIORITY_LOW]++;
        tell(&at, PEER_ANSWERED);
        dests_leave(ds, &at);
        drop(t);
    }
    assert_int_equal(n[PRIORITY_LOW], 8); /* never starved */
    assert_int_equal(n[PRIORITY_HIGH], 56);
    drain();
}

/* The same connection takes the next message, the most urgent one. */
static void test_next(void **state)
{
    (void)state;
    struct place at;
    add("x.test", 2);
    assert_true(take_for(&at, "x.test"));
    tell(&at, PEER_ANSWERED);
    struct thing *high = add_as("x.test", "b", PRIORITY_HIGH);
    assert_ptr_equal(dests_next(ds, &at), &high->w);
    drop(high);
    struct waiter *w = dests_next(ds, &at);
    assert_non_null(w);
    drop(container_of(w, struct thing, w));
    assert_null(dests_next(ds, &at));
    dests_leave(ds, &at);
    dests_leave(ds, &at); /* nothing is held: nothing happens */
    assert_int_equal(info("x.test").active, 0);
}

/* Places for what may not be there are limited, so that others are free for what is. */
static void test_new_ones_leave_room(void **state)
{
    (void)state;
    struct place at[8], live;
    char to[40];
    add("live.test", 1);
    deliver("live.test");
    for (unsigned i = 0; i < 50; i++) {
        snprintf(to, sizeof(to), "new%u.test", i);
        add(to, 3);
    }
    unsigned n = 0;
    struct thing *t;
    for (; (t = take(&at[n])); n++)
        drop(t);
    assert_int_equal(n, 6);
    add("live.test", 1);
    assert_true(take_for(&live, "live.test"));
    dests_leave(ds, &live);
    for (unsigned i = 0; i < n; i++) {
        tell(&at[i], PEER_FAILED);
        dests_leave(ds, &at[i]);
    }
    now += 1000; /* probes are due, new ones wait: both go on, and leave room together */
    unsigned probes = 0, fresh = 0;
    for (n = 0; (t = take(&at[n])); n++) {
        probes += at[n].counts == DEST_PROBE;
        fresh += at[n].counts == DEST_NEW;
        drop(t);
        if (n == 7)
            break;
    }
    assert_int_equal(fresh + probes, 6);
    assert_true(probes >= 1 && fresh >= 1);
    for (unsigned i = 0; i < n; i++)
        dests_leave(ds, &at[i]);
}

/* Neither the sender of very many to new destinations nor others wait for all of these. */
static void test_the_newest_is_tried_soon(void **state)
{
    (void)state;
    char to[40];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(to, sizeof(to), "silent%u.test", i);
        add(to, 2);
    }
    add("live.test", 1);
    add_as("other.test", "b", PRIORITY_NORMAL);
    bool oldest = false, live = false, other = false;
    for (unsigned i = 0; i < 4; i++) {
        struct place at;
        struct thing *t = take(&at);
        assert_non_null(t);
        assert_true(dests_first_contact(&at));
        oldest |= !strcmp(t->to, "silent0.test");
        live |= !strcmp(t->to, "live.test");
        other |= !strcmp(t->to, "other.test");
        tell(&at, PEER_FAILED);
        dests_leave(ds, &at);
        drop(t);
    }
    assert_true(oldest && live && other);
    drain();
}

/* Destinations that mail from before the start waits for, and that say nothing, leave room for one
 * that new mail goes to, and for one of theirs as soon as new mail goes there. */
static void test_backlog_leaves_room(void **state)
{
    struct place at[8];
    char name[20];
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "old%d", i);
        dests_backlog(ds, &add_as(name, "a", PRIORITY_NORMAL)->w);
    }
    for (struct thing *t; (t = take(&at[n])); n++) {
        assert_int_equal(strncmp(t->to, "old", 3), 0);
        assert_true(dests_first_contact(&at[n]));
        drop(t);
    }
    assert_int_equal(n, policy.limit[DEST_BACKLOG]);
    add("new", 1);
    assert_true(take_for(&at[n], "new"));
    assert_true(dests_first_contact(&at[n]));
    tell(&at[n], PEER_ANSWERED);
    dests_leave(ds, &at[n]);
    dests_news(ds, SV("old7"));
    assert_true(take_for(&at[n], "old7"));
    tell(&at[n], PEER_ANSWERED);
    dests_leave(ds, &at[n]);
    assert_null(take(&at[n])); /* the others still hold theirs */
    tell(&at[0], PEER_FAILED); /* when one was asked, the next one's turn has come */
    dests_leave(ds, &at[0]);
    struct thing *t = take(&at[0]);
    assert_non_null(t);
    drop(t);
    while (n)
        dests_leave(ds, &at[--n]);
}

/* 100,000 messages for 5,000 dead destinations: each step stays cheap, a live one is served at
 * once. */
static void test_many_dead(void **state)
{
    (void)state;
    static struct thing things[MANY];
    struct place at, live;
    char to[40];
    clock_t t0 = clock();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(to, sizeof(to), "dead%u.test", i % DEAD);
        list_init(&things[i].w.link);
        dests_add(ds, sv_c(to), SV("list"), PRIORITY_NORMAL, false, &things[i].w);
    }
    unsigned attempts = 0, worst = 0;
    for (unsigned round = 0; round < 3; round++, now += 100000) {
        struct waiter *w;
        while ((w = dests_take(ds, &policy, now, &at))) {
            attempts++;
            tell(&at, PEER_FAILED);
            dests_leave(ds, &at);
            if (attempts % 1000)
                continue;
            struct thing *one = add_as("live.test", "ann", PRIORITY_NORMAL);
            unsigned takes = 0;
            for (bool found = false; !found; takes++) {
                struct waiter *got = dests_take(ds, &policy, now, &live);
                found = got == &one->w;
                tell(&live, found ? PEER_ANSWERED : PEER_FAILED);
                attempts += !found;
                dests_leave(ds, &live);
            }
            worst = MAX(worst, takes);
            drop(one);
        }
    }
    printf("%u attempts for %d messages, a live one waits for %u others; %.0f ms\n", attempts, MANY,
           worst - 1, (double)(clock() - t0) * 1000 / CLOCKS_PER_SEC);
    assert_int_equal(attempts, 3 * DEAD);
    assert_true(worst <= 3);
    for (unsigned i = 0; i < MANY; i++)
        dests_remove(ds, &things[i].w);
    assert_int_equal(dests_wake(ds), INT64_MAX);
}

/* Remove in any order, again and again. */
static void test_removal(void **state)
{
    (void)state;
    struct thing *t[300];
    struct place at;
    char to[40];
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 300; i++) {
            snprintf(to, sizeof(to), "d%u.test", i % 7);
            t[i] = add_as(to, i % 3 ? "a" : "b", (enum priority)(i % PRIORITIES));
        }
        for (unsigned i = 0; i < 300; i++) {
            unsigned k = i * 7 % 300;
            dests_remove(ds, &t[k]->w);
            dests_remove(ds, &t[k]->w);
        }
        assert_null(dests_take(ds, &policy, now, &at));
        for (unsigned i = 0; i < 300; i++)
            drop(t[i]);
    }
    assert_false(dests_runnable(ds, &policy));
}

/* What is known from before a start: probed at once, but by one. */
static void test_distrust(void **state)
{
    (void)state;
    struct place at;
    dests_distrust(ds, SV("x.test"), "451 no way");
    add("x.test", 3);
    assert_string_equal(info("x.test").answer, "451 no way");
    assert_true(take_for(&at, "x.test"));
    assert_int_equal(at.counts, DEST_PROBE);
    assert_null(take(&(struct place){ 0 }));
    tell(&at, PEER_FAILED);
    dests_leave(ds, &at);
    assert_null(take(&at));
    dests_probe_now(ds, SV("x.test"));
    assert_true(take_for(&at, "x.test"));
    dests_leave(ds, &at);
}

static int setup(void **state)
{
    (void)state;
    list_init(&made);
    ds = dests_new();
    now = 1000000;
    return 0;
}

static bool forget(const struct dest_info *i, void *arg)
{
    (void)arg;
    assert_int_equal(i->active, 0);
    return true;
}

static int teardown(void **state)
{
    (void)state;
    dests_each(ds, forget, NULL);
    dests_free(ds);
    list_for_each_safe(l, t, &made) drop(container_of(l, struct thing, all));
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_window_grows),
        TEST(test_dead_is_probed_by_one),
        TEST(test_strikes),
        TEST(test_failures_at_once),
        TEST(test_senders_take_turns),
        TEST(test_priorities),
        TEST(test_next),
        TEST(test_new_ones_leave_room),
        TEST(test_the_newest_is_tried_soon),
        TEST(test_backlog_leaves_room),
        TEST(test_many_dead),
        TEST(test_removal),
        TEST(test_distrust),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
