/* The frame of every change: transaction, audit rows, maintenance log, epoch. Any thread; blocks on
 * the database's writing connection. */
#include "mail/account/accounts_priv.h"

#include <unistd.h>

#include "base/rand.h"
#include "event/event.h"
#include "mail/account/audit.h"
#include "stats/shm.h"

#define ATTEMPTS 5

static _Thread_local const struct dry_run *dry; /* see account_set_dry_run */

void account_set_dry_run(const struct dry_run *d)
{
    dry = d;
}

const struct dry_run *account_dry_run(void)
{
    return dry;
}

static int run_once(struct change *ch, int (*fn)(struct change *, void *), void *arg)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get_writer(ch->a->db, &c, ch->ei);
    if (r < 0)
        return r;
    ch->c = c;
    ch->changed = false;
    r = db_begin(c, ch->ei);
    if (r < 0)
        return r;
    r = fn(ch, arg);
    if (r == 0 && !dry)
        return db_commit(c, ch->ei);
    db_rollback(c);
    return r;
}

int change_run(struct accounts *a, const char *admin, const char *kind, struct sv object,
               int (*fn)(struct change *ch, void *arg), void *arg, struct errinfo *ei)
{
    struct change ch = { .a = a, .admin = admin && *admin ? admin : "SYSTEM", .ei = ei };
    snprintf(ch.object, sizeof(ch.object), "%s " SV_FMT, kind, SV_ARG(object));
    int r = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        if (i > 0)
            usleep((useconds_t)(1000u << i) + rand_below(2000)); /* others must get their turn */
        r = run_once(&ch, fn, arg);
        if (r != E_TEMP)
            break;
    }
    if (r == 0 && ch.changed && !dry) {
        epoch_bump(EPOCH_ACCOUNTS);
        event(object_changed, log_here(), F_STR(object, ch.object), F_STR(admin, ch.admin));
    }
    return r;
}

int change_note_other(struct change *ch, const char *object, const char *field,
                      const char *old_value, const char *new_value)
{
    if (!old_value && !new_value)
        return 0;
    if (old_value && new_value && strcmp(old_value, new_value) == 0 &&
        strcmp(new_value, AUDIT_SECRET) != 0)
        return 0;
    ch->changed = true;
    if (dry) {
        dry->note(dry->arg, object, field, old_value, new_value);
        return 0;
    }
    return audit_write(ch->c, ch->admin, object, field, old_value, new_value, ch->ei);
}

int change_note(struct change *ch, const char *field, const char *old_value, const char *new_value)
{
    return change_note_other(ch, ch->object, field, old_value, new_value);
}

int change_note_int(struct change *ch, const char *field, int64_t old_value, int64_t new_value)
{
    char was[24], is[24];
    snprintf(was, sizeof(was), "%" PRId64, old_value);
    snprintf(is, sizeof(is), "%" PRId64, new_value);
    return change_note(ch, field, was, is);
}

int change_note_bool(struct change *ch, const char *field, bool old_value, bool new_value)
{
    return change_note(ch, field, old_value ? "yes" : "no", new_value ? "yes" : "no");
}
