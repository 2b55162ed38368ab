/* AUTHENTICATE and UNAUTHENTICATE (RFC 5804 2.1, 2.14). Secrets are never logged. May run password
 * hashes: POOL_SLOW. */
#include "server/managesieve/managesieve_priv.h"

#include <stdio.h>
#include <unistd.h>

#include "base/codec.h"

#define MAX_SASL 8192

struct ms_sasl {
    struct auth_peer peer;
    struct buf cb;
    struct sasl *sasl;
    char hostname[256];
};

static void hostname(char ret[256])
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (*cf->system.hostname || gethostname(ret, 255) < 0)
        (void)sv_copy(ret, 256, sv_c(*cf->system.hostname ? cf->system.hostname : "localhost"));
    ret[255] = '\0';
}

/* cb: initialised; keeps the binding's data. */
static void facts(struct ms_session *s, const char *host, struct buf *cb, struct auth_peer *p)
{
    *p = (struct auth_peer){
        .service = "ManageSieve",
        .ip = conn_peer_ip(s->c),
        .hostname = host,
        .tls = conn_is_tls(s->c),
        .trusted = conn_peer_trusted(s->c),
    };
    if (p->tls && conn_channel_binding(s->c, &p->cb_type, cb))
        p->cb_data = buf_sv(cb);
    else
        p->cb_type = NULL;
}

void ms_mechanisms(struct ms_session *s, struct buf *out)
{
    _cleanup_(buf_done) struct buf cb = { 0 };
    struct auth_peer p;

    buf_init(&cb, 4 * KiB);
    facts(s, "", &cb, &p);
    auth_mechanisms(&p, "", " ", out);
}

void ms_sasl_free(struct ms_session *s)
{
    struct ms_sasl *a = take_ptr(s->sasl);

    if (s->state == MS_SASL)
        s->state = MS_LOGIN;
    if (!a)
        return;
    if (a->sasl)
        sasl_free(a->sasl);
    buf_done(&a->cb);
    free(a);
}

void ms_leave_account(struct ms_session *s)
{
    s->log.account = NULL;
    if (s->account)
        account_unref(s->account);
    s->account = NULL;
}

static void refused(struct ms_session *s, int error)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    ms_sasl_free(s);
    if (error == E_TEMP || error == E_DB) {
        ms_no(s, "TRYLATER", "Login is not possible now");
        return;
    }
    conn_delay(s->c, cf->auth.failure_delay);
    if (error == E_LIMIT)
        ms_no(s, "TRYLATER", "Too many failed logins, try again later");
    else
        ms_no(s, NULL, "Authentication failed");
    if (++s->failures >= (unsigned)cf->managesieve.max_auth_attempts)
        ms_bye(s, NULL, "Too many failed logins");
}

/* Takes acc. last: the mechanism's last word, for the client to check. */
static void accepted(struct ms_session *s, const struct account *acc, struct sv last)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(buf_done) struct buf code = { 0 };

    ms_sasl_free(s);
    s->account = acc;
    s->state = MS_IN;
    s->log.account = acc->address;
    conn_set_account(s->c, sv_c(acc->address));
    conn_set_timeout(s->c, cf->managesieve.timeout);
    if (!last.n) {
        ms_ok(s, "Logged in");
        return;
    }
    buf_init(&code, 2 * MAX_SASL);
    buf_add_str(&code, "SASL \"");
    base64_enc(last, &code);
    buf_add_c(&code, '"');
    if (buf_terminate(&code) < 0)
        ms_bye(s, NULL, "Answer is too large");
    else
        ms_reply(s, "OK", code.p, SV("Logged in"));
}

static void challenge(struct ms_session *s, struct sv data)
{
    _cleanup_(buf_done) struct buf text = { 0 }, line = { 0 };

    buf_init(&text, 2 * MAX_SASL);
    buf_init(&line, 2 * MAX_SASL + 64);
    base64_enc(data, &text);
    managesieve_put_string(&line, text.n ? buf_sv(&text) : SV(""));
    buf_add_str(&line, "\r\n");
    s->state = MS_SASL;
    log_out(&s->log, data.n ? SV("****") : SV("\"\""));
    if (line.overflow || conn_write(s->c, buf_sv(&line)) < 0)
        conn_close(s->c);
}

/* in.p == NULL: nothing from the client yet. */
static void step(struct ms_session *s, struct sv in)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    const struct account *acc = NULL;
    int r;

    buf_init(&out, MAX_SASL);
    r = sasl_step(s->sasl->sasl, in, &out, &acc, NULL);
    if (r < 0)
        refused(s, r);
    else if (r > 0)
        challenge(s, buf_sv(&out));
    else
        accepted(s, acc, buf_sv(&out));
}

static void decode_and_step(struct ms_session *s, struct sv text)
{
    _cleanup_(buf_done) struct buf data = { 0 };

    buf_init(&data, MAX_SASL);
    if (text.n && base64_dec(text, &data) < 0)
        refused(s, E_PARSE);
    else
        step(s, data.n ? buf_sv(&data) : SV("")); /* an empty answer is not none */
}

void ms_sasl_answer(struct ms_session *s, struct sv text)
{
    _cleanup_(arena_done) struct arena arena;
    struct sv answer;

    arena_init(&arena, 64 * KiB);
    struct imap_in in = imap_in_sv(text, &arena);
    log_in(&s->log, SV("****"));
    if (imap_string(&in, &answer) < 0 || !imap_end(&in)) {
        ms_sasl_free(s);
        ms_wrong(s, "A string was expected; authentication cancelled");
    } else if (sv_eq(answer, SV("*"))) {
        ms_sasl_free(s);
        ms_no(s, NULL, "Authentication cancelled");
    } else {
        decode_and_step(s, answer);
    }
}

static void unsupported(struct ms_session *s, struct sv mechanism)
{
    bool plain = sv_ieq(mechanism, SV("PLAIN")) || sv_ieq(mechanism, SV("LOGIN"));

    ms_sasl_free(s);
    if (plain && !conn_is_tls(s->c) && conn_can_tls(s->c))
        ms_no(s, "ENCRYPT-NEEDED", "Passwords in clear text need TLS: use STARTTLS first");
    else
        ms_no(s, NULL, "Mechanism is not available");
}

void ms_cmd_authenticate(struct ms_session *s, const struct managesieve_args *a)
{
    struct ms_sasl *x = s->sasl = xcalloc(1, sizeof(*x));

    hostname(x->hostname);
    buf_init(&x->cb, 4 * KiB);
    facts(s, x->hostname, &x->cb, &x->peer);
    if (sasl_start(s->srv->accounts, &x->peer, a->string[0], &x->sasl, NULL) < 0)
        unsupported(s, a->string[0]);
    else if (a->n == 2 && !sasl_client_first(x->sasl) && !sv_ieq(a->string[0], SV("LOGIN")))
        refused(s, E_PARSE); /* the server speaks first */
    else if (a->n == 2)
        decode_and_step(s, a->string[1]);
    else if (sasl_client_first(x->sasl))
        challenge(s, SV(""));
    else
        step(s, SV_NULL);
}

void ms_cmd_unauthenticate(struct ms_session *s, const struct managesieve_args *a _unused_)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    ms_summary(s, "OK");
    ms_leave_account(s);
    s->state = MS_LOGIN;
    conn_set_account(s->c, SV(""));
    conn_set_timeout(s->c, cf->net.session_timeout);
    ms_ok(s, "Logged out; log in again");
}
