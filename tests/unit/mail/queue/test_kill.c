/* Acceptance survives kill -9 at random moments: what the child reported as accepted is in the
 * queue of the next one or was reported as settled. */
#include "queue_test.h"

#include "base/hash.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    ROUNDS = 100,
    THREADS = 8,
    MOST_WAITING = 300, /* each round reads them anew: without a bound the test takes its square */
};

static struct env e;
static int report_fd;

/* One write of a line is atomic in a pipe. */
static void report(char what, uint64_t key)
{
    char line[24];
    int n = snprintf(line, sizeof(line), "%c%016" PRIx64 "\n", what, key);
    if (write(report_fd, line, (size_t)n) != n)
        _exit(2);
}

static void *accept_many(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (;;) {
        size_t size = rand_below(20) == 0 ? 400000 : 200 + rand_below(9000);
        struct message *m = make_message(size, 1, seed % 3 == 0);
        struct errinfo ei;
        while (queue_count(e.q) > MOST_WAITING)
            usleep(200);
        if (queue_accept(e.q, m, &ei) < 0)
            _exit(3);
        report('A', m->key);
        message_unref(m);
    }
    return NULL;
}

static void *settle_many(void *arg)
{
    enum rcpt_kind kind = (enum rcpt_kind)(uintptr_t)arg;
    struct message *got[16];
    for (;;) {
        size_t n = queue_take(e.q, kind, got, 16);
        for (size_t i = 0; i < n; i++) {
            check_content(got[i]);
            report(kind == RCPT_LOCAL ? 'L' : 'R', got[i]->key); /* delivered; then recorded */
            settle_as(e.q, got[i], kind, RCPT_DELIVERED, "");
        }
        if (rand_below(4) == 0)
            usleep(rand_below(3000)); /* so that some wait when a segment is given back */
    }
    return NULL;
}

static void child(int fd)
{
    pthread_t t;
    report_fd = fd;
    env_open(&e);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&t, NULL, accept_many, (void *)i);
    pthread_create(&t, NULL, settle_many, (void *)RCPT_REMOTE);
    settle_many((void *)RCPT_LOCAL);
}

struct fate {
    bool accepted, local, remote;
};

static struct fate *fate_of(struct map *all, const char *key)
{
    struct fate *f = map_get(all, sv_c(key));
    if (!f) {
        f = xcalloc(1, sizeof(*f));
        map_put(all, sv_c(key), f);
    }
    return f;
}

static unsigned twice;

static void read_reports(int fd, struct map *all, pid_t pid, unsigned until)
{
    FILE *f = fdopen(fd, "r");
    char line[64];
    unsigned n = 0;
    while (fgets(line, sizeof(line), f)) {
        line[17] = '\0';
        struct fate *x = fate_of(all, line + 1);
        x->accepted |= line[0] == 'A';
        twice += (line[0] == 'L' && x->local) || (line[0] == 'R' && x->remote);
        x->local |= line[0] == 'L';
        x->remote |= line[0] == 'R';
        if (n++ == until)
            kill(pid, SIGKILL);
    }
    fclose(f);
}

static bool see(const struct queue_info *i, void *arg)
{
    (void)i;
    ++*(unsigned *)arg;
    return true;
}

struct check {
    struct map *waiting;
    unsigned lost, n;
};

static bool check_one(struct sv key, void *value, void *arg)
{
    struct check *c = arg;
    struct fate *f = value;
    if (!f->accepted)
        return true;
    c->n++;
    if (!f->local && !map_get(c->waiting, key))
        c->lost++;
    return true;
}

/* After the last round: everything that was not delivered is taken now. */
static void drain(struct map *all)
{
    struct message *got[64];
    char key[20];
    unsigned left = 0;
    env_open(&e);
    queue_each(e.q, see, &left);
    struct check c = { .waiting = map_new() };
    list_for_each(l, &e.q->items)
    {
        struct item *it = container_of(l, struct item, link);
        snprintf(key, sizeof(key), "%016" PRIx64, it->m->key);
        map_put(c.waiting, sv_c(key), it);
    }
    map_each(all, check_one, &c);
    printf("%u accepted over %d kills, %u wait, %u deliveries repeated\n", c.n, ROUNDS, left,
           twice);
    assert_int_equal(c.lost, 0);
    map_free(c.waiting, NULL);
    for (int kind = RCPT_LOCAL; kind <= RCPT_REMOTE; kind++) {
        while (kind == RCPT_LOCAL ? !list_empty(&e.q->ready) : sched_runnable(e.q)) {
            size_t n = queue_take(e.q, (enum rcpt_kind)kind, got, 64);
            for (size_t i = 0; i < n; i++) {
                check_content(got[i]);
                settle_as(e.q, got[i], (enum rcpt_kind)kind, RCPT_DELIVERED, "");
            }
        }
    }
    assert_int_equal(queue_count(e.q), 0);
    env_close(&e);
}

static void test_kill(void **state)
{
    (void)state;
    struct map *all = map_new();
    char ids[128];
    env_make(&e);
    settings("1MiB", "2MiB", "200ms");
    snprintf(ids, sizeof(ids), "%s/ids", e.root);
    for (int round = 0; round < ROUNDS; round++) {
        int p[2];
        assert_int_equal(pipe(p), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(p[0]);
            if (message_ids_open(ids, "", NULL) < 0)
                _exit(4);
            child(p[1]);
        }
        close(p[1]);
        read_reports(p[0], all, pid, rand_below(1500));
        int status;
        waitpid(pid, &status, 0);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            fail_msg("round %d: the child ended with status %x", round, status);
    }
    assert_int_equal(message_ids_open(ids, "", NULL), 0);
    drain(all);
    map_free(all, free);
    env_remove(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
