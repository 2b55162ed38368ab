/* Logging in to a relay. A refusal is an error of our configuration or of the relay, never of the
 * messages: they wait. The password goes in clear only under TLS, or where the administrator has
 * said that there is none; the log never shows it. */
#include "mail/deliver/smtp_auth.h"

#include "base/codec.h"
#include "base/rand.h"
#include "conf/routes.h"
#include "proto/sasl_out.h"
#include "mail/deliver/trouble.h"

enum { ROUNDS = 5, MESSAGE = 4096, LINE = 6144 };

static int refused(struct smtp_client *s, const char *reply, struct failure *why)
{
    failure_set(why, false, "454 4.7.8 Login at %s as %s failed: %.300s", s->host, s->rule->user,
                reply);
    event(route_login_failed, &s->log, F_STR(host, s->host), F_STR(route, s->rule->pattern),
          F_STR(reply, reply));
    trouble_set(s->d, s->rule, why->answer);
    return E_AUTH;
}

/* One message of ours in base64; begin: "AUTH NAME " or "". */
static int send_message(struct smtp_client *s, const char *begin, struct sv message)
{
    struct buf line, shown;
    buf_init(&line, LINE);
    buf_init(&shown, 64);
    int r = buf_add_str(&line, begin);
    if (r >= 0 && *begin && !message.n)
        r = buf_add_c(&line, '='); /* an empty initial response */
    if (r >= 0)
        r = base64_enc(message, &line);
    (void)buf_addf(&shown, "%s****", begin);
    if (r >= 0)
        r = smtp_send_masked(s, buf_sv(&line), buf_sv(&shown));
    if (line.p)
        explicit_bzero(line.p, line.cap);
    buf_done(&line);
    buf_done(&shown);
    return r;
}

static int challenge_of(const struct reply *reply, struct buf *ret)
{
    struct sv text = sv_trim(sv_skip(sv_c(reply->text), 3));
    buf_reset(ret);
    return base64_dec(text, ret);
}

/* The client's next message; what goes wrong with it ends the exchange. */
static int answer(struct smtp_client *s, struct sasl_out *c, struct sv challenge, const char *begin,
                  struct errinfo *ei)
{
    struct buf out;
    buf_init(&out, MESSAGE);
    int r = sasl_out_step(c, challenge, &out, ei);
    if (r == 0)
        r = send_message(s, begin, buf_sv(&out));
    else
        ei->code = r;
    if (out.p)
        explicit_bzero(out.p, out.cap);
    buf_done(&out);
    return r;
}

static int cancel(struct smtp_client *s, struct reply *reply)
{
    int r = smtp_send(s, "*");
    return r < 0 ? r : smtp_read_reply(s, s->cf->deliver.command_timeout, reply);
}

/* 0: *reply is the server's last word. With ei->code: the exchange was given up, by us. */
static int exchange(struct smtp_client *s, struct sasl_out *c, struct reply *reply,
                    struct errinfo *ei)
{
    char begin[40];
    struct buf challenge;
    int r;
    bool first = sasl_out_first(c);
    snprintf(begin, sizeof(begin), "AUTH %s%s", sasl_out_names[c->mech], first ? " " : "");
    buf_init(&challenge, MESSAGE);
    r = first ? answer(s, c, SV(""), begin, ei) : smtp_send(s, "%s", begin);
    for (int i = 0; r == 0; i++) {
        r = smtp_read_reply(s, s->cf->deliver.command_timeout, reply);
        if (r < 0 || reply->code != 334)
            break;
        if (i == ROUNDS || challenge_of(reply, &challenge) < 0)
            err_set(ei, E_PARSE, "it goes on with '%.60s'", reply->text);
        else
            r = answer(s, c, buf_sv(&challenge), "", ei);
        if (ei->code) {
            r = cancel(s, reply);
            break;
        }
    }
    buf_done(&challenge);
    return r;
}

static void make_nonce(char ret[33])
{
    uint8_t random[16];
    struct buf b;
    rand_bytes(random, sizeof(random));
    buf_init(&b, 32);
    (void)hex_enc(sv_n(random, sizeof(random)), &b);
    sv_copy(ret, 33, buf_sv(&b));
    buf_done(&b);
}

/* 1 = logged in, 0 = refused (why filled), E_AUTH = refused, and nothing else is to be tried,
 * else the connection is of no use. */
static int try_mechanism(struct smtp_client *s, enum sasl_mech mech, char why[300])
{
    struct sasl_out c;
    struct reply reply = { 0 };
    struct errinfo ei = { 0 };
    char nonce[33];
    make_nonce(nonce);
    sasl_out_init(&c, mech, sv_c(s->rule->user), sv_c(s->rule->password), nonce);
    int r = exchange(s, &c, &reply, &ei);
    bool unproven = reply.code == 235 && !c.proven;
    sasl_out_done(&c);
    if (r < 0)
        return r;
    if (reply.code == 235 && !ei.code && !unproven)
        return 1;
    if (unproven && !ei.code)
        err_set(&ei, E_AUTH, "it has not shown that it knows the password");
    if (!*why) /* the first refusal is the one that counts */
        sv_copy(why, 300, sv_c(ei.code ? ei.text : reply.text));
    return reply.code < 500 || unproven ? E_AUTH : 0;
}

/* A server may offer what it has no keys of this account for: then the password itself, where that
 * may be. One more attempt, as each may count towards a lock there. */
static int try_mechanisms(struct smtp_client *s, char why[300])
{
    bool in_clear = client_is_tls(s->c) || s->rule->tls == ROUTE_TLS_NEVER;
    struct sv user = sv_c(s->rule->user), password = sv_c(s->rule->password);
    int m = sasl_out_choose(sv_c(s->auth), in_clear, user, password, -1);
    int r = m < 0 ? E_AUTH : try_mechanism(s, (enum sasl_mech)m, why);
    if (r != 0 || m >= SASL_PLAIN)
        return r;
    m = sasl_out_choose(sv_c(s->auth), in_clear, user, password, SASL_PLAIN - 1);
    return m < 0 ? 0 : try_mechanism(s, (enum sasl_mech)m, why);
}

int smtp_auth(struct smtp_client *s, struct failure *why)
{
    char reason[300] = "";
    s->waiting_for = "AUTH";
    int r = try_mechanisms(s, reason);
    if (r == 1) {
        trouble_clear(s->d, s->rule);
        return 0;
    }
    if (r < 0 && r != E_AUTH)
        return smtp_turned_away(s, r, NULL, why);
    return refused(s, *reason ? reason : "the server offers no mechanism that can be used here",
                   why);
}
