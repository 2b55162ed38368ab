/* One look at a time finds out whether a module is silent; the others are told at once. */
#include "proc/patience.h"

#include <pthread.h>

#include "base/clock.h"

#define LOOK_MS    5000
#define CHANGE_MS  30000
#define MANY_MS    1800000
#define SUSPECT_MS 2000 /* a look without an answer for this long: others do not join it */
#define SILENT_MS  3000 /* after one that had none: nobody looks */

static struct {
    pthread_mutex_t lock; /* guards the rest */
    struct {
        unsigned looks;    /* under way */
        int64_t since_ms;  /* no answer since then */
        int64_t silent_ms; /* the last one had no answer; 0 = it had */
    } v[MOD_COUNT];
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

int64_t patience_begin(enum module m, enum question q)
{
    int64_t now = clock_mono_ms(), ms = LOOK_MS;

    if (q != Q_LOOK)
        return q == Q_CHANGE ? CHANGE_MS : MANY_MS;
    pthread_mutex_lock(&known.lock);
    if ((known.v[m].silent_ms && now - known.v[m].silent_ms < SILENT_MS) ||
        (known.v[m].looks && now - known.v[m].since_ms > SUSPECT_MS))
        ms = 0;
    else if (known.v[m].looks++ == 0)
        known.v[m].since_ms = now;
    pthread_mutex_unlock(&known.lock);
    return ms;
}

void patience_end(enum module m, enum question q, bool answered)
{
    int64_t now = clock_mono_ms();
    bool look = q == Q_LOOK;

    pthread_mutex_lock(&known.lock);
    known.v[m].looks -= look;
    if (answered)
        known.v[m].since_ms = now;
    if (answered || look)
        known.v[m].silent_ms = answered ? 0 : now;
    pthread_mutex_unlock(&known.lock);
}
