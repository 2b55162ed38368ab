#include "mail/queue/many.h"

#include "os/proc.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    THREADS = 8,
    SHARE = 100, /* a further thread for each so many */
    AT_ONCE = 16,
};

struct work {
    size_t n;
    void (*fn)(void *arg, size_t i);
    void *arg;
    atomic_size_t next;
};

static void do_some(struct work *w)
{
    for (;;) {
        size_t i = atomic_fetch_add(&w->next, AT_ONCE);
        if (i >= w->n)
            return;
        for (size_t end = MIN(i + AT_ONCE, w->n); i < end; i++)
            w->fn(w->arg, i);
    }
}

static void *run(void *arg)
{
    os_thread_name("queue-files");
    do_some(arg);
    return NULL;
}

void many_do(size_t n, void (*fn)(void *arg, size_t i), void *arg)
{
    struct work w = { .n = n, .fn = fn, .arg = arg };
    pthread_t threads[THREADS - 1];
    size_t want = MIN(n / SHARE, ARRAY_LEN(threads)), begun = 0;
    while (begun < want && pthread_create(&threads[begun], NULL, run, &w) == 0)
        begun++;
    do_some(&w);
    while (begun)
        pthread_join(threads[--begun], NULL);
}
