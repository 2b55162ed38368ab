#include "proc/sms_requests.h"

#include "admin/admin.h"
#include "base/clock.h"
#include "base/codec.h"
#include "mail/deliver/deliver.h"
#include "mail/deliver/sms_request.h"
#include "mail/sms/sms_right.h"

enum { TEST_MS = 20000, MAX_ASKED = 4000 /* bytes of text */ };

static const char *text_arg(json_t *args, const char *name)
{
    const char *v = json_string_value(json_object_get(args, name));

    return v ? v : "";
}

/* NULL: all is right. */
static json_t *read_args(const struct conf *cf, json_t *args, char number[SMS_NUMBER_TEXT])
{
    const char *to = text_arg(args, "to"), *text = text_arg(args, "text");

    if (!*cf->sms.domain)
        return admin_error(E_PARSE, "sms.domain is empty: there is no SMS");
    if (sms_number_of(cf, sv_c(to), number) < 0)
        return admin_error(E_PARSE,
                           "to: '%.60s' is not a telephone number; such as +393331234567%s", to,
                           *cf->sms.country ? "" : ", with + and the country's code");
    if (!*text || strlen(text) > MAX_ASKED)
        return admin_error(E_PARSE, "text: from 1 to %d bytes", MAX_ASKED);
    return NULL;
}

/* --- sms.test --- */

static json_t *headers_json(const struct sms_request *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_headers; i++)
        json_array_append_new(list, admin_text(r->headers[i]));
    return list;
}

static json_t *trial_json(const struct conf *cf, const struct sms_parcel *p,
                          const struct sms_request *shown, const struct sms_result *res,
                          const char *result)
{
    static const char *const methods[] = { "POST", "GET", "PUT" };
    _cleanup_(freep) char *url =
        shown->port ? xasprintf("http%s://%s:%u%s", shown->tls ? "s" : "", shown->host, shown->port,
                                shown->path.p ? shown->path.p : "/")
                    : xstrdup("");

    return json_pack("{s:b, s:s, s:s%, s:s, s:i, s:i, s:b, s:s, s:o, s:o, s:o, s:s, s:I, s:o}",
                     "ok", 1, "number", p->to, "text", p->text.p ? p->text.p : "", p->text.n,
                     "encoding", sms_encoding_names[p->size.encoding], "units", (int)p->size.units,
                     "segments", (int)p->size.segments, "cut", (int)p->cut, "method",
                     methods[cf->sms.method], "url", admin_text(url), "headers",
                     headers_json(shown), "body", admin_text(shown->body.p ? shown->body.p : ""),
                     "result", result, "status", (json_int_t)res->status, "answer",
                     admin_text(res->why.answer));
}

static json_t *test(const struct conf *cf, const atomic_bool *cancel, json_t *args)
{
    static const char *const words[] = { [SMS_TAKEN] = "taken",
                                         [SMS_REFUSED] = "refused",
                                         [SMS_NO_ANSWER] = "no-answer",
                                         [SMS_CANCELLED] = "no-answer" };
    const struct logctx log = { .type = LOG_SMTP, .prefix = "" };
    const char *from = text_arg(args, "from"), *result = "shown";
    bool send = json_is_true(json_object_get(args, "send"));
    struct sms_parcel p = { 0 };
    struct sms_request shown = { 0 }, real = { 0 };
    struct sms_result res = { 0 };
    json_t *reply = read_args(cf, args, p.to);

    if (reply)
        return reply;
    buf_init(&p.text, SMS_MAX_TEXT);
    sv_copy(p.from, sizeof(p.from), sv_c(*from ? from : *cf->sms.from ? cf->sms.from : "test"));
    /* Each trial is one of its own for the provider. */
    snprintf(p.id, sizeof(p.id), "test-%" PRIx64, (uint64_t)clock_wall_ms());
    if (cf->sms.plain_signs)
        (void)sms_plain_signs(sv_c(text_arg(args, "text")), &p.text);
    else
        (void)buf_add_str(&p.text, text_arg(args, "text"));
    if (sms_parcel_fit(cf, &p, &res.why) < 0 ||
        sms_request_make(cf, &p, true, &shown, &res.why) < 0 ||
        sms_request_make(cf, &p, false, &real, &res.why) < 0) {
        result = "not-sent";
    } else if (send) {
        real.timeout_ms = MIN(real.timeout_ms, TEST_MS);
        sms_request_send(cf, &p, &real, cancel, &log, &res);
        result = words[res.outcome];
    }
    reply = trial_json(cf, &p, &shown, &res, result);
    sms_request_done(&shown);
    sms_request_done(&real);
    sms_parcel_done(&p);
    return reply ? reply : admin_error(E_PARSE, "text: it is not UTF-8");
}

/* --- sms.send --- */

static int compose(const struct conf *cf, const char *from, const char *number, const char *text,
                   struct message *m)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    struct sv rest = sv_c(text);
    char host[256], date[40], to[300];

    deliver_hostname(cf, host);
    clock_rfc5322(m->received_ms / 1000, date);
    snprintf(to, sizeof(to), "%s@%s", number, cf->sms.domain);
    message_set(&m->sender, sv_c(from));
    message_add_rcpt(m, sv_c(to), RCPT_REMOTE);
    buf_init(&b, 64 * KiB);
    (void)buf_addf(&b,
                   "Return-Path: <%s>\r\nReceived: by %s (an administrator's SMS)\r\n\tid %s;"
                   "\r\n\t%s\r\nFrom: %s%s%s\r\nTo: %s\r\nDate: %s\r\nMessage-ID: <%s.sms@%s>\r\n"
                   "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: 8bit\r\n\r\n",
                   from, host, m->id, date, *from ? from : "postmaster", *from ? "" : "@",
                   *from ? "" : host, to, date, m->id, host);
    while (rest.p) {
        struct sv line = sv_split(&rest, '\n');

        (void)buf_add_sv(&b,
                         line.n && line.p[line.n - 1] == '\r' ? sv_take(line, line.n - 1) : line);
        (void)buf_add_str(&b, "\r\n");
    }
    if (b.overflow)
        return E_RANGE;
    m->body_8bit = true;
    message_take_content(m, &b);
    return 0;
}

static json_t *send_one(struct queue *q, const struct conf *cf, json_t *args)
{
    _cleanup_(message_unrefp) struct message *m = NULL;
    char number[SMS_NUMBER_TEXT];
    const char *from = text_arg(args, "from"), *text = text_arg(args, "text");
    struct errinfo ei = { 0 };
    json_t *wrong = read_args(cf, args, number);
    int r;

    if (wrong)
        return wrong;
    if (!utf8_valid(sv_c(text)))
        return admin_error(E_PARSE, "text: it is not UTF-8");
    if (*from &&
        (sv_find(sv_c(from), '@') <= 0 || strlen(from) > 250 || strpbrk(from, "\r\n<> \"")))
        return admin_error(E_PARSE, "from: '%.60s' is not an address", from);
    m = message_new();
    message_assign_ids(m);
    r = compose(cf, from, number, text, m);
    if (r == 0)
        r = queue_accept(q, m, &ei);
    return r < 0 ? admin_error(r, "%s", *ei.text ? ei.text : err_name(r))
                 : json_pack("{s:b, s:s, s:s}", "ok", 1, "id", m->id, "number", number);
}

json_t *sms_operation(struct queue *q, const atomic_bool *cancel, const char *op, json_t *args)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (!strcmp(op, "sms.test"))
        return test(cf, cancel, args);
    return !strcmp(op, "sms.send") ? send_one(q, cf, args) : NULL;
}
