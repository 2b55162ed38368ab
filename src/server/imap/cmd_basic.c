/* The small commands: CAPABILITY, NOOP, LOGOUT, STARTTLS, ID (RFC 2971), ENABLE (RFC 5161),
 * NAMESPACE (RFC 2342). Runs on workers. RFC 3501 section 6.1. */
#include "server/imap/imap_priv.h"

static void auth_facts(struct session *s, struct auth_peer *p)
{
    *p = (struct auth_peer){ .service = "IMAP",
                             .ip = conn_peer_ip(s->c),
                             .hostname = "",
                             .tls = conn_is_tls(s->c),
                             .trusted = conn_peer_trusted(s->c) };
}

bool session_plain_allowed(struct session *s)
{
    struct auth_peer p;
    auth_facts(s, &p);
    return auth_plain_allowed(&p);
}

static void put_base(struct buf *out)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    buf_add_str(out, cf->imap.literals == 1 ? "IMAP4rev1 LITERAL-" : "IMAP4rev1 LITERAL+");
}

static void put_login_capability(struct session *s, struct buf *out)
{
    struct auth_peer p;
    auth_facts(s, &p);
    struct buf cb;
    buf_init(&cb, 4 * KiB);
    const char *cb_type = NULL;
    if (p.tls && conn_channel_binding(s->c, &cb_type, &cb)) {
        p.cb_type = cb_type;
        p.cb_data = buf_sv(&cb);
    }
    put_base(out);
    buf_add_str(out, " SASL-IR ID ENABLE IDLE");
    if (!p.tls && conn_can_tls(s->c))
        buf_add_str(out, " STARTTLS");
    if (!auth_plain_allowed(&p))
        buf_add_str(out, " LOGINDISABLED");
    size_t before = out->n;
    buf_add_c(out, ' ');
    auth_mechanisms(&p, "AUTH=", " ", out);
    if (out->n == before + 1)
        out->n = before;
    buf_done(&cb);
}

void put_capability(struct session *s, struct buf *out)
{
    if (s->state == ST_NOT_AUTH) {
        put_login_capability(s, out);
        return;
    }
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t limit = cf->imap.max_append ? cf->imap.max_append : cf->smtp.max_message_size;
    buf_add_str(out, "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN "
                     "SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH "
                     "WITHIN MULTIAPPEND QUOTA QUOTA=RES-STORAGE");
    buf_add_str(out, " APPENDLIMIT");
    if (limit > 0)
        buf_addf(out, "=%" PRId64, limit);
}

void cmd_capability(struct cmd *c)
{
    if (cmd_no_args(c) < 0)
        return;
    buf_add_str(&c->out, "* CAPABILITY ");
    put_capability(c->s, &c->out);
    buf_add_str(&c->out, "\r\n");
}

void cmd_noop(struct cmd *c)
{
    cmd_no_args(c);
}

void cmd_logout(struct cmd *c)
{
    if (cmd_no_args(c) < 0)
        return;
    buf_add_str(&c->out, "* BYE Logging out\r\n");
    c->s->state = ST_LOGOUT;
    c->s->logged_out = true;
    cmd_completed(c);
}

void cmd_starttls(struct cmd *c)
{
    if (cmd_no_args(c) < 0)
        return;
    if (conn_is_tls(c->s->c)) {
        cmd_done(c, RES_BAD, "TLS is active already");
        return;
    }
    if (!conn_can_tls(c->s->c)) {
        cmd_done(c, RES_BAD, "TLS is not available");
        return;
    }
    cmd_done(c, RES_OK, "Begin TLS negotiation now");
    conn_starttls(c->s->c);
}

static int id_string(struct imap_in *in)
{
    struct sv value;
    return imap_word(in, SV("NIL")) ? 0 : imap_string(in, &value);
}

void cmd_id(struct cmd *c)
{
    int r = imap_sp(&c->in);
    if (r == 0 && !imap_word(&c->in, SV("NIL"))) {
        r = imap_char(&c->in, '(') ? 0 : E_PARSE;
        while (r == 0 && !imap_char(&c->in, ')')) {
            r = id_string(&c->in);
            imap_char(&c->in, ' ');
        }
    }
    if (r < 0) {
        cmd_bad_args(c, "NIL or a list of strings");
        return;
    }
    if (cmd_no_args(c) < 0)
        return;
    buf_add_str(&c->out, "* ID (\"name\" \"Posthorn\" \"version\" \"" POSTHORN_VERSION "\")\r\n");
}

/* Nothing here changes its ways by ENABLE; the list of what was enabled stays empty. */
void cmd_enable(struct cmd *c)
{
    struct sv name;
    do {
        if (imap_sp(&c->in) < 0 || imap_atom(&c->in, &name) < 0) {
            cmd_bad_args(c, "capability");
            return;
        }
    } while (imap_peek(&c->in) == ' ' && c->in.p + 1 < c->in.end);
    if (cmd_no_args(c) == 0)
        buf_add_str(&c->out, "* ENABLED\r\n");
}

void cmd_namespace(struct cmd *c)
{
    if (cmd_no_args(c) == 0)
        buf_add_str(&c->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
}
