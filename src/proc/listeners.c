/* The table of listening services and their binding by the supervisor (the only part with the
 * privilege to). */
#include "proc/listeners.h"

#include <sys/socket.h>
#include <unistd.h>

#include "log/log.h"
#include "conf/patterns.h"

const struct listener_def listener_defs[] = {
    { "smtp.listen", MOD_SMTP, SVC_SMTP, false, "smtp.parallel_per_ip", "smtp.access_mode",
      "smtp.access_ips", "deliver.secure_adapt" },
    { "smtp.listen_submission", MOD_SMTP, SVC_SUBMISSION, false, "smtp.parallel_per_ip",
      "smtp.access_mode_submission", "smtp.access_ips_submission", NULL },
    { "smtp.listen_submission_tls", MOD_SMTP, SVC_SUBMISSION, true, "smtp.parallel_per_ip",
      "smtp.access_mode_submission", "smtp.access_ips_submission", NULL },
    { "smtp.listen_odmr", MOD_SMTP, SVC_SUBMISSION, false, "smtp.parallel_per_ip",
      "smtp.access_mode_submission", "smtp.access_ips_submission", NULL },
    { "pop3.listen", MOD_ACCESS, SVC_POP3, false, "pop3.per_ip", "pop3.access_mode",
      "pop3.access_ips", NULL },
    { "pop3.listen_tls", MOD_ACCESS, SVC_POP3, true, "pop3.per_ip", "pop3.access_mode",
      "pop3.access_ips", NULL },
    { "imap.listen", MOD_ACCESS, SVC_IMAP, false, "imap.per_ip", "imap.access_mode",
      "imap.access_ips", NULL },
    { "imap.listen_tls", MOD_ACCESS, SVC_IMAP, true, "imap.per_ip", "imap.access_mode",
      "imap.access_ips", NULL },
    { "managesieve.listen", MOD_ACCESS, SVC_MANAGESIEVE, false, "managesieve.per_ip",
      "managesieve.access_mode", "managesieve.access_ips", NULL },
    { "web.listen", MOD_CONTROL, SVC_CONTROL, false, NULL, NULL, NULL, NULL },
    { "web.listen_tls", MOD_CONTROL, SVC_CONTROL, true, NULL, NULL, NULL, NULL },
};
const size_t listener_defs_count = ARRAY_LEN(listener_defs);

static void add(struct listeners *l, unsigned def, struct sv addr)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = (struct listener){ .def = def, .addr = sv_dup(addr), .fd = -1 };
}

/* smtp.altport: one more port on every address of the submission service. */
static void add_altport(struct listeners *l, unsigned def, struct sv addr, int64_t port)
{
    ssize_t colon = sv_rfind(addr, ':');
    _cleanup_(freep) char *alt = NULL;

    if (colon < 0)
        return;
    alt = xasprintf(SV_FMT ":%" PRId64, SV_ARG(sv_take(addr, (size_t)colon)), port);
    add(l, def, sv_c(alt));
}

static void add_list(struct listeners *l, unsigned def, const char *text, int64_t altport,
                     const struct listen_rules *rules)
{
    struct sv rest = sv_c(text), addr;

    while (conf_list_next(&rest, &addr)) {
        if (!addr.n || (addr.p[0] == '[' && !rules->ipv6))
            continue;
        add(l, def, addr);
        if (altport)
            add_altport(l, def, addr, altport);
    }
}

/* Unbound: what the settings ask for. */
static void wanted(enum module m, const struct conf *c, const struct listen_rules *rules,
                   struct listeners *ret)
{
    for (unsigned i = 0; i < listener_defs_count; i++) {
        const struct listener_def *d = &listener_defs[i];
        const char *text;
        bool alt = strcmp(d->setting, "smtp.listen_submission") == 0;

        if (d->module != m || (d->tls && !rules->tls) || !rules->on[d->service])
            continue;
        text = conf_in_force(c, conf_find(sv_c(d->setting)));
        add_list(ret, i, text, alt ? c->smtp.altport : 0, rules);
    }
}

static struct listener *find(const struct listeners *l, unsigned def, const char *addr)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].def == def && !strcmp(l->v[i].addr, addr))
            return &l->v[i];
    return NULL;
}

/* The shutdown frees the port at once and tells the module, which has the socket too. */
static void close_one(struct listener *l)
{
    if (l->fd >= 0)
        shutdown(l->fd, SHUT_RDWR);
    closep(&l->fd);
    free(l->addr);
    free(l->fault);
}

static void drop(struct listeners *l, size_t i)
{
    close_one(&l->v[i]);
    l->v[i] = l->v[--l->n];
}

/* A machine without IPv6 is no reason to serve nobody. */
static bool is_skipped(int r, const char *addr)
{
    return addr[0] == '[' && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL);
}

/* Binds what is not bound. A fault that is not new is not told again. */
static int bind_one(struct listener *n, struct errinfo *ei)
{
    const char *setting = listener_defs[n->def].setting;
    struct errinfo why = { 0 };
    int r = net_bind(n->addr, &n->fd, &why);
    bool known = n->fault && !strcmp(n->fault, why.text);

    if (!known && is_skipped(r, n->addr))
        log_warn("%s: %s cannot be used on this machine; skipped", setting, n->addr);
    free(n->fault);
    n->fault = r < 0 ? xstrdup(why.text) : NULL;
    if (r == 0 || is_skipped(r, n->addr))
        return 0;
    return err_set(ei, r, "%s: %s", setting, why.text);
}

int listeners_sync(struct listeners *l, enum module m, enum service only, const struct conf *c,
                   const struct listen_rules *rules, struct errinfo *ei)
{
    struct listeners want = { 0 };
    struct errinfo one = { 0 };
    int result = 0;

    wanted(m, c, rules, &want);
    for (size_t i = l->n; i-- > 0;) { /* before new ones are bound: they may have the same port */
        bool ours = only == SVC_COUNT || listener_defs[l->v[i].def].service == only;

        if (ours && !find(&want, l->v[i].def, l->v[i].addr))
            drop(l, i);
    }
    for (size_t i = 0; i < want.n; i++) {
        struct listener *n = find(l, want.v[i].def, want.v[i].addr);
        int r = 0;

        if (only != SVC_COUNT && listener_defs[want.v[i].def].service != only)
            continue;
        if (!n) {
            add(l, want.v[i].def, sv_c(want.v[i].addr));
            n = &l->v[l->n - 1];
        }
        if (n->fd < 0)
            r = bind_one(n, result < 0 ? &one : ei);
        if (r < 0 && result == 0)
            result = r;
    }
    listeners_close(&want);
    return result;
}

static struct sv port_of(const char *addr)
{
    struct sv a = sv_c(addr);

    return sv_skip(a, (size_t)(sv_rfind(a, ':') + 1));
}

/* Does one of ours of this setting have the port? Then the change gives it up, or keeps it. */
static bool has_port(const struct listeners *l, unsigned def, const char *addr)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].fd >= 0 && l->v[i].def == def && sv_eq(port_of(l->v[i].addr), port_of(addr)))
            return true;
    return false;
}

int listeners_try(const struct listeners *l, const char *setting, const char *value,
                  const struct listen_rules *rules, struct errinfo *ei)
{
    struct listeners want = { 0 };
    unsigned def = 0;
    int r = 0;

    while (def < listener_defs_count && strcmp(listener_defs[def].setting, setting) != 0)
        def++;
    if (def == listener_defs_count)
        return err_set(ei, E_NOTFOUND, "'%s' is no setting of addresses", setting);
    add_list(&want, def, value, 0, rules);
    for (size_t i = 0; i < want.n && r == 0; i++) {
        r = bind_one(&want.v[i], ei);
        if (r == -EADDRINUSE && has_port(l, def, want.v[i].addr))
            r = 0;
    }
    listeners_close(&want);
    return r;
}

void listeners_close(struct listeners *l)
{
    for (size_t i = 0; i < l->n; i++)
        close_one(&l->v[i]);
    free(l->v);
    *l = (struct listeners){ 0 };
}
