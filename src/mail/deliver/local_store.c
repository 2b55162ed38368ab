/* Mail into mailboxes: the first one writes the message's file, the others link to it. */
#include "mail/deliver/local_priv.h"

static struct mailbox_add make_add(struct batch *b, const struct put *p)
{
    struct message *m = p->m;
    struct mailbox_add a = {
        .key = m->key,
        .size = m->size,
        .internal_date_s = m->received_ms / 1000,
    };
    if (b->stored[p->index].n)
        a.path = b->stored[p->index].p;
    else if (m->content.p)
        a.content = m->content;
    else
        a.path = m->spool_path;
    return a;
}

struct mailbox_quota deliver_quota(const struct account *acc)
{
    return (struct mailbox_quota){ (uint64_t)MAX(acc->quota_bytes, 0),
                                   (uint64_t)acc->domain_limit[DOMAIN_TOTAL_QUOTA] };
}

/* The file that this mailbox now has serves the next ones. */
static void remember_file(struct batch *b, const struct account *acc, const struct put *p)
{
    struct buf *path = &b->stored[p->index];
    if (path->n || !b->parsed[p->index])
        return;
    if (mailstore_message_path(b->d->store, sv_c(acc->address), p->m->key, path) < 0 ||
        buf_terminate(path) < 0)
        buf_reset(path);
}

static void finish_put(struct batch *b, const struct account *acc, struct put *p)
{
    int r = p->add->ret_error;
    if (r < 0) {
        local_answer_error(p, r, err_name(r));
        return;
    }
    local_answer(p, RCPT_DELIVERED, "250 2.1.5 Delivered to mailbox");
    if (p->add->ret_uid) /* else the user has dealt with it: its file was not looked at */
        remember_file(b, acc, p);
}

/* Another mailbox's file served as source, and that mailbox's owner expunged the message just then:
 * the content comes from the queue instead. */
static bool lost_source(struct batch *b, struct put *p)
{
    struct buf *path = &b->stored[p->index];
    if (p->add->ret_error != -ENOENT || !path->n)
        return false;
    buf_reset(path);
    return true;
}

/* Of puts[0..n), all of one account. Two addresses of one account: once. */
static size_t make_adds(struct batch *b, struct put *puts, size_t n, struct mailbox_add *adds,
                        struct mailbox_parsed **parsed)
{
    size_t n_adds = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || puts[i].index != puts[i - 1].index) {
            parsed[n_adds] = b->parsed[puts[i].index];
            adds[n_adds++] = make_add(b, &puts[i]);
        }
        puts[i].add = &adds[n_adds - 1];
    }
    return n_adds;
}

/* Adds the messages of puts[0..n) (one account) to the inbox. -EAGAIN: do it again. */
static int add_once(struct batch *b, struct put *puts, size_t n, struct mailbox *mb,
                    const struct account *acc, struct errinfo *ei)
{
    struct mailbox_add *adds = xcalloc(n, sizeof(*adds));
    struct mailbox_parsed **parsed = xcalloc(n, sizeof(struct mailbox_parsed *));
    size_t n_adds = make_adds(b, puts, n, adds, parsed);
    const struct mailbox_quota quota = deliver_quota(acc);
    int r = mailbox_add(mb, mailbox_inbox_id(mb), adds, n_adds, false, &quota, parsed, NULL, ei);
    bool again = false;
    for (size_t i = 0; i < n && r >= 0; i++)
        again |= lost_source(b, &puts[i]);
    for (size_t i = 0; i < n && r >= 0 && !again; i++)
        finish_put(b, acc, &puts[i]);
    free(adds);
    free(parsed);
    return r >= 0 && again ? -EAGAIN : r;
}

static int add_all(struct batch *b, struct put *puts, size_t n, struct mailbox *mb,
                   const struct account *acc, struct errinfo *ei)
{
    int r;
    do {
        r = add_once(b, puts, n, mb, acc, ei); /* what is there already is not added twice */
    } while (r == -EAGAIN);
    return r;
}

int local_store_all(struct batch *b, struct put *puts, size_t n, const struct account *acc,
                    struct errinfo *ei)
{
    _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
    int r = mailbox_open(b->d->store, acc->id, sv_c(acc->address), &mb, ei);
    return r < 0 ? r : add_all(b, puts, n, mb, acc, ei);
}

bool local_leave_all(struct batch *b, struct put *puts, size_t n, const struct account *acc)
{
    struct mailbox_add *adds = xcalloc(n, sizeof(*adds));
    struct mailbox_parsed **parsed = xcalloc(n, sizeof(struct mailbox_parsed *));
    size_t n_adds = make_adds(b, puts, n, adds, parsed);
    const struct mailbox_quota quota = deliver_quota(acc);
    bool left = mailbox_leave(b->d->store, acc->id, sv_c(acc->address), adds, n_adds, &quota) > 0;
    for (size_t i = 0; left && i < n; i++) {
        local_answer(&puts[i], RCPT_DELIVERED, "250 2.1.5 Delivered to mailbox");
        remember_file(b, acc, &puts[i]);
    }
    free(adds);
    free(parsed);
    return left;
}

int local_store_one(struct batch *b, const struct put *p, const struct account *acc,
                    struct errinfo *ei)
{
    const struct mailbox_quota quota = deliver_quota(acc);
    int r = 0;
    for (int i = 0; i < 3; i++) {
        _cleanup_(mailbox_unrefp) struct mailbox *mb = NULL;
        struct mailbox_add a = make_add(b, p);
        r = mailbox_open(b->d->store, acc->id, sv_c(acc->address), &mb, ei);
        if (r >= 0)
            r = mailbox_add(mb, mailbox_inbox_id(mb), &a, 1, false, &quota, NULL, NULL, ei);
        if (r >= 0)
            r = a.ret_error;
        if (r == -ENOENT && b->stored[p->index].n)
            buf_reset(&b->stored[p->index]); /* expunged just then */
        else if (r != -ESTALE)
            break;
    }
    return r;
}
