#include "mail/deliver/sms.h"

#include "base/clock.h"
#include "base/hash.h"
#include "mail/deliver/send.h"
#include "mail/deliver/smtp_client.h"
#include "mail/sms/sms_right.h"

static int stop(struct sms_result *ret, const char *answer)
{
    failure_set(&ret->why, true, "%s", answer);
    return E_PERM;
}

/* What no attempt would change. */
static int check(const struct conf *cf, const struct message *m, const struct rcpt *r,
                 struct sms_parcel *p, struct sms_result *ret)
{
    if (m->bounce)
        return stop(ret, "550 5.7.1 Notices are not sent as SMS");
    if (m->parent && !cf->sms.forward)
        return stop(ret, "550 5.7.1 Mail may not be forwarded to telephone numbers");
    if (m->requiretls)
        return stop(ret, "550 5.7.30 REQUIRETLS support required: an SMS is not encrypted");
    if (sms_number_of(cf, sv_c(r->address), p->to) < 0)
        return stop(ret, "550 5.1.3 Not a telephone number");
    return 0;
}

static int read_text(const struct conf *cf, const struct message *m, struct sms_parcel *p,
                     struct sms_result *ret)
{
    const struct sms_extract how = { (enum sms_content)cf->sms.content, cf->sms.unquote,
                                     cf->sms.plain_signs };
    struct content_view view;
    struct errinfo ei = { 0 };
    int e = content_view_open(m, &view, &ei);
    if (e < 0) {
        failure_set(&ret->why, false, "451 4.3.0 The message cannot be read now: %s", ei.text);
        return e;
    }
    sms_extract(view.bytes, &how, &p->text);
    content_view_close(&view);
    return sms_parcel_fit(cf, p, &ret->why);
}

static void name_sender(const struct conf *cf, const struct message *m, const char *our_name,
                        struct sms_parcel *p)
{
    if (*cf->sms.from)
        sv_copy(p->from, sizeof(p->from), sv_c(cf->sms.from));
    else if (*m->sender)
        sv_copy(p->from, sizeof(p->from), sv_c(m->sender));
    else
        snprintf(p->from, sizeof(p->from), "postmaster@%.240s", our_name);
}

static void tell(const struct message *m, const struct rcpt *r, const struct sms_parcel *p,
                 const struct sms_result *res, const struct logctx *log, int64_t took_ms)
{
    const struct event_arg args[] = {
        F_ADDR(sender, m->sender),
        F_ADDR(rcpt, r->address),
        F_INT(segments, p->size.segments),
        F_STR(encoding, sms_encoding_names[p->size.encoding]),
        F_MS(duration, took_ms),
        F_STR(reply, res->why.answer),
        F_STR(host, *res->why.mta ? res->why.mta : NULL),
    };
    event_emit(res->outcome == SMS_TAKEN ? EVT_sms_sent : EVT_sms_not_sent, log, args,
               ARRAY_LEN(args));
}

void sms_deliver(const struct conf *cf, const struct message *m, struct rcpt *r,
                 const char *our_name, const atomic_bool *cancel, const struct logctx *log,
                 struct sms_result *ret)
{
    struct sms_parcel p = { 0 };
    struct sms_request request = { 0 };
    int64_t start = clock_mono_ms();
    *ret = (struct sms_result){ .outcome = SMS_REFUSED };
    buf_init(&p.text, SMS_MAX_TEXT);
    int e = check(cf, m, r, &p, ret);
    if (e == 0)
        e = read_text(cf, m, &p, ret);
    if (e == 0) {
        name_sender(cf, m, our_name, &p);
        snprintf(p.id, sizeof(p.id), "%016" PRIx64 "-%016" PRIx64, m->key,
                 fnv1a64(p.to, strlen(p.to)));
        e = sms_request_make(cf, &p, false, &request, &ret->why);
        if (e < 0)
            ret->outcome = SMS_NO_ANSWER;
    }
    if (e == 0)
        sms_request_send(cf, &p, &request, cancel, log, ret);
    smtp_answer(r,
                ret->outcome == SMS_TAKEN ? RCPT_DELIVERED
                : ret->why.permanent      ? RCPT_FAILED
                                          : RCPT_WAITING,
                ret->why.answer, ret->why.mta);
    tell(m, r, &p, ret, log, clock_mono_ms() - start);
    sms_request_done(&request);
    sms_parcel_done(&p);
}
