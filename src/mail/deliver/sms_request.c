#include "mail/deliver/sms_request.h"

#include "base/codec.h"
#include "net/https.h"
#include "proto/sieve/regex.h"

enum {
    MAX_BODY = 256 * 1024, /* a text whose characters are all escaped */
    MAX_ANSWER = 64 * 1024,
    SHOWN = 200, /* bytes of an answer */
    MAX_HEADER = 4 * 1024,
};

/* --- the text --- */

int sms_parcel_fit(const struct conf *cf, struct sms_parcel *p, struct failure *why)
{
    unsigned max = (unsigned)cf->sms.max_segments;
    p->size = sms_measure(buf_sv(&p->text));
    if (!p->size.segments) {
        failure_set(why, true, "550 5.6.0 The message has no text for an SMS");
        return E_NOTFOUND;
    }
    if (p->size.segments > max && cf->sms.too_long) {
        failure_set(why, true, "552 5.3.4 The text takes %u segments; an SMS may have %u",
                    p->size.segments, max);
        return E_RANGE;
    }
    p->cut = sms_cut(&p->text, max);
    p->size = sms_measure(buf_sv(&p->text));
    return 0;
}

void sms_parcel_done(struct sms_parcel *p)
{
    buf_done(&p->text);
}

/* --- the request --- */

static int not_set_up(struct failure *why, const char *what)
{
    failure_set(why, false, "451 4.3.5 The gateway for SMS is not set up: %s", what);
    return E_PARSE;
}

static void add_header(struct sms_request *r, char *line)
{
    if (line && r->n_headers < ARRAY_LEN(r->headers))
        r->headers[r->n_headers++] = line;
    else
        free(line);
}

static void add_authorization(const struct conf *cf, bool hidden, struct sms_request *r)
{
    const char *secret = hidden ? "***" : cf->sms.secret;
    enum { BASIC = 1, BEARER };
    if (cf->sms.auth == BEARER)
        add_header(r, xasprintf("Authorization: Bearer %s", secret));
    if (cf->sms.auth != BASIC)
        return;
    _cleanup_(buf_done) struct buf both = { 0 }, coded = { 0 };
    buf_init(&both, MAX_HEADER);
    buf_init(&coded, 2 * MAX_HEADER);
    (void)buf_addf(&both, "%s:%s", cf->sms.user, secret);
    (void)base64_enc(buf_sv(&both), &coded);
    (void)buf_terminate(&coded);
    add_header(r, xasprintf("Authorization: Basic %s", hidden ? secret : coded.p));
}

static int add_headers(const struct conf *cf, const struct sms_values *v, struct sms_request *r)
{
    struct sv rest = sv_c(cf->sms.headers), item;
    while (conf_list_next(&rest, &item)) {
        const struct sms_values some = { .id = v->id, .secret = v->secret };
        struct buf b;
        size_t n;
        buf_init(&b, MAX_HEADER);
        if (r->n_headers + 4 > ARRAY_LEN(r->headers) || sms_fill(item, &some, SMS_AS_IS, &b) < 0) {
            buf_done(&b);
            return E_RANGE;
        }
        add_header(r, buf_take(&b, &n));
    }
    return 0;
}

int sms_request_make(const struct conf *cf, const struct sms_parcel *p, bool hidden,
                     struct sms_request *ret, struct failure *why)
{
    static const char *const types[] = { "application/json", "application/x-www-form-urlencoded" };
    const struct sms_values v = { .to = sv_c(p->to),
                                  .from = sv_c(p->from),
                                  .text = buf_sv(&p->text),
                                  .id = sv_c(p->id),
                                  .secret = hidden ? SV("***") : sv_c(cf->sms.secret) };
    const struct sms_values without_secret = { v.to, v.from, v.text, v.id, SV_NULL };
    struct sms_url url;
    enum { POST, GET };
    *ret = (struct sms_request){ 0 };
    buf_init(&ret->path, 31 * KiB);
    buf_init(&ret->body, MAX_BODY);
    if (!*cf->sms.url)
        return not_set_up(why, "sms.url is empty");
    if (sms_url(sv_c(cf->sms.url), &url) < 0 || !sv_copy(ret->host, sizeof(ret->host), url.host))
        return not_set_up(why, "sms.url is not http[s]://host[:port]/path");
    ret->port = url.port;
    ret->tls = url.tls;
    ret->timeout_ms = cf->sms.timeout;
    if (!url.path.n || url.path.p[0] != '/')
        (void)buf_add_c(&ret->path, '/');
    if (sms_fill(url.path, &without_secret, SMS_PERCENT, &ret->path) < 0 ||
        buf_terminate(&ret->path) < 0)
        return not_set_up(why, "sms.url becomes too long with the text in it");
    if (cf->sms.method != GET) {
        if (sms_fill(sv_c(cf->sms.body), &v, cf->sms.body_type ? SMS_PERCENT : SMS_JSON,
                     &ret->body) < 0 ||
            buf_terminate(&ret->body) < 0)
            return not_set_up(why, "sms.body becomes too long with the text in it");
        add_header(ret, xasprintf("Content-Type: %s", types[cf->sms.body_type]));
    }
    add_authorization(cf, hidden, ret);
    if (*cf->sms.id_header)
        add_header(ret, xasprintf("%s: %s", cf->sms.id_header, p->id));
    return add_headers(cf, &v, ret) < 0
               ? not_set_up(why, "sms.headers has too many or too long fields")
               : 0;
}

void sms_request_done(struct sms_request *r)
{
    for (size_t i = 0; i < r->n_headers; i++)
        free(r->headers[i]);
    buf_done(&r->path);
    buf_done(&r->body);
}

/* --- the answer --- */

/* One line of ASCII: it goes into logs and notices. */
static void excerpt(struct sv answer, char ret[SHOWN + 1])
{
    size_t n = 0;
    answer = sv_trim(answer);
    for (size_t i = 0; i < answer.n && n < SHOWN; i++) {
        unsigned char c = (unsigned char)answer.p[i];
        if (c > ' ' && c < 127)
            ret[n++] = (char)c;
        else if (n && ret[n - 1] != ' ')
            ret[n++] = c >= 127 ? '?' : ' ';
    }
    ret[n] = '\0';
}

static bool is_temporary(const struct conf *cf, long status)
{
    struct sv rest = sv_c(cf->sms.temporary), item;
    uint32_t listed;
    while (conf_list_next(&rest, &item))
        if (sv_to_u32(item, &listed) == 0 && listed == (uint32_t)status)
            return true;
    /* 3xx: the URL is another one now, which is no fault of the message. */
    return status < 400 || status >= 500;
}

/* 1 = the answer is what it has to be; E_PARSE: the pattern is wrong, and ret says why. */
static int confirms(const struct conf *cf, struct sv answer, char ret[120])
{
    _cleanup_(sieve_regex_freep) struct sieve_regex *re = NULL;
    struct sv caps[1];
    size_t n;
    if (!*cf->sms.success)
        return 1;
    if (sieve_regex_new(sv_c(cf->sms.success), false, &re, ret, 120) < 0)
        return E_PARSE;
    return sieve_regex_match(re, answer, caps, ARRAY_LEN(caps), &n) > 0;
}

/* The provider may have sent it when the pattern is wrong or does not fit: a further attempt might
 * cost twice, so there is none. */
static void judge(const struct conf *cf, long status, struct sv answer, struct sms_result *ret)
{
    char shown[SHOWN + 1], wrong[120] = "";
    int ok = status / 100 == 2 ? confirms(cf, answer, wrong) : 0;
    excerpt(answer, shown);
    ret->status = status;
    ret->outcome = ok > 0 ? SMS_TAKEN : SMS_REFUSED;
    if (ok > 0)
        failure_set(&ret->why, false, "250 2.0.0 SMS provider: HTTP %ld %s", status, shown);
    else if (ok < 0)
        failure_set(&ret->why, true,
                    "550 5.3.5 SMS: sms.success is no regular expression (%s): HTTP %ld %s", wrong,
                    status, shown);
    else if (status / 100 == 2)
        failure_set(&ret->why, true, "550 5.0.0 SMS provider did not confirm: HTTP %ld %s", status,
                    shown);
    else if (is_temporary(cf, status))
        failure_set(&ret->why, false, "451 4.0.0 SMS provider refused for now: HTTP %ld %s", status,
                    shown);
    else
        failure_set(&ret->why, true, "550 5.0.0 SMS provider refused: HTTP %ld %s", status, shown);
    if (ret->outcome == SMS_REFUSED && !ret->why.permanent)
        ret->outcome = SMS_NO_ANSWER;
}

static void judge_error(int r, const char *text, struct sms_result *ret)
{
    ret->outcome = r == E_CANCELLED ? SMS_CANCELLED : SMS_NO_ANSWER;
    failure_set(&ret->why, false,
                r == E_TLS ? "451 4.7.5 SMS provider cannot be verified: %s"
                           : "451 4.4.2 SMS provider did not answer: %s",
                text);
}

void sms_request_send(const struct conf *cf, const struct sms_parcel *p,
                      const struct sms_request *r, const atomic_bool *cancel,
                      const struct logctx *log, struct sms_result *ret)
{
    static const char *const methods[] = { "POST", "GET", "PUT" };
    struct buf answer;
    char line[1400];
    struct errinfo ei = { 0 };
    long status = 0;
    const struct https_request o = {
        .host = r->host,
        .port = r->port,
        .clear = !r->tls,
        .method = methods[cf->sms.method],
        .path = r->path.p,
        .ca_file = *cf->sms.ca_file ? cf->sms.ca_file : cf->deliver.ca_file,
        .v = (const char *const *)r->headers,
        .n_headers = r->n_headers,
        .body = r->body.n ? buf_sv(&r->body) : SV_NULL,
        .timeout_ms = r->timeout_ms,
        .cancel = cancel,
    };
    *ret = (struct sms_result){ 0 };
    buf_init(&answer, MAX_ANSWER);
    int n = snprintf(line, sizeof(line), "%s %.900s to=%s from=%.255s segments=%u %s id=%s",
                     o.method, cf->sms.url, p->to, p->from, p->size.segments,
                     sms_encoding_names[p->size.encoding], p->id);
    log_out(log, sv_n(line, MIN((size_t)n, sizeof(line) - 1)));
    int e = https_request(&o, &status, &answer, &ei);
    if (e < 0)
        judge_error(e, *ei.text ? ei.text : err_name(e), ret);
    else
        judge(cf, status, buf_sv(&answer), ret);
    /* What is refused, is refused in our words: those are explained. */
    if (ret->outcome == SMS_TAKEN)
        sv_copy(ret->why.mta, sizeof(ret->why.mta), sv_c(r->host));
    log_in(log, sv_c(ret->why.answer));
    buf_done(&answer);
}
