/* The connection of an attempt. */
#include <arpa/inet.h>
#include <stdarg.h>

#include "base/clock.h"
#include "mail/collect/collect_priv.h"
#include "net/dns.h"

int session_overdue(struct attempt *x, struct errinfo *ei)
{
    if (atomic_load(&x->c->stopping))
        return err_set(ei, E_CANCELLED, "the server stops");
    if (clock_mono_ms() > x->end_ms)
        return err_set(ei, E_TIMEOUT, "it takes too long; the rest is for the next time");
    return 0;
}

int session_refused(struct attempt *x, const char *what, struct sv reply, struct errinfo *ei)
{
    (void)x;
    return err_set(ei, E_AUTH, "%s was refused: " SV_FMT, what, SV_ARG(sv_take(reply, 120)));
}

static int try_address(struct attempt *x, const char *ip, struct errinfo *ei)
{
    const struct client_opts o = {
        .ip = ip,
        .port = x->r->port,
        .source_ip = x->cf->deliver.source_ip,
        .connect_timeout_ms = MIN(x->cf->deliver.connect_timeout, x->cf->deliver.collect_timeout),
        .cancel = &x->c->stopping,
    };
    int r = client_connect(&o, &x->client, ei);
    if (r < 0) {
        x->client = NULL;
        return r;
    }
    sv_copy(x->ip, sizeof(x->ip), sv_c(ip));
    sv_copy(x->log.source, sizeof(x->log.source), sv_c(ip));
    client_set_timeout(x->client, x->cf->deliver.collect_timeout);
    event(client_session_start, &x->log, F_STR(host, x->r->host), F_IP(remote_ip, ip),
          F_IP(local, client_local_ip(x->client)), F_INT(port, x->r->port));
    return 0;
}

/* Its addresses, in turn. */
int session_connect(struct attempt *x, struct errinfo *ei)
{
    static const enum dns_type types[] = { DNS_A, DNS_AAAA };
    unsigned char bin[16];
    int r = E_NOTFOUND;
    if (inet_pton(AF_INET, x->r->host, bin) == 1 || inet_pton(AF_INET6, x->r->host, bin) == 1)
        return try_address(x, x->r->host, ei);
    err_set(ei, E_NOTFOUND, "host '%.100s' has no address", x->r->host);
    for (size_t t = 0; t < ARRAY_LEN(types) && !x->client; t++) {
        _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;
        int found = dns_lookup(x->r->host, types[t], &a, NULL);
        if (found < 0 && found != E_NODATA && found != E_NXDOMAIN)
            r = err_set(ei, found, "could not resolve '%.100s'", x->r->host);
        for (size_t i = 0; found == 0 && i < a->n && !x->client; i++)
            r = try_address(x, a->rr[i].text, ei);
    }
    return r;
}

/* A secure destination is our administrator's word: what it asks cannot be got round by a setting
 * of the account. */
int session_insecure(struct attempt *x, const char *why, struct errinfo *ei)
{
    if (!x->is_secure)
        return err_set(ei, E_TLS, "%s", why);
    return err_set(ei, E_TLS,
                   "%.60s is a secure destination: %.70s; mend its TLS, or its entry in "
                   "deliver.secure_destinations",
                   x->r->host, why);
}

int session_starttls(struct attempt *x, int r, struct errinfo *ei)
{
    struct errinfo why = *ei;
    return r != E_AUTH ? r : session_insecure(x, why.text, ei);
}

/* A fingerprint says more than an authority does. */
static bool must_verify(const struct attempt *x)
{
    return x->r->verify && !(x->is_secure && x->secure.sha256.n);
}

static int judge(struct attempt *x, const struct client_tls_result *found, struct errinfo *ei)
{
    const char *unfit = x->is_secure ? secure_check(&x->secure, found) : NULL;
    bool ask = must_verify(x);
    log_line(&x->log, LOG_DEBUG, found->verify ? "SSL: Not verified (%ld)%s" : "SSL: Verified",
             found->verify, ask || unfit ? "" : " - proceed anyway");
    if (unfit)
        return session_insecure(x, unfit, ei);
    if (found->verify && ask)
        return err_set(ei, E_TLS,
                       "the certificate is not valid: %s; verify=no goes on all the same",
                       client_verify_text(found->verify));
    return 0;
}

int session_tls(struct attempt *x, struct errinfo *ei)
{
    struct client_tls_result found;
    struct errinfo why = { 0 };
    const struct client_tls_opts o = { .server_name = x->r->host,
                                       .ca_file = x->cf->deliver.ca_file,
                                       .describe = x->is_secure };
    if (client_has_input(x->client)) /* clear text that would be read as if it were protected */
        return session_insecure(x, "the server said more than it may before TLS", ei);
    int r = client_tls_start(x->client, &o, &found, &why);
    if (r == E_TLS)
        return session_insecure(x, why.text, ei);
    return r < 0 ? err_set(ei, r, "%s", why.text) : judge(x, &found, ei);
}

int session_send(struct attempt *x, const char *shown, struct errinfo *ei, const char *fmt, ...)
{
    struct buf b;
    va_list ap;
    buf_init(&b, 4 * KiB);
    va_start(ap, fmt);
    int r = buf_vaddf(&b, fmt, ap);
    va_end(ap);
    if (r == 0) {
        log_out(&x->log, shown ? sv_c(shown) : buf_sv(&b));
        r = buf_add_str(&b, "\r\n");
    }
    if (r == 0)
        r = client_write(x->client, buf_sv(&b), ei);
    if (r == 0)
        r = client_flush(x->client, ei);
    explicit_bzero(b.p, b.n);
    buf_done(&b);
    return r;
}

int session_line(struct attempt *x, size_t max, struct sv *ret, struct errinfo *ei)
{
    int r = session_overdue(x, ei);
    return r < 0 ? r : client_read_line(x->client, max, ret, ei);
}

int session_read(struct attempt *x, void *p, size_t n, struct errinfo *ei)
{
    int r = session_overdue(x, ei);
    return r < 0 ? r : client_read(x->client, p, n, ei);
}

/* The first 64 bits of the id; never 0. */
static uint64_t key_of(const char *id)
{
    char first[17];
    sv_copy(first, sizeof(first), sv_take(sv_c(id), 16));
    uint64_t k = strtoull(first, NULL, 16);
    return k ? k : 1;
}

int session_add(struct attempt *x, uint32_t number, struct sv uid, struct errinfo *ei)
{
    if (x->n >= MAX_LISTED)
        return err_set(ei, E_LIMIT, "there are more than %d messages there", MAX_LISTED);
    if (x->n % 256 == 0)
        x->v = xrealloc(x->v, (x->n + 256) * sizeof(*x->v));
    struct listed *l = &x->v[x->n++];
    *l = (struct listed){ .number = number };
    remote_seen_id(x->r->id, uid, l->id);
    l->key = key_of(l->id);
    return 0;
}
