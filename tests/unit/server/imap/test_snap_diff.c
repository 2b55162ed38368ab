/* The difference of snapshots against a model: a client that knows only what it is told must end
 * with the new state, whatever happened. */
#include "imap_test.h"

#include "server/imap/snap_diff.h"

enum { MAX = 40 };

struct model {
    uint32_t n;
    struct snap_msg m[2 * MAX];
    uint32_t uidnext, n_keywords;
};

static struct snap *snap_of(const struct model *x)
{
    struct snap *s = xcalloc(1, sizeof(*s) + x->n * sizeof(struct snap_msg));
    s->n = x->n;
    s->uidnext = x->uidnext;
    s->n_keywords = x->n_keywords;
    if (x->n)
        memcpy(s->m, x->m, x->n * sizeof(struct snap_msg));
    return s;
}

static void change(struct model *x)
{
    uint32_t k = rand_below(10);
    if (k < 3 && x->n < MAX) {
        x->m[x->n++] = (struct snap_msg){ x->uidnext, 1, rand_below(32) };
        x->uidnext += 1 + rand_below(3);
    } else if (k < 6 && x->n) {
        uint32_t i = rand_below(x->n);
        memmove(&x->m[i], &x->m[i + 1], (--x->n - i) * sizeof(x->m[0]));
    } else if (k < 9 && x->n) {
        x->m[rand_below(x->n)].flags = rand_below(32);
    } else if (k == 9) {
        x->n_keywords += x->n_keywords < MAX_KEYWORDS;
    }
}

/* The client: numbers and flags as told; -1 flags = not known (new messages are fetched). */
struct client {
    uint32_t n, keywords;
    uint32_t uid[2 * MAX]; /* what the message at this number is, for checking */
    uint64_t flags[2 * MAX];
    bool flags_known[2 * MAX];
};

static void apply(struct client *c, const struct snap *new, struct imap_event ev, bool *exists_told)
{
    switch (ev.type) {
    case EVENT_END:
        break;
    case EVENT_EXPUNGE: {
        assert_false(*exists_told);
        assert_true(ev.number >= 1 && ev.number <= c->n);
        uint32_t i = ev.number - 1;
        c->n--;
        memmove(&c->uid[i], &c->uid[i + 1], (c->n - i) * sizeof(c->uid[0]));
        memmove(&c->flags[i], &c->flags[i + 1], (c->n - i) * sizeof(c->flags[0]));
        memmove(&c->flags_known[i], &c->flags_known[i + 1], (c->n - i) * sizeof(c->flags_known[0]));
        break;
    }
    case EVENT_FLAGS:
        c->keywords = new->n_keywords;
        break;
    case EVENT_EXISTS:
        assert_true(ev.number > c->n);
        for (; c->n < ev.number; c->n++) {
            c->uid[c->n] = new->m[c->n].uid;
            c->flags_known[c->n] = false;
        }
        *exists_told = true;
        break;
    case EVENT_FETCH:
        assert_true(ev.number >= 1 && ev.number <= c->n);
        c->flags[ev.number - 1] = new->m[ev.number - 1].flags;
        c->flags_known[ev.number - 1] = true;
        break;
    }
}

static void random_histories(void **state _unused_)
{
    for (int round = 0; round < 30000; round++) {
        struct model x = { .uidnext = 1 };
        struct client c = { 0 };
        struct snap *old = snap_of(&x);
        for (int step = 0; step < 6; step++) {
            for (unsigned k = rand_below(12); k; k--)
                change(&x);
            struct snap *new = snap_of(&x);
            struct imap_diff d;
            bool exists_told = false;
            uint32_t expunged = 0;
            imap_diff_init(&d, old, new, NULL);
            for (struct imap_event ev; (ev = imap_diff_next(&d)).type != EVENT_END;) {
                expunged += ev.type == EVENT_EXPUNGE;
                apply(&c, new, ev, &exists_told);
            }
            assert_int_equal(imap_diff_next(&d).type, EVENT_END);
            assert_int_equal(expunged, imap_diff_count_expunged(old, new));
            assert_int_equal(c.n, new->n);
            assert_int_equal(c.keywords, new->n_keywords);
            for (uint32_t i = 0; i < c.n; i++) {
                assert_int_equal(c.uid[i], new->m[i].uid);
                if (c.flags_known[i])
                    assert_int_equal(c.flags[i], new->m[i].flags);
                c.flags[i] = new->m[i].flags; /* a client fetches what is new */
                c.flags_known[i] = true;
            }
            free(old);
            old = new;
        }
        free(old);
    }
}

static unsigned count_fetch(const struct snap *old, const struct snap *new,
                            const struct imap_expect *x)
{
    struct imap_diff d;
    unsigned n = 0;
    imap_diff_init(&d, old, new, x);
    for (struct imap_event ev; (ev = imap_diff_next(&d)).type != EVENT_END;)
        n += ev.type == EVENT_FETCH;
    return n;
}

static void own_changes(void **state _unused_)
{
    struct model a = { .n = 3, .uidnext = 4, .m = { { 1, 1, 0 }, { 2, 1, 1 }, { 3, 1, 4 } } };
    struct model b = { .n = 3, .uidnext = 4, .m = { { 1, 1, 8 }, { 2, 1, 9 }, { 3, 1, 4 } } };
    struct snap *old = snap_of(&a), *new = snap_of(&b);
    static const uint32_t uids[] = { 1, 2, 3 };
    struct imap_expect x = { .uids = uids, .n = 2, .mode = STORE_ADD, .bits = 8 };
    assert_int_equal(count_fetch(old, new, NULL), 2);
    assert_int_equal(count_fetch(old, new, &x), 0); /* silent: as expected */
    x.n = 1;
    assert_int_equal(count_fetch(old, new, &x), 1); /* the other one is news */
    x.n = 3;
    assert_int_equal(count_fetch(old, new, &x), 1); /* somebody else took \Deleted away from 3 */
    x.tell = true;
    assert_int_equal(count_fetch(old, new, &x), 3);
    x = (struct imap_expect){ .uids = uids, .n = 2, .mode = STORE_REPLACE, .bits = 8 };
    assert_int_equal(count_fetch(old, new, &x), 1);
    x = (struct imap_expect){ .uids = uids, .n = 2, .mode = STORE_REMOVE, .bits = 8 };
    assert_int_equal(count_fetch(old, new, &x), 2);
    free(old);
    free(new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
        cmocka_unit_test(own_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
