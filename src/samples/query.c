/* From the file that is fine enough, into steps. */
#include "samples/query.h"

#include "base/clock.h"

const int64_t samples_steps[] = { 60, 300, 900, 3600, 6 * 3600, 86400 };
const size_t samples_steps_count = ARRAY_LEN(samples_steps);

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t points_of(int64_t from_s, int64_t to_s, int64_t step_s)
{
    return floor_div(to_s - 1, step_s) - floor_div(from_s, step_s) + 1;
}

/* The coarsest file whose steps make up this one. */
static enum ring_step ring_of(int64_t step_s)
{
    enum ring_step r = RING_1H;
    while (r > RING_1M && step_s < ring_defs[r].step_s)
        r--;
    return r;
}

static int64_t kept_from(enum ring_step r, int64_t now_s)
{
    return (floor_div(now_s, ring_defs[r].step_s) - ring_defs[r].slots + 1) * ring_defs[r].step_s;
}

int64_t samples_auto_step(int64_t from_s, int64_t to_s, int64_t now_s)
{
    for (size_t i = 0; i + 1 < samples_steps_count; i++)
        if (points_of(from_s, to_s, samples_steps[i]) <= QUERY_POINTS_AUTO &&
            from_s >= kept_from(ring_of(samples_steps[i]), now_s))
            return samples_steps[i];
    return samples_steps[samples_steps_count - 1];
}

static void add(const struct samples_query *q, struct samples *ret, int64_t at_s,
                const struct sample *s)
{
    int64_t i = floor_div(at_s - ret->from_s, ret->step_s);
    if (i < 0 || i >= (int64_t)ret->points)
        return;
    for (size_t k = 0; k < q->n; k++) {
        uint64_t *v = &ret->v[k * ret->points + (size_t)i], x = s->v[q->series[k]];
        *v = series_kind(q->series[k]) == SERIES_PEAK ? MAX(*v, x) : *v + x;
    }
    ret->covered_s[i] += s->covered_s;
    ret->present[i] = true;
}

static int read_ring(struct ring *r, const struct ring_def *d, const struct samples_query *q,
                     struct samples *ret, int64_t kept_s)
{
    int64_t end_s = MIN(ret->from_s + (int64_t)ret->points * ret->step_s, ret->now_s);
    struct sample s;
    for (int64_t at = MAX(ret->from_s, kept_s); at < end_s; at += d->step_s) {
        int got = ring_read(r, floor_div(at, d->step_s), &s);
        if (got < 0)
            return got;
        if (got == 1)
            add(q, ret, at, &s);
    }
    return 0;
}

/* What has been counted since the last sample of this server, which is some seconds old. */
static int add_present(const char *data_dir, const struct samples_query *q, struct samples *ret,
                       struct errinfo *ei)
{
    _cleanup_(ring_closep) struct ring *r = NULL;
    int e = ring_open(data_dir, RING_1M, false, &r, ei);
    int64_t slot = floor_div(ret->now_s, ring_defs[RING_1M].step_s);
    struct sample last, now = { 0 };
    if (e < 0)
        return e;
    for (int i = 0; i < 3; i++) {
        if (ring_read(r, slot - i, &last) != 1 || last.boot != shm_started_s(q->shm))
            continue;
        series_now(q->shm, false, now.v);
        for (int k = 0; k < CTR_COUNT; k++)
            now.v[k] -= MIN(now.v[k], last.sums[k]);
        int64_t since_s = MAX(slot * ring_defs[RING_1M].step_s, (int64_t)last.boot);
        now.covered_s = (uint32_t)MAX(ret->now_s - since_s, 0);
        add(q, ret, ret->now_s, &now);
        break;
    }
    return 0;
}

static int begin(const struct samples_query *q, struct samples *ret, struct errinfo *ei)
{
    ret->now_s = clock_wall_s();
    if (q->to_s <= q->from_s)
        return err_set(ei, E_RANGE, "the span ends before it begins");
    ret->step_s = q->step_s ? q->step_s : samples_auto_step(q->from_s, q->to_s, ret->now_s);
    int64_t points = points_of(q->from_s, q->to_s, ret->step_s);
    if (points > QUERY_POINTS_MAX)
        return err_set(ei, E_RANGE,
                       "%lld points of %lld s are too many (%d at most): ask for a shorter span or "
                       "a longer step",
                       (long long)points, (long long)ret->step_s, QUERY_POINTS_MAX);
    ret->from_s = floor_div(q->from_s, ret->step_s) * ret->step_s;
    ret->points = (size_t)points;
    ret->n = q->n;
    ret->covered_s = xcalloc(ret->points, sizeof(*ret->covered_s));
    ret->present = xcalloc(ret->points, sizeof(*ret->present));
    ret->v = xcalloc(MAX(q->n, 1u) * ret->points, sizeof(*ret->v));
    return 0;
}

int samples_read(const char *data_dir, const struct samples_query *q, struct samples *ret,
                 struct errinfo *ei)
{
    _cleanup_(ring_closep) struct ring *r = NULL;
    memset(ret, 0, sizeof(*ret));
    int e = begin(q, ret, ei);
    if (e < 0)
        return e;
    enum ring_step step = ring_of(ret->step_s);
    e = ring_open(data_dir, step, false, &r, ei);
    if (e == -ENOENT)
        return 0;
    if (e < 0)
        return e;
    int64_t kept_s = kept_from(step, ret->now_s);
    ret->since_s = MAX(ring_since_s(r), kept_from(RING_1H, ret->now_s));
    e = read_ring(r, &ring_defs[step], q, ret, kept_s);
    if (e < 0)
        return err_set_errno(ei, e, "%s/status/traffic/%s", data_dir, ring_defs[step].name);
    return q->shm ? add_present(data_dir, q, ret, ei) : 0;
}

void samples_done(struct samples *s)
{
    free(s->covered_s);
    free(s->present);
    free(s->v);
    memset(s, 0, sizeof(*s));
}

int samples_starts(const char *data_dir, int64_t from_s, int64_t to_s,
                   void (*fn)(int64_t started_s, void *arg), void *arg, struct errinfo *ei)
{
    _cleanup_(ring_closep) struct ring *r = NULL;
    int64_t now_s = clock_wall_s(), last = 0;
    enum ring_step step = RING_1M;
    struct sample s;
    while (step < RING_1H && from_s < kept_from(step, now_s))
        step++;
    int e = ring_open(data_dir, step, false, &r, ei);
    if (e < 0)
        return e == -ENOENT ? 0 : e;
    const struct ring_def *d = &ring_defs[step];
    int64_t from = MAX(from_s, kept_from(step, now_s)), to = MIN(to_s, now_s);
    /* A start shows in the sample of its own step, or in the first one after it. */
    for (int64_t slot = floor_div(from, d->step_s); slot <= floor_div(to, d->step_s) + 1; slot++) {
        if (ring_read(r, slot, &s) != 1 || (int64_t)s.boot <= last)
            continue;
        last = (int64_t)s.boot;
        if (last >= from_s && last < to_s)
            fn(last, arg);
    }
    return 0;
}
