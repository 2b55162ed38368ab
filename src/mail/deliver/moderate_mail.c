#include "mail/deliver/moderate_mail.h"

#include "base/clock.h"
#include "base/codec.h"
#include "mail/deliver/send.h"
#include "proto/mime.h"

enum { LOCAL_MAX = 64 }; /* RFC 5321 4.5.3.1.1 */

static const char *const words[] = { "reject", "approve" };

/* --- addresses --- */

static const char purpose[] = "list moderation";

static struct sv signed_text(const struct account *list, const char *item, bool approve,
                             char tmp[600])
{
    snprintf(tmp, 600, "%s\n%s\n%s", words[approve], list->address, item);
    return sv_c(tmp);
}

/* "": no address of this kind can be made here. */
static int order_address(struct deliver *d, const struct conf *cf, const struct message *m,
                         const struct account *list, bool approve, char ret[400],
                         struct errinfo *ei)
{
    char signature[SIGNATURE + 1], tmp[600];
    int r =
        account_sign(d->accounts, purpose, signed_text(list, m->item, approve, tmp), signature, ei);
    *ret = '\0';
    if (r < 0 || !*cf->auth.subaddress_separator)
        return r;
    int n = snprintf(ret, 400, "%s%c%s.%s.%s", list->local, *cf->auth.subaddress_separator,
                     words[approve], m->id, signature);
    if (n > LOCAL_MAX || strpbrk(list->local, "\" "))
        *ret = '\0';
    else
        snprintf(ret + n, 400 - (size_t)n, "@%s", list->domain);
    return 0;
}

bool moderate_order_parse(const struct account *list, struct sv address, struct moderate_order *ret)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    ssize_t at = sv_rfind(address, '@');
    struct sv local = sv_take(address, at < 0 ? 0 : (size_t)at), own = sv_c(list->local);
    if (local.n <= own.n || !sv_istarts(local, own) ||
        !strchr(cf->auth.subaddress_separator, local.p[own.n]))
        return false;
    struct sv rest = sv_skip(local, own.n + 1), word = sv_split(&rest, '.');
    struct sv id = sv_split(&rest, '.');
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (sv_ieq(word, sv_c(words[i])) && rest.n && id.n &&
            sv_copy(ret->id, sizeof(ret->id), id)) {
            ret->approve = i;
            ret->signature = rest;
            return true;
        }
    return false;
}

int moderate_order_signed(struct deliver *d, const struct account *list,
                          const struct moderate_order *order, struct errinfo *ei)
{
    _cleanup_(message_unrefp) struct message *post = NULL;
    char tmp[600], id[16];
    for (size_t i = 0; i < sizeof(id); i++)
        id[i] = order->id[i] >= 'a' && order->id[i] <= 'z' ? (char)(order->id[i] - 'a' + 'A')
                                                           : order->id[i];
    if (queue_view(d->queue, sv_c(id), &post) < 0)
        return 0;
    return account_signed(d->accounts, purpose, signed_text(list, post->item, order->approve, tmp),
                          order->signature, ei);
}

bool moderate_is_automatic(struct sv content)
{
    _cleanup_(arena_done) struct arena arena;
    struct mime_part *root = NULL;
    arena_init(&arena, 4 * MiB);
    (void)mime_parse(sv_take(content, mime_header_length(content)), &arena, &root);
    const struct mime_header *h = root ? mime_header_get(root, SV("Auto-Submitted")) : NULL;
    if (!h)
        return false;
    struct sv rest = h->value;
    return !sv_ieq(sv_trim(sv_split(&rest, ';')), SV("no"));
}

/* --- the notice --- */

/* The moderators; else the owners; else the domain's postmaster. */
static int add_moderators(struct deliver *d, struct message *m, const struct message *post,
                          const struct account *list, struct errinfo *ei)
{
    char postmaster[400];
    snprintf(postmaster, sizeof(postmaster), "postmaster@%s", list->domain);
    const char *who = account_option(list, OPT_LIST_MODERATORS);
    if (!*who)
        who = account_option(list, OPT_LIST_OWNER);
    struct sv rest = sv_c(*who ? who : postmaster);
    while (rest.n) {
        struct sv target = sv_split(&rest, ';');
        int r = send_add_target(d, m, target, list->address, list->id, ei);
        if (r < 0 && r != E_NOTFOUND)
            return r;
        if (r == E_NOTFOUND) {
            struct logctx c = deliver_ctx(post);
            event(account_not_sent, &c, F_ADDR(rcpt, list->address),
                  F_STR(what, "notice to a moderator"), F_STR(reason, ei->text));
        }
    }
    for (size_t i = 0; i < m->n_rcpts; i++)
        m->rcpts[i].notify = NOTIFY_NEVER;
    return 0;
}

struct notice {
    struct buf b;
    const struct message *post, *m;
    const struct account *list;
    const struct conf *cf;
    char approve[400], reject[400]; /* addresses, or "" */
    char until[40];
};

static void add_head(struct notice *n, const char *boundary)
{
    char host[256], date[40];
    bool has_host = strchr(n->cf->deliver.bounce_from, '@');
    deliver_hostname(n->cf, host);
    clock_rfc5322(n->m->received_ms / 1000, date);
    (void)buf_addf(&n->b,
                   "Return-Path: <>\r\nReceived: by %s (list %s)\r\n\tid %s;\r\n\t%s\r\n"
                   "Date: %s\r\nFrom: Mail Delivery System <%s%s%s>\r\n"
                   "To: moderators of the list:;\r\n",
                   host, n->list->address, n->m->id, date, date, n->cf->deliver.bounce_from,
                   has_host ? "" : "@", has_host ? "" : host);
    if (*n->approve)
        (void)buf_addf(&n->b, "Reply-To: <%s>\r\n", n->approve);
    (void)buf_addf(&n->b,
                   "Subject: A post to %s waits for a moderator\r\n"
                   "Message-ID: <%016" PRIx64 ".moderation@%s>\r\n"
                   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                   "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n",
                   n->list->address, n->m->key, host, boundary);
}

static void add_text(struct notice *n, bool whole)
{
    (void)buf_addf(&n->b,
                   "A message of <%s> to the list %s waits for a moderator.\r\n"
                   "%s. When nobody decides about it, it is\r\n"
                   "returned to its sender on %s.\r\n\r\n",
                   n->post->sender, n->list->address,
                   whole ? "It is attached" : "It is large: its header is attached", n->until);
    if (*n->approve)
        (void)buf_addf(&n->b,
                       "To approve it, reply to this message, or write to\r\n  <%s>\r\n"
                       "To reject it (its sender is told), write to\r\n  <%s>\r\n"
                       "from the address that the list knows you by; the text does not matter.\r\n"
                       "Who has these addresses can use them: do not pass them on.\r\n\r\n",
                       n->approve, n->reject);
    (void)buf_addf(&n->b,
                   "On the server:\r\n  posthorn tool list approve %s\r\n"
                   "  posthorn tool list reject %s\r\n"
                   "  posthorn tool queue delete %s    (the sender is not told)\r\n",
                   n->post->id, n->post->id, n->post->id);
}

static void add_post(struct notice *n, struct sv content, bool whole, const char *boundary)
{
    struct sv bytes = mime_without_return_path(content);
    if (!whole)
        bytes = sv_take(bytes, mime_header_length(bytes));
    (void)buf_addf(&n->b, "\r\n--%s\r\nContent-Type: %s\r\n%s\r\n", boundary,
                   whole ? n->post->smtputf8 ? "message/global" : "message/rfc822"
                         : "text/rfc822-headers",
                   sv_has_8bit(bytes) ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    (void)buf_add_sv(&n->b, bytes);
    (void)buf_addf(&n->b, "\r\n--%s--\r\n", boundary);
}

static int build(struct notice *n, struct message *m, struct sv content, struct errinfo *ei)
{
    char boundary[40];
    size_t max = (size_t)n->cf->deliver.bounce_max_content;
    bool whole = content.n <= max;
    snprintf(boundary, sizeof(boundary), "moderation=_%016" PRIx64, m->key);
    buf_init(&n->b, (whole ? content.n : mime_header_length(content)) + 64 * KiB);
    add_head(n, boundary);
    (void)buf_addf(&n->b,
                   "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: 8bit\r\n\r\n",
                   boundary);
    add_text(n, whole);
    add_post(n, content, whole, boundary);
    if (n->b.overflow)
        return err_set(ei, E_TEMP, "the notice about post %s is too large", n->post->id);
    m->bounce = true;
    m->body_8bit = true;
    m->smtputf8 = n->post->smtputf8;
    m->requiretls = n->post->requiretls;
    message_take_content(m, &n->b);
    return 0;
}

static int make_addresses(struct deliver *d, struct notice *n, struct errinfo *ei)
{
    bool known =
        *account_option(n->list, OPT_LIST_MODERATORS) || *account_option(n->list, OPT_LIST_OWNER);
    if (!known) /* the postmaster is nobody who decides by mail */
        return 0;
    int r = order_address(d, n->cf, n->post, n->list, true, n->approve, ei);
    return r < 0 ? r : order_address(d, n->cf, n->post, n->list, false, n->reject, ei);
}

int moderate_notice(struct deliver *d, struct message *m, const struct account *list,
                    struct sv content, int64_t until_ms, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(message_unrefp) struct message *to = send_begin(m, list->id, "moderators");
    struct notice n = { .post = m, .m = to, .list = list, .cf = cf };
    if (queue_has_child(d->queue, m, to->key))
        return 0;
    clock_rfc5322(until_ms / 1000, n.until);
    int r = add_moderators(d, to, m, list, ei);
    if (r < 0 || !to->n_rcpts)
        return r;
    r = make_addresses(d, &n, ei);
    if (r >= 0)
        r = build(&n, to, content, ei);
    buf_done(&n.b);
    if (r >= 0)
        r = queue_accept_child(d->queue, m, to, ei);
    if (r < 0)
        return r == E_EXISTS ? 0 : r == E_NOTFOUND ? E_TEMP : r;
    struct logctx c = deliver_ctx(m);
    event(account_sent, &c, F_ADDR(rcpt, list->address), F_STR(what, "notice to the moderators"),
          F_ID(child, to->id), F_KEY(child_key, to->key));
    return 0;
}
