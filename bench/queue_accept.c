/* How many messages per second the queue accepts durably: bench_queue_accept [DIR [SECONDS
 * [BYTES]]]. Prints one line each for 1 and 20 threads, with the time one accept takes. A deliverer
 * settles what comes in. */
#include "base/clock.h"
#include "conf/conf.h"
#include "mail/queue/queue.h"
#include "os/file.h"
#include "stats/shm.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_THREADS = 64, MAX_SAMPLES = 1 << 20 };

static struct queue *queue;
static char *text;
static size_t bytes = 5000;
static atomic_bool ends;
static uint32_t *samples[MAX_THREADS];
static size_t counts[MAX_THREADS];

static void *accept_many(void *arg)
{
    size_t me = (size_t)(uintptr_t)arg;
    struct errinfo ei = { 0 };
    while (!atomic_load(&ends) && counts[me] < MAX_SAMPLES) {
        struct message *m = message_new();
        struct buf b;
        buf_init(&b, 64 * MiB);
        (void)buf_add(&b, text, bytes);
        message_take_content(m, &b);
        message_assign_ids(m);
        message_set(&m->sender, SV("sender@bench.test"));
        message_add_rcpt(m, SV("u000@bench.test"), RCPT_LOCAL)->account_id = 1;
        int64_t t0 = clock_mono_us();
        if (queue_accept(queue, m, &ei) < 0)
            panic("%s", ei.text);
        samples[me][counts[me]++] = (uint32_t)(clock_mono_us() - t0);
        message_unref(m);
    }
    return NULL;
}

static void *deliver(void *arg)
{
    (void)arg;
    struct message *m[64];
    size_t n;
    while ((n = queue_take(queue, RCPT_LOCAL, m, 64))) {
        for (size_t i = 0; i < n; i++)
            m[i]->rcpts[0].state = RCPT_DELIVERED;
        queue_settle_all(queue, m, n, RCPT_LOCAL);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(unsigned threads, double seconds, uint64_t syncs)
{
    static uint32_t all[MAX_THREADS * 65536];
    size_t n = 0, total = 0;
    for (unsigned t = 0; t < threads; t++) {
        total += counts[t];
        for (size_t i = 0; i < counts[t] && n < ARRAY_LEN(all); i++)
            all[n++] = samples[t][i];
    }
    qsort(all, n, sizeof(all[0]), by_value);
    printf("%2u threads: %8.0f accepts/s of %zu bytes, p50 %u us, p99 %u us, max %u us, %.1f per "
           "sync\n",
           threads, (double)total / seconds, bytes, all[n / 2], all[n * 99 / 100], all[n - 1],
           (double)total / (double)(syncs ? syncs : 1));
}

static void run(unsigned threads, unsigned seconds)
{
    pthread_t t[MAX_THREADS];
    uint64_t syncs = ctr_get(shm_current(), CTR_queue_journal_syncs);
    int64_t t0 = clock_mono_us();
    atomic_store(&ends, false);
    for (unsigned i = 0; i < threads; i++) {
        counts[i] = 0;
        pthread_create(&t[i], NULL, accept_many, (void *)(uintptr_t)i);
    }
    sleep(seconds);
    atomic_store(&ends, true);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    report(threads, (double)(clock_mono_us() - t0) / 1e6,
           ctr_get(shm_current(), CTR_queue_journal_syncs) - syncs);
}

int main(int argc, char **argv)
{
    char root[200], out[256], temp[256], ids[256];
    struct errinfo ei;
    uint32_t v = 0;
    snprintf(root, sizeof(root), "%s/queue-bench-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (!mkdtemp(root))
        panic("cannot make a directory %s", root);
    unsigned seconds = argc > 2 && sv_to_u32(sv_c(argv[2]), &v) == 0 ? v : 5;
    if (argc > 3 && sv_to_u32(sv_c(argv[3]), &v) == 0)
        bytes = v;
    snprintf(out, sizeof(out), "%s/_outgoing", root);
    snprintf(temp, sizeof(temp), "%s/temp", root);
    snprintf(ids, sizeof(ids), "%s/ids", root);
    struct queue_opts o = { .dir = out, .temp_dir = temp, .sync_path = root, .server_id = "" };
    if (queue_open(&o, &queue, &ei) < 0 || message_ids_open(ids, "", &ei) < 0)
        panic("%s", ei.text);
    text = xmalloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)(i % 78 == 77 ? '\n' : 'a' + i % 26);
    for (size_t i = 0; i < MAX_THREADS; i++)
        samples[i] = xmalloc(MAX_SAMPLES * sizeof(uint32_t));
    pthread_t d;
    pthread_create(&d, NULL, deliver, NULL);
    run(1, seconds);
    run(20, seconds);
    queue_stop(queue);
    pthread_join(d, NULL);
    queue_close(queue);
    return os_remove_tree(root, NULL) < 0;
}
