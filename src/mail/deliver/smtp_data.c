/* One mail transaction: MAIL, RCPT for each, DATA, the content. With PIPELINING commands go out in
 * groups. */
#include "base/clock.h"
#include "base/codec.h"
#include "log/log.h"
#include "mail/deliver/smtp_client.h"
#include "mail/deliver/srs.h"
#include "proto/mime.h"
#include "stats/shm.h"

enum {
    GROUP = 50, /* commands in flight: their answers fit into socket buffers */
};

/* --- answers --- */

void smtp_answer(struct rcpt *r, enum rcpt_state state, const char *answer, const char *mta)
{
    r->state = state;
    message_set(&r->answer, sv_c(answer));
    message_set(&r->remote_mta, sv_c(mta));
}

struct tx {
    struct smtp_client *s;
    struct message *m;
    struct rcpt **list;
    size_t n;
    bool *accepted; /* by RCPT */
    size_t n_accepted;
    struct outgoing_content content;
    bool mail_ok, mail_failed, data_go;
    char mail_answer[1024];
    enum rcpt_state mail_state;
    struct sv sender; /* in MAIL */
};

static enum rcpt_state state_of(int code)
{
    return code >= 500 && code < 600 ? RCPT_FAILED : RCPT_WAITING;
}

static enum rcpt_state done_state(const struct smtp_client *s)
{
    return s->caps & CAP_DSN ? RCPT_RELAYED : RCPT_DELIVERED;
}

static void answer_accepted(struct tx *t, const struct reply *reply)
{
    bool ok = reply->code >= 200 && reply->code < 300;
    for (size_t i = 0; i < t->n; i++)
        if (t->accepted[i])
            smtp_answer(t->list[i], ok ? done_state(t->s) : state_of(reply->code), reply->text,
                        t->s->host);
}

/* What has no result yet gets this one. */
static void answer_open(struct tx *t, const char *answer)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->accepted[i] || !*t->list[i]->answer)
            smtp_answer(t->list[i], RCPT_WAITING, answer, "");
}

static void answer_all(struct tx *t, enum rcpt_state state, const char *answer, const char *mta)
{
    for (size_t i = 0; i < t->n; i++)
        smtp_answer(t->list[i], state, answer, mta);
}

/* --- commands --- */

static int send_mail(struct tx *t)
{
    struct smtp_client *s = t->s;
    struct message *m = t->m;
    struct buf p;
    buf_init(&p, 2048);
    struct sv domain = route_domain(sv_c(m->sender));
    if (s->caps & CAP_SIZE)
        (void)buf_addf(&p, " SIZE=%" PRIu64, content_left(&t->content));
    if (s->caps & CAP_8BITMIME && m->body_8bit)
        (void)buf_add_str(&p, " BODY=8BITMIME");
    if (s->caps & CAP_SMTPUTF8 && m->smtputf8)
        (void)buf_add_str(&p, " SMTPUTF8");
    if (m->requiretls && smtp_knows_requiretls(s))
        (void)buf_add_str(&p, " REQUIRETLS");
    if (s->caps & CAP_DSN && m->ret)
        (void)buf_add_str(&p, m->ret == 'F' ? " RET=FULL" : " RET=HDRS");
    if (s->caps & CAP_DSN && *m->envid)
        (void)buf_addf(&p, " ENVID=%s", m->envid);
    if (s->caps & CAP_TRANSID && *m->transid)
        (void)buf_addf(&p, " TRANSID=<%s>", m->transid);
    else if (s->caps & CAP_TRANSID)
        (void)buf_addf(&p, " TRANSID=<%s@" SV_FMT ">", m->item,
                       SV_ARG(domain.n ? domain : sv_c(s->our_name)));
    s->in_transaction = true;
    int r = smtp_send(s, "MAIL From:<" SV_FMT ">" SV_FMT, SV_ARG(t->sender), SV_ARG(buf_sv(&p)));
    buf_done(&p);
    return r;
}

static int send_rcpt(struct tx *t, const struct rcpt *r)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = { { NOTIFY_SUCCESS, "SUCCESS" },
                  { NOTIFY_FAILURE, "FAILURE" },
                  { NOTIFY_DELAY, "DELAY" } };
    struct buf p;
    buf_init(&p, 2048);
    if (t->s->caps & CAP_DSN && r->notify) {
        (void)buf_add_str(&p, " NOTIFY=");
        if (r->notify & NOTIFY_NEVER)
            (void)buf_add_str(&p, "NEVER");
        const char *comma = "";
        for (size_t i = 0; i < ARRAY_LEN(words) && !(r->notify & NOTIFY_NEVER); i++) {
            if (!(r->notify & words[i].bit))
                continue;
            (void)buf_addf(&p, "%s%s", comma, words[i].word);
            comma = ",";
        }
    }
    if (t->s->caps & CAP_DSN && *r->orcpt)
        (void)buf_addf(&p, " ORCPT=%s", r->orcpt);
    int e = smtp_send(t->s, "RCPT To:<%s>" SV_FMT, r->address, SV_ARG(buf_sv(&p)));
    buf_done(&p);
    return e;
}

/* Step 0 is MAIL, 1..n are the recipients, n + 1 is DATA. */
static int send_step(struct tx *t, size_t step)
{
    if (step == 0)
        return send_mail(t);
    if (step <= t->n)
        return send_rcpt(t, t->list[step - 1]);
    return smtp_send(t->s, "DATA");
}

static void on_mail(struct tx *t, const struct reply *reply)
{
    t->mail_ok = reply->code >= 200 && reply->code < 300;
    if (t->mail_ok)
        return;
    t->mail_failed = true;
    answer_all(t, state_of(reply->code), reply->text, t->s->host);
}

static void on_rcpt(struct tx *t, size_t i, const struct reply *reply)
{
    if (t->mail_failed)
        return; /* its refusal is the reason, not the 503 that follows */
    t->accepted[i] = reply->code >= 200 && reply->code < 300;
    t->n_accepted += t->accepted[i];
    if (!t->accepted[i])
        smtp_answer(t->list[i], state_of(reply->code), reply->text, t->s->host);
}

static void on_data(struct tx *t, const struct reply *reply)
{
    t->data_go = reply->code == 354;
    if (!t->data_go)
        answer_accepted(t, reply);
}

static int read_step(struct tx *t, size_t step)
{
    struct reply reply;
    t->s->waiting_for = step == 0 ? "MAIL" : step <= t->n ? "RCPT" : "DATA";
    int r = smtp_read_reply(t->s, t->s->cf->deliver.command_timeout, &reply);
    if (r < 0)
        return r;
    if (step == 0)
        on_mail(t, &reply);
    else if (step <= t->n)
        on_rcpt(t, step - 1, &reply);
    else
        on_data(t, &reply);
    return reply.code == 421 ? E_CLOSED : 0;
}

/* Commands up to and with DATA, in groups of as many as may be in flight. */
static int envelope(struct tx *t)
{
    size_t steps = t->n + 2, window = t->s->caps & CAP_PIPELINING ? GROUP : 1;
    for (size_t i = 0; i < steps;) {
        size_t end = MIN(i + window, steps);
        if (t->mail_failed || (i == steps - 1 && !t->n_accepted))
            return 0;
        int r = 0;
        for (size_t k = i; k < end && r >= 0; k++)
            r = send_step(t, k);
        for (; i < end && r >= 0; i++)
            r = read_step(t, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int send_body(struct tx *t)
{
    struct smtp_client *s = t->s;
    struct reply reply;
    uint64_t size = content_left(&t->content);
    int64_t start = clock_mono_us();
    s->waiting_for = "the data";
    int r = smtp_send_content(s, &t->content);
    if (r < 0)
        return r;
    int64_t us = MAX(clock_mono_us() - start, 1);
    log_line(&s->log, LOG_DEBUG,
             ">>> %" PRIu64 " bytes (overall data transfer speed=%" PRIu64 " B/s)", size,
             (uint64_t)((double)size * 1e6 / (double)us));
    s->waiting_for = "the end of the data";
    r = smtp_read_reply(s, s->cf->deliver.data_timeout, &reply);
    if (r < 0)
        return r;
    s->in_transaction = false;
    answer_accepted(t, &reply);
    return reply.code == 421 ? E_CLOSED : 0;
}

/* The peer said 354 although it accepted nobody: an empty message ends that (RFC 2920 3.1). */
static int send_nothing(struct tx *t)
{
    struct reply reply;
    struct errinfo ei;
    int r = client_write(t->s->c, SV(".\r\n"), &ei);
    return r < 0 ? r : smtp_read_reply(t->s, t->s->cf->deliver.data_timeout, &reply);
}

static int reset(struct smtp_client *s)
{
    struct reply reply;
    if (!s->in_transaction)
        return 0;
    s->waiting_for = "RSET";
    int r = smtp_send(s, "RSET");
    if (r >= 0)
        r = smtp_read_reply(s, s->cf->deliver.command_timeout, &reply);
    s->in_transaction = false;
    return r < 0 ? r : reply.code == 250 ? 0 : E_CLOSED;
}

static int run(struct tx *t)
{
    int r = reset(t->s);
    if (r >= 0)
        r = envelope(t);
    if (r >= 0 && t->data_go)
        r = t->n_accepted ? send_body(t) : send_nothing(t);
    if (r >= 0)
        return r;
    char lost[512];
    smtp_lost(t->s, r, lost);
    for (size_t i = 0; i < t->n; i++) /* accepted, but the message is not over there */
        if (t->accepted[i] && t->list[i]->state == RCPT_WAITING && *t->list[i]->answer)
            t->accepted[i] = false;
    answer_open(t, lost);
    return r;
}

/* --- what cannot be sent to this peer --- */

static bool needs_utf8(const struct tx *t)
{
    bool yes = sv_has_8bit(sv_c(t->m->sender));
    for (size_t i = 0; i < t->n; i++)
        yes |= sv_has_8bit(sv_c(t->list[i]->address));
    return yes || (t->m->smtputf8 && content_headers_8bit(&t->content));
}

static bool refused_here(struct tx *t)
{
    char text[512];
    uint64_t size = content_left(&t->content);
    if (t->s->max_size && size > t->s->max_size) {
        snprintf(text, sizeof(text),
                 "552 5.3.4 The message has %" PRIu64 " bytes, %s accepts %" PRIu64, size,
                 t->s->host, t->s->max_size);
        answer_all(t, RCPT_FAILED, text, "");
        return true;
    }
    /* A notice is better told to somebody else than lost (RFC 8689 5): it has no content. */
    if (t->m->requiretls && *t->m->sender && !smtp_knows_requiretls(t->s)) {
        const char *fault = !client_is_tls(t->s->c) ? "does not encrypt"
                            : !t->s->proven         ? "cannot be verified"
                                                    : "does not offer it";
        snprintf(text, sizeof(text),
                 t->s->unasked ? "450 4.7.30 REQUIRETLS support required: %s %s, and another host "
                                 "could not be reached"
                               : "550 5.7.30 REQUIRETLS support required: %s %s",
                 t->s->host, fault);
        answer_all(t, t->s->unasked ? RCPT_WAITING : RCPT_FAILED, text, "");
        return true;
    }
    if (!(t->s->caps & CAP_SMTPUTF8) && needs_utf8(t)) {
        snprintf(text, sizeof(text),
                 "550 5.6.7 %s does not support internationalised addresses (SMTPUTF8)",
                 t->s->host);
        answer_all(t, RCPT_FAILED, text, "");
        return true;
    }
    return false;
}

static size_t count_done(const struct tx *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->list[i]->state == RCPT_DELIVERED || t->list[i]->state == RCPT_RELAYED;
    return n;
}

static void summarize(struct tx *t, int64_t start, int r)
{
    size_t done = count_done(t);
    const char *outcome = done ? "OK" : r < 0 && t->s->timed_out ? "TIMEOUT" : "INCOMPLETE-SESSION";
    t->s->delivered += (unsigned)done;
    event(delivery_transaction, &t->s->log, F_ADDR(sender, t->m->sender),
          F_ADDR(rcpt, t->list[0]->address), F_INT(rcpts, t->n),
          F_BYTES(bytes, content_left(&t->content)), F_MS(duration, clock_mono_ms() - start),
          F_STR(outcome, outcome), F_STR(host, t->s->host), F_IP(remote_ip, t->s->ip));
}

int smtp_transaction(struct smtp_client *s, struct message *m, struct rcpt **list, size_t n)
{
    _cleanup_(buf_done) struct buf srs = { 0 };
    struct tx t = { .s = s, .m = m, .list = list, .n = n };
    int64_t start = clock_mono_ms();
    s->timed_out = false;
    for (size_t i = 0; i < n; i++)
        smtp_answer(list[i], RCPT_WAITING, "", "");
    int r = content_open(m, &t.content);
    if (r < 0) {
        char text[512];
        snprintf(text, sizeof(text), "451 4.3.0 The message cannot be read here: %s", err_name(r));
        answer_all(&t, RCPT_WAITING, text, "");
        return 0;
    }
    if (m->one_click && one_click_open(s, list[0], &t.content) < 0) {
        answer_all(&t, RCPT_WAITING, "451 4.3.0 The key of this server cannot be read now", "");
        content_close(&t.content);
        return 0;
    }
    buf_init(&srs, 1 * KiB);
    if (srs_sender(s->d, s->cf, m, list, n, &srs, &t.sender) < 0) {
        answer_all(&t, RCPT_WAITING, "451 4.3.0 The key of this server cannot be read now", "");
        content_close(&t.content);
        return 0;
    }
    t.accepted = xcalloc(n, sizeof(*t.accepted));
    uint64_t begin = t.content.at;
    if (!refused_here(&t))
        r = run(&t);
    t.content.at = begin;
    summarize(&t, start, r);
    s->broken = r < 0;
    s->sent++;
    free(t.accepted);
    content_close(&t.content);
    return r;
}
