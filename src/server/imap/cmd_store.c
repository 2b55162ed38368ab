/* STORE, COPY, MOVE (RFC 6851), EXPUNGE and their UID variants with the codes of UIDPLUS (RFC
 * 4315). RFC 3501 sections 6.4.3, 6.4.6, 6.4.7. */
#include "server/imap/imap_priv.h"

static bool writable(struct cmd *c)
{
    if (!c->s->read_only)
        return true;
    cmd_done(c, RES_NO, "[CANNOT] Mailbox is read-only");
    return false;
}

static int store_args(struct cmd *c, enum store_mode *mode, bool *silent, struct flag_list *flags)
{
    static const struct {
        const char *name;
        enum store_mode mode;
        bool silent;
    } forms[] = {
        { "FLAGS", STORE_REPLACE, false }, { "FLAGS.SILENT", STORE_REPLACE, true },
        { "+FLAGS", STORE_ADD, false },    { "+FLAGS.SILENT", STORE_ADD, true },
        { "-FLAGS", STORE_REMOVE, false }, { "-FLAGS.SILENT", STORE_REMOVE, true },
    };
    if (imap_sp(&c->in) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
            if (!imap_word(&c->in, sv_c(forms[i].name)))
                continue;
            *mode = forms[i].mode;
            *silent = forms[i].silent;
            int r = imap_sp(&c->in) < 0 ? E_PARSE : flag_list_parse(&c->in, true, flags);
            if (r == E_LIMIT)
                cmd_done(c, RES_NO, "[LIMIT] Too many keywords");
            else if (r < 0)
                cmd_bad_args(c, "list of flags");
            return r < 0 ? r : cmd_no_args(c);
        }
    }
    cmd_bad_args(c, "FLAGS, +FLAGS or -FLAGS");
    return E_PARSE;
}

void cmd_store(struct cmd *c)
{
    struct session *s = c->s;
    struct index_set set;
    struct flag_list flags;
    enum store_mode mode;
    bool silent;
    struct errinfo ei = { 0 };
    if (cmd_index_set(c, &set) < 0 || store_args(c, &mode, &silent, &flags) < 0 || !writable(c))
        return;
    uint32_t *uids = index_set_uids(&set, s->snap, c->a);
    if (!uids) {
        cmd_done(c, RES_NO, "[LIMIT] Message set is too large");
        return;
    }
    if (set.count == 0)
        return;
    int r = mailbox_store(s->mb, s->snap->folder_id, uids, set.count, mode, flags.system,
                          flags.keywords, &ei);
    if (r < 0) {
        cmd_error(c, r, &ei, NULL);
        return;
    }
    const struct snap *now;
    uint64_t bits = flags.system;
    if (flags.n_keywords && mailbox_snapshot(s->mb, s->snap->folder_id, s->snap, &now, NULL) == 0) {
        bits = flag_list_bits(&flags, now);
        snap_unref(now);
    }
    c->expect = (struct imap_expect){
        .uids = uids, .n = set.count, .tell = !silent, .mode = mode, .bits = bits
    };
}

/* --- COPY and MOVE --- */

static void put_copyuid(struct buf *out, uint32_t uidvalidity, const uint32_t *from,
                        const uint32_t *to, size_t n)
{
    struct imap_set_writer w = { .out = out };
    buf_addf(out, "[COPYUID %" PRIu32 " ", uidvalidity);
    for (size_t i = 0; i < n; i++) {
        if (to[i])
            imap_set_add(&w, from[i]);
    }
    imap_set_done(&w);
    buf_add_c(out, ' ');
    w = (struct imap_set_writer){ .out = out };
    for (size_t i = 0; i < n; i++) {
        if (to[i])
            imap_set_add(&w, to[i]);
    }
    imap_set_done(&w);
    buf_add(out, "] ", 2);
}

static int target_folder(struct cmd *c, int64_t *ret)
{
    struct sv name;
    struct folder f = { 0 };
    struct errinfo ei = { 0 };
    int r = cmd_mailbox(c, &name);
    if (r < 0 || (r = cmd_no_args(c)) < 0)
        return r;
    r = mailbox_folder(c->s->mb, name, c->a, &f, &ei);
    if (r == 0 && !f.exists)
        r = E_NOTFOUND;
    if (r < 0)
        cmd_error(c, r, &ei, "TRYCREATE");
    else
        *ret = f.id;
    return r;
}

static bool any_copied(const uint32_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (to[i])
            return true;
    }
    return false;
}

/* MOVE tells COPYUID before the EXPUNGE of the messages (RFC 6851 4.3), COPY in its tagged line. */
static void copied(struct cmd *c, bool move, uint32_t uidvalidity, const uint32_t *from,
                   const uint32_t *to, size_t n)
{
    struct buf code;
    buf_init(&code, 4 * MiB);
    if (any_copied(to, n))
        put_copyuid(&code, uidvalidity, from, to, n);
    if (move && code.n) {
        buf_add_str(&c->out, "* OK ");
        buf_add_sv(&c->out, buf_sv(&code));
        buf_add_str(&c->out, "Moved\r\n");
    } else if (code.n) {
        c->final.max = 4 * MiB;
        cmd_done(c, RES_OK, SV_FMT "%s%s completed", SV_ARG(buf_sv(&code)), c->uid ? "UID " : "",
                 c->def->name);
    }
    buf_done(&code);
}

void cmd_copy(struct cmd *c)
{
    struct session *s = c->s;
    bool move = sv_eq(sv_c(c->def->name), SV("MOVE"));
    struct index_set set;
    struct errinfo ei = { 0 };
    int64_t to;
    uint32_t uidvalidity = 0;
    if (cmd_index_set(c, &set) < 0 || (move && !writable(c)) || target_folder(c, &to) < 0)
        return;
    uint32_t *uids = index_set_uids(&set, s->snap, c->a);
    uint32_t *new_uids = arena_alloc(c->a, (set.count + 1) * sizeof(*new_uids));
    if (!uids || !new_uids) {
        cmd_done(c, RES_NO, "[LIMIT] Message set is too large");
        return;
    }
    if (set.count == 0) {
        cmd_done(c, RES_OK, "No messages found");
        return;
    }
    const struct mailbox_quota quota = session_quota(s);
    int r = mailbox_copy(s->mb, s->snap->folder_id, uids, set.count, to, move, &quota, new_uids,
                         &uidvalidity, &ei);
    if (r < 0)
        cmd_error(c, r, &ei, "TRYCREATE");
    else if (!any_copied(new_uids, set.count))
        cmd_done(c, RES_NO, "[EXPUNGEISSUED] The messages no longer exist");
    else
        copied(c, move, uidvalidity, uids, new_uids, set.count);
}

void cmd_expunge(struct cmd *c)
{
    struct session *s = c->s;
    struct index_set set = { 0 };
    struct errinfo ei = { 0 };
    uint32_t *uids = NULL;
    if (c->uid && cmd_index_set(c, &set) < 0)
        return;
    if (cmd_no_args(c) < 0 || !writable(c))
        return;
    if (c->uid) {
        uids = index_set_uids(&set, s->snap, c->a);
        if (!uids) {
            cmd_done(c, RES_NO, "[LIMIT] Message set is too large");
            return;
        }
        if (set.count == 0)
            return;
    }
    int r = mailbox_expunge(s->mb, s->snap->folder_id, uids, set.count, true, NULL, &ei);
    if (r < 0)
        cmd_error(c, r, &ei, NULL);
}
