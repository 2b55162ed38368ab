#include "mail/tlsrpt/report.h"

#include <stdio.h>
#include <time.h>

#include <jansson.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/hash.h"

enum { BASE64_LINE = 76 };

/* --- JSON --- */

static json_t *date(int64_t s)
{
    char text[32];
    struct tm tm;
    time_t t = (time_t)s;
    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static json_t *lines(const char *text)
{
    json_t *list = json_array();
    struct sv rest = sv_c(text);
    while (rest.p) {
        struct sv line = sv_split(&rest, '\n');
        json_array_append_new(list, json_stringn(line.p, line.n));
    }
    return list;
}

static bool same_policy(const struct tls_count *a, const struct tls_count *b)
{
    return strcmp(a->policy_type, b->policy_type) == 0 &&
           strcmp(a->policy_domain, b->policy_domain) == 0 && strcmp(a->policy, b->policy) == 0 &&
           strcmp(a->mx_patterns, b->mx_patterns) == 0;
}

static json_t *policy(const struct tls_count *c)
{
    json_t *o = json_pack("{s:s}", "policy-type", c->policy_type);
    if (*c->policy)
        json_object_set_new(o, "policy-string", lines(c->policy));
    json_object_set_new(o, "policy-domain", json_string(c->policy_domain));
    if (*c->mx_patterns)
        json_object_set_new(o, "mx-host", lines(c->mx_patterns));
    return o;
}

static void set_text(json_t *o, const char *key, const char *text)
{
    if (*text)
        json_object_set_new(o, key, json_string(text));
}

static json_t *failure(const struct tls_count *c)
{
    json_t *o = json_pack("{s:s}", "result-type", c->result);
    set_text(o, "sending-mta-ip", c->sending_ip);
    set_text(o, "receiving-mx-hostname", c->mx);
    set_text(o, "receiving-ip", c->ip);
    json_object_set_new(o, "failed-session-count", json_integer(c->sessions));
    set_text(o, "failure-reason-code", c->reason);
    return o;
}

/* All counts of the policy that the first one has. */
static json_t *about_policy(const struct tls_report *r, size_t first)
{
    json_t *failures = json_array();
    int64_t good = 0, bad = 0;
    for (size_t i = first; i < r->n; i++) {
        const struct tls_count *c = &r->v[i];
        if (!same_policy(c, &r->v[first]))
            continue;
        if (*c->result) {
            bad += c->sessions;
            json_array_append_new(failures, failure(c));
        } else {
            good += c->sessions;
        }
    }
    json_t *o = json_pack("{s:o, s:{s:I, s:I}}", "policy", policy(&r->v[first]), "summary",
                          "total-successful-session-count", (json_int_t)good,
                          "total-failure-session-count", (json_int_t)bad);
    if (json_array_size(failures))
        json_object_set(o, "failure-details", failures);
    json_decref(failures);
    return o;
}

static json_t *policies(const struct tls_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++) {
        size_t k = 0;
        while (k < i && !same_policy(&r->v[k], &r->v[i]))
            k++;
        if (k == i)
            json_array_append_new(list, about_policy(r, i));
    }
    return list;
}

static int dump(const char *p, size_t n, void *out)
{
    return buf_add(out, p, n) < 0 ? -1 : 0;
}

int tls_report_json(const struct tls_report *r, struct buf *out, struct errinfo *ei)
{
    json_t *o =
        json_pack("{s:s, s:{s:o, s:o}, s:s, s:s, s:o}", "organization-name", r->organisation,
                  "date-range", "start-datetime", date(r->start_s), "end-datetime", date(r->end_s),
                  "contact-info", r->contact, "report-id", r->id, "policies", policies(r));
    int e = o && json_dump_callback(o, dump, out, JSON_COMPACT) == 0
                ? 0
                : err_set(ei, E_RANGE, "the report about %s is too large, or not UTF-8", r->domain);
    json_decref(o);
    return e;
}

int tls_report_gzip(struct sv in, struct buf *out, struct errinfo *ei)
{
    z_stream z = { 0 };
    bool ok = in.n < UINT32_MAX / 2 && deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
                                                    Z_DEFAULT_STRATEGY) == Z_OK;
    if (ok) {
        size_t bound = deflateBound(&z, (uLong)in.n);
        ok = buf_reserve(out, bound) == 0;
        z.next_in = (Bytef *)(uintptr_t)in.p;
        z.avail_in = (uInt)in.n;
        z.next_out = (Bytef *)(ok ? out->p + out->n : NULL);
        z.avail_out = (uInt)bound;
        ok = ok && deflate(&z, Z_FINISH) == Z_STREAM_END;
        out->n += ok ? z.total_out : 0;
        deflateEnd(&z);
    }
    return ok ? 0 : err_set(ei, E_RANGE, "a report of %zu bytes cannot be compressed", in.n);
}

/* --- mail --- */

static void head(const struct tls_report *r, const struct tls_report_mail *m, const char *boundary,
                 struct buf *b)
{
    char when[40];
    clock_rfc5322(m->wall_s, when);
    (void)buf_addf(b,
                   "Return-Path: <%s>\r\nDate: %s\r\nFrom: <%s>\r\nTo: %s\r\n"
                   "Subject: Report Domain: %s\r\n\tSubmitter: %s\r\n\tReport-ID: <%s>\r\n"
                   "Message-ID: <%s>\r\nTLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\n"
                   "TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                   "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
                   "\tboundary=\"%s\"\r\n\r\n",
                   m->from, when, m->from, m->to, r->domain, r->submitter, r->id, r->id, r->domain,
                   r->submitter, boundary);
}

static void add_base64(struct sv bytes, struct buf *b)
{
    struct buf text;
    buf_init(&text, b->max);
    (void)base64_enc(bytes, &text);
    for (struct sv rest = buf_sv(&text); rest.n; rest = sv_skip(rest, BASE64_LINE)) {
        (void)buf_add_sv(b, sv_take(rest, BASE64_LINE));
        (void)buf_add_str(b, "\r\n");
    }
    b->overflow |= text.overflow;
    buf_done(&text);
}

int tls_report_mail(const struct tls_report *r, const struct tls_report_mail *m, struct buf *out)
{
    char boundary[40];
    snprintf(boundary, sizeof(boundary), "tlsrpt=_%016" PRIx64, fnv1a64(r->id, strlen(r->id)));
    head(r, m, boundary, out);
    (void)buf_addf(out,
                   "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
                   "This is a report about TLS (RFC 8460) from the mail server %s:\r\n"
                   "how encryption went with the servers of %s.\r\n\r\n"
                   "--%s\r\nContent-Type: application/tlsrpt+gzip\r\n"
                   "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
                   "\tfilename=\"%s!%s!%" PRId64 "!%" PRId64 ".json.gz\"\r\n\r\n",
                   boundary, r->submitter, r->domain, boundary, r->submitter, r->domain, r->start_s,
                   r->end_s);
    add_base64(m->gzip, out);
    (void)buf_addf(out, "\r\n--%s--\r\n", boundary);
    return out->overflow ? -ENOMEM : 0;
}
