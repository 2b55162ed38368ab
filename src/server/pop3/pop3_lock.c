/* Which maildrops are open by POP3 in this process (module access is the only one that speaks it),
 * and when the last login was. Own lock. The table holds one entry an account that has logged in;
 * entries that tell nothing any more are swept. */
#include "server/pop3/pop3_priv.h"

#include <pthread.h>

#include "base/clock.h"

#define BUCKETS 1024

struct entry {
    struct entry *next;
    int64_t account_id;
    int64_t last_login_ms;
    bool open;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards table */
static struct entry *table[BUCKETS];

/* Finds the account's entry; on the way drops closed ones whose delay is over. */
static struct entry *find(int64_t account_id, int64_t delay_ms, int64_t now)
{
    struct entry **link = &table[(uint64_t)account_id % BUCKETS], *found = NULL;

    while (*link) {
        struct entry *e = *link;

        if (e->account_id == account_id) {
            found = e;
        } else if (!e->open && now - e->last_login_ms >= delay_ms) {
            *link = e->next;
            free(e);
            continue;
        }
        link = &e->next;
    }
    return found;
}

int pop3_lock(int64_t account_id, int64_t delay_ms)
{
    int64_t now = clock_mono_ms();
    struct entry *e;
    int r = 0;

    pthread_mutex_lock(&lock);
    e = find(account_id, delay_ms, now);
    if (e && e->open) {
        r = E_CONFLICT;
    } else if (e && now - e->last_login_ms < delay_ms) {
        r = E_LIMIT;
    } else {
        if (!e) {
            struct entry **bucket = &table[(uint64_t)account_id % BUCKETS];

            e = xcalloc(1, sizeof(*e));
            e->account_id = account_id;
            e->next = *bucket;
            *bucket = e;
        }
        e->open = true;
        e->last_login_ms = now;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

void pop3_unlock(int64_t account_id)
{
    pthread_mutex_lock(&lock);
    for (struct entry *e = table[(uint64_t)account_id % BUCKETS]; e; e = e->next)
        if (e->account_id == account_id)
            e->open = false;
    pthread_mutex_unlock(&lock);
}
