#include "proc/counting.h"

#include <pthread.h>

#include "admin/domain_usage.h"
#include "log/log.h"
#include "os/proc.h"

struct counting_thread {
    pthread_t thread;
    struct accounts *accounts;
    struct mailstore *store;
    atomic_bool stop;
};

static void *run(void *arg)
{
    struct counting_thread *t = arg;

    os_thread_name("counting");
    domain_usage_count_all(t->accounts, t->store, &t->stop);
    return NULL;
}

struct counting_thread *counting_start(struct accounts *a, struct mailstore *s)
{
    struct counting_thread *t = xcalloc(1, sizeof(*t));
    int e;

    t->accounts = a;
    t->store = s;
    e = pthread_create(&t->thread, NULL, run, t);
    if (!e)
        return t;
    log_error("what the mailboxes of domains hold is not counted: no thread: %s", strerror(e));
    free(t);
    return NULL;
}

void counting_stop(struct counting_thread *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    pthread_join(t->thread, NULL);
    free(t);
}
