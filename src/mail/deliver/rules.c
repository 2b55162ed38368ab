/* An account's rules of content filters, before its scripts (docs/filters.md). What they change of
 * the header is seen by all that comes after; what they send is sent like a script's. A rule that
 * takes too long loses no mail: then none of them has said anything. */
#include "mail/account/filter_store.h"
#include "mail/account/pattern.h"
#include "mail/deliver/script_priv.h"
#include "mail/filter/change.h"
#include "mail/filter/filter_run.h"

static void note(struct script_run *x, const struct filter_action *a)
{
    if (a->kind == FILTER_DELETE)
        x->deleted = true;
    else if (a->kind == FILTER_REJECT)
        x->refusal = a->text;
    else if (a->kind == FILTER_MOVE)
        x->folder = a->text;
    else if (a->kind == FILTER_FORWARD)
        x->sent_on = true;
    if (a->kind == FILTER_FORWARD || a->kind == FILTER_COPY || a->kind == FILTER_RESPOND) {
        x->asked = xrealloc(x->asked, (x->n_asked + 1) * sizeof(*x->asked));
        x->asked[x->n_asked++] = a;
    }
}

/* Below the Return-Path, above all else. */
static int put_changed(struct script_run *x, const struct edit *e, struct sv front, struct sv body)
{
    buf_init(&x->changed, front.n + (size_t)edit_header_size(e) + body.n + 16);
    int r = buf_add_sv(&x->changed, front);
    edit_put_header(e, &x->changed);
    if (r >= 0)
        r = buf_add_sv(&x->changed, body);
    return r < 0 || x->changed.overflow ? E_TEMP : 0;
}

static int change(struct script_run *x, const struct filter_result *res, struct errinfo *ei)
{
    struct sv all = x->content.bytes, rest = mime_without_return_path(all);
    struct edit e = { .fd = -1, .mem = rest, .size = rest.n };
    int r = edit_open(&e, ei);
    for (size_t i = 0; i < res->n && r == 0; i++)
        for (size_t k = 0; k < res->hits[i]->n_actions; k++)
            filter_change(&e, &res->hits[i]->actions[k]);
    if (r == 0 && e.changed)
        r = put_changed(x, &e, sv_take(all, all.n - rest.n), sv_skip(rest, (size_t)e.body_offset));
    edit_done(&e);
    return r;
}

static void tell(struct script_run *x, const struct filter_rule *rule)
{
    const struct filter_list *l = x->scripts->rules;
    char what[400];
    filter_describe(rule, what, sizeof(what));
    event(filter_hit, &x->log, F_STR(rule, rule->name), F_STR(owner, l->name), F_STR(what, what));
    for (size_t i = 0; i < l->rules.n; i++)
        if (l->rules.v[i] == rule)
            account_filter_hit(x->d->accounts, l, i);
}

void rules_failed(struct script_run *x, const char *reason)
{
    event(filter_failed, &x->log, F_STR(owner, x->acc->address), F_STR(reason, reason));
}

/* What changes nothing is left out: the header of one message is not read twice. */
static bool any_change(const struct filter_result *res)
{
    for (size_t i = 0; i < res->n; i++)
        for (size_t k = 0; k < res->hits[i]->n_actions; k++)
            if (filter_is_change(&res->hits[i]->actions[k]))
                return true;
    return false;
}

static int carry_out(struct script_run *x, const struct filter_result *res, struct errinfo *ei)
{
    for (size_t i = 0; i < res->n; i++) {
        tell(x, res->hits[i]);
        for (size_t k = 0; k < res->hits[i]->n_actions; k++)
            note(x, &res->hits[i]->actions[k]);
    }
    if (x->deleted || x->refusal.n || !any_change(res))
        return 0;
    int r = change(x, res, ei);
    if (r == E_RANGE) { /* a header that is too long to be changed */
        rules_failed(x, ei ? ei->text : "the header is too long");
        return 0;
    }
    if (r == 0 && x->changed.n)
        x->e.message = buf_sv(&x->changed);
    return r;
}

int rules_ask(struct script_run *x, struct errinfo *ei)
{
    struct sv rcpt = x->e.rcpt;
    struct filter_facts f = {
        .message = x->content.bytes,
        .sender = x->e.sender,
        .rcpts = &rcpt,
        .n_rcpts = 1,
        .user = x->e.auth,
        .ip = x->m->peer_ip,
        .authenticated = x->e.auth.n > 0,
        .now_s = x->m->received_ms / 1000, /* the same when it is repeated */
        .in_pattern = pattern_has,
        .in_pattern_arg = x->d->accounts,
    };
    struct filter_result res = { 0 };
    struct errinfo why = { .text = "" };
    struct filter_view *v = filter_view_new(&f);
    int r = filter_run(v, &x->scripts->rules->rules, &res, &why);
    if (r == 0) {
        r = carry_out(x, &res, ei);
    } else if (r == E_TEMP) {
        r = err_set(ei, r, "%s", why.text);
    } else { /* E_LIMIT, E_RANGE */
        rules_failed(x, why.text);
        r = 0;
    }
    filter_view_free(v);
    filter_result_done(&res);
    return r;
}

static void add(struct script_run *x, struct sieve_action a)
{
    x->res.v = xrealloc(x->res.v, (x->res.n + 1) * sizeof(*x->res.v));
    x->res.v[x->res.n++] = a;
}

/* seconds: between replies to one sender; -1: as the settings have it. */
static void add_reply(struct script_run *x, struct sv text, struct sv subject, int64_t seconds)
{
    add(x, (struct sieve_action){ .kind = SIEVE_DO_VACATION,
                                  .text = text,
                                  .subject = subject.n ? subject : SV_NULL,
                                  .seconds = seconds });
}

void rules_take_order(struct script_run *x)
{
    x->order = message_order(x->m, x->r);
    if (x->order)
        x->folder = sv_c(x->order->folder);
}

void rules_add_actions(struct script_run *x)
{
    size_t max = (size_t)x->cf->sieve.max_sent;
    if (x->order && *x->order->reply)
        add_reply(x, sv_c(x->order->reply), sv_c(x->order->subject), x->order->reply_period);
    for (size_t i = 0; i < x->n_asked && i < max; i++) {
        const struct filter_action *a = x->asked[i];
        if (a->kind == FILTER_RESPOND)
            add_reply(x, a->text, a->name, a->number ? a->number * 86400 : -1);
        else
            add(x, (struct sieve_action){
                       .kind = SIEVE_DO_REDIRECT, .target = a->text, .seconds = -1 });
    }
    if (x->n_asked <= max)
        return;
    rules_failed(x, "they send more than sieve.max_sent messages; the others are left out");
    if (x->sent_on && x->mb) /* a forwarding may be among them: better here than nowhere */
        add(x,
            (struct sieve_action){ .kind = SIEVE_DO_KEEP, .target = SV("INBOX"), .seconds = -1 });
}

void rules_done(struct script_run *x)
{
    buf_done(&x->changed);
    free(x->asked);
}
