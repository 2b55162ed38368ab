/* On-Demand Mail Relay, the customer (RFC 2645): we log in to the server that keeps our mail, say
 * ATRN, and are the server on that connection from then on. */
#include "base/codec.h"
#include "base/rand.h"
#include "mail/collect/collect_priv.h"
#include "proto/sasl_out.h"
#include "proto/smtp_reply.h"

enum { ATRN_WAIT_MS = 600000, ROUNDS = 5, MESSAGE = 4096, TEXT = 500 };

struct answer {
    int code;
    char text[TEXT];
    char auth[256]; /* of EHLO: mechanisms */
    bool starttls;
};

static void look_at(struct answer *a, struct sv line)
{
    struct sv rest = sv_trim(sv_skip(line, 4)), word = sv_split(&rest, ' ');
    if (sv_ieq(word, SV("AUTH")) && rest.p)
        sv_copy(a->auth, sizeof(a->auth), sv_trim(rest));
    a->starttls |= sv_ieq(word, SV("STARTTLS"));
}

static int read_answer(struct attempt *x, struct answer *ret, struct errinfo *ei)
{
    *ret = (struct answer){ 0 };
    for (int i = 0; i < MAX_LINES; i++) {
        struct sv line;
        bool last;
        int code, r = session_line(x, MAX_REPLY_LINE, &line, ei);
        if (r < 0)
            return r;
        log_in(&x->log, line);
        if (smtp_reply_line(line, &code, &last) < 0 || (i && code != ret->code))
            return err_set(ei, E_PARSE, "an answer that is not SMTP: " SV_FMT,
                           SV_ARG(sv_take(line, 80)));
        ret->code = code;
        sv_copy(ret->text, sizeof(ret->text), sv_take(line, TEXT - 1));
        look_at(ret, line);
        if (last)
            return 0;
    }
    return err_set(ei, E_RANGE, "an answer without end");
}

/* An answer that has to be want. */
static int expect(struct attempt *x, int want, const char *what, struct answer *ret,
                  struct errinfo *ei)
{
    int r = read_answer(x, ret, ei);
    return r < 0 || ret->code == want ? r : session_refused(x, what, sv_c(ret->text), ei);
}

static int hello(struct attempt *x, struct answer *ret, struct errinfo *ei)
{
    const char *name = *x->cf->system.hostname ? x->cf->system.hostname : "localhost";
    int r = session_send(x, NULL, ei, "EHLO %s", name);
    return r < 0 ? r : expect(x, 250, "EHLO", ret, ei);
}

/* --- AUTH (RFC 4954) --- */

static int send_message(struct attempt *x, const char *begin, struct sasl_out *c,
                        struct sv challenge, struct errinfo *ei)
{
    char shown[64];
    struct buf out, line;
    buf_init(&out, MESSAGE);
    buf_init(&line, 2 * MESSAGE);
    int r = sasl_out_step(c, challenge, &out, ei);
    if (r == 0)
        r = out.n || !*begin ? base64_enc(buf_sv(&out), &line) : buf_add_c(&line, '=');
    snprintf(shown, sizeof(shown), "%s****", begin);
    if (r == 0)
        r = session_send(x, shown, ei, "%s" SV_FMT, begin, SV_ARG(buf_sv(&line)));
    if (out.p)
        explicit_bzero(out.p, out.cap);
    if (line.p)
        explicit_bzero(line.p, line.cap);
    buf_done(&out);
    buf_done(&line);
    return r;
}

static int exchange(struct attempt *x, struct sasl_out *c, struct answer *a, struct errinfo *ei)
{
    char begin[48];
    struct buf challenge;
    bool first = sasl_out_first(c);
    buf_init(&challenge, MESSAGE);
    snprintf(begin, sizeof(begin), "AUTH %s%s", sasl_out_names[c->mech], first ? " " : "");
    int r = first ? send_message(x, begin, c, SV(""), ei) : session_send(x, NULL, ei, "%s", begin);
    for (int i = 0; r == 0; i++) {
        r = read_answer(x, a, ei);
        if (r < 0 || a->code != 334)
            break;
        buf_reset(&challenge);
        if (i == ROUNDS || base64_dec(sv_trim(sv_skip(sv_c(a->text), 3)), &challenge) < 0)
            r = err_set(ei, E_PARSE, "the login goes on with '%.60s'", a->text);
        else
            r = send_message(x, "", c, buf_sv(&challenge), ei);
    }
    buf_done(&challenge);
    if (r < 0)
        return r;
    if (a->code != 235)
        return session_refused(x, "the login", sv_c(a->text), ei);
    return c->proven ? 0
                     : err_set(ei, E_AUTH, "the server has not shown that it knows the password");
}

static int login(struct attempt *x, const struct answer *offered, struct errinfo *ei)
{
    struct sasl_out c;
    struct answer a;
    char nonce[33];
    uint8_t random[16];
    struct buf hex;
    bool in_clear = client_is_tls(x->client) || x->r->tls == REMOTE_CLEAR;
    int mech =
        sasl_out_choose(sv_c(offered->auth), in_clear, sv_c(x->r->user), sv_c(x->r->password), -1);
    if (mech < 0)
        return err_set(ei, E_AUTH, "no mechanism for the login: it offers '%.100s'", offered->auth);
    rand_bytes(random, sizeof(random));
    buf_init(&hex, sizeof(nonce));
    (void)hex_enc(sv_n(random, sizeof(random)), &hex);
    sv_copy(nonce, sizeof(nonce), buf_sv(&hex));
    buf_done(&hex);
    sasl_out_init(&c, (enum sasl_mech)mech, sv_c(x->r->user), sv_c(x->r->password), nonce);
    int r = exchange(x, &c, &a, ei);
    sasl_out_done(&c);
    return r;
}

/* --- the turn --- */

static int begin(struct attempt *x, struct errinfo *ei)
{
    struct answer a;
    int r = x->r->tls == REMOTE_TLS ? session_tls(x, ei) : 0;
    if (r == 0)
        r = expect(x, 220, "the connection", &a, ei);
    if (r == 0)
        r = hello(x, &a, ei);
    if (r == 0 && x->r->tls == REMOTE_STARTTLS) {
        if (!a.starttls)
            return session_insecure(x, "the server does not offer STARTTLS", ei);
        r = session_send(x, NULL, ei, "STARTTLS");
        if (r == 0)
            r = session_starttls(x, expect(x, 220, "STARTTLS", &a, ei), ei);
        if (r == 0)
            r = session_tls(x, ei);
        if (r == 0)
            r = hello(x, &a, ei);
    }
    return r < 0 ? r : login(x, &a, ei);
}

/* 1 = the roles are reversed, 0 = there is no mail. 5.2.1: the provider may take ten minutes. */
static int ask(struct attempt *x, struct errinfo *ei)
{
    char domains[REMOTE_DOMAINS_MAX + 1];
    struct answer a;
    snprintf(domains, sizeof(domains), "%s", x->r->domains);
    for (char *p = domains; *p; p++)
        if (*p == ';')
            *p = ',';
    int r = session_send(x, NULL, ei, "ATRN%s%s", *domains ? " " : "", domains);
    client_set_timeout(x->client, ATRN_WAIT_MS);
    if (r == 0)
        r = read_answer(x, &a, ei);
    client_set_timeout(x->client, x->cf->deliver.collect_timeout);
    if (r < 0)
        return r;
    if (a.code == 250)
        return 1;
    if (a.code != 453)
        return session_refused(x, "ATRN", sv_c(a.text), ei);
    (void)(session_send(x, NULL, ei, "QUIT") == 0 && read_answer(x, &a, ei));
    *ei = (struct errinfo){ 0 };
    return 0;
}

int collect_atrn(struct attempt *x, struct errinfo *ei)
{
    const struct collect_turn *t = &x->c->o.turn;
    if (!t->serve)
        return err_set(ei, E_UNSUPPORTED, "ATRN needs the SMTP server");
    int r = begin(x, ei);
    if (r == 0)
        r = ask(x, ei);
    if (r <= 0)
        return r;
    return t->serve(t->arg, take_ptr(x->client), x->r->domains, &x->c->stopping, x->end_ms,
                    &x->collected, ei);
}
