/* The connection to one milter: whole packets, and times that hold whatever the milter does. */
#include "mail/milter/milter_priv.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"
#include "conf/routes.h"

enum {
    REST_MS = 10000,
    RESTING = 64,
    KEEP_INPUT = 4096, /* of a parked session */
    OUT_MAX = MILTER_MAX_PACKET + 64 * 1024,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uint64_t address; /* hash */
    int64_t until_ms; /* monotonic */
} resting[RESTING];   /* by hash; under lock. The room's one global. */

static uint64_t address_hash(const struct milter *m)
{
    return hash_bytes(m->conf.address.p, m->conf.address.n) | 1;
}

void link_rest(const struct milter *m)
{
    uint64_t h = address_hash(m);
    pthread_mutex_lock(&lock);
    resting[h % RESTING].address = h;
    resting[h % RESTING].until_ms = clock_mono_ms() + REST_MS;
    pthread_mutex_unlock(&lock);
}

static bool rests(const struct milter *m)
{
    uint64_t h = address_hash(m);
    pthread_mutex_lock(&lock);
    bool yes = resting[h % RESTING].address == h && resting[h % RESTING].until_ms > clock_mono_ms();
    pthread_mutex_unlock(&lock);
    return yes;
}

void link_begin(struct milter *m)
{
    m->started_ms = clock_mono_ms();
    m->total_deadline_ms = m->started_ms + m->conf.total_ms;
}

/* The next call ends with the step, and the step with the whole. */
static int arm(struct milters *ms, struct milter *m, int64_t step_deadline_ms, struct errinfo *ei)
{
    int64_t now = clock_mono_ms(), until = MIN(step_deadline_ms, m->total_deadline_ms);
    if (now >= until)
        return err_set(ei, E_TIMEOUT, "it did not answer within %" PRId64 " ms",
                       until == m->total_deadline_ms ? m->conf.total_ms : m->conf.timeout_ms);
    ms->o.net->set_timeout(m->c, until - now);
    return 0;
}

static int64_t step_deadline(const struct milter *m)
{
    return clock_mono_ms() + m->conf.timeout_ms;
}

static int timed(const struct milter *m, int r, struct errinfo *ei)
{
    return r == E_TIMEOUT
               ? err_set(ei, r, "it did not answer within %" PRId64 " ms", m->conf.timeout_ms)
               : r;
}

int link_send(struct milters *ms, struct milter *m, struct errinfo *ei)
{
    int r = m->out.overflow ? err_set(ei, E_RANGE, "what it should be told is too long") : 0;
    if (r == 0 && m->out.n)
        r = arm(ms, m, step_deadline(m), ei);
    if (r == 0 && m->out.n)
        r = timed(m, ms->o.net->write(m->c, buf_sv(&m->out), ei), ei);
    if (m->out.cap > KEEP_INPUT) {
        buf_done(&m->out);
        buf_init(&m->out, OUT_MAX);
    }
    buf_reset(&m->out);
    return r;
}

static int read_all(struct milters *ms, struct milter *m, char *p, size_t n, int64_t deadline_ms,
                    struct errinfo *ei)
{
    while (n > 0) {
        int r = arm(ms, m, deadline_ms, ei);
        if (r == 0)
            r = timed(m, ms->o.net->read(m->c, p, n, ei), ei);
        if (r < 0)
            return r;
        p += r;
        n -= (size_t)r;
    }
    return 0;
}

static int read_packet(struct milters *ms, struct milter *m, struct sv *ret, struct errinfo *ei)
{
    char head[4];
    uint32_t n;
    int64_t deadline_ms = step_deadline(m);
    if (m->in.cap > KEEP_INPUT) {
        buf_done(&m->in);
        buf_init(&m->in, MILTER_MAX_PACKET);
    }
    buf_reset(&m->in);
    int r = read_all(ms, m, head, sizeof(head), deadline_ms, ei);
    if (r < 0)
        return r;
    if (milter_packet_length(head, &n) < 0)
        return err_set(ei, E_RANGE, "its answer has a length that is not allowed");
    r = buf_reserve(&m->in, n);
    if (r == 0)
        r = read_all(ms, m, m->in.p, n, deadline_ms, ei);
    if (r < 0)
        return r;
    m->in.n = n;
    *ret = buf_sv(&m->in);
    return 0;
}

int link_receive(struct milters *ms, struct milter *m, struct milter_answer *ret,
                 struct errinfo *ei)
{
    for (;;) {
        struct sv packet;
        int r = read_packet(ms, m, &packet, ei);
        if (r == 0)
            r = milter_parse_answer(packet, ret, ei);
        if (r < 0 || ret->kind != MILTER_PROGRESS)
            return r;
    }
}

static int dial(struct milters *ms, struct milter *m, struct errinfo *ei)
{
    char ip[46], host[256], path[108];
    struct client_opts o = {
        .ip = ip,
        .port = m->conf.port,
        .cancel = ms->o.cancel,
        .connect_timeout_ms = MIN(m->conf.timeout_ms, m->conf.total_ms),
    };
    if (m->conf.path.n) {
        (void)sv_copy(path, sizeof(path), m->conf.path);
        o.unix_path = path;
    } else if (sv_ieq(m->conf.host, SV("localhost"))) {
        (void)sv_copy(ip, sizeof(ip), m->conf.ipv6 ? SV("::1") : SV("127.0.0.1"));
    } else if (sv_copy(ip, sizeof(ip), m->conf.host) && conf_address_family(m->conf.host)) {
        o.ip = ip;
    } else {
        (void)sv_copy(host, sizeof(host), m->conf.host);
        int r = ms->o.resolve ? ms->o.resolve(ms->o.arg, host, m->conf.ipv6, ip, ei)
                              : err_set(ei, E_TEMP, "'%s' is not an address", host);
        if (r < 0)
            return r;
    }
    return ms->o.net->connect(&o, &m->c, ei);
}

static int negotiate(struct milters *ms, struct milter *m, struct errinfo *ei)
{
    struct milter_terms t;
    struct sv packet;
    buf_reset(&m->out);
    milter_put_negotiate(&m->out);
    int r = link_send(ms, m, ei);
    if (r == 0)
        r = read_packet(ms, m, &packet, ei);
    if (r == 0)
        r = milter_parse_terms(packet, &t, ei);
    if (r < 0)
        return r;
    m->actions = t.actions;
    m->protocol = t.protocol;
    for (size_t i = 0; i < MILTER_STEPS; i++) {
        free(m->wishes[i]);
        m->wishes[i] = t.macros[i].p ? sv_dup(t.macros[i]) : NULL;
    }
    return 0;
}

int link_open(struct milters *ms, struct milter *m, struct errinfo *ei)
{
    if (m->c)
        return 0;
    if (rests(m))
        return err_set(ei, E_TEMP, "it did not answer in time before, and is not asked for %d s",
                       REST_MS / 1000);
    buf_done(&m->in);
    buf_done(&m->out);
    buf_init(&m->in, MILTER_MAX_PACKET);
    buf_init(&m->out, OUT_MAX);
    m->told_connect = m->told_helo = m->abort_due = false;
    int r = dial(ms, m, ei);
    if (r == 0)
        r = negotiate(ms, m, ei);
    return r;
}

void link_close(struct milters *ms, struct milter *m, bool good_bye)
{
    struct client *c = take_ptr(m->c);
    if (!c)
        return;
    if (good_bye) {
        struct buf b;
        buf_init(&b, 64);
        milter_put_quit(&b);
        ms->o.net->set_timeout(c, 1);
        if (ms->o.net->write(c, buf_sv(&b), NULL) == 0)
            (void)ms->o.net->flush(c, NULL);
        buf_done(&b);
    }
    ms->o.net->close(c);
    buf_done(&m->in);
    buf_done(&m->out);
}
