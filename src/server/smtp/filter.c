/* Rules of content filters at the end of the content: the server's, those of the domain whose
 * account sends, those of the domains that receive. What they say of recipients is done owner by
 * owner; what they change of the content at the end, all at once. ADR 0018. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/account/filter_store.h"
#include "mail/account/pattern.h"
#include "server/smtp/smtp_priv.h"

enum { MAX_OWNERS = 10000 }; /* domains of one message whose rules are asked */

struct owner {
    const struct filter_list *list;
    int64_t domain; /* 0 = the server */
    bool all;       /* its rules are about all recipients */
};

struct filtering {
    struct smtp_session *s;
    struct owner *owner;
    size_t n_owners;
    int64_t *domain_of; /* per recipient; 0 = not ours */
    size_t n_rcpts;
    struct filter_facts facts;
    struct filter_view *view;
    void *map;
    size_t map_n;
    /* What is done to the message: of rules that live in the owners' lists. */
    const struct filter_action **actions;
    size_t n_actions;
    int64_t tarpit_s; /* the client waits so long for its answer */
};

/* --- whose rules --- */

static struct sv domain_part(struct sv address)
{
    ssize_t at = sv_rfind(address, '@');
    return at < 0 ? SV_NULL : sv_skip(address, (size_t)at + 1);
}

/* The domain of ours that a recipient was given in, or that it has become one of. */
static int find_domain(struct smtp_session *s, const struct rcpt *r, int64_t *ret)
{
    int e = account_domain_id(s->srv->accounts, domain_part(sv_c(r->original)), ret);
    if (e == 0 && !*ret && r->kind == RCPT_LOCAL)
        e = account_domain_id(s->srv->accounts, domain_part(sv_c(r->address)), ret);
    return e;
}

static int find_domains(struct filtering *f)
{
    const struct message *m = f->s->tx->m;
    int e = 0;
    f->n_rcpts = m->n_rcpts;
    f->domain_of = xcalloc(m->n_rcpts + 1, sizeof(*f->domain_of));
    for (size_t i = 0; i < m->n_rcpts && e == 0; i++) {
        const struct rcpt *r = &m->rcpts[i], *before = i ? r - 1 : NULL;
        if (before && !strcmp(before->original, r->original) && before->kind == r->kind)
            f->domain_of[i] = f->domain_of[i - 1]; /* of one alias or list */
        else
            e = find_domain(f->s, r, &f->domain_of[i]);
    }
    return e;
}

static int add_owner(struct filtering *f, enum filter_level level, int64_t domain, bool all)
{
    const struct filter_list *list = NULL;
    for (size_t i = 0; i < f->n_owners; i++)
        if (f->owner[i].domain == domain)
            return 0;
    if (f->n_owners == MAX_OWNERS)
        return E_LIMIT;
    int e = account_filters(f->s->srv->accounts, level, domain, &list, NULL);
    if (e < 0 && e != E_NOTFOUND)
        return e;
    f->owner = xrealloc(f->owner, (f->n_owners + 1) * sizeof(*f->owner));
    f->owner[f->n_owners++] = (struct owner){ list, domain, all };
    return 0;
}

static int find_owners(struct filtering *f)
{
    const struct account *sender = f->s->account;
    int e = find_domains(f);
    if (e == 0)
        e = add_owner(f, FILTER_SERVER, 0, true);
    if (e == 0 && sender)
        e = add_owner(f, FILTER_DOMAIN, sender->domain_id, true);
    for (size_t i = 0; i < f->n_rcpts && e == 0; i++)
        if (f->domain_of[i])
            e = add_owner(f, FILTER_DOMAIN, f->domain_of[i], false);
    return e;
}

static void filtering_done(struct filtering *f)
{
    filter_view_free(f->view);
    if (f->map)
        (void)munmap(f->map, f->map_n);
    for (size_t i = 0; i < f->n_owners; i++)
        filter_list_unref(f->owner[i].list);
    free(f->owner);
    free(f->domain_of);
    free(f->facts.rcpts);
    free(f->actions);
}

bool smtp_filters_slow(struct smtp_session *s)
{
    _cleanup_(filtering_done) struct filtering f = { .s = s };
    bool slow = s->tx->m->n_rcpts > 0 && find_owners(&f) < 0;
    for (size_t i = 0; i < f.n_owners; i++)
        slow |= f.owner[i].list && f.owner[i].list->slow;
    return slow;
}

/* --- what they see --- */

static int open_message(struct filtering *f)
{
    const struct smtp_rx *rx = &f->s->tx->rx;
    if (rx->fd < 0) {
        f->facts.message = sv_skip(buf_sv(&rx->mem), rx->trace);
        return 0;
    }
    f->map_n = (size_t)rx->spooled;
    f->map = mmap(NULL, f->map_n, PROT_READ, MAP_PRIVATE, rx->fd, 0);
    if (f->map == MAP_FAILED) {
        f->map = NULL;
        return E_TEMP;
    }
    f->facts.message = sv_skip(sv_n(f->map, f->map_n), rx->trace);
    return 0;
}

void smtp_filter_facts(struct smtp_session *s, struct filter_facts *ret)
{
    ret->sender = sv_c(s->tx->m->sender);
    ret->helo = sv_c(s->helo ? s->helo : "");
    ret->host = sv_c(s->peer_host ? s->peer_host : "");
    ret->user = sv_c(s->tx->m->auth_user);
    ret->ip = conn_peer_ip(s->c);
    ret->authenticated = s->account != NULL;
    ret->trusted = conn_peer_trusted(s->c);
    ret->tls = conn_is_tls(s->c);
    ret->now_s = clock_wall_s();
    ret->in_pattern = pattern_has;
    ret->in_pattern_arg = s->srv->accounts;
}

static bool concerns(const struct filtering *f, const struct owner *o, size_t rcpt)
{
    return o->all || f->domain_of[rcpt] == o->domain;
}

/* The recipients that the owner may see, as they were given. */
static void show_rcpts(struct filtering *f, const struct owner *o)
{
    const struct message *m = f->s->tx->m;
    const char *before = "";
    f->facts.n_rcpts = 0;
    for (size_t i = 0; i < f->n_rcpts; i++) {
        const char *given = *m->rcpts[i].original ? m->rcpts[i].original : m->rcpts[i].address;
        if (concerns(f, o, i) && strcmp(given, before) != 0)
            f->facts.rcpts[f->facts.n_rcpts++] = sv_c(before = given);
    }
    f->facts.outgoing = o->domain ? f->s->account && f->s->account->domain_id == o->domain
                                  : f->s->account || smtp_trusted(f->s);
}

/* --- what they say of recipients --- */

static void failed(struct filtering *f, const struct owner *o, const char *reason)
{
    event(filter_failed, &f->s->log, F_STR(owner, o->list->name), F_STR(reason, reason));
}

/* Takes out the owner's recipients, but not one of this address. The arrays shrink alike. */
static void drop(struct filtering *f, const struct owner *o, struct sv but)
{
    struct message *m = f->s->tx->m;
    bool *gone = xcalloc(f->n_rcpts + 1, sizeof(*gone));
    size_t kept = 0;
    for (size_t i = 0; i < f->n_rcpts; i++) {
        gone[i] = concerns(f, o, i) && !(but.n && sv_ieq(sv_c(m->rcpts[i].address), but));
        if (!gone[i])
            f->domain_of[kept++] = f->domain_of[i];
    }
    smtp_drop_rcpts(f->s, gone, f->n_rcpts);
    f->n_rcpts = kept;
    free(gone);
}

/* What rules add is nobody's: no further rules are asked about it. */
static void note_added(struct filtering *f)
{
    size_t n = f->s->tx->m->n_rcpts;
    f->domain_of = xrealloc(f->domain_of, (n + 1) * sizeof(*f->domain_of));
    f->facts.rcpts = xrealloc(f->facts.rcpts, (n + 1) * sizeof(*f->facts.rcpts));
    for (; f->n_rcpts < n; f->n_rcpts++)
        f->domain_of[f->n_rcpts] = 0;
}

static bool is_rcpt(const struct message *m, struct sv address)
{
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (sv_ieq(sv_c(m->rcpts[i].address), address))
            return true;
    return false;
}

static void add(struct filtering *f, const struct owner *o, struct sv address, bool instead)
{
    struct message *m = f->s->tx->m;
    char why[400];
    size_t before = m->n_rcpts, mine = 0;
    while (mine < f->n_rcpts && !concerns(f, o, mine))
        mine++;
    /* In the name of an address of ours, so that SRS knows whose forwarding it is. */
    _cleanup_(freep) char *name =
        sv_dup(mine < f->n_rcpts && f->domain_of[mine] ? sv_c(m->rcpts[mine].original) : address);
    smtp_forward_rcpt(f->s, address, sv_c(name));
    if (m->n_rcpts == before && !is_rcpt(m, address)) {
        snprintf(why, sizeof(why), "%s leads to nobody: " SV_FMT, instead ? "forward" : "copy",
                 SV_ARG(address));
        failed(f, o, why);
    } else if (instead) {
        drop(f, o, address);
    }
    note_added(f);
}

/* --- what they say --- */

void smtp_filter_tell(struct smtp_session *s, const struct filter_list *list,
                      const struct filter_rule *rule)
{
    char what[400];
    filter_describe(rule, what, sizeof(what));
    event(filter_hit, &s->log, F_STR(rule, rule->name), F_STR(owner, list->name),
          F_STR(what, what));
    for (size_t i = 0; i < list->rules.n; i++)
        if (list->rules.v[i] == rule)
            account_filter_hit(s->srv->accounts, list, i);
}

/* In the transcript, as administrators look for it there. */
static void say_not_delivered(struct filtering *f, const struct owner *o,
                              const struct filter_rule *rule, const char *action)
{
    const struct message *m = f->s->tx->m;
    for (size_t i = 0; i < f->n_rcpts; i++)
        if (concerns(f, o, i))
            log_line(&f->s->log, LOG_DEBUG,
                     "Message for <%s> not delivered. Reasons:[ContentFilter=" SV_FMT
                     "], Action:%s",
                     m->rcpts[i].address, SV_ARG(rule->name), action);
}

static void keep_action(struct filtering *f, const struct filter_action *a)
{
    f->actions = xrealloc(f->actions, (f->n_actions + 1) * sizeof(*f->actions));
    f->actions[f->n_actions++] = a;
}

/* --- what is done at delivery: it travels with the recipient --- */

static void order_folder(struct filtering *f, const struct owner *o, const struct filter_action *a)
{
    struct message *m = f->s->tx->m;
    bool all = true;
    for (size_t i = 0; i < f->n_rcpts; i++)
        if (concerns(f, o, i) && m->rcpts[i].kind == RCPT_LOCAL)
            all &= smtp_order_folder(m, &m->rcpts[i], a->text);
    if (!all)
        failed(f, o, "move: the message has too many different orders");
}

/* By the first of the owner's recipients who has a mailbox: one message has one reply. */
static void order_reply(struct filtering *f, const struct owner *o, const struct filter_action *a)
{
    struct message *m = f->s->tx->m;
    for (size_t i = 0; i < f->n_rcpts; i++)
        if (concerns(f, o, i) && smtp_may_reply(f->s, &m->rcpts[i])) {
            if (!smtp_order_reply(m, &m->rcpts[i], a))
                failed(f, o, "respond: the message has too many different orders");
            return;
        }
}

static void list_sender(struct filtering *f, const struct owner *o, const struct filter_rule *rule,
                        bool allow)
{
    struct errinfo ei = { 0 };
    if (smtp_list_sender(
            f->s, &(struct smtp_listing){ o->domain, o->list->name, rule->name, allow }, &ei) < 0)
        failed(f, o, ei.text);
}

static void act(struct filtering *f, const struct owner *o, const struct filter_rule *rule,
                const struct filter_action *a)
{
    struct message *m = f->s->tx->m;
    switch (a->kind) {
    case FILTER_DELETE:
        say_not_delivered(f, o, rule, "DELETE");
        drop(f, o, SV_NULL);
        return;
    case FILTER_QUARANTINE:
        say_not_delivered(f, o, rule, "QUARANTINE");
        m->held = true;
        return;
    case FILTER_REJECT:
        say_not_delivered(f, o, rule, "REJECT");
        return;
    case FILTER_PRIORITY:
        m->priority = (enum priority)a->number;
        return;
    case FILTER_FORWARD:
    case FILTER_COPY:
        add(f, o, a->text, a->kind == FILTER_FORWARD);
        return;
    case FILTER_TARPIT:
        f->tarpit_s = MAX(f->tarpit_s, a->number);
        return;
    case FILTER_MOVE:
        order_folder(f, o, a);
        return;
    case FILTER_RESPOND:
        order_reply(f, o, a);
        return;
    case FILTER_DENY_SENDER:
    case FILTER_ALLOW_SENDER:
        list_sender(f, o, rule, a->kind == FILTER_ALLOW_SENDER);
        return;
    case FILTER_ADD_HEADER:
    case FILTER_SET_HEADER:
    case FILTER_REMOVE_HEADER:
    case FILTER_TAG_SUBJECT:
    case FILTER_MILTER:
    case FILTER_COMMAND:
        keep_action(f, a);
        return;
    case FILTER_ACCEPT:
    case FILTER_STOP:
    case FILTER_ADD_SCORE:
        return;
    }
}

/* True: go on with the next owner. */
static bool ask_owner(struct filtering *f, const struct owner *o, bool *ret_ok)
{
    struct filter_result res = { 0 };
    struct errinfo ei = { 0 };
    show_rcpts(f, o);
    int e = filter_run(f->view, &o->list->rules, &res, &ei);
    for (size_t i = 0; i < res.n; i++) {
        smtp_filter_tell(f->s, o->list, res.hits[i]);
        for (size_t k = 0; e == 0 && k < res.hits[i]->n_actions; k++)
            act(f, o, res.hits[i], &res.hits[i]->actions[k]);
    }
    if (e < 0) {
        failed(f, o, ei.text);
        smtp_rx_refuse(f->s, e == E_RANGE
                                 ? SV("554 5.3.4 Message is too complex to be examined")
                                 : SV("451 4.3.0 Message cannot be examined now, try again later"));
    } else if (res.end == FILTER_END_REJECT) {
        smtp_rx_refuse(f->s, res.reply);
    }
    *ret_ok = e == 0 && res.end != FILTER_END_REJECT;
    bool more = *ret_ok && res.end != FILTER_END_ACCEPT;
    filter_result_done(&res);
    return more;
}

static bool ask_all(struct filtering *f)
{
    bool ok = true;
    for (size_t i = 0; i < f->n_owners; i++)
        if (f->owner[i].list && f->n_rcpts && !ask_owner(f, &f->owner[i], &ok))
            break;
    return ok;
}

static bool any_rules(const struct filtering *f)
{
    for (size_t i = 0; i < f->n_owners; i++)
        if (f->owner[i].list)
            return true;
    return false;
}

bool smtp_filter_message(struct smtp_session *s)
{
    _cleanup_(filtering_done) struct filtering f = { .s = s };
    int e = find_owners(&f);
    if (e == 0 && !any_rules(&f))
        return true;
    if (e == 0)
        e = open_message(&f);
    if (e < 0) {
        smtp_rx_refuse(s, SV("451 4.3.0 Temporary failure, try again later"));
        return false;
    }
    smtp_filter_facts(s, &f.facts);
    f.facts.rcpts = xcalloc(f.n_rcpts + 1, sizeof(*f.facts.rcpts));
    f.view = filter_view_new(&f.facts);
    bool ok = ask_all(&f);
    conn_delay(s->c, f.tarpit_s * 1000);
    filter_view_free(take_ptr(f.view)); /* before the content is written anew */
    if (!ok || f.n_actions == 0 || s->tx->m->n_rcpts == 0)
        return ok;
    return smtp_filter_change(s, f.actions, f.n_actions) &&
           smtp_filter_programs(s, f.actions, f.n_actions);
}
