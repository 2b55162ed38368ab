/* THE table of commands, and the small ones. */
#include "server/pop3/pop3_priv.h"

static void cmd_capa(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct auth_peer p;
    struct buf b, mechs;

    pop3_peer(s, &p);
    buf_init(&b, 4096);
    buf_add_str(&b,
                "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n");
    if (cf->pop3.login_delay)
        buf_addf(&b, "LOGIN-DELAY %" PRId64 "\r\n", (cf->pop3.login_delay + 999) / 1000);
    if (auth_plain_allowed(&p))
        buf_add_str(&b, "USER\r\n");
    buf_init(&mechs, 1024);
    pop3_add_mechanisms(s, &mechs);
    if (mechs.n)
        buf_addf(&b, "SASL " SV_FMT "\r\n", SV_ARG(buf_sv(&mechs)));
    buf_done(&mechs);
    if (s->state == POP_AUTH && !conn_is_tls(s->c) && conn_can_tls(s->c))
        buf_add_str(&b, "STLS\r\n");
    buf_add_str(&b, "UTF8 USER\r\nIMPLEMENTATION Posthorn\r\n.\r\n");
    pop3_ok(s, "capabilities follow");
    conn_write(s->c, buf_sv(&b));
    buf_done(&b);
}

static void cmd_stls(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    if (conn_is_tls(s->c)) {
        pop3_err(s, "TLS is active already");
    } else if (!conn_can_tls(s->c)) {
        pop3_err(s, "TLS is not available");
    } else {
        pop3_ok(s, "begin TLS negotiation");
        conn_starttls(s->c);
    }
}

/* Nothing changes: messages are sent as they are in either mode, since a client that cannot show a
 * header is better off with it than without the message (RFC 6856 lets us choose). */
static void cmd_utf8(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    pop3_ok(s, "UTF8 enabled");
}

static void cmd_stat(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < s->snap->n; i++)
        bytes += s->snap->m[i].size;
    pop3_ok(s, "%u %" PRIu64, s->snap->n - s->n_deleted, bytes - s->deleted_bytes);
}

static void cmd_dele(struct pop3_session *s, const struct sv *args, int n _unused_)
{
    uint32_t i;

    if (!pop3_drop_message(s, args[0], &i))
        return;
    s->deleted[i] = 1;
    s->n_deleted++;
    s->deleted_bytes += s->snap->m[i].size;
    pop3_ok(s, "message %u deleted", i + 1);
}

static void cmd_rset(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    memset(s->deleted, 0, s->snap->n);
    s->n_deleted = 0;
    s->deleted_bytes = 0;
    pop3_ok(s, "maildrop has %u messages", s->snap->n);
}

static void cmd_noop(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    pop3_ok(s, "nothing done");
}

static void cmd_quit(struct pop3_session *s, const struct sv *args _unused_, int n _unused_)
{
    struct errinfo ei = { 0 };
    int r = 0;

    if (s->state == POP_TRANS) {
        r = pop3_drop_update(s, &ei);
        pop3_drop_close(s); /* before the answer: the client may log in again at once */
    }
    if (r < 0) {
        log_error("POP3: deleting from the mailbox of %s: %s", s->account->address, ei.text);
        pop3_err(s, "[SYS/TEMP] some deleted messages not removed");
    } else if (s->state == POP_TRANS) {
        pop3_summary(s, s->n_deleted, "OK");
        pop3_ok(s, "%u messages deleted, bye", s->n_deleted);
    } else {
        pop3_ok(s, "bye");
    }
    s->state = POP_END;
    conn_close(s->c);
}

static const struct pop3_cmd cmds[] = {
    /* name   states                args    secret  run */
    { "AUTH", POP_AUTH, 0, 2, true, pop3_cmd_auth },
    { "CAPA", POP_AUTH | POP_TRANS, 0, 0, false, cmd_capa },
    { "DELE", POP_TRANS, 1, 1, false, cmd_dele },
    { "LIST", POP_TRANS, 0, 1, false, pop3_cmd_list },
    { "NOOP", POP_TRANS, 0, 0, false, cmd_noop },
    { "PASS", POP_AUTH, 1, -1, true, pop3_cmd_pass },
    { "QUIT", POP_AUTH | POP_TRANS, 0, 0, false, cmd_quit },
    { "RETR", POP_TRANS, 1, 1, false, pop3_cmd_retr },
    { "RSET", POP_TRANS, 0, 0, false, cmd_rset },
    { "STAT", POP_TRANS, 0, 0, false, cmd_stat },
    { "STLS", POP_AUTH, 0, 0, false, cmd_stls },
    { "TOP", POP_TRANS, 2, 2, false, pop3_cmd_top },
    { "UIDL", POP_TRANS, 0, 1, false, pop3_cmd_uidl },
    { "USER", POP_AUTH, 1, -1, false, pop3_cmd_user },
    { "UTF8", POP_AUTH, 0, 0, false, cmd_utf8 },
};

const struct pop3_cmd *pop3_find(struct sv name)
{
    for (size_t i = 0; i < ARRAY_LEN(cmds); i++)
        if (sv_ieq(name, sv_c(cmds[i].name)))
            return &cmds[i];
    return NULL;
}
