/* Mailing lists (RFC 2369, RFC 2919) and groups.
 *
 * All members get one message: one file serves all mailboxes here. Its key does not depend on who
 * they are: when they change between a crash and the repetition, nobody has it twice. */
#include "mail/deliver/list.h"

#include "base/clock.h"
#include "base/hash.h"
#include "mail/account/members.h"
#include "mail/account/unsubscribe.h"
#include "mail/deliver/moderate.h"
#include "mail/deliver/send.h"
#include "proto/mime.h"

struct expansion {
    struct deliver *d;
    struct message *m;
    struct rcpt *r;
    const struct account *acc;
    struct message *to;  /* one for all */
    struct message *own; /* to members elsewhere who get a URL each (RFC 8058) */
    struct content_view content;
    struct map *seen;
    struct sv *others; /* members that are no accounts: resolved when the database is free */
    size_t n_others;
    int error;
};

/* --- members --- */

static void add_to(struct expansion *x, struct message *to, struct sv address, enum rcpt_kind kind,
                   int64_t account_id)
{
    if (map_put(x->seen, address, x))
        return;
    struct rcpt *r = message_add_rcpt(to, address, kind);
    r->account_id = account_id;
    if (kind == RCPT_REMOTE)
        message_set_original(r, sv_c(x->acc->address));
}

static void add(struct expansion *x, struct sv address, enum rcpt_kind kind, int64_t account_id)
{
    add_to(x, x->to, address, kind, account_id);
}

/* A member elsewhere: what it gets can end its own membership. */
static void add_remote_member(struct expansion *x, struct sv address)
{
    bool own = account_kind(x->acc) == KIND_LIST && account_is(x->acc, OPT_LIST_ONE_CLICK) &&
               unsubscribe_possible(address);
    add_to(x, own ? x->own : x->to, address, RCPT_REMOTE, 0);
}

static bool take_member(const struct member *m, void *arg)
{
    struct expansion *x = arg;
    struct sv address = m->address;
    if (m->account_id == x->acc->id)
        return true;
    if (m->account_id) {
        add(x, address, RCPT_LOCAL, m->account_id);
        return true;
    }
    x->others = xrealloc(x->others, (x->n_others + 1) * sizeof(*x->others));
    x->others[x->n_others++] = sv_n(sv_dup(address), address.n);
    return true;
}

static int add_other(struct expansion *x, struct sv address, struct errinfo *ei)
{
    struct resolved to = { 0 };
    int r = account_resolve(x->d->accounts, address, &to, ei);
    if (r >= 0 && to.kind == RESOLVE_REMOTE)
        add_remote_member(x, address);
    for (size_t i = 0; r >= 0 && i < to.n; i++)
        if (to.accounts[i]->id != x->acc->id)
            add(x, sv_c(to.accounts[i]->address), RCPT_LOCAL, to.accounts[i]->id);
    for (size_t i = 0; r >= 0 && i < to.n_forward; i++)
        add(x, sv_c(to.forward[i]), RCPT_REMOTE, 0);
    if (r == E_PARSE || (r >= 0 && (to.kind == RESOLVE_UNKNOWN || to.kind == RESOLVE_DISABLED))) {
        struct logctx c = deliver_ctx(x->m);
        event(account_not_sent, &c, F_ADDR(rcpt, x->r->address), F_STR(what, address),
              F_STR(reason, "the member does not exist here"));
        r = 0;
    }
    resolved_done(&to);
    return r;
}

static int add_members(struct expansion *x, struct errinfo *ei)
{
    int r = account_members_each(x->d->accounts, x->acc->id, take_member, x, ei);
    for (size_t i = 0; i < x->n_others; i++) {
        if (r >= 0)
            r = add_other(x, x->others[i], ei);
        free((char *)x->others[i].p);
    }
    free(x->others);
    return r;
}

/* --- content --- */

/* Whom reports about members go to, and who answers for the list. */
static struct sv owner(const struct account *acc, char tmp[400])
{
    struct sv rest = sv_c(account_option(acc, OPT_LIST_OWNER));
    if (rest.n)
        return sv_split(&rest, ';');
    snprintf(tmp, 400, "postmaster@%s", acc->domain);
    return sv_c(tmp);
}

/* The list's own fields stand in place of those of another list. */
static bool is_lists(struct sv name)
{
    return sv_istarts(name, SV("List-")) || sv_ieq(name, SV("Precedence"));
}

static int copy_header(struct sv block, struct buf *out)
{
    _cleanup_(arena_done) struct arena arena;
    struct mime_part *root = NULL;
    const char *from = block.p;
    arena_init(&arena, 4 * MiB);
    (void)mime_parse(block, &arena, &root);
    for (unsigned i = 0; root && i < root->n_headers; i++) {
        const struct mime_header *h = &root->headers[i];
        if (!is_lists(h->name))
            continue;
        (void)buf_add_sv(out, sv_n(from, (size_t)(h->raw.p - from)));
        from = h->raw.p + h->raw.n;
    }
    return buf_add_sv(out, sv_n(from, (size_t)(block.p + block.n - from)));
}

/* A phrase of plain text; nothing else is worth its quoting. */
static void add_phrase(struct buf *b, const char *name)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~' || strchr("\"\\<>", *p))
            return;
    if (*name)
        (void)buf_addf(b, "\"%s\" ", name);
}

static void add_unsubscribe(struct buf *b, const struct account *acc, struct sv to)
{
    (void)buf_addf(b, "List-Unsubscribe: <mailto:" SV_FMT "?subject=unsubscribe%%20%s>\r\n",
                   SV_ARG(to), acc->address);
}

static void add_list_fields(struct buf *b, const struct account *acc, struct sv to)
{
    (void)buf_add_str(b, "List-Id: ");
    add_phrase(b, acc->name);
    (void)buf_addf(b, "<%s.%s>\r\n", acc->local, acc->domain);
    if (strcmp(account_option(acc, OPT_LIST_POST), "moderators") == 0)
        (void)buf_add_str(b, "List-Post: NO\r\n");
    else
        (void)buf_addf(b, "List-Post: <mailto:%s>\r\n", acc->address);
    (void)buf_addf(b,
                   "List-Owner: <mailto:" SV_FMT ">\r\n"
                   "List-Help: <mailto:" SV_FMT "?subject=help%%20%s>\r\n"
                   "Precedence: list\r\n",
                   SV_ARG(to), SV_ARG(to), acc->address);
}

static int fill(struct expansion *x, struct message *m, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(buf_done) struct buf head = { 0 };
    char host[256], date[40], tmp[400];
    bool is_list = account_kind(x->acc) == KIND_LIST;
    struct sv rest = mime_without_return_path(x->content.bytes), to = owner(x->acc, tmp);
    size_t n = mime_header_length(rest);
    message_set(&m->sender, is_list ? to : sv_c(x->m->sender));
    m->priority = is_list ? PRIORITY_LOW : x->m->priority; /* persons do not wait for lists */
    m->hops = x->m->hops + 1;
    m->body_8bit = x->m->body_8bit;
    m->smtputf8 = x->m->smtputf8;
    deliver_hostname(cf, host);
    clock_rfc5322(m->received_ms / 1000, date);
    buf_init(&head, rest.n + 16 * KiB);
    (void)buf_addf(&head, "Return-Path: <%s>\r\n", m->sender);
    if (m->one_click) { /* first, where the URL is put in when it is sent */
        add_unsubscribe(&head, x->acc, to);
        (void)buf_add_str(&head, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    }
    (void)buf_addf(&head,
                   "Received: by %s (%s %s)\r\n\tid %s;\r\n\t%s\r\n"
                   "Delivered-To: %s\r\n",
                   host, is_list ? "list" : "group", x->acc->address, m->id, date, x->acc->address);
    if (is_list)
        add_list_fields(&head, x->acc, to);
    if (is_list && !m->one_click)
        add_unsubscribe(&head, x->acc, to);
    int r = is_list ? copy_header(sv_take(rest, n), &head) : buf_add_sv(&head, sv_take(rest, n));
    return r < 0 ? r : send_fill(x->d, cf, m, &head, sv_skip(rest, n), ei);
}

/* --- telling --- */

/* Each copy has an id of its own, which leads to the message that all of them share. */
static void tell_copies(const struct expansion *x, const struct message *m)
{
    for (size_t i = 0; i < m->n_rcpts; i++) {
        _cleanup_(message_unrefp) struct message *copy = message_new();
        struct logctx c = deliver_ctx(m);
        message_assign_ids(copy);
        c.message_id = copy->id;
        event(list_copy, &c, F_ADDR(rcpt, m->rcpts[i].address), F_STR(item, m->item),
              F_ID(parent, x->m->id));
    }
}

static void tell_sent(const struct expansion *x, const struct message *m)
{
    char what[100];
    struct logctx c = deliver_ctx(x->m);
    snprintf(what, sizeof(what), "sent to %u members", m->n_rcpts);
    event(account_sent, &c, F_ADDR(rcpt, x->r->address), F_STR(what, what), F_ID(child, m->id),
          F_KEY(child_key, m->key));
}

/* --- */

/* 1: refused, *ret says how. */
static int refuse(struct expansion *x, struct script_outcome *ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char text[600];
    int r = 1; /* a post that waited for its moderators was allowed */
    if (x->m->moderation == MODERATION_NONE)
        r = account_may_post(x->d->accounts, x->acc, sv_c(x->m->sender), sv_c(x->m->auth_user), ei);
    if (r < 0)
        return r;
    if (send_came_back(x->content.bytes, x->acc->address))
        snprintf(text, sizeof(text), "554 5.4.6 Mail forwarding loop for %s", x->acc->address);
    else if (x->m->hops + 1 > (unsigned)cf->smtp.max_hops)
        snprintf(text, sizeof(text), "554 5.4.6 Too many hops");
    else if (r == 0)
        snprintf(text, sizeof(text), "550 5.7.2 You may not post to %s", x->acc->address);
    else
        return 0;
    outcome_set(ret, RCPT_FAILED, text);
    return 1;
}

static int send_copies(struct expansion *x, struct message *m, struct errinfo *ei)
{
    if (!m->n_rcpts || queue_has_child(x->d->queue, x->m, m->key))
        return 0;
    int r = fill(x, m, ei);
    if (r >= 0)
        r = queue_accept_child(x->d->queue, x->m, m, ei);
    if (r < 0)
        return r == E_NOTFOUND ? E_TEMP : r;
    tell_sent(x, m);
    tell_copies(x, m);
    return 0;
}

static int expand(struct expansion *x, struct errinfo *ei)
{
    int r = add_members(x, ei);
    if (r >= 0)
        r = send_copies(x, x->to, ei);
    if (r >= 0)
        r = send_copies(x, x->own, ei);
    if (r >= 0 && !x->to->n_rcpts && !x->own->n_rcpts)
        tell_sent(x, x->to); /* nobody */
    return r == E_NOTFOUND ? E_TEMP : r;
}

int list_deliver(struct deliver *d, struct message *m, struct rcpt *r, const struct account *acc,
                 struct script_outcome *ret, struct errinfo *ei)
{
    struct expansion x = { .d = d,
                           .m = m,
                           .r = r,
                           .acc = acc,
                           .to = send_begin(m, acc->id, "list"),
                           .own = send_begin(m, acc->id, "list one-click"),
                           .seen = map_new() };
    x.own->one_click = true;
    int e = content_view_open(m, &x.content, ei);
    if (e >= 0)
        e = refuse(&x, ret, ei);
    if (e == 0)
        e = moderate(d, m, r, acc, x.content.bytes, ret, ei);
    if (e == 0)
        e = expand(&x, ei);
    if (e == 0)
        outcome_set(ret, RCPT_DELIVERED, "250 2.1.5 Sent to the members");
    content_view_close(&x.content);
    map_free(x.seen, NULL);
    message_unref(x.to);
    message_unref(x.own);
    return MIN(e, 0);
}
