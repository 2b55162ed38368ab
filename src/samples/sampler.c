/* The samples of a minute and what is made of them. */
#include "samples/sampler.h"

#include <unistd.h>

#include "base/clock.h"

struct sampler {
    char *dir;
    struct shm *shm;
    uint64_t sums[CTR_COUNT]; /* counted up to here */
    int64_t wall_s, mono_s;   /* when that was */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void merge(struct sample *into, const struct sample *s)
{
    for (int i = 0; i < SERIES_COUNT; i++)
        into->v[i] =
            series_kind(i) == SERIES_PEAK ? MAX(into->v[i], s->v[i]) : into->v[i] + s->v[i];
    into->covered_s += s->covered_s;
    into->boot = MAX(into->boot, s->boot);
}

/* The coarse sample that the fine one of this slot belongs to, made anew from all fine ones. When
 * the clock was set back by days, some of them may be overwritten: what covers more stays. */
static int roll_up(struct ring *fine, enum ring_step step, struct ring *coarse, int64_t *slot)
{
    int64_t n = ring_defs[step].step_s / ring_defs[step - 1].step_s;
    struct sample sum = { .slot = floor_div(*slot, n) }, s;
    for (int64_t i = sum.slot * n; i < (sum.slot + 1) * n; i++) {
        int r = ring_read(fine, i, &s);
        if (r < 0)
            return r;
        if (r == 1)
            merge(&sum, &s);
    }
    *slot = sum.slot;
    int r = ring_read(coarse, sum.slot, &s);
    return r < 0 || (r == 1 && s.covered_s > sum.covered_s) ? r : ring_write(coarse, &sum);
}

static int write_minute(struct sampler *s, struct ring *r, int64_t slot, struct sample *now)
{
    struct sample before;
    int e = ring_read(r, slot, &before);
    if (e < 0)
        return e;
    now->slot = slot;
    if (e == 1)
        merge(now, &before);
    now->boot = shm_started_s(s->shm);
    return ring_write(r, now);
}

/* The files are opened for each write, once a minute: one that was deleted is made again. */
static int write_all(struct sampler *s, struct sample *now, struct errinfo *ei)
{
    _cleanup_(ring_closep) struct ring *fine = NULL;
    int64_t slot = floor_div(s->wall_s, ring_defs[RING_1M].step_s);
    int e = ring_open(s->dir, RING_1M, true, &fine, ei);
    if (e < 0)
        return e;
    e = write_minute(s, fine, slot, now);
    if (e == 0)
        memcpy(s->sums, now->sums, sizeof(s->sums));
    for (enum ring_step step = RING_5M; e >= 0 && step < RING_COUNT; step++) {
        struct ring *coarse;
        int r = ring_open(s->dir, step, true, &coarse, ei);
        if (r < 0)
            return r;
        e = roll_up(fine, step, coarse, &slot);
        ring_close(fine);
        fine = coarse;
    }
    return e < 0 ? err_set_errno(ei, e, "%s/status/traffic", s->dir) : 0;
}

int sampler_tick(struct sampler *s, struct errinfo *ei)
{
    int64_t mono_s = clock_mono_ms() / 1000;
    uint64_t now[SERIES_COUNT];
    struct sample one = { .covered_s = (uint32_t)(mono_s - s->mono_s) };
    series_now(s->shm, true, now);
    memcpy(one.v, now, sizeof(now));
    memcpy(one.sums, now, sizeof(one.sums));
    for (int i = 0; i < CTR_COUNT; i++)
        one.v[i] = now[i] - s->sums[i];
    int r = write_all(s, &one, ei);
    s->wall_s = clock_wall_s();
    s->mono_s = mono_s;
    return r;
}

/* Counters only grow: what is above them was written by another server, which began in the same
 * second. */
static bool may_be_ours(const struct sample *one, const uint64_t now[SERIES_COUNT])
{
    for (int i = 0; i < CTR_COUNT; i++)
        if (one->sums[i] > now[i])
            return false;
    return true;
}

/* How far this server's counters are in the samples already: an earlier module control wrote them.
 */
static int find_sums(struct sampler *s, struct errinfo *ei)
{
    _cleanup_(ring_closep) struct ring *r = NULL;
    struct sample one;
    uint64_t most = 0, now[SERIES_COUNT];
    series_now(s->shm, false, now);
    int e = ring_open(s->dir, RING_1M, true, &r, ei);
    for (int64_t place = 0; e >= 0 && place < ring_defs[RING_1M].slots; place++) {
        uint64_t all = 0;
        int got = ring_read_place(r, place, &one);
        if (got != 1 || one.boot != shm_started_s(s->shm) || !may_be_ours(&one, now))
            continue;
        for (int i = 0; i < CTR_COUNT; i++)
            all += one.sums[i];
        if (all < most)
            continue;
        most = all;
        memcpy(s->sums, one.sums, sizeof(s->sums));
    }
    return e;
}

int sampler_open(const char *data_dir, struct shm *shm, struct sampler **ret, struct errinfo *ei)
{
    struct sampler *s = xcalloc(1, sizeof(*s));
    s->dir = xstrdup(data_dir);
    s->shm = shm;
    s->wall_s = clock_wall_s();
    s->mono_s = clock_mono_ms() / 1000;
    int r = find_sums(s, ei);
    if (r >= 0) {
        r = sampler_tick(s, ei);
    } else { /* rather not counted than counted twice */
        uint64_t now[SERIES_COUNT];
        series_now(shm, false, now);
        memcpy(s->sums, now, sizeof(s->sums));
    }
    *ret = s;
    return r;
}

int64_t sampler_wait_ms(void)
{
    int64_t step = ring_defs[RING_1M].step_s * 1000;
    return step - clock_wall_ms() % step;
}

void sampler_close(struct sampler *s)
{
    if (!s)
        return;
    free(s->dir);
    free(s);
}
