/* DATA and BDAT. The octets of a chunk come whether it is wanted or not: an unwanted one is
 * swallowed before its refusal. RFC 5321 4.1.1.4, RFC 3030. */
#include "server/smtp/smtp_priv.h"

void smtp_cmd_data(struct smtp_session *s, struct sv args)
{
    (void)args;
    if (smtp_rx_start(s, true) < 0) {
        smtp_rx_check(s);
        return;
    }
    smtp_framer_data(&s->framer);
    smtp_set_state(s, ST_DATA);
    smtp_reply_lit(s, "354 Enter mail, end with \".\" on a line by itself");
}

void smtp_data_piece(struct smtp_session *s, struct sv raw, unsigned has, size_t wire, bool end)
{
    smtp_rx_add(s, raw, has, wire);
    if (end && s->state != ST_END)
        smtp_rx_finish(s);
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
    if (end && s->state != ST_END)
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
