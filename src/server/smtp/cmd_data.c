/* DATA and BDAT. The octets of a chunk come whether it is wanted or not: an unwanted one is
 * swallowed before its refusal. RFC 5321 4.1.1.4, RFC 3030. */
#include "server/smtp/smtp_priv.h"

#include "base/clock.h"

void smtp_cmd_data(struct smtp_session *s, struct sv args)
{
    (void)args;
    if (!smtp_milter_data(s))
        return;
    if (smtp_rx_start(s, true) < 0) {
        smtp_rx_check(s);
        return;
    }
    smtp_framer_data(&s->framer);
    smtp_set_state(s, ST_DATA);
    smtp_reply_lit(s, "354 Enter mail, end with \".\" on a line by itself");
}

/* More is expected, and at this pace it takes for ever. */
static bool too_slow(struct smtp_session *s)
{
    const struct smtp_rx *rx = &s->tx->rx;
    if (!clock_trickles(rx->started_us, rx->wire, s->cf->net.min_data_rate,
                        s->cf->net.session_timeout))
        return false;
    s->timed_out = true;
    smtp_tx_end(s, "TIMEOUT");
    smtp_reply_421(s, SV("4.4.2"), SV("Message arrives too slowly, closing connection"));
    return true;
}

void smtp_data_piece(struct smtp_session *s, struct sv raw, unsigned has, size_t wire, bool end)
{
    smtp_rx_add(s, raw, has, wire);
    if (s->state == ST_END)
        return;
    if (end)
        smtp_rx_finish(s);
    else
        (void)too_slow(s);
}

/* A chunk is complete. */
static void chunk_end(struct smtp_session *s)
{
    smtp_set_state(s, s->chunk_from);
    if (s->discarding) {
        s->discarding = false;
        smtp_reply_lit(s, "503 5.5.1 Incorrect command sequence");
        return;
    }
    if (s->chunk_last) {
        smtp_rx_finish(s);
        return;
    }
    if (!smtp_rx_check(s))
        return;
    char text[64];
    int n = snprintf(text, sizeof(text), "250 2.0.0 %" PRIu64 " bytes received", s->chunk_size);
    smtp_set_state(s, ST_BDAT);
    smtp_reply(s, sv_n(text, (size_t)n));
}

void smtp_chunk_piece(struct smtp_session *s, struct sv raw, unsigned has, bool end)
{
    if (!s->discarding)
        smtp_rx_add(s, raw, has, raw.n);
    if (s->state == ST_END || (!s->discarding && !(end && s->chunk_last) && too_slow(s)))
        return;
    if (end)
        chunk_end(s);
}

void smtp_cmd_bdat(struct smtp_session *s, struct sv args)
{
    bool first = s->state != ST_BDAT;
    if (smtp_parse_bdat(args, &s->chunk_size, &s->chunk_last) != SMTP_ARG_OK) {
        smtp_reply_arg(s, SMTP_ARG_SYNTAX);
        return;
    }
    s->discarding = !(s->state & (ST_RCPT | ST_BDAT));
    if (!s->discarding && first)
        (void)smtp_rx_start(s, false); /* a failure shows at the end of the chunk */
    s->chunk_from = s->state;
    smtp_set_state(s, ST_CHUNK);
    if (s->chunk_size)
        smtp_framer_bdat(&s->framer, s->chunk_size, first);
    else
        chunk_end(s);
}
