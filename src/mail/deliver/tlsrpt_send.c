#include "mail/deliver/tlsrpt_send.h"

#include "base/clock.h"
#include "base/hash.h"
#include "mail/deliver/send.h"
#include "mail/tlsrpt/counter.h"
#include "mail/tlsrpt/report.h"
#include "net/dns.h"
#include "net/https.h"

#include <stdio.h>

enum { DAY_S = 86400, MAX_REPORT = 16 * 1024 * 1024, POST_MS = 15000 };

const struct logctx tlsrpt_log = { .type = LOG_SMTP, .prefix = "" };

struct sending {
    struct deliver *d;
    const struct conf *cf;
    char submitter[256], id[600], from[400];
    struct tlsrpt_record to;
    struct tls_report report;
    struct tls_count *v; /* report.v */
    int64_t good, bad;
    struct buf gzip;
    struct tlsrpt_done *done;
};

/* --- what was counted --- */

static bool add_count(const struct tls_count *c, void *arg)
{
    struct sending *x = arg;
    x->v[x->report.n++] = tls_count_copy(c);
    *(*c->result ? &x->bad : &x->good) += c->sessions;
    return x->report.n < TLS_COUNT_ROWS;
}

static int read_counts(struct sending *x, const char *domain, int64_t day, struct errinfo *ei)
{
    x->report.v = x->v = xcalloc(TLS_COUNT_ROWS, sizeof(*x->v));
    return tls_counts_each(x->d->accounts, domain, day, add_count, x, ei);
}

/* --- what the domain wants --- */

/* 0; E_NOTFOUND: no reports (RFC 8460 3: nor with several records); else DNS does not tell. */
static int find_targets(const char *domain, struct tlsrpt_record *ret, struct errinfo *ei)
{
    char name[300];
    _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;
    struct tlsrpt_record *one = xcalloc(1, sizeof(*one));
    unsigned n = 0;
    snprintf(name, sizeof(name), "_smtp._tls.%s", domain);
    int r = dns_lookup(name, DNS_TXT, &a, ei);
    for (size_t i = 0; r == 0 && i < a->n; i++)
        if (tlsrpt_parse(sv_c(a->rr[i].text), one) && n++ == 0)
            *ret = *one;
    free(one);
    if (r == E_NXDOMAIN || r == E_NODATA || (r == 0 && (n != 1 || !ret->n)))
        return E_NOTFOUND;
    return r;
}

static uint64_t hash_of(const struct tlsrpt_target *t)
{
    char text[1400];
    int n = t->https ? snprintf(text, sizeof(text), "https://%s:%u%s", t->host, t->port, t->path)
                     : snprintf(text, sizeof(text), "mailto:%s", t->address);
    return fnv1a64(text, (size_t)n);
}

static bool has_it(const struct sending *x, const struct tlsrpt_target *t)
{
    for (size_t i = 0; i < x->done->n; i++)
        if (x->done->target[i] == hash_of(t))
            return true;
    return false;
}

static void note_done(struct sending *x, const struct tlsrpt_target *t)
{
    if (x->done->n < ARRAY_LEN(x->done->target))
        x->done->target[x->done->n++] = hash_of(t);
}

/* --- telling --- */

static void tell_sent(const struct sending *x, const char *to, const struct message *m)
{
    event(tls_report_sent, &tlsrpt_log, F_STR(domain, x->report.domain), F_STR(to, to),
          F_INT(sessions, x->good + x->bad), F_INT(failures, x->bad),
          F_ID(child, m ? m->id : NULL));
}

static void tell_failed(const char *domain, const char *to, const char *reason)
{
    event(tls_report_failed, &tlsrpt_log, F_STR(domain, domain), F_STR(to, to),
          F_STR(reason, reason));
}

/* --- mail --- */

/* One message for all addresses. Addresses that do not exist here are told of and left out. */
static int address(struct sending *x, struct message *m, struct buf *to)
{
    struct errinfo ei = { 0 };
    int r = 0;
    for (size_t i = 0; i < x->to.n && r >= 0; i++) {
        const struct tlsrpt_target *t = &x->to.target[i];
        if (t->https || has_it(x, t))
            continue;
        r = send_add_target(x->d, m, sv_c(t->address), "", 0, &ei);
        if (r >= 0)
            (void)buf_addf(to, "%s<%s>", to->n ? ",\r\n\t" : "", t->address);
        if (r < 0)
            tell_failed(x->report.domain, t->address, ei.text);
        if (r == E_NOTFOUND) {
            note_done(x, t);
            r = 0;
        }
    }
    (void)buf_terminate(to);
    return r;
}

/* A failure drops it: nobody is told by mail that a report did not arrive. No policy of TLS holds
 * it up, as it may be about just that (RFC 8460 5.3); nor does it wait behind mail that does: a
 * server that rests is tried with what has the highest priority. */
static int queue_mail(struct sending *x, struct message *m, const char *to, struct errinfo *ei)
{
    struct buf b;
    const struct tls_report_mail mail = { x->from, to, buf_sv(&x->gzip), clock_wall_s() };
    m->bounce = true;
    m->tls_optional = true;
    m->priority = PRIORITY_HIGH;
    for (size_t i = 0; i < m->n_rcpts; i++)
        m->rcpts[i].notify = NOTIFY_NEVER;
    message_set(&m->sender, sv_c(x->from));
    buf_init(&b, 2 * MAX_REPORT);
    int r = tls_report_mail(&x->report, &mail, &b);
    if (r >= 0)
        message_take_content(m, &b);
    buf_done(&b);
    if (r < 0)
        return err_set(ei, r, "the message is too large");
    return m->n_rcpts ? queue_accept(x->d->queue, m, ei) : 0;
}

static int send_mail(struct sending *x)
{
    _cleanup_(message_unrefp) struct message *m = message_new();
    _cleanup_(buf_done) struct buf to = { 0 };
    struct errinfo ei = { 0 };
    message_assign_ids(m);
    buf_init(&to, TLSRPT_MAX_TARGETS * (TLSRPT_TARGET_TEXT + 8));
    int r = address(x, m, &to);
    if (r >= 0 && m->n_rcpts)
        r = queue_mail(x, m, to.p, &ei);
    if (r < 0 && *ei.text)
        tell_failed(x->report.domain, to.p ? to.p : "", ei.text);
    for (size_t i = 0; i < x->to.n && r >= 0; i++) {
        const struct tlsrpt_target *t = &x->to.target[i];
        if (t->https || has_it(x, t))
            continue;
        note_done(x, t);
        if (m->n_rcpts)
            tell_sent(x, t->address, m);
    }
    return r;
}

/* --- HTTPS --- */

static int post(struct sending *x, const struct tlsrpt_target *t)
{
    char url[1400], port[8] = "";
    struct errinfo ei = { 0 };
    const struct https_post o = { .host = t->host,
                                  .port = t->port,
                                  .path = t->path,
                                  .ca_file = x->cf->deliver.ca_file,
                                  .content_type = "application/tlsrpt+gzip",
                                  .body = buf_sv(&x->gzip),
                                  .timeout_ms = POST_MS };
    if (t->port != 443)
        snprintf(port, sizeof(port), ":%u", t->port);
    snprintf(url, sizeof(url), "https://%s%s%s", t->host, port, t->path);
    int r = https_post(&o, &ei);
    if (r < 0) {
        tell_failed(x->report.domain, url, *ei.text ? ei.text : err_name(r));
        return r;
    }
    note_done(x, t);
    tell_sent(x, url, NULL);
    return 0;
}

/* --- together --- */

static int build(struct sending *x, const char *domain, int64_t day, struct errinfo *ei)
{
    struct buf json;
    const struct conf_deliver *s = &x->cf->deliver;
    bool is_address = strchr(s->tls_report_contact, '@');
    x->report.domain = domain;
    x->report.submitter = x->submitter;
    x->report.start_s = day * DAY_S;
    x->report.end_s = MIN((day + 1) * DAY_S - 1, clock_wall_s());
    snprintf(x->from, sizeof(x->from), "%s%.255s", is_address ? "" : "postmaster@",
             is_address ? s->tls_report_contact : x->submitter);
    snprintf(x->id, sizeof(x->id), "%" PRId64 ".%.255s@%s", x->report.end_s, domain, x->submitter);
    x->report.id = x->id;
    x->report.contact = *s->tls_report_contact ? s->tls_report_contact : x->from;
    x->report.organisation =
        *s->tls_report_organisation ? s->tls_report_organisation : x->submitter;
    buf_init(&json, MAX_REPORT);
    int r = tls_report_json(&x->report, &json, ei);
    if (r == 0)
        r = tls_report_gzip(buf_sv(&json), &x->gzip, ei);
    buf_done(&json);
    return r;
}

static int send_all(struct sending *x)
{
    int r = send_mail(x);
    for (size_t i = 0; i < x->to.n; i++) {
        const struct tlsrpt_target *t = &x->to.target[i];
        int one = t->https && !has_it(x, t) ? post(x, t) : 0;
        r = one < 0 ? one : r;
    }
    return r;
}

int tlsrpt_send(struct deliver *d, const struct conf *cf, const char *domain, int64_t day,
                struct tlsrpt_done *done)
{
    struct sending *x = xcalloc(1, sizeof(*x));
    struct errinfo ei = { 0 };
    x->d = d;
    x->cf = cf;
    x->done = done;
    buf_init(&x->gzip, MAX_REPORT);
    deliver_hostname(cf, x->submitter);
    int r = find_targets(domain, &x->to, &ei);
    bool wanted = r != E_NOTFOUND;
    if (r == 0)
        r = read_counts(x, domain, day, &ei);
    if (r == 0 && x->report.n)
        r = build(x, domain, day, &ei);
    if (r < 0 && wanted)
        tell_failed(domain, "_smtp._tls", *ei.text ? ei.text : err_name(r));
    if (r == 0 && x->report.n)
        r = send_all(x);
    if (!wanted)
        log_line(&tlsrpt_log, LOG_DEBUG, "TLS report about '%s' is not wanted", domain);
    if (r == 0 || !wanted)
        r = tls_counts_delete(d->accounts, domain, day, &ei);
    tls_counter_list_free(x->v, x->report.n);
    buf_done(&x->gzip);
    free(x);
    return r;
}
