/* The milters of one session, one step after the other: whom they are told of, and what their
 * answers mean. Each step asks them in order; the first that objects decides. */
#include "mail/milter/milter_priv.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "event/event.h"

/* Macros as Sendmail and Postfix give them by default, so that milters find what they look for. */
static const char *const usual[MILTER_STEPS] = {
    [MILTER_CONNECT] = "j _ v {daemon_name} {daemon_addr} {daemon_port} {if_name} {if_addr} "
                       "{client_addr} {client_name} {client_port} {client_ptr} {client_resolve}",
    [MILTER_HELO] = "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    [MILTER_MAIL] = "i b {auth_type} {auth_authen} {auth_author} {mail_mailer} {mail_host} "
                    "{mail_addr} {client_addr} {client_name} {client_ptr}",
    [MILTER_RCPT] = "i {rcpt_mailer} {rcpt_host} {rcpt_addr}",
    [MILTER_DATA] = "i",
    [MILTER_EOH] = "i",
    [MILTER_EOM] = "i",
};

/* A rule that names a milter means it. */
static bool is_excepted(const struct milters_opts *o, const struct conf_except *e)
{
    return o->service != MILTER_FOR_RULES &&
           ((o->trusted && e->trusted) || (o->peer_ip && conf_except_has(e, o->peer_ip)));
}

struct milters *milters_new(const struct milters_opts *o)
{
    struct sv rest = o->list, item;
    size_t n = 0;
    while (conf_list_next(&rest, &item))
        n++;
    if (n == 0)
        return NULL;
    struct milters *ms = xcalloc(1, sizeof(*ms) + n * sizeof(ms->m[0]));
    ms->o = *o;
    ms->list = sv_dup(o->list);
    rest = sv_c(ms->list);
    while (conf_list_next(&rest, &item)) {
        struct milter *m = &ms->m[ms->n];
        if (!conf_parse_milter(item, &m->conf) || !(m->conf.services & o->service) ||
            is_excepted(o, &m->conf.except) || (o->name.n && !sv_eq(m->conf.name, o->name)))
            continue;
        m->new_body = -1;
        ms->n++;
    }
    if (ms->n)
        return ms;
    milters_free(ms);
    return NULL;
}

void milters_free(struct milters *ms)
{
    for (size_t i = 0; ms && i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        link_close(ms, m, true);
        for (size_t k = 0; k < MILTER_STEPS; k++)
            free(m->wishes[k]);
        buf_done(&m->in);
        buf_done(&m->out);
        buf_done(&m->pending);
        closep(&m->new_body);
    }
    if (ms) {
        free(ms->list);
        free(ms->helo);
    }
    free(ms);
}

bool milters_may_block(const struct milters *ms)
{
    for (size_t i = 0; ms && i < ms->n; i++)
        if (!ms->m[i].done)
            return true;
    return false;
}

bool milters_discard(const struct milters *ms)
{
    return ms && ms->discard;
}

int64_t milter_took_ms(const struct milter *m)
{
    return MAX(clock_mono_ms() - m->started_ms, 0);
}

void milter_add_macros(struct milters *ms, struct milter *m, enum milter_step s)
{
    char tmp[512];
    const char *names = m->wishes[s] ? m->wishes[s] : usual[s];
    struct sv rest = sv_c(names);
    if (!names)
        return;
    size_t at = milter_macros_begin(&m->out, s);
    while (rest.p) {
        struct sv name = sv_trim(sv_split(&rest, ' '));
        struct sv value = name.n ? ms->o.macro(ms->o.arg, name, tmp) : SV_NULL;
        if (value.p)
            milter_macro(&m->out, name, value);
    }
    milter_macros_end(&m->out, at);
}

static bool speaks_of_one_step(enum milter_kind k)
{
    return k <= MILTER_SHUTDOWN;
}

int milter_ask(struct milters *ms, struct milter *m, enum milter_step s, struct milter_answer *ret,
               struct errinfo *ei)
{
    bool answers = milter_answers(m->protocol, s);
    int r = link_send(ms, m, ei);
    if (r == 0 && answers)
        r = link_receive(ms, m, ret, ei);
    if (r < 0)
        return r;
    if (!answers) {
        ret->kind = MILTER_CONTINUE;
        return 0;
    }
    bool fits = s == MILTER_EOM || speaks_of_one_step(ret->kind);
    if ((ret->kind == MILTER_SKIP && s != MILTER_BODY) ||
        (ret->kind == MILTER_DISCARD && s <= MILTER_HELO))
        fits = false;
    return fits ? 0
                : err_set(ei, E_PARSE, "it answered '%s' to %s", milter_kind_names[ret->kind],
                          milter_step_names[s]);
}

static void note(const struct milters *ms, const struct milter *m, enum milter_step s,
                 const char *answer)
{
    if (log_wanted(ms->o.log, LOG_DEBUG))
        log_line(ms->o.log, LOG_DEBUG, "Milter " SV_FMT ": %s - %s, %" PRId64 " ms",
                 SV_ARG(m->conf.name), milter_step_names[s], answer, milter_took_ms(m));
}

static enum milter_verdict refused(struct milters *ms, struct milter *m, enum milter_step s,
                                   const struct milter_answer *a, struct milter_result *ret)
{
    const char *kind = milter_kind_names[a->kind];
    struct sv reply = a->kind == MILTER_REPLY ? sv_trim(a->text) : sv_c(kind);
    ret->temporary = a->kind == MILTER_TEMPFAIL || a->kind == MILTER_SHUTDOWN;
    ret->reply = SV_NULL;
    if (a->kind == MILTER_REPLY) {
        memcpy(ret->lines, a->text.p, a->text.n);
        ret->reply = sv_n(ret->lines, a->text.n);
        ret->temporary = a->text.p[0] == '4';
    }
    event(milter_refused, ms->o.log, F_STR(milter, m->conf.name), F_STR(step, milter_step_names[s]),
          F_STR(reply, reply), F_INT(took, milter_took_ms(m)));
    return a->kind == MILTER_SHUTDOWN ? MILTERS_CLOSE : MILTERS_REFUSE;
}

enum milter_verdict milter_judge(struct milters *ms, struct milter *m, enum milter_step s,
                                 const struct milter_answer *a, struct milter_result *ret)
{
    switch (a->kind) {
    case MILTER_ACCEPT:
        note(ms, m, s, "accept");
        m->passed = true;
        if (s <= MILTER_HELO) {
            m->done = true;
            link_close(ms, m, true);
        }
        return MILTERS_PASS;
    case MILTER_DISCARD:
        event(milter_discarded, ms->o.log, F_STR(milter, m->conf.name),
              F_STR(step, milter_step_names[s]), F_INT(took, milter_took_ms(m)));
        ms->discard = true;
        return MILTERS_PASS;
    case MILTER_REJECT:
    case MILTER_TEMPFAIL:
    case MILTER_REPLY:
    case MILTER_SHUTDOWN:
        return refused(ms, m, s, a, ret);
    case MILTER_CONTINUE:
    case MILTER_SKIP:
    case MILTER_PROGRESS:
    case MILTER_ADD_HEADER:
    case MILTER_INSERT_HEADER:
    case MILTER_CHANGE_HEADER:
    case MILTER_REPLACE_BODY:
    case MILTER_ADD_RCPT:
    case MILTER_DELETE_RCPT:
    case MILTER_CHANGE_FROM:
    case MILTER_QUARANTINE:
    case MILTER_KINDS:
        break;
    }
    note(ms, m, s, milter_kind_names[a->kind]);
    return MILTERS_PASS;
}

static enum milter_verdict without(struct milter *m, struct milter_result *ret)
{
    ret->reply = SV_NULL;
    ret->temporary = m->cancelled || m->conf.failure == MILTER_FAIL_TEMPFAIL;
    return !m->cancelled && m->conf.failure == MILTER_FAIL_ACCEPT ? MILTERS_PASS : MILTERS_REFUSE;
}

enum milter_verdict milter_fail(struct milters *ms, struct milter *m, enum milter_step s,
                                const struct errinfo *ei, struct milter_result *ret)
{
    static const char *const fate[] = { "refused for now", "taken without it", "refused" };
    if (ei->code == E_TIMEOUT)
        link_rest(m);
    link_close(ms, m, false);
    m->in_message = false;
    m->lost = true;
    m->cancelled = ei->code == E_CANCELLED;
    event(milter_failed, ms->o.log, F_STR(milter, m->conf.name), F_STR(step, milter_step_names[s]),
          F_STR(reason, ei->text),
          F_STR(outcome, fate[m->cancelled ? MILTER_FAIL_TEMPFAIL : m->conf.failure]),
          F_INT(took, milter_took_ms(m)));
    return without(m, ret);
}

/* What was sent before is over for it. */
static void abort_first(struct milter *m)
{
    if (m->abort_due)
        milter_put_abort(&m->out);
    m->abort_due = false;
}

/* Connects when that is to be done, and tells the connection and the name; *ret_step: how far it
 * came. */
static int introduce(struct milters *ms, struct milter *m, enum milter_step *ret_step,
                     struct milter_answer *ret, struct errinfo *ei)
{
    char name[64];
    ret->kind = MILTER_CONTINUE;
    *ret_step = MILTER_CONNECT;
    int r = link_open(ms, m, ei);
    if (r == 0)
        abort_first(m);
    if (r == 0 && !m->told_connect) {
        m->told_connect = true;
        if (milter_wants(m->protocol, MILTER_CONNECT)) {
            milter_add_macros(ms, m, MILTER_CONNECT);
            /* A name by PTR proves nothing, and milters have lists of names that they trust. */
            int n = snprintf(name, sizeof(name), "[%s]", ms->o.peer_ip);
            milter_put_connect(&m->out, sv_n(name, (size_t)n), sv_c(ms->o.peer_ip),
                               ms->o.peer_port);
            r = milter_ask(ms, m, MILTER_CONNECT, ret, ei);
        }
    }
    if (r < 0 || ret->kind != MILTER_CONTINUE || m->told_helo || !ms->helo)
        return r;
    *ret_step = MILTER_HELO;
    m->told_helo = true;
    if (!milter_wants(m->protocol, MILTER_HELO))
        return 0;
    milter_add_macros(ms, m, MILTER_HELO);
    milter_put_helo(&m->out, sv_c(ms->helo));
    return milter_ask(ms, m, MILTER_HELO, ret, ei);
}

enum milter_verdict milters_helo(struct milters *ms, struct sv name, bool *ret_connect,
                                 struct milter_result *ret)
{
    free(ms->helo);
    ms->helo = sv_dup(name);
    for (size_t i = 0; i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        struct milter_answer a;
        struct errinfo ei = { 0 };
        enum milter_step s;
        m->told_helo = false;
        if (m->done)
            continue;
        link_begin(m);
        int r = introduce(ms, m, &s, &a, &ei);
        if (r < 0) {
            /* Shown when there is mail: then it is tried again. */
            log_line(ms->o.log, LOG_DEBUG, "Milter " SV_FMT ": %s", SV_ARG(m->conf.name), ei.text);
            if (ei.code == E_TIMEOUT)
                link_rest(m);
            link_close(ms, m, false);
            continue;
        }
        enum milter_verdict v = milter_judge(ms, m, s, &a, ret);
        m->passed = false;
        *ret_connect = s == MILTER_CONNECT;
        if (v != MILTERS_PASS) {
            link_close(ms, m, true); /* asked anew when the client goes on */
            return v;
        }
    }
    return MILTERS_PASS;
}

bool milter_takes_part(struct milters *ms, struct milter *m, enum milter_verdict *ret,
                       struct milter_result *res)
{
    *ret = MILTERS_PASS;
    if (m->done || m->passed || ms->discard)
        return false;
    if (!m->lost)
        return true;
    *ret = without(m, res);
    return false;
}

static enum milter_verdict mail_to(struct milters *ms, struct milter *m, struct sv sender,
                                   struct sv args, struct milter_result *ret)
{
    struct milter_answer a;
    struct errinfo ei = { 0 };
    enum milter_step s;
    link_begin(m);
    int r = introduce(ms, m, &s, &a, &ei);
    if (r == 0 && a.kind == MILTER_CONTINUE) {
        s = MILTER_MAIL;
        m->in_message = true;
        if (milter_wants(m->protocol, s)) {
            milter_add_macros(ms, m, s);
            milter_put_envelope(&m->out, s, sender, args);
            r = milter_ask(ms, m, s, &a, &ei);
        }
    }
    if (r < 0)
        return milter_fail(ms, m, s, &ei, ret);
    enum milter_verdict v = milter_judge(ms, m, s, &a, ret);
    if (v != MILTERS_PASS && s != MILTER_MAIL)
        link_close(ms, m, true); /* asked anew about the next message */
    return v;
}

enum milter_verdict milters_mail(struct milters *ms, struct sv sender, struct sv args,
                                 bool authenticated, struct milter_result *ret)
{
    milters_reset(ms);
    for (size_t i = 0; i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        enum milter_verdict v;
        m->passed = authenticated && m->conf.except.authenticated;
        if (milter_takes_part(ms, m, &v, ret))
            v = mail_to(ms, m, sender, args, ret);
        if (v != MILTERS_PASS) {
            milters_reset(ms);
            return v;
        }
    }
    return MILTERS_PASS;
}

/* RCPT or DATA, by what `out` holds already. */
static enum milter_verdict tell(struct milters *ms, struct milter *m, enum milter_step s,
                                struct milter_result *ret)
{
    struct milter_answer a;
    struct errinfo ei = { 0 };
    int r = milter_ask(ms, m, s, &a, &ei);
    return r < 0 ? milter_fail(ms, m, s, &ei, ret) : milter_judge(ms, m, s, &a, ret);
}

enum milter_verdict milters_rcpt(struct milters *ms, struct sv rcpt, struct sv args,
                                 struct milter_result *ret)
{
    for (size_t i = 0; i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        enum milter_verdict v;
        if (milter_takes_part(ms, m, &v, ret) && milter_wants(m->protocol, MILTER_RCPT)) {
            link_begin(m);
            milter_add_macros(ms, m, MILTER_RCPT);
            milter_put_envelope(&m->out, MILTER_RCPT, rcpt, args);
            v = tell(ms, m, MILTER_RCPT, ret);
        }
        if (v != MILTERS_PASS)
            return v;
    }
    return MILTERS_PASS;
}

enum milter_verdict milter_tell_data(struct milters *ms, struct milter *m,
                                     struct milter_result *ret)
{
    if (m->told_data || !milter_wants(m->protocol, MILTER_DATA))
        return MILTERS_PASS;
    m->told_data = true;
    milter_add_macros(ms, m, MILTER_DATA);
    milter_put_step(&m->out, MILTER_DATA);
    return tell(ms, m, MILTER_DATA, ret);
}

enum milter_verdict milters_data(struct milters *ms, struct milter_result *ret)
{
    for (size_t i = 0; i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        enum milter_verdict v;
        if (milter_takes_part(ms, m, &v, ret)) {
            link_begin(m);
            v = milter_tell_data(ms, m, ret);
        }
        if (v != MILTERS_PASS)
            return v;
    }
    return MILTERS_PASS;
}

void milters_reset(struct milters *ms)
{
    for (size_t i = 0; ms && i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        m->abort_due |= m->in_message;
        m->in_message = m->told_data = m->passed = m->lost = false;
    }
    if (ms)
        ms->discard = false;
}
