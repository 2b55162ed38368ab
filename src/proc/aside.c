#include "proc/aside.h"

#include <pthread.h>

#include "os/proc.h"

enum { MAX_WAITING = 16 };

struct aside {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    pthread_t thread;
    bool runs, ends;
    struct {
        void (*fn)(void *arg);
        void *arg;
    } waiting[MAX_WAITING];
    size_t first, n;
};

struct aside *aside_new(void)
{
    struct aside *a = xcalloc(1, sizeof(*a));

    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    return a;
}

static void *aside_main(void *arg)
{
    struct aside *a = arg;

    os_thread_name("aside");
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->n && !a->ends)
            pthread_cond_wait(&a->changed, &a->lock);
        if (!a->n)
            break;
        void (*fn)(void *) = a->waiting[a->first].fn;
        void *what = a->waiting[a->first].arg;

        a->first = (a->first + 1) % MAX_WAITING;
        a->n--;
        pthread_mutex_unlock(&a->lock);
        fn(what);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

bool aside_run(struct aside *a, void (*fn)(void *arg), void *arg)
{
    bool ok;

    pthread_mutex_lock(&a->lock);
    if (!a->runs)
        a->runs = pthread_create(&a->thread, NULL, aside_main, a) == 0;
    ok = a->runs && a->n < MAX_WAITING;
    if (ok) {
        size_t last = (a->first + a->n++) % MAX_WAITING;

        a->waiting[last].fn = fn;
        a->waiting[last].arg = arg;
        pthread_cond_signal(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return ok;
}

void aside_free(struct aside *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->ends = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    if (a->runs)
        pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
