/* AUTH: a SASL exchange in lines of base64. What the client sends is never logged. Password hashes
 * make it slow; smtp_auth_fast tells when it is not. RFC 4954, RFC 4422. */
#include "server/smtp/smtp_priv.h"

#include "base/codec.h"

enum { MAX_CHALLENGE = 8192 };

void smtp_auth_peer(struct smtp_session *s, struct smtp_auth *a)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    smtp_hostname(cf, a->hostname);
    buf_init(&a->cb, 256);
    a->peer = (struct auth_peer){
        .service = "SMTP",
        .ip = conn_peer_ip(s->c),
        .hostname = a->hostname,
        .tls = conn_is_tls(s->c),
        .trusted = conn_peer_trusted(s->c),
    };
    if (a->peer.tls && conn_channel_binding(s->c, &a->peer.cb_type, &a->cb))
        a->peer.cb_data = buf_sv(&a->cb);
    else
        a->peer.cb_type = NULL;
}

void smtp_auth_free(struct smtp_session *s)
{
    struct smtp_auth *a = take_ptr(s->auth);
    if (!a)
        return;
    if (a->sasl)
        sasl_free(a->sasl);
    if (a->done)
        account_unref(a->done);
    buf_done(&a->cb);
    free(a);
}

/* The exchange is over: free it, listen to commands again. */
static void leave(struct smtp_session *s)
{
    smtp_auth_free(s);
    if (s->state == ST_AUTH)
        smtp_idle(s);
}

static void failed(struct smtp_session *s, int error)
{
    leave(s);
    if (error == E_TEMP) {
        smtp_reply_lit(s, "454 4.7.0 Temporary authentication failure");
        return;
    }
    if (error == E_PARSE) {
        smtp_reply_lit(s, "501 5.5.2 Cannot decode the response");
        return;
    }
    conn_delay(s->c, s->cf->auth.failure_delay);
    smtp_reply_lit(s, "535 5.7.1 Authentication credentials invalid");
    if (++s->auth_failures >= (unsigned)s->cf->smtp.max_auth_attempts && s->state != ST_END)
        smtp_reply_421(s, SV("4.7.0"), SV("Too many failed logins, closing connection"));
}

/* Takes the reference. */
static void succeeded(struct smtp_session *s, const struct account *account)
{
    leave(s);
    s->account = account;
    s->log.account = account->address;
    conn_set_account(s->c, sv_c(account->address));
    smtp_reply_lit(s, "235 2.7.0 Authentication successful");
}

static void challenge(struct smtp_session *s, struct sv data)
{
    struct buf b;
    buf_init(&b, MAX_CHALLENGE * 2);
    buf_add_str(&b, "334 ");
    if (base64_enc(data, &b) < 0) {
        buf_done(&b);
        failed(s, E_TEMP);
        return;
    }
    if (s->state != ST_AUTH)
        smtp_set_state(s, ST_AUTH);
    buf_add_str(&b, "\r\n");
    smtp_reply_lines(s, &b);
    buf_done(&b);
}

static void step(struct smtp_session *s, struct sv in)
{
    const struct account *account = NULL;
    struct buf out;
    buf_init(&out, MAX_CHALLENGE);
    int r = sasl_step(s->auth->sasl, in, &out, &account, NULL);
    if (r < 0) {
        failed(s, r);
    } else if (r > 0) {
        challenge(s, buf_sv(&out));
    } else if (out.n) { /* the server's last word goes as a challenge: RFC 4954 4 */
        s->auth->done = account;
        challenge(s, buf_sv(&out));
    } else {
        succeeded(s, account);
    }
    buf_done(&out);
}

/* An initial response: "=" is an empty one. */
static void first_step(struct smtp_session *s, struct sv response)
{
    struct buf data;
    bool login = false;
    if (response.n == 0) {
        if (sasl_client_first(s->auth->sasl))
            challenge(s, SV(""));
        else
            step(s, SV_NULL);
        return;
    }
    if (!sasl_client_first(s->auth->sasl)) {
        /* Only LOGIN's first question is so well known that clients answer it unasked. */
        const struct account *none = NULL;
        struct buf unused;
        buf_init(&unused, MAX_CHALLENGE);
        login = s->auth->login && sasl_step(s->auth->sasl, SV_NULL, &unused, &none, NULL) > 0;
        buf_done(&unused);
        if (!login) {
            leave(s);
            smtp_reply_arg(s, SMTP_ARG_SYNTAX);
            return;
        }
    }
    buf_init(&data, SMTP_MAX_SASL);
    if (sv_eq(response, SV("=")))
        step(s, SV(""));
    else if (base64_dec(response, &data) < 0)
        failed(s, E_PARSE);
    else
        step(s, data.n ? buf_sv(&data) : SV(""));
    buf_done(&data);
}

void smtp_cmd_auth(struct smtp_session *s, struct sv args)
{
    struct sv response;
    struct sv mechanism = smtp_verb(args, &response);
    struct smtp_auth *a = s->auth = xcalloc(1, sizeof(*a));
    smtp_auth_peer(s, a);
    a->login = sv_ieq(mechanism, SV("LOGIN"));
    (void)sv_copy(s->mechanism, sizeof(s->mechanism), mechanism);
    int r = sasl_start(s->srv->accounts, &a->peer, mechanism, &a->sasl, NULL);
    if (r < 0) {
        smtp_auth_free(s);
        if (r == E_UNSUPPORTED)
            smtp_reply_lit(s, "504 5.7.6 Unrecognized authentication type");
        else
            smtp_reply_lit(s, "454 4.7.0 Temporary authentication failure");
        return;
    }
    first_step(s, response);
}

void smtp_auth_line(struct smtp_session *s, struct sv line)
{
    struct buf data;
    s->commands++;
    if (sv_eq(line, SV("*"))) {
        log_in(&s->log, line);
        leave(s);
        smtp_reply_lit(s, "501 5.0.0 Authentication canceled");
        return;
    }
    log_in(&s->log, SV("****"));
    if (s->auth->done) {
        const struct account *account = take_ptr(s->auth->done);
        succeeded(s, account); /* what an empty line should say, whatever it says */
        return;
    }
    buf_init(&data, SMTP_MAX_SASL);
    if (base64_dec(line, &data) < 0)
        failed(s, E_PARSE);
    else
        step(s, data.n ? buf_sv(&data) : SV(""));
    buf_done(&data);
}

/* The password of a PLAIN response: authorisation NUL user NUL password. */
static bool plain_fast(struct smtp_session *s, struct sv response)
{
    struct buf data;
    bool fast = false;
    buf_init(&data, 2 * KiB);
    if (base64_dec(response, &data) == 0) {
        struct sv rest = buf_sv(&data);
        (void)sv_split(&rest, '\0');
        struct sv user = sv_split(&rest, '\0');
        fast = auth_is_fast_with(s->srv->accounts, user, rest);
    }
    buf_done(&data);
    return fast;
}

bool smtp_auth_fast(struct smtp_session *s, struct sv line)
{
    if (s->state != ST_AUTH) { /* AUTH itself: a password comes along with PLAIN only */
        struct sv response;
        struct sv mechanism = smtp_verb(line, &response);
        return response.n == 0 || (sv_ieq(mechanism, SV("PLAIN")) && plain_fast(s, response));
    }
    struct buf data;
    bool fast = s->auth->done != NULL;
    buf_init(&data, SMTP_MAX_SASL);
    if (!fast && base64_dec(line, &data) == 0)
        fast = sasl_is_fast(s->auth->sasl, buf_sv(&data));
    buf_done(&data);
    return fast;
}
