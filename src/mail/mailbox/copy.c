/* COPY and MOVE within an account: rows only, the files stay. All or nothing (RFC 3501 6.4.7), so
 * one transaction. Keywords keep their names; what the target's list cannot take is dropped. */
#include "mail/mailbox/mailbox_priv.h"

/* Bits of the source's keywords -> bits of the target's. */
static void map_keywords(const struct folder_row *from, struct folder_row *to, uint64_t used,
                         uint64_t bits[MAX_KEYWORDS])
{
    struct sv rest = buf_sv(&from->keywords);
    for (unsigned i = 0; rest.n > 0 && i < MAX_KEYWORDS; i++) {
        struct sv name = sv_split(&rest, ' ');
        bits[i] = 0;
        if (used & (UINT64_C(1) << (FLAG_KEYWORD0 + i)) &&
            row_keyword(to, name, true, &bits[i], NULL) < 0)
            bits[i] = 0;
    }
}

static uint64_t map_flags(uint64_t flags, const uint64_t bits[MAX_KEYWORDS])
{
    uint64_t out = flags & FLAG_SYSTEM;
    for (uint64_t k = flags >> FLAG_KEYWORD0; k != 0; k &= k - 1)
        out |= bits[__builtin_ctzll(k)];
    return out;
}

static int insert_all(struct op *o, const struct folder_row *from, struct folder_row *to,
                      const struct msg_data *g, size_t n, uint32_t *new_uids, struct errinfo *ei)
{
    uint64_t bits[MAX_KEYWORDS] = { 0 }, used = 0;
    int r = 0;
    for (size_t i = 0; i < n; i++)
        used |= g[i].flags;
    if (from != to) {
        map_keywords(from, to, used, bits);
    } else {
        for (unsigned i = 0; i < MAX_KEYWORDS; i++)
            bits[i] = UINT64_C(1) << (FLAG_KEYWORD0 + i);
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct msg_data row = g[i];
        row.flags = map_flags(g[i].flags, bits);
        new_uids[i] = to->uidnext;
        r = msg_insert(o, to, &row, ei);
    }
    return r;
}

static int check_quota(struct op *o, const struct msg_data *g, size_t n,
                       const struct mailbox_quota *quota, struct errinfo *ei)
{
    int64_t bytes = 0, messages = 0;
    uint64_t more = 0;
    if (!quota_set(quota))
        return 0;
    int r = usage_load(o, &bytes, &messages, ei);
    for (size_t i = 0; i < n; i++)
        more += g[i].size;
    return r < 0 ? r : quota_check(o, quota, bytes, more, ei);
}

/* from and to may be the same row. */
static int transfer(struct op *o, struct folder_row *from, struct folder_row *to,
                    const struct msg_data *g, size_t n, bool move, uint32_t *new_uids,
                    struct errinfo *ei)
{
    int r = insert_all(o, from, to, g, n, new_uids, ei);
    if (r == 0 && move)
        r = msgs_remove(o, from, g, n, false, ei);
    if (r == 0 && move)
        r = handled_record(o, from, g, n, ei);
    if (r == 0 && to->new_modseq > 0)
        r = row_save(o, to, ei);
    if (r == 0 && from != to && from->new_modseq > 0)
        r = row_save(o, from, ei);
    return r;
}

static int copy_tx(struct op *o, int64_t from_id, int64_t to_id, const uint32_t *uids, size_t n,
                   bool move, const struct mailbox_quota *quota, uint32_t *ret_uids,
                   uint32_t *ret_uidvalidity, struct errinfo *ei)
{
    _cleanup_(row_done) struct folder_row from = { .id = 0 }, other = { .id = 0 };
    _cleanup_(freep) struct msg_data *g = NULL;
    _cleanup_(freep) uint32_t *new_uids = NULL;
    struct folder_row *to = from_id == to_id ? &from : &other;
    size_t found = 0;
    int r = row_load(o, from_id, &from, ei);
    if (r == 0 && to == &other)
        r = row_load(o, to_id, &other, ei);
    if (r == 0)
        r = row_reserve_uids(o, to, n, ei);
    if (r == 0)
        r = msgs_collect(o, from_id, uids, n, 0, 0, n, &g, &found, ei);
    if (r == 0 && !move)
        r = check_quota(o, g, found, quota, ei);
    if (r < 0)
        return r;
    new_uids = xcalloc(found, sizeof(*new_uids));
    *ret_uidvalidity = to->uidvalidity;
    r = transfer(o, &from, to, g, found, move, new_uids, ei);
    for (size_t i = 0, k = 0; r == 0 && i < n; i++)
        ret_uids[i] = k < found && g[k].uid == uids[i] ? new_uids[k++] : 0;
    return r;
}

int mailbox_copy(struct mailbox *m, int64_t from, const uint32_t *uids, size_t n, int64_t to,
                 bool move, const struct mailbox_quota *quota, uint32_t *ret_uids,
                 uint32_t *ret_uidvalidity, struct errinfo *ei)
{
    uint32_t uidvalidity = 0;
    struct op o;
    int r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = copy_tx(&o, from, to, uids, n, move, quota, ret_uids, &uidvalidity, ei);
    r = op_finish(&o, r, ei);
    if (r == 0 && ret_uidvalidity)
        *ret_uidvalidity = uidvalidity;
    return r;
}

int msgs_move_all(struct op *o, struct folder_row *from, struct folder_row *to, struct errinfo *ei)
{
    _cleanup_(freep) struct msg_data *g = NULL;
    _cleanup_(freep) uint32_t *new_uids = NULL;
    size_t n = 0;
    int r = row_reserve_uids(o, to, (size_t)from->messages, ei);
    if (r == 0)
        r = msgs_collect(o, from->id, NULL, 0, 0, 0, SIZE_MAX / 2, &g, &n, ei);
    if (r < 0)
        return r;
    new_uids = xcalloc(n, sizeof(*new_uids));
    return transfer(o, from, to, g, n, true, new_uids, ei);
}
