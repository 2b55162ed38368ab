/* Is a mailbox full? Asked at RCPT, so the mailbox's usage is remembered for some seconds and grows
 * with what is accepted meanwhile; only accounts with a quota cost anything. The delivery has the
 * last word. The table is the room's one global: any worker, under its mutex. */
#include "server/smtp/smtp_priv.h"

#include <pthread.h>

#include "base/clock.h"

enum { SLOTS = 1024, FRESH_MS = 10000, RECHECK_MS = 500 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int64_t account_id; /* 0 = free */
    int64_t asked_ms;   /* monotonic */
    uint64_t bytes;
} usage[SLOTS]; /* by account id modulo SLOTS; under lock */

static bool remembered(int64_t id, int64_t max_age_ms, uint64_t *ret_bytes)
{
    size_t i = (uint64_t)id % SLOTS;
    pthread_mutex_lock(&lock);
    bool hit = usage[i].account_id == id && clock_mono_ms() - usage[i].asked_ms < max_age_ms;
    *ret_bytes = usage[i].bytes;
    pthread_mutex_unlock(&lock);
    return hit;
}

static int ask_mailbox(const struct smtp_server *srv, const struct account *a, uint64_t *ret_bytes)
{
    _cleanup_(mailbox_unrefp) struct mailbox *m = NULL;
    uint64_t messages;
    int r = mailbox_open(srv->store, a->id, sv_c(a->address), &m, NULL);
    if (r == 0)
        r = mailbox_usage(m, ret_bytes, &messages, NULL);
    if (r < 0)
        return r;
    size_t i = (uint64_t)a->id % SLOTS;
    pthread_mutex_lock(&lock);
    usage[i].account_id = a->id;
    usage[i].asked_ms = clock_mono_ms();
    usage[i].bytes = *ret_bytes;
    pthread_mutex_unlock(&lock);
    return 0;
}

bool smtp_quota_full(const struct smtp_server *srv, const struct account *a, int64_t limit,
                     uint64_t more)
{
    uint64_t bytes = 0;
    if (limit <= 0 || !srv->store)
        return false;
    bool known = remembered(a->id, FRESH_MS, &bytes);
    if (known && bytes + more <= (uint64_t)limit)
        return false;
    /* Before refusing, look again: messages may have been deleted. */
    if (!known || !remembered(a->id, RECHECK_MS, &bytes))
        if (ask_mailbox(srv, a, &bytes) < 0)
            return false;
    return bytes + more > (uint64_t)limit;
}

bool smtp_mailbox_full(const struct smtp_server *srv, const struct account *a, uint64_t more)
{
    return smtp_quota_full(srv, a, a->quota_bytes, more) ||
           (srv->store &&
            mailstore_domain_full(srv->store, sv_c(a->domain),
                                  (uint64_t)a->domain_limit[DOMAIN_TOTAL_QUOTA], more));
}

void smtp_quota_add(int64_t account_id, uint64_t bytes)
{
    size_t i = (uint64_t)account_id % SLOTS;
    pthread_mutex_lock(&lock);
    if (usage[i].account_id == account_id)
        usage[i].bytes += bytes;
    pthread_mutex_unlock(&lock);
}
