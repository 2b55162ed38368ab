/* A message to many: several threads, each with mailboxes of its own. */
#include "mail/deliver/local_priv.h"
#include "os/proc.h"

enum {
    ALONE = 32, /* mailboxes up to which one thread is as fast */
    SHARE = 8,  /* mailboxes that a thread takes at a time */
};

struct spread {
    struct batch *b;
    size_t *first; /* put of each account, and the end */
    size_t n_accounts;
    atomic_size_t next;
};

static void find_accounts(struct spread *s)
{
    const struct batch *b = s->b;
    s->first = xcalloc(b->n_puts + 1, sizeof(*s->first));
    for (size_t i = 0; i < b->n_puts; i++)
        if (i == 0 || b->puts[i].r->account_id != b->puts[i - 1].r->account_id)
            s->first[s->n_accounts++] = i;
    s->first[s->n_accounts] = b->n_puts;
}

static void deliver_nth(const struct spread *s, struct batch *b, size_t i)
{
    local_deliver_account(b, b->puts + s->first[i], s->first[i + 1] - s->first[i]);
}

static void deliver_shares(struct spread *s, struct batch *b)
{
    size_t i;
    while ((i = atomic_fetch_add(&s->next, SHARE)) < s->n_accounts)
        for (size_t end = MIN(i + SHARE, s->n_accounts); i < end; i++)
            deliver_nth(s, b, i);
}

/* A further thread, with its own notes of where files are: one that is gone is replaced for this
 * thread only. */
struct helper {
    struct spread *s;
    struct batch own;
    pthread_t id;
};

static void *help(void *arg)
{
    struct helper *h = arg;
    os_thread_name("local+");
    deliver_shares(h->s, &h->own);
    return NULL;
}

static void copy_notes(struct batch *to, const struct batch *from)
{
    *to = *from;
    for (size_t i = 0; i < to->n; i++) {
        struct buf *path = &to->stored[i];
        buf_init(path, 8192);
        if (from->stored[i].n &&
            (buf_add_sv(path, buf_sv(&from->stored[i])) < 0 || buf_terminate(path) < 0))
            buf_reset(path);
    }
}

static void deliver_helped(struct spread *s, size_t n)
{
    struct helper *h = xcalloc(n, sizeof(*h));
    size_t started = 0;
    for (size_t i = 0; i < n; i++)
        copy_notes(&h[i].own, s->b);
    for (; started < n; started++) {
        h[started].s = s;
        if (pthread_create(&h[started].id, NULL, help, &h[started]) != 0)
            break; /* the others do it */
    }
    deliver_shares(s, s->b);
    for (size_t i = 0; i < started; i++)
        pthread_join(h[i].id, NULL);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s->b->n; k++)
            buf_done(&h[i].own.stored[k]);
    free(h);
}

void local_deliver_accounts(struct batch *b)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct spread s = { .b = b };
    find_accounts(&s);
    size_t alone = MIN(s.n_accounts, (size_t)ALONE);
    b->many = s.n_accounts > ALONE;
    for (size_t i = 0; i < alone; i++) /* makes the files, too */
        deliver_nth(&s, b, i);
    atomic_init(&s.next, alone);
    if (s.n_accounts > alone)
        deliver_helped(&s, (size_t)cf->deliver.local_workers - 1);
    free(s.first);
}
