/* Policies of MTA-STS on disk: <dir>/<domain>, a few lines about it, an empty line, the policy as
 * it was fetched. Whoever delivers to a domain twice at the same time may fetch it twice. */
#include "mail/deliver/sts.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "net/dns.h"
#include "net/https.h"
#include "os/file.h"

enum { FETCH_MS = 20000, RETRY_S = 300, HEADER_MAX = 512, SWEEP_S = 86400 };

/* What is known about a domain. */
struct known {
    char id[33];
    int64_t fetched_s; /* of the policy; 0 = there is none */
    int64_t retry_s;   /* not to be fetched before */
    char problem[32];  /* of the last attempt; "" = none */
    struct mta_sts_policy policy;
};

static const struct logctx system_log = { .type = LOG_SMTP, .prefix = "" };

/* --- on disk --- */

/* Also a file name: letters, digits, hyphens, dots, as host names have them. */
static bool domain_name(struct sv domain, char ret[256])
{
    char text[256];
    if (!domain.n || !sv_copy(text, sizeof(text), domain) || !dns_to_ascii(text, ret))
        return false;
    for (char *c = ret; *c; c++) {
        *c = ascii_lower(*c);
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' ||
              (*c == '.' && c != ret && c[1] && c[1] != '.')))
            return false;
    }
    return true;
}

static int64_t number(struct sv s)
{
    int64_t v = 0;
    return sv_to_i64(s, &v) < 0 ? 0 : v;
}

static void read_header(struct sv *rest, struct known *ret)
{
    while (rest->p) {
        struct sv line = sv_split(rest, '\n'), key = sv_split(&line, ' ');
        if (!key.n)
            return;
        if (sv_eq(key, SV("id")))
            (void)sv_copy(ret->id, sizeof(ret->id), line);
        else if (sv_eq(key, SV("fetched")))
            ret->fetched_s = number(line);
        else if (sv_eq(key, SV("retry")))
            ret->retry_s = number(line);
        else if (sv_eq(key, SV("problem")))
            (void)sv_copy(ret->problem, sizeof(ret->problem), line);
    }
}

/* *ret_text: the policy's, in b. */
static void read_known(const char *path, struct known *ret, struct buf *b, struct sv *ret_text)
{
    *ret = (struct known){ 0 };
    *ret_text = SV_NULL;
    if (os_read_file(path, b, NULL) < 0)
        return;
    struct sv rest = buf_sv(b);
    read_header(&rest, ret);
    if (ret->fetched_s && rest.p && mta_sts_parse(rest, &ret->policy, NULL) == 0)
        *ret_text = rest;
    else
        ret->fetched_s = 0;
}

static bool holds(const struct known *k, int64_t now_s)
{
    return k->fetched_s && now_s < k->fetched_s + k->policy.max_age_s;
}

void sts_sweep(const char *dir)
{
    DIR *d = opendir(dir);
    struct known *k = xcalloc(1, sizeof(*k));
    int64_t now_s = clock_wall_s();
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        struct buf b;
        struct sv text;
        if (e->d_name[0] == '.')
            continue;
        _cleanup_(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
        buf_init(&b, MTA_STS_MAX_TEXT + HEADER_MAX);
        read_known(path, k, &b, &text);
        if (!holds(k, now_s) && now_s >= k->retry_s)
            unlink(path);
        buf_done(&b);
    }
    if (d)
        closedir(d);
    free(k);
}

/* Whatever domains people and forged senders bring: files stay for as long as their policies. */
static void sweep_daily(const char *dir)
{
    static _Atomic int64_t last_s;
    int64_t now_s = clock_wall_s(), before = atomic_load(&last_s);
    if (now_s - before >= SWEEP_S && atomic_compare_exchange_strong(&last_s, &before, now_s))
        sts_sweep(dir);
}

static void write_known(const char *dir, const char *path, const struct known *k, struct sv text)
{
    struct buf b;
    struct errinfo ei = { 0 };
    buf_init(&b, MTA_STS_MAX_TEXT + HEADER_MAX);
    (void)buf_addf(&b, "id %s\nfetched %" PRId64 "\nretry %" PRId64 "\n", k->id, k->fetched_s,
                   k->retry_s);
    if (*k->problem)
        (void)buf_addf(&b, "problem %s\n", k->problem);
    (void)buf_add_c(&b, '\n');
    (void)buf_add_sv(&b, text);
    int r = os_mkdirs(dir, 0750, &ei);
    sweep_daily(dir);
    if (r == 0)
        r = os_write_file_atomic(path, buf_sv(&b), 0640, &ei);
    if (r < 0)
        log_warn("MTA-STS: a policy cannot be kept: %s", ei.text);
    buf_done(&b);
}

/* --- fetching --- */

/* The id of the record. False: there is none, or more than one (RFC 8461 3.1), or DNS fails. */
static bool find_id(const char *domain, char ret[33])
{
    char name[300];
    _cleanup_(dns_answer_freep) struct dns_answer *a = NULL;
    unsigned n = 0;
    snprintf(name, sizeof(name), "_mta-sts.%s", domain);
    if (dns_lookup(name, DNS_TXT, &a, NULL) < 0)
        return false;
    for (size_t i = 0; i < a->n; i++)
        n += mta_sts_record(sv_c(a->rr[i].text), ret);
    return n == 1;
}

static int fetch(const struct conf *cf, const char *domain, struct buf *text,
                 struct mta_sts_policy *ret)
{
    char host[280];
    struct errinfo ei = { 0 };
    struct https_get o = { .host = host,
                           .path = "/.well-known/mta-sts.txt",
                           .ca_file = cf->deliver.ca_file,
                           .content_type = "text/plain",
                           .timeout_ms = FETCH_MS };
    snprintf(host, sizeof(host), "mta-sts.%s", domain);
    int r = https_get(&o, text, &ei);
    if (r == 0)
        r = mta_sts_parse(buf_sv(text), ret, &ei);
    if (r < 0)
        log_line(&system_log, LOG_SUMMARY, "MTA-STS: the policy of '%s' cannot be had: %s", domain,
                 ei.text);
    return r;
}

static const char *const problems[] = { "sts-policy-fetch-error", "sts-policy-invalid",
                                        "sts-webpki-invalid" };

static const char *problem_of(int error)
{
    return problems[error == E_TLS ? 2 : error == E_PARSE ? 1 : 0];
}

/* As a constant; NULL: none. */
static const char *known_problem(const struct known *k)
{
    for (size_t i = 0; i < ARRAY_LEN(problems); i++)
        if (strcmp(problems[i], k->problem) == 0)
            return problems[i];
    return NULL;
}

/* With a new id, or when the old policy's time is over. */
static void renew(const struct conf *cf, const char *dir, const char *path, const char *domain,
                  const char *id, struct known *k, struct sv old_text)
{
    static const size_t max = MTA_STS_MAX_TEXT;
    struct mta_sts_policy *fresh = xcalloc(1, sizeof(*fresh));
    struct buf text;
    buf_init(&text, max);
    int r = fetch(cf, domain, &text, fresh);
    if (r == 0) {
        sv_copy(k->id, sizeof(k->id), sv_c(id));
        k->fetched_s = clock_wall_s();
        k->retry_s = 0;
        k->problem[0] = '\0';
        k->policy = *fresh;
        write_known(dir, path, k, buf_sv(&text));
    } else {
        k->retry_s = clock_wall_s() + RETRY_S;
        sv_copy(k->problem, sizeof(k->problem), sv_c(problem_of(r)));
        write_known(dir, path, k, old_text);
    }
    buf_done(&text);
    free(fresh);
}

void sts_find(const struct conf *cf, const char *dir, struct sv domain, struct sts *ret)
{
    char name[256], id[33];
    *ret = (struct sts){ .asked = true };
    if (!domain_name(domain, name))
        return;
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
    struct known *k = xcalloc(1, sizeof(*k));
    struct buf b;
    struct sv text;
    buf_init(&b, MTA_STS_MAX_TEXT + HEADER_MAX);
    bool found = find_id(name, id);
    read_known(path, k, &b, &text);
    int64_t now_s = clock_wall_s();
    if (found && now_s >= k->retry_s && !(holds(k, now_s) && strcmp(id, k->id) == 0))
        renew(cf, dir, path, name, id, k, text);
    if (holds(k, clock_wall_s()))
        ret->policy = k->policy;
    else if (found)
        ret->problem = known_problem(k);
    buf_done(&b);
    free(k);
}
