/* Content on its way in: trace headers first, then the decoded pieces; in memory up to
 * queue.memory_limit, in a spool file beyond. Every piece is copied once. At the end the queue
 * makes it durable. RFC 5321 4.1.1.4, 4.4, 6.3; RFC 1870 6.3. */
#include "server/smtp/smtp_priv.h"

#include <unistd.h>

#include "base/clock.h"
#include "os/file.h"

enum { TRACE_MAX = 4096 };
#define FLOOD (64 * MiB) /* so much beyond twice the limit ends the connection */

static const char *protocol_name(const struct smtp_session *s)
{
    static const char *const names[2][4] = {
        { "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" },
        { "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" }, /* RFC 6531 4.3 */
    };
    if (!s->esmtp)
        return "SMTP";
    return names[s->tx->m->smtputf8][(conn_is_tls(s->c) ? 1 : 0) + (s->account ? 2 : 0)];
}

int smtp_rx_trace(struct smtp_session *s, struct buf *out)
{
    char host[256];
    struct message *m = s->tx->m;
    smtp_hostname(s->cf, host);
    struct trace_facts t = {
        .helo = sv_c(s->helo ? s->helo : ""),
        .peer_ip = sv_c(conn_peer_ip(s->c)),
        .peer_host = sv_c(s->peer_host ? s->peer_host : ""),
        .by = sv_c(host),
        .protocol = protocol_name(s),
        .tls_info = sv_c(conn_tls_info(s->c)),
        .for_rcpt = s->tx->n_rcpts == 1 ? sv_c(s->tx->first_rcpt) : SV(""),
        .id = sv_c(m->id),
        .wall_s = m->received_ms / 1000,
    };
    return message_trace_headers(&t, sv_c(m->sender), out);
}

int smtp_rx_start(struct smtp_session *s, bool dots)
{
    struct smtp_rx *rx = &s->tx->rx;
    rx->started = true;
    rx->started_us = clock_mono_us();
    rx->limit = smtp_max_message(s);
    rx->memory_limit = (uint64_t)s->cf->queue.memory_limit;
    message_assign_ids(s->tx->m);
    smtp_body_begin(&rx->body, dots, s->cf->smtp.bare_newline == 1 /* normalize */);
    /* A piece may grow to twice its size when bare LFs are normalised. */
    buf_init(&rx->mem, rx->memory_limit + 2 * SMTP_INPUT + TRACE_MAX);
    int r = smtp_rx_trace(s, &rx->mem);
    rx->slow_filters = smtp_filters_slow(s) || smtp_wants_commands(s);
    rx->trace = rx->prefix = rx->mem.n;
    return rx->error = r < 0 ? E_TEMP : 0;
}

void smtp_rx_log_bytes(struct smtp_session *s, struct smtp_rx *rx)
{
    int64_t us = MAX(clock_mono_us() - rx->started_us, 1);
    rx->logged = true;
    log_line(&s->log, LOG_DEBUG,
             "<<< %" PRIu64 " bytes (overall data transfer speed=%" PRIu64 " B/s)", rx->wire,
             rx->wire < UINT64_MAX / 1000000 ? rx->wire * 1000000 / (uint64_t)us : 0);
}

static void fail(struct smtp_rx *rx, int error)
{
    if (rx->error)
        return;
    rx->error = error;
    buf_done(&rx->mem); /* the memory is worth more than the rest */
}

/* Puts the fields a submitted message lacks between the trace headers and the content. */
static int complete_header(struct smtp_session *s)
{
    struct smtp_rx *rx = &s->tx->rx;
    char host[256];
    if (!s->srv->submission || !s->cf->smtp.add_missing_headers ||
        (rx->header.date && rx->header.message_id))
        return 0;
    struct buf add;
    smtp_hostname(s->cf, host);
    buf_init(&add, KiB);
    smtp_header_missing(&rx->header, s->tx->m, sv_c(host), &add);
    int r = add.overflow ? -ENOMEM : buf_reserve(&rx->mem, add.n);
    if (r == 0) {
        char *at = rx->mem.p + rx->prefix;
        memmove(at + add.n, at, rx->mem.n - rx->prefix);
        memcpy(at, add.p, add.n);
        rx->mem.n += add.n;
        rx->prefix += add.n;
    }
    buf_done(&add);
    return r < 0 ? E_TEMP : 0;
}

static int spool_write(struct smtp_rx *rx)
{
    int r = os_write_all(rx->fd, rx->mem.p, rx->mem.n);
    rx->spooled += rx->mem.n;
    buf_reset(&rx->mem);
    return r == -ENOSPC || r == -EDQUOT ? E_FULL : r < 0 ? E_TEMP : 0;
}

/* The content has become too large for memory. Its header is complete by then, or absurd. */
static int spool_begin(struct smtp_session *s)
{
    struct smtp_rx *rx = &s->tx->rx;
    int r = complete_header(s);
    if (r == 0)
        r = queue_spool_begin(s->srv->queue, s->tx->m, &rx->fd, NULL);
    return r < 0 ? r : spool_write(rx);
}

static bool flooded(const struct smtp_rx *rx)
{
    return rx->limit && rx->wire > 2 * rx->limit + FLOOD;
}

/* At most SMTP_INPUT bytes, for which the memory is laid out. */
static int add_slice(struct smtp_session *s, struct sv raw, unsigned has)
{
    struct smtp_rx *rx = &s->tx->rx;
    size_t before = rx->mem.n;
    if (smtp_body_add(&rx->body, raw, has, &rx->mem) < 0)
        return E_TEMP;
    rx->content += rx->mem.n - before;
    if (!rx->header.done)
        smtp_header_feed(&rx->header, sv_skip(buf_sv(&rx->mem), before));
    if (rx->limit && rx->content > rx->limit)
        return E_QUOTA;
    if (rx->fd >= 0)
        return spool_write(rx);
    return rx->content > rx->memory_limit ? spool_begin(s) : 0;
}

void smtp_rx_add(struct smtp_session *s, struct sv raw, unsigned has, size_t wire)
{
    struct smtp_rx *rx = &s->tx->rx;
    rx->wire += wire;
    rx->has |= has;
    while (raw.n && !rx->error) {
        int r = add_slice(s, sv_take(raw, SMTP_INPUT), has);
        if (r < 0)
            fail(rx, r);
        raw = sv_skip(raw, SMTP_INPUT);
    }
    if (rx->error && flooded(rx)) {
        smtp_reply_lit(s, "554 5.3.4 Message size exceeds fixed maximum message size");
        smtp_close(s);
    }
}

/* The reply to content that is not taken; empty = fine so far. */
static struct sv refusal(const struct smtp_session *s)
{
    const struct smtp_rx *rx = &s->tx->rx;
    if (rx->error == E_QUOTA)
        return SV("554 5.3.4 Message size exceeds fixed maximum message size");
    if (rx->error == E_FULL)
        return SV("452 4.3.1 Insufficient system storage");
    if (rx->error)
        return SV("451 4.3.0 Temporary failure, try again later");
    if (rx->header.received > (unsigned)s->cf->smtp.max_hops)
        return SV("554 5.4.6 Too many hops");
    if ((rx->has & SMTP_HAS_BARE_LF) && !rx->body.normalize)
        return SV("550 5.6.11 Bare LF in the message, lines must end in CRLF");
    if (rx->has & SMTP_HAS_CR_DOT)
        return SV("550 5.6.11 Dot between bare CRs in the message");
    return SV_NULL;
}

void smtp_rx_refuse(struct smtp_session *s, struct sv reply)
{
    event(smtp_message_refused, &s->log, F_ADDR(sender, s->tx->m->sender),
          F_ADDR(rcpt, s->tx->first_rcpt), F_STR(reply, sv_trim(reply)));
    smtp_tx_end(s, "INCOMPLETE-SESSION");
    smtp_idle(s);
    if (sv_iends(reply, SV("\r\n")))
        smtp_reply_refusal(s, reply);
    else
        smtp_reply(s, reply);
}

bool smtp_rx_check(struct smtp_session *s)
{
    struct sv reply = refusal(s);
    if (reply.n)
        smtp_rx_refuse(s, reply);
    return reply.n == 0;
}

/* All of it is where it belongs, with all fields that it must have. */
static int complete(struct smtp_session *s)
{
    struct smtp_rx *rx = &s->tx->rx;
    if (rx->fd < 0)
        return complete_header(s);
    return rx->mem.n ? spool_write(rx) : 0;
}

/* Hands the content to the message and the message to the queue. */
static int accept_message(struct smtp_session *s)
{
    struct smtp_rx *rx = &s->tx->rx;
    struct message *m = s->tx->m;
    if (rx->fd >= 0) {
        m->size = rx->spooled;
        int fd = take_fd(&rx->fd);
        if (close(fd) < 0) {
            (void)unlink(m->spool_path);
            return E_TEMP;
        }
    } else {
        message_take_content(m, &rx->mem);
    }
    int r = queue_accept(s->srv->queue, m, NULL);
    return r == 0 || r == E_FULL ? r : E_TEMP;
}

static struct sv hms(int64_t seconds, char ret[16])
{
    int n = snprintf(ret, 16, "%02d:%02d:%02d", (int)(seconds / 3600 % 100),
                     (int)(seconds / 60 % 60), (int)(seconds % 60));
    return sv_n(ret, (size_t)n);
}

/* The sender is who the client's certificate is for, perhaps: who may say so is not one of ours. */
static void tell_certified(const struct smtp_session *s)
{
    const struct smtp_certified *t = &s->srv->certified;
    const char *at = strrchr(s->tx->m->sender, '@');
    if (t->tell && at && s->cf->deliver.secure_adapt && conn_is_tls(s->c) && !s->account &&
        !s->turned && account_domain_is_local(s->srv->accounts, sv_c(at + 1)) == 0)
        t->tell(t->deliver, s->c, &s->log, at + 1);
}

static void count_accepted(struct smtp_session *s)
{
    struct smtp_tx *tx = s->tx;
    s->messages++;
    smtp_sent_count(s);
    smtp_sms_count(s);
    ctr_add(CTR_smtp_bytes_in, tx->rx.content);
    for (size_t i = 0; i < tx->m->n_rcpts; i++)
        if (tx->m->rcpts[i].kind == RCPT_LOCAL)
            smtp_quota_add(tx->m->rcpts[i].account_id, tx->m->size);
}

/* outcome: DISCARDED reads as OK to the client. */
static void accepted(struct smtp_session *s, const char *outcome)
{
    char bytes[24], took[16], id[12];
    struct smtp_tx *tx = s->tx;
    int n = snprintf(bytes, sizeof(bytes), "%" PRIu64, tx->rx.content);
    int64_t seconds = (clock_mono_us() - tx->rx.started_us) / 1000000;
    memcpy(id, tx->m->id, sizeof(id));
    smtp_tx_end(s, outcome);
    smtp_idle(s);
    smtp_reply_parts(s, SV("250 2.6.0 "), sv_n(bytes, (size_t)n), SV(" bytes received in "),
                     hms(seconds, took), SV("; Message id "), sv_c(id),
                     SV(" accepted for delivery"));
}

void smtp_rx_finish(struct smtp_session *s)
{
    struct smtp_rx *rx = &s->tx->rx;
    if (!rx->logged)
        smtp_rx_log_bytes(s, rx);
    log_line(&s->log, LOG_DEBUG, "Start of mail processing");
    smtp_header_end(&rx->header);
    s->tx->m->hops = rx->header.received;
    /* Who asks for both gets the stricter one (RFC 8689 4.1). */
    s->tx->m->tls_optional = rx->header.tls_optional && !s->tx->m->requiretls;
    if (!smtp_rx_check(s))
        return;
    rx->error = complete(s);
    if (!smtp_rx_check(s) || !smtp_milter_message(s))
        return;
    bool discard = milters_discard(s->milters);
    if (!discard && (!smtp_command_message(s) || !smtp_filter_message(s)))
        return;
    if (discard || s->tx->m->n_rcpts == 0) {
        s->messages++;
        accepted(s, "DISCARDED");
        return;
    }
    smtp_copy_outgoing(s);
    smtp_sms_hold(s);
    smtp_sent_hold(s);
    rx->error = accept_message(s);
    if (!smtp_rx_check(s))
        return;
    count_accepted(s);
    tell_certified(s);
    accepted(s, "OK");
}
