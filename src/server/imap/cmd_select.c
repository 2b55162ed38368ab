/* SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3691). RFC 3501 sections 6.3.1, 6.3.2, 6.4.2. */
#include "server/imap/imap_priv.h"

/* EXAMINE sees the same messages as recent, but leaves them to the next session. */
static void peek_recent(struct session *s, const struct snap *snap, uint32_t recent)
{
    if (recent == 0 || snap->n == 0)
        return;
    uint32_t first = snap->m[snap->n - MIN(recent, snap->n)].uid;
    s->recent.r = xcalloc(1, sizeof(*s->recent.r));
    s->recent.r[0] = (struct imap_range){ first, UINT32_MAX };
    s->recent.n = 1;
}

static void put_opening(struct cmd *c, const struct snap *snap, bool read_only)
{
    put_flags_response(&c->out, snap, read_only);
    buf_addf(&c->out, "* %" PRIu32 " EXISTS\r\n* %" PRIu32 " RECENT\r\n", snap->n,
             recent_count(&c->s->recent, snap));
    if (snap->first_unseen)
        buf_addf(&c->out, "* OK [UNSEEN %" PRIu32 "] First unseen\r\n", snap->first_unseen);
    buf_addf(&c->out, "* OK [UIDVALIDITY %" PRIu32 "] UIDs valid\r\n", snap->uidvalidity);
    buf_addf(&c->out, "* OK [UIDNEXT %" PRIu32 "] Predicted next UID\r\n", snap->uidnext);
}

void cmd_select(struct cmd *c)
{
    struct session *s = c->s;
    bool read_only = sv_eq(sv_c(c->def->name), SV("EXAMINE"));
    struct sv name;
    struct folder f = { 0 };
    struct errinfo ei = { 0 };
    const struct snap *snap;
    if (cmd_mailbox(c, &name) < 0 || cmd_no_args(c) < 0)
        return;
    /* Held until the new one is there: selecting the same mailbox again then costs nothing. */
    _cleanup_(snap_unrefp) const struct snap *before = s->snap ? snap_ref(s->snap) : NULL;
    session_unselect(s);
    int r = mailbox_folder(s->mb, name, c->a, &f, &ei);
    if (r == 0 && !f.exists)
        r = E_NOTFOUND;
    if (r == 0)
        r = mailbox_snapshot(s->mb, f.id, before, &snap, &ei);
    if (r < 0) {
        cmd_error(c, r, &ei, NULL);
        return;
    }
    s->recent_told = 0;
    if (read_only)
        peek_recent(s, snap, f.recent);
    else
        sync_claim_recent(s, &snap);
    session_select(s, snap, read_only);
    put_opening(c, snap, read_only);
    cmd_done(c, RES_OK, "[%s] %s completed", read_only ? "READ-ONLY" : "READ-WRITE", c->def->name);
}

void cmd_close(struct cmd *c)
{
    struct session *s = c->s;
    struct errinfo ei = { 0 };
    if (cmd_no_args(c) < 0)
        return;
    if (!s->read_only) {
        int r = mailbox_expunge(s->mb, s->snap->folder_id, NULL, 0, true, NULL, &ei);
        if (r < 0 && r != E_NOTFOUND)
            log_error("IMAP CLOSE of %s: %s", s->acc->address, ei.text);
    }
    session_unselect(s);
}

void cmd_unselect(struct cmd *c)
{
    if (cmd_no_args(c) == 0)
        session_unselect(c->s);
}
