/* STORE: flags and keywords of many messages; and who was the first to see new messages (\Recent).
 */
#include "mail/mailbox/mailbox_priv.h"

#define BATCH 500 /* messages per transaction: others get the lock in between */

struct change {
    enum store_mode mode;
    uint64_t bits;
};

static uint64_t apply(const struct change *c, uint64_t flags)
{
    switch (c->mode) {
    case STORE_ADD:
        return flags | c->bits;
    case STORE_REMOVE:
        return flags & ~c->bits;
    case STORE_REPLACE:
        return c->bits;
    }
    return flags;
}

static int change_rows(struct op *o, struct folder_row *f, const struct change *c,
                       const struct msg_data *g, size_t n, struct errinfo *ei)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        uint64_t flags = apply(c, g[i].flags);
        if (flags == g[i].flags)
            continue;
        f->flag_modseq = row_touch(o, f);
        f->unseen += (int)!(flags & FLAG_SEEN) - (int)!(g[i].flags & FLAG_SEEN);
        r = db_run(
            o->c, ei,
            "UPDATE msg SET flags = ?, modseq = ?, changed = 1 WHERE folder_id = ? AND uid = ?",
            "iiii", (int64_t)flags, (int64_t)f->flag_modseq, f->id, (int64_t)g[i].uid);
        o->pages += 1;
    }
    return r;
}

static int keyword_bits(struct folder_row *f, struct change *c, const char *const *keywords,
                        struct errinfo *ei)
{
    for (const char *const *k = keywords; k && *k; k++) {
        uint64_t bit = 0;
        int r = row_keyword(f, sv_c(*k), c->mode != STORE_REMOVE, &bit, ei);
        if (r < 0 && r != E_NOTFOUND)
            return r;
        c->bits |= bit;
    }
    return 0;
}

static int store_batch(struct mailbox *m, int64_t folder_id, const uint32_t *uids, size_t n,
                       struct change c, const char *const *keywords, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    _cleanup_(freep) struct msg_data *g = NULL;
    size_t found = 0;
    struct op o;
    int r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = row_load(&o, folder_id, &f, ei);
    if (r == 0)
        r = keyword_bits(&f, &c, keywords, ei);
    if (r == 0)
        r = msgs_collect(&o, folder_id, uids, n, 0, 0, n, &g, &found, ei);
    if (r == 0)
        r = change_rows(&o, &f, &c, g, found, ei);
    if (r == 0 && (f.new_modseq > 0 || f.keywords_changed)) {
        row_touch(&o, &f);
        r = row_save(&o, &f, ei);
    }
    return op_finish(&o, r, ei);
}

int mailbox_store(struct mailbox *m, int64_t folder_id, const uint32_t *uids, size_t n,
                  enum store_mode mode, uint64_t flags, const char *const *keywords,
                  struct errinfo *ei)
{
    struct change c = { mode, flags & FLAG_SYSTEM };
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i += BATCH)
        r = store_batch(m, folder_id, uids + i, MIN(n - i, (size_t)BATCH), c, keywords, ei);
    return r;
}

int mailbox_claim_recent(struct mailbox *m, int64_t folder_id, uint32_t *ret_first_uid,
                         struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row f = { .id = 0 };
    struct op o;
    /* Mostly there is nothing to claim: then no lock between processes and no transaction. */
    int r = op_read(m, &o, ei);
    if (r < 0)
        return r;
    r = op_finish(&o, row_load(&o, folder_id, &f, ei), ei);
    if (r < 0 || f.recent_uid == f.uidnext) {
        if (r == 0)
            *ret_first_uid = f.uidnext;
        return r;
    }
    row_done(&f);
    r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = row_load(&o, folder_id, &f, ei);
    if (r == 0)
        r = db_run(o.c, ei, "UPDATE folder SET recent_uid = uidnext WHERE id = ?", "i", folder_id);
    r = op_finish(&o, r, ei);
    if (r == 0)
        *ret_first_uid = f.recent_uid;
    return r;
}
