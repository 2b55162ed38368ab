/* Messages that the user has moved or expunged. The queue's word that a message was delivered may
 * be lost with its process or with the power, and the delivery is then repeated: what the user has
 * dealt with meanwhile must not come a second time. In the same transaction as the removal, so one
 * never survives without the other. */
#include "base/clock.h"
#include "mail/mailbox/mailbox_priv.h"

#define KEEP_S      (7 * 86400)  /* a restart that is later than this may repeat deliveries */
#define MAX_QUEUE_S (31 * 86400) /* queue.lifetime is less: older messages wait nowhere */
#define PRUNE_EVERY 64

int handled_record(struct op *o, const struct folder_row *f, const struct msg_data *g, size_t n,
                   struct errinfo *ei)
{
    int64_t now = clock_wall_s();
    bool prune = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        prune |= g[i].uid % PRUNE_EVERY == 0;
        if (g[i].date < now - MAX_QUEUE_S)
            continue;
        r = db_run(o->c, ei, "INSERT OR REPLACE INTO handled(folder_id, key, at) VALUES(?, ?, ?)",
                   "iii", f->id, (int64_t)g[i].key, now);
        o->pages++;
    }
    if (r == 0 && prune)
        r = db_run(o->c, ei, "DELETE FROM handled WHERE at < ?", "i", now - KEEP_S);
    return r;
}

int handled_has(struct op *o, int64_t folder_id, uint64_t key, struct errinfo *ei)
{
    int64_t one = 0;
    int r = db_value(o->c, &one, NULL, "SELECT 1 FROM handled WHERE folder_id = ? AND key = ?",
                     "ii", folder_id, (int64_t)key);
    if (r < 0 && r != E_NOTFOUND)
        return err_set(ei, r, "cannot look for earlier deliveries of message %016" PRIx64, key);
    return r == 0;
}
