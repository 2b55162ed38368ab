/* Sockets and sessions of a module's services. */
#include "proc/serving.h"

#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "os/proc.h"
#include "proc/listeners.h"
#include "proc/module.h"

#define CUT_MS 5000 /* from the word that it ends to the end */

static int serve(struct module_ctx *m, const struct listener_def *d, int fd, struct errinfo *ei)
{
    struct net_listener l = m->serving[d->service].l;

    l.fd = fd;
    l.tls = d->tls;
    l.per_ip_setting = d->per_ip_setting;
    l.certificate_setting = d->certificate_setting;
    l.access_mode_setting = d->access_mode_setting;
    l.access_ips_setting = d->access_ips_setting;
    return net_listen(m->net, &l, ei);
}

void serving_take(struct module_ctx *m, size_t def, int fd)
{
    struct errinfo ei = { 0 };

    if (def < listener_defs_count && m->serving[listener_defs[def].service].l.ops &&
        serve(m, &listener_defs[def], fd, &ei) == 0)
        return;
    log_error("a listening socket is not served: %s", *ei.text ? ei.text : "of no service here");
    close(fd);
}

struct inherited {
    struct module_ctx *m;
    enum service service;
};

static int serve_inherited(void *arg, int fd, bool tls, struct errinfo *ei)
{
    struct inherited *in = arg;

    for (size_t i = 0; i < listener_defs_count; i++)
        if (listener_defs[i].service == in->service && listener_defs[i].tls == tls)
            return serve(in->m, &listener_defs[i], fd, ei);
    return 0;
}

int module_listen(struct module_ctx *m, enum service svc, const struct proto_ops *ops, void *arg,
                  void (*refuse)(struct conn *, const char *), struct errinfo *ei)
{
    struct inherited in = { m, svc };

    m->serving[svc] = (struct serving){
        .l = { .service = svc, .ops = ops, .arg = arg, .refuse = refuse },
        .ends = service_ends(svc),
    };
    return module_each_socket(m, svc, serve_inherited, &in, ei);
}

/* Connections that were accepted while the service stopped. */
static bool has_late(enum service svc)
{
    return !service_on(svc) && shm_sessions_open(shm_current(), svc) > 0;
}

static void tick_one(struct module_ctx *m, enum service svc, int64_t now)
{
    _cleanup_(conf_unrefp) const struct conf *c = conf_pin();
    struct serving *s = &m->serving[svc];
    uint32_t ends = service_ends(svc);

    if (ends != s->ends) {
        s->ends = ends;
        s->bye_ms = now + c->net.drain_time;
    } else if (!s->bye_ms && !s->cut_ms && has_late(svc)) {
        s->bye_ms = now;
    }
    if (s->bye_ms && now >= s->bye_ms) {
        net_end_sessions(m->net, svc, false);
        s->bye_ms = 0;
        s->cut_ms = now + CUT_MS;
    }
    if (s->cut_ms && now >= s->cut_ms) {
        net_end_sessions(m->net, svc, true);
        s->cut_ms = 0;
    }
}

void serving_tick(struct module_ctx *m)
{
    int64_t now = clock_mono_ms();

    for (int i = 0; i < SVC_COUNT; i++)
        if (m->serving[i].l.ops)
            tick_one(m, (enum service)i, now);
}
