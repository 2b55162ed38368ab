/* USER, PASS, AUTH (RFC 1939 7, RFC 5034). Secrets are never logged. May run password hashes:
 * POOL_SLOW unless pop3_login_is_fast. */
#include "server/pop3/pop3_priv.h"

#include <unistd.h>

#include "base/codec.h"

#define MAX_SASL 8192

struct pop3_sasl {
    struct auth_peer peer;
    struct buf cb;
    struct sasl *sasl;
    const struct account
        *done; /* the exchange has succeeded; the client has yet to take the last data */
    char hostname[256];
};

static void hostname(char ret[256])
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (*cf->system.hostname || gethostname(ret, 255) < 0)
        (void)sv_copy(ret, 256, sv_c(*cf->system.hostname ? cf->system.hostname : "localhost"));
    ret[255] = '\0';
}

void pop3_peer(struct pop3_session *s, struct auth_peer *p)
{
    *p = (struct auth_peer){
        .service = "POP3",
        .ip = conn_peer_ip(s->c),
        .hostname = "",
        .tls = conn_is_tls(s->c),
        .trusted = conn_peer_trusted(s->c),
    };
}

void pop3_add_mechanisms(struct pop3_session *s, struct buf *out)
{
    struct auth_peer p;
    struct buf cb;

    pop3_peer(s, &p);
    buf_init(&cb, 256);
    if (p.tls && conn_channel_binding(s->c, &p.cb_type, &cb))
        p.cb_data = buf_sv(&cb);
    else
        p.cb_type = NULL;
    auth_mechanisms(&p, "", " ", out);
    buf_done(&cb);
}

void pop3_sasl_free(struct pop3_session *s)
{
    struct pop3_sasl *a = take_ptr(s->sasl);

    if (!a)
        return;
    if (a->sasl)
        sasl_free(a->sasl);
    if (a->done)
        account_unref(a->done);
    buf_done(&a->cb);
    free(a);
}

static void refused(struct pop3_session *s, int error)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (error == E_TEMP || error == E_DB) {
        pop3_err(s, "[SYS/TEMP] Login is not possible now");
        return;
    }
    if (error == E_PARSE) {
        pop3_err(s, "[AUTH] Cannot decode the response");
        return;
    }
    conn_delay(s->c, cf->auth.failure_delay);
    pop3_err(s, error == E_LIMIT ? "[AUTH] Too many failed logins, try again later"
                                 : "[AUTH] Authentication credentials invalid");
    if (++s->failures >= (unsigned)cf->pop3.max_auth_attempts)
        conn_close(s->c);
}

/* Takes the reference. */
static void entered(struct pop3_session *s, const struct account *acc)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    s->account = acc;
    if (pop3_drop_open(s) < 0) {
        account_unref(acc);
        s->account = NULL;
        s->state = POP_AUTH;
        return;
    }
    s->state = POP_TRANS;
    s->log.account = acc->address;
    conn_set_account(s->c, sv_c(acc->address));
    conn_set_timeout(s->c, cf->pop3.timeout);
    pop3_ok(s, "%u messages", s->snap->n);
}

void pop3_cmd_user(struct pop3_session *s, const struct sv *args, int n _unused_)
{
    struct auth_peer p;

    pop3_peer(s, &p);
    if (!auth_plain_allowed(&p)) {
        pop3_err(s, "[AUTH] Clear-text logins need TLS: use STLS first");
        return;
    }
    free(s->user);
    s->user = sv_dup(args[0]);
    pop3_ok(s, "send PASS");
}

void pop3_cmd_pass(struct pop3_session *s, const struct sv *args, int n _unused_)
{
    const struct account *acc = NULL;
    struct auth_peer p;
    _cleanup_(freep) char *user = take_ptr(s->user);
    int r;

    if (!user) {
        pop3_err(s, "USER first");
        return;
    }
    pop3_peer(s, &p);
    r = auth_password(s->srv->accounts, &p, sv_c(user), args[0], &acc, NULL);
    if (r < 0)
        refused(s, r);
    else
        entered(s, acc);
}

static void leave(struct pop3_session *s)
{
    pop3_sasl_free(s);
    if (s->state == POP_SASL)
        s->state = POP_AUTH;
}

static void challenge(struct pop3_session *s, struct sv data)
{
    struct buf b;

    buf_init(&b, 2 * MAX_SASL);
    buf_add_str(&b, "+ ");
    base64_enc(data, &b);
    if (buf_add_str(&b, "\r\n") < 0) {
        leave(s);
        refused(s, E_TEMP);
    } else {
        s->state = POP_SASL;
        conn_write(s->c, buf_sv(&b));
        log_out(&s->log, SV("+ ****"));
    }
    buf_done(&b);
}

static void finish(struct pop3_session *s, const struct account *acc)
{
    leave(s);
    entered(s, acc);
}

static void step(struct pop3_session *s, struct sv in)
{
    const struct account *acc = NULL;
    struct buf out;
    int r;

    buf_init(&out, MAX_SASL);
    r = sasl_step(s->sasl->sasl, in, &out, &acc, NULL);
    if (r < 0) {
        leave(s);
        refused(s, r);
    } else if (r > 0) {
        challenge(s, buf_sv(&out));
    } else if (out.n) {
        s->sasl->done = acc;
        challenge(s, buf_sv(&out));
    } else {
        finish(s, acc);
    }
    buf_done(&out);
}

static void decode_and_step(struct pop3_session *s, struct sv text)
{
    struct buf data;

    buf_init(&data, MAX_SASL);
    if (base64_dec(text, &data) < 0) {
        leave(s);
        refused(s, E_PARSE);
    } else {
        step(s, data.n ? buf_sv(&data) : SV(""));
    }
    buf_done(&data);
}

void pop3_sasl_line(struct pop3_session *s, struct sv line)
{
    if (sv_eq(line, SV("*"))) {
        leave(s);
        pop3_err(s, "[AUTH] Authentication canceled");
    } else if (s->sasl->done) {
        finish(s, take_ptr(s->sasl->done));
    } else {
        decode_and_step(s, line);
    }
}

static void list_mechanisms(struct pop3_session *s)
{
    struct buf b;
    struct sv rest;

    buf_init(&b, 4096);
    pop3_add_mechanisms(s, &b);
    pop3_ok(s, "mechanisms follow");
    rest = b.n ? buf_sv(&b) : SV_NULL;
    while (rest.p) {
        struct sv name = sv_split(&rest, ' ');

        conn_writef(s->c, SV_FMT "\r\n", SV_ARG(name));
    }
    conn_write(s->c, SV(".\r\n"));
    buf_done(&b);
}

void pop3_cmd_auth(struct pop3_session *s, const struct sv *args, int n)
{
    struct pop3_sasl *a;
    int r;

    if (n == 0) {
        list_mechanisms(s);
        return;
    }
    a = s->sasl = xcalloc(1, sizeof(*a));
    hostname(a->hostname);
    pop3_peer(s, &a->peer);
    a->peer.hostname = a->hostname;
    buf_init(&a->cb, 256);
    if (a->peer.tls && conn_channel_binding(s->c, &a->peer.cb_type, &a->cb))
        a->peer.cb_data = buf_sv(&a->cb);
    else
        a->peer.cb_type = NULL;
    r = sasl_start(s->srv->accounts, &a->peer, args[0], &a->sasl, NULL);
    if (r < 0) {
        leave(s);
        pop3_err(s, "[AUTH] Unrecognized authentication type");
    } else if (n == 2 && sv_eq(args[1], SV("="))) {
        step(s, SV(""));
    } else if (n == 2) {
        decode_and_step(s, args[1]);
    } else if (sasl_client_first(a->sasl)) {
        challenge(s, SV(""));
    } else {
        step(s, SV_NULL);
    }
}

bool pop3_login_is_fast(struct pop3_session *s, const struct pop3_cmd *cmd, struct sv args)
{
    struct buf data;
    bool fast;

    if (cmd && cmd->run == pop3_cmd_pass)
        return s->user && auth_is_fast_with(s->srv->accounts, sv_c(s->user), args);
    if (cmd)
        return false;
    buf_init(&data, MAX_SASL);
    fast = s->sasl && s->sasl->sasl && base64_dec(args, &data) == 0 &&
           sasl_is_fast(s->sasl->sasl, buf_sv(&data));
    buf_done(&data);
    return fast;
}
