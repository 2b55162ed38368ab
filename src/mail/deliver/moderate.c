#include "mail/deliver/moderate.h"

#include "base/clock.h"
#include "mail/account/members.h"
#include "mail/deliver/moderate_mail.h"
#include "mail/deliver/send.h"

static void refuse(struct script_outcome *ret, const char *form, const struct account *list)
{
    char text[600];
    snprintf(text, sizeof(text), form, list->address);
    outcome_set(ret, RCPT_FAILED, text);
}

/* --- a new post --- */

static struct message *post_of(const struct message *m, const struct rcpt *r,
                               const struct account *list)
{
    struct message *post = send_begin(m, list->id, "moderation");
    struct rcpt *to = message_add_rcpt(post, sv_c(list->address), RCPT_LOCAL);
    to->account_id = list->id;
    to->notify = r->notify == NOTIFY_SUCCESS ? NOTIFY_NEVER : r->notify & ~(unsigned)NOTIFY_SUCCESS;
    message_set_original(to, sv_c(r->original));
    message_set(&to->orcpt, sv_c(r->orcpt));
    message_set(&post->sender, sv_c(m->sender));
    message_set(&post->auth_user, sv_c(m->auth_user));
    message_set(&post->envid, sv_c(m->envid));
    memcpy(post->peer_ip, m->peer_ip, sizeof(post->peer_ip));
    post->auth_account = m->auth_account;
    post->ret = m->ret;
    post->hops = m->hops;
    post->body_8bit = m->body_8bit;
    post->smtputf8 = m->smtputf8;
    post->requiretls = m->requiretls;
    post->tls_optional = m->tls_optional;
    post->priority = m->priority;
    post->moderation = MODERATION_WAITS;
    post->delay_told = true; /* it is no server that is slow */
    return post;
}

static int hold(struct deliver *d, struct message *m, const struct rcpt *r,
                const struct account *list, struct sv content, struct script_outcome *ret,
                struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(message_unrefp) struct message *post = post_of(m, r, list);
    _cleanup_(buf_done) struct buf head = { 0 };
    buf_init(&head, content.n + 1);
    int e = queue_has_child(d->queue, m, post->key) ? E_EXISTS
                                                    : send_fill(d, cf, post, &head, content, ei);
    if (e >= 0)
        e = queue_accept_child(d->queue, m, post, ei);
    if (e < 0 && e != E_EXISTS)
        return e == E_NOTFOUND ? E_TEMP : e;
    if (e >= 0) {
        struct logctx c = deliver_ctx(m);
        event(list_held, &c, F_ADDR(rcpt, list->address), F_ID(child, post->id),
              F_KEY(child_key, post->key));
    }
    outcome_set(ret, RCPT_DELIVERED, "250 2.1.5 Waits for a moderator");
    return 1;
}

/* --- a post that waits --- */

static int wait_for_them(struct deliver *d, struct message *m, const struct account *list,
                         struct sv content, struct script_outcome *ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char text[600];
    int64_t until = m->received_ms + cf->deliver.list_approval_time;
    if (clock_wall_ms() >= until) {
        refuse(ret, "550 5.7.2 No moderator of %s approved the message in time", list);
        return 1;
    }
    int r = moderate_notice(d, m, list, content, until, ei);
    if (r < 0)
        return r;
    m->next_try_ms = until;
    snprintf(text, sizeof(text), "450 4.7.2 Waits for a moderator of %s", list->address);
    outcome_set(ret, RCPT_WAITING, text);
    return 1;
}

/* --- a message of a moderator to an address of the notice --- */

struct decision {
    const char *id;
};

static bool is_post(const struct queue_info *i, void *arg)
{
    const struct decision *x = arg;
    return i->moderated && sv_ieq(sv_c(i->id), sv_c(x->id));
}

/* 1 = done, 0 = there is nothing to decide. */
static int steer(struct deliver *d, const char *id, enum queue_action action, const char *who,
                 struct errinfo *ei)
{
    struct decision x = { id };
    struct queue_steer s = { .action = action, .admin = who, .want = is_post, .arg = &x };
    struct queue_steered done;
    int r = queue_steer(d->queue, &s, &done, ei);
    if (r >= 0 && done.n[STEER_BUSY])
        r = err_set(ei, E_TEMP, "the post %s is being delivered now", id);
    return r < 0 ? r : done.n[STEER_DONE] > 0;
}

static int decide(struct deliver *d, const struct message *m, const struct account *list,
                  const struct moderate_order *order, struct sv content, struct script_outcome *ret,
                  struct errinfo *ei)
{
    int r = account_moderates(list, sv_c(m->sender), sv_c(m->auth_user)) &&
            !moderate_is_automatic(content);
    if (r > 0)
        r = moderate_order_signed(d, list, order, ei);
    if (r < 0)
        return r;
    if (r == 0) {
        refuse(ret, "550 5.7.2 You may not decide about posts to %s", list);
        return 1;
    }
    r = steer(d, order->id, order->approve ? QUEUE_APPROVE : QUEUE_REJECT,
              *m->auth_user ? m->auth_user : m->sender, ei);
    if (r < 0)
        return r;
    if (r == 0)
        refuse(ret,
               "550 5.7.2 The post to %s waits no more: it was decided about, or became too old",
               list);
    else
        outcome_set(ret, RCPT_DELIVERED,
                    order->approve ? "250 2.1.5 Approved" : "250 2.1.5 Rejected");
    return 1;
}

/* --- */

int moderate(struct deliver *d, struct message *m, struct rcpt *r, const struct account *list,
             struct sv content, struct script_outcome *ret, struct errinfo *ei)
{
    struct moderate_order order;
    if (account_kind(list) != KIND_LIST)
        return 0;
    switch (m->moderation) {
    case MODERATION_WAITS:
        return wait_for_them(d, m, list, content, ret, ei);
    case MODERATION_APPROVED:
        return 0;
    case MODERATION_REJECTED:
        refuse(ret, "550 5.7.2 The moderators of %s did not accept the message", list);
        return 1;
    case MODERATION_NONE:
        break;
    }
    if (moderate_order_parse(list, sv_c(r->original), &order))
        return decide(d, m, list, &order, content, ret, ei);
    int e = account_post_waits(d->accounts, list, sv_c(m->sender), sv_c(m->auth_user), ei);
    return e <= 0 ? e : hold(d, m, r, list, content, ret, ei);
}
