/* THE table of commands, and the small ones. */
#include "server/managesieve/managesieve_priv.h"

static void put_pair(struct buf *out, const char *name, struct sv value)
{
    buf_addf(out, "\"%s\" ", name);
    managesieve_put_string(out, value);
    buf_add_str(out, "\r\n");
}

static void put_mechanisms(struct ms_session *s, struct buf *out)
{
    _cleanup_(buf_done) struct buf b = { 0 };

    buf_init(&b, 1024);
    ms_mechanisms(s, &b);
    put_pair(out, "SASL", b.n ? buf_sv(&b) : SV(""));
}

static void put_extensions(struct buf *out)
{
    _cleanup_(buf_done) struct buf b = { 0 };

    buf_init(&b, 1024);
    for (unsigned e = SIEVE_EXT_NONE + 1; e < SIEVE_EXT_COUNT; e++)
        buf_addf(&b, "%s%s", b.n ? " " : "", sieve_ext_name((enum sieve_ext)e));
    put_pair(out, "SIEVE", buf_sv(&b));
}

/* RFC 5804 1.7. */
void ms_put_capabilities(struct ms_session *s, struct buf *out)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    put_pair(out, "IMPLEMENTATION", SV("Posthorn"));
    put_mechanisms(s, out);
    put_extensions(out);
    put_pair(out, "NOTIFY", SV("mailto"));
    buf_addf(out, "\"MAXREDIRECTS\" \"%" PRId64 "\"\r\n", cf->sieve.max_sent);
    if (s->state == MS_LOGIN && !conn_is_tls(s->c) && conn_can_tls(s->c))
        buf_add_str(out, "\"STARTTLS\"\r\n");
    buf_add_str(out, "\"UNAUTHENTICATE\"\r\n");
    if (s->account)
        put_pair(out, "OWNER", sv_c(s->account->address));
    put_pair(out, "VERSION", SV("1.0"));
}

static void cmd_capability(struct ms_session *s, const struct managesieve_args *a _unused_)
{
    _cleanup_(buf_done) struct buf b = { 0 };

    buf_init(&b, 16 * KiB);
    ms_put_capabilities(s, &b);
    if (conn_write(s->c, buf_sv(&b)) < 0)
        conn_close(s->c);
    ms_ok(s, "");
}

static void cmd_starttls(struct ms_session *s, const struct managesieve_args *a _unused_)
{
    if (conn_is_tls(s->c)) {
        ms_no(s, NULL, "TLS is active already");
    } else if (!conn_can_tls(s->c)) {
        ms_no(s, NULL, "TLS is not available");
    } else {
        ms_ok(s, "Begin TLS negotiation now");
        conn_starttls(s->c);
    }
}

static void cmd_logout(struct ms_session *s, const struct managesieve_args *a _unused_)
{
    ms_ok(s, "Bye");
    s->logged_out = true;
    s->state = MS_END;
    conn_close(s->c);
}

/* RFC 5804 2.13: the client's words come back, so that it finds its place in the answers. */
static void cmd_noop(struct ms_session *s, const struct managesieve_args *a)
{
    _cleanup_(buf_done) struct buf code = { 0 };

    if (!a->n) {
        ms_ok(s, "Nothing done");
        return;
    }
    if (a->string[0].n > 1024) {
        ms_no(s, NULL, "A tag has at most 1024 bytes");
        return;
    }
    buf_init(&code, 4 * KiB);
    buf_add_str(&code, "TAG ");
    managesieve_put_string(&code, a->string[0]);
    if (buf_terminate(&code) == 0)
        ms_reply(s, "OK", code.p, SV("Nothing done"));
}

#define ANY (MS_LOGIN | MS_IN)

static const struct ms_cmd cmds[] = {
    /* name            states    args   secret  run */
    { "AUTHENTICATE", MS_LOGIN, "s?s", true, ms_cmd_authenticate },
    { "CAPABILITY", ANY, "", false, cmd_capability },
    { "CHECKSCRIPT", MS_IN, "s", false, ms_cmd_checkscript },
    { "DELETESCRIPT", MS_IN, "s", false, ms_cmd_deletescript },
    { "GETSCRIPT", MS_IN, "s", false, ms_cmd_getscript },
    { "HAVESPACE", MS_IN, "sn", false, ms_cmd_havespace },
    { "LISTSCRIPTS", MS_IN, "", false, ms_cmd_listscripts },
    { "LOGOUT", ANY, "", false, cmd_logout },
    { "NOOP", ANY, "?s", false, cmd_noop },
    { "PUTSCRIPT", MS_IN, "ss", false, ms_cmd_putscript },
    { "RENAMESCRIPT", MS_IN, "ss", false, ms_cmd_renamescript },
    { "SETACTIVE", MS_IN, "s", false, ms_cmd_setactive },
    { "STARTTLS", MS_LOGIN, "", false, cmd_starttls },
    { "UNAUTHENTICATE", MS_IN, "", false, ms_cmd_unauthenticate },
};

const struct ms_cmd *ms_find(struct sv name)
{
    for (size_t i = 0; i < ARRAY_LEN(cmds); i++)
        if (sv_ieq(name, sv_c(cmds[i].name)))
            return &cmds[i];
    return NULL;
}
