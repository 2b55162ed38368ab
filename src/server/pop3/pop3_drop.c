/* The maildrop: the INBOX as it was at login. Message numbers are indexes of that snapshot (RFC
 * 1939 4). */
#include "server/pop3/pop3_priv.h"

int pop3_drop_open(struct pop3_session *s)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct errinfo ei = { 0 };
    int r = pop3_lock(s->account->id, cf->pop3.login_delay);

    if (r == E_CONFLICT) {
        pop3_err(s, "[IN-USE] Another POP3 session has this mailbox");
        return r;
    }
    if (r == E_LIMIT) {
        pop3_err(s, "[LOGIN-DELAY] Please wait before the next login");
        return r;
    }
    s->locked = true;
    r = mailbox_open(s->srv->store, s->account->id, sv_c(s->account->address), &s->mailbox, &ei);
    if (r == 0)
        r = mailbox_snapshot(s->mailbox, mailbox_inbox_id(s->mailbox), NULL, &s->snap, &ei);
    if (r < 0) {
        log_error("POP3: mailbox of %s: %s", s->account->address, ei.text);
        pop3_drop_close(s);
        pop3_err(s, "[SYS/TEMP] The mailbox cannot be opened now");
        return r;
    }
    s->deleted = xcalloc(s->snap->n ? s->snap->n : 1, 1);
    return 0;
}

void pop3_drop_close(struct pop3_session *s)
{
    if (s->locked)
        pop3_unlock(s->account->id);
    s->locked = false;
    if (s->snap)
        snap_unref(s->snap);
    s->snap = NULL;
    if (s->mailbox)
        mailbox_unref(s->mailbox);
    s->mailbox = NULL;
    free(s->keys);
    s->keys = NULL;
    free(s->deleted);
    s->deleted = NULL;
}

int pop3_drop_update(struct pop3_session *s, struct errinfo *ei)
{
    _cleanup_(freep) uint32_t *uids = NULL;
    size_t n = 0;

    if (!s->n_deleted)
        return 0;
    uids = xcalloc(s->n_deleted, sizeof(*uids));
    for (uint32_t i = 0; i < s->snap->n; i++)
        if (s->deleted[i])
            uids[n++] = s->snap->m[i].uid;
    return mailbox_expunge(s->mailbox, s->snap->folder_id, uids, n, false, NULL, ei);
}

struct key_fill {
    struct pop3_session *s;
    uint32_t i;
};

static bool fill_key(const struct msg_row *row, void *arg)
{
    struct key_fill *f = arg;
    const struct snap *snap = f->s->snap;

    while (f->i < snap->n && snap->m[f->i].uid < row->uid)
        f->i++;
    if (f->i < snap->n && snap->m[f->i].uid == row->uid)
        f->s->keys[f->i] = row->key;
    return f->i < snap->n;
}

int pop3_drop_keys(struct pop3_session *s, struct errinfo *ei)
{
    struct key_fill f = { .s = s };
    const struct snap *snap = s->snap;
    int r;

    if (s->keys || !snap->n)
        return 0;
    s->keys = xcalloc(snap->n, sizeof(*s->keys));
    r = mailbox_rows(s->mailbox, snap->folder_id, snap->m[0].uid, snap->m[snap->n - 1].uid,
                     MSG_META, fill_key, &f, ei);
    if (r < 0) {
        free(s->keys);
        s->keys = NULL;
    }
    return r;
}

bool pop3_drop_message(struct pop3_session *s, struct sv number, uint32_t *ret_index)
{
    uint32_t n;

    if (sv_to_u32(number, &n) < 0 || n == 0) {
        pop3_err(s, "Message number expected");
        return false;
    }
    if (n > s->snap->n || s->deleted[n - 1]) {
        pop3_err(s, "No such message, %u messages in maildrop", s->snap->n - s->n_deleted);
        return false;
    }
    *ret_index = n - 1;
    return true;
}
