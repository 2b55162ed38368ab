/* The table of listening services and their binding by the supervisor (the only part with the
 * privilege to). */
#include "proc/listeners.h"

#include <unistd.h>

#include "log/log.h"

const struct listener_def listener_defs[] = {
    { "smtp.listen", MOD_SMTP, SVC_SMTP, false, "smtp.parallel_per_ip" },
    { "smtp.listen_submission", MOD_SMTP, SVC_SUBMISSION, false, "smtp.parallel_per_ip" },
    { "smtp.listen_submission_tls", MOD_SMTP, SVC_SUBMISSION, true, "smtp.parallel_per_ip" },
    { "pop3.listen", MOD_ACCESS, SVC_POP3, false, "pop3.per_ip" },
    { "pop3.listen_tls", MOD_ACCESS, SVC_POP3, true, "pop3.per_ip" },
    { "imap.listen", MOD_ACCESS, SVC_IMAP, false, "imap.per_ip" },
    { "imap.listen_tls", MOD_ACCESS, SVC_IMAP, true, "imap.per_ip" },
    { "web.listen", MOD_CONTROL, SVC_CONTROL, false, NULL },
    { "web.listen_tls", MOD_CONTROL, SVC_CONTROL, true, NULL },
};
const size_t listener_defs_count = ARRAY_LEN(listener_defs);

static int bind_one(struct listeners *l, unsigned def, struct sv addr, struct errinfo *ei)
{
    struct listener n = { .def = def, .addr = sv_dup(addr), .fd = -1 };
    int r = net_bind(n.addr, &n.fd, ei);

    if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) {
        bool v6 = addr.n && addr.p[0] == '[';

        if (v6) { /* a machine without IPv6 is no reason to serve nobody */
            log_warn("%s: %s cannot be used on this machine; skipped", listener_defs[def].setting,
                     n.addr);
            free(n.addr);
            return 0;
        }
    }
    if (r < 0) {
        free(n.addr);
        return r;
    }
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = n;
    return 0;
}

/* smtp.altport: one more port on every address of the submission service. */
static int bind_altport(struct listeners *l, unsigned def, struct sv addr, int64_t port,
                        struct errinfo *ei)
{
    ssize_t colon = sv_rfind(addr, ':');
    _cleanup_(freep) char *alt = NULL;

    if (colon < 0)
        return 0;
    alt = xasprintf(SV_FMT ":%" PRId64, SV_ARG(sv_take(addr, (size_t)colon)), port);
    return bind_one(l, def, sv_c(alt), ei);
}

int listeners_bind(enum module m, const struct conf *c, struct listeners *ret, struct errinfo *ei)
{
    struct listeners l = { 0 };

    for (unsigned i = 0; i < listener_defs_count; i++) {
        const struct listener_def *d = &listener_defs[i];
        _cleanup_(freep) char *text = NULL;
        struct sv rest;

        if (d->module != m || (d->tls && !c->net.tls))
            continue;
        text = conf_text(c, conf_find(sv_c(d->setting)));
        rest = sv_c(text);
        while (rest.p) {
            struct sv addr = sv_trim(sv_split(&rest, ';'));
            int r = 0;

            if (!addr.n || (addr.p[0] == '[' && !c->net.ipv6))
                continue;
            r = bind_one(&l, i, addr, ei);
            if (r == 0 && d->service == SVC_SUBMISSION && !d->tls && c->smtp.altport)
                r = bind_altport(&l, i, addr, c->smtp.altport, ei);
            if (r < 0) {
                listeners_close(&l);
                return r;
            }
        }
    }
    *ret = l;
    return 0;
}

void listeners_close(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++) {
        closep(&l->v[i].fd);
        free(l->v[i].addr);
    }
    free(l->v);
    *l = (struct listeners){ 0 };
}
