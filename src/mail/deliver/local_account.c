/* What an account does with its mail: most are added to the inbox together; those of lists, and of
 * accounts that forward, answer, have rules or a Sieve script, are dealt with one at a time. */
#include "mail/account/members.h"
#include "mail/deliver/forward.h"
#include "mail/deliver/list.h"
#include "mail/deliver/local_priv.h"

static int run_script(struct batch *b, const struct put *p, const struct account *acc,
                      const struct script_chain *scripts, struct forward_plan *forward,
                      struct script_outcome *ret, struct errinfo *ei)
{
    bool store = !forward || forward->store;
    int r = 0;
    for (int i = 0; i < 2; i++) {
        _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
        if (store)
            r = mailbox_open(b->d->store, acc->id, sv_c(acc->address), &mb, ei);
        if (r >= 0)
            r = script_deliver(b->d, p->m, p->r, acc, scripts, forward, mb, ret, ei);
        if (r != -ESTALE) /* else the index was made anew meanwhile */
            break;
    }
    return r;
}

static void decide(struct script_outcome *out, enum rcpt_state state, bool stored, const char *text)
{
    out->deleted = false;
    out->state = state;
    out->stored = stored;
    sv_copy(out->text, sizeof(out->text), sv_c(text));
}

static int keep_one(struct batch *b, const struct put *p, const struct account *acc,
                    struct script_outcome *out, struct errinfo *ei)
{
    int r = local_store_one(b, p, acc, ei);
    if (r >= 0)
        decide(out, RCPT_DELIVERED, true, "250 2.1.5 Delivered to mailbox");
    return r;
}

/* The mailbox first, which knows the message when this is repeated; then what leaves. */
static int forward_one(struct batch *b, const struct put *p, const struct account *acc,
                       const struct script_chain *scripts, struct script_outcome *out,
                       struct errinfo *ei)
{
    struct forward_plan plan;
    int r = forward_plan(b->d, p->m, p->r, acc, &plan, ei);
    if (r >= 0 && *plan.refusal) {
        decide(out, RCPT_FAILED, false, plan.refusal);
    } else if (r >= 0 && (scripts->rules || p->r->order || (plan.store && scripts->n))) {
        r = run_script(b, p, acc, scripts, &plan, out, ei);
    } else if (r >= 0) {
        r = plan.store ? local_store_one(b, p, acc, ei) : 0;
        if (r >= 0)
            r = forward_send(b->d, p->m, p->r, acc, &plan, ei);
        if (r >= 0)
            decide(out, RCPT_DELIVERED, plan.store,
                   plan.store ? "250 2.1.5 Delivered to mailbox" : "250 2.1.5 Forwarded");
    }
    forward_done(&plan);
    return r;
}

static void deliver_singly(struct batch *b, const struct put *puts, size_t n,
                           const struct account *acc, const struct script_chain *scripts)
{
    struct script_outcome out = { .state = RCPT_WAITING };
    struct errinfo ei = { 0 };
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        bool again = i && puts[i].index == puts[i - 1].index; /* two addresses of one account */
        if (!again && account_kind(acc) != KIND_USER)
            r = list_deliver(b->d, puts[i].m, puts[i].r, acc, &out, &ei);
        else if (!again && forward_wanted(acc))
            r = forward_one(b, &puts[i], acc, scripts, &out, &ei);
        else if (!again && (script_chain_any(scripts) || puts[i].r->order))
            r = run_script(b, &puts[i], acc, scripts, NULL, &out, &ei);
        else if (!again)
            r = keep_one(b, &puts[i], acc, &out, &ei);
        if (!again && r >= 0 && out.state == RCPT_DELIVERED && !out.deleted &&
            account_kind(acc) == KIND_USER && auto_reply_wanted(acc))
            auto_reply(b->d, puts[i].m, puts[i].r, acc);
        if (r < 0)
            local_answer_error(&puts[i], r, *ei.text ? ei.text : err_name(r));
        else if (out.stored || out.state == RCPT_FAILED)
            local_answer(&puts[i], out.state, out.text);
        else
            local_settle(&puts[i], out.state, out.text);
    }
}

/* Something was decided about one of them when it was accepted. */
static bool any_order(const struct put *puts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (puts[i].r->order)
            return true;
    return false;
}

void local_deliver_account(struct batch *b, struct put *puts, size_t n)
{
    struct script_chain scripts = { .rules = NULL };
    _cleanup_(account_unrefp) const struct account *acc = NULL;
    struct errinfo ei = { 0 };
    int64_t id = puts[0].r->account_id;
    int r = account_find_id(b->d->accounts, id, &acc, &ei);
    if (r == E_NOTFOUND) { /* deleted since acceptance */
        for (size_t i = 0; i < n; i++)
            local_answer(&puts[i], RCPT_FAILED, "550 5.1.1 User unknown");
        return;
    }
    if (r >= 0)
        r = script_chain_find(b->d, acc, &scripts, &ei);
    if (r >= 0 && (script_chain_any(&scripts) || any_order(puts, n) || forward_wanted(acc) ||
                   auto_reply_wanted(acc) || account_kind(acc) != KIND_USER)) {
        deliver_singly(b, puts, n, acc, &scripts);
        script_chain_done(&scripts);
        return;
    }
    if (r >= 0 && b->many && local_leave_all(b, puts, n, acc))
        return;
    if (r >= 0)
        r = local_store_all(b, puts, n, acc, &ei);
    if (r == -ESTALE) /* the index was made anew meanwhile */
        r = local_store_all(b, puts, n, acc, &ei);
    for (size_t i = 0; i < n && r < 0; i++)
        local_answer_error(&puts[i], r, ei.text);
}
