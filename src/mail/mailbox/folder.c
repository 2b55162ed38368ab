/* Folders: their names, making and deleting them, subscriptions. RFC 3501 6.3.3-6.3.7, special use
 * by RFC 6154. */
#include "base/clock.h"
#include "base/codec.h"
#include "conf/conf.h"
#include "mail/mailbox/mailbox_priv.h"

#define FIRST_CEILING 1000

static bool has_control(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == 0x7f)
            return true;
        if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
            return true; /* U+0080 to U+009F */
    }
    return false;
}

int folder_name(struct sv name, struct buf *ret, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    size_t max = (size_t)cf->mailbox.max_folder_name;
    const char *why = NULL;
    if (name.n == 0)
        why = "a folder needs a name";
    else if (name.n > max)
        return err_set(ei, E_RANGE, "folder name of %zu bytes; at most %zu are allowed", name.n,
                       max);
    else if (!utf8_valid(name))
        why = "folder name is not valid UTF-8";
    else if (has_control(name))
        why = "folder name has control characters";
    else if (name.p[0] == '/' || name.p[name.n - 1] == '/' || sv_find_sv(name, SV("//")) >= 0)
        why = "folder name has an empty level; levels are separated by one '/'";
    if (why)
        return err_set(ei, E_RANGE, "%s", why);
    bool inbox = sv_istarts(name, SV("INBOX")) && (name.n == 5 || name.p[5] == '/');
    buf_init(ret, name.n);
    int r = inbox ? buf_add_str(ret, "INBOX") : 0;
    if (r == 0)
        r = buf_add_sv(ret, inbox ? sv_skip(name, 5) : name);
    return r < 0 ? err_set_errno(ei, r, "folder name") : 0;
}

int folder_insert(struct op *o, struct sv name, const char *special_use, int64_t *ret_id,
                  struct errinfo *ei)
{
    uint32_t uidvalidity = 0;
    int r = validity_next(o, &uidvalidity, ei);
    if (r < 0)
        return r;
    r = db_run(
        o->c, ei,
        "INSERT INTO folder(name, special_use, uidvalidity, uidnext, uid_ceiling, recent_uid,"
        " modseq, flag_modseq, gone_modseq, gone_floor, messages, unseen, bytes, keywords)"
        " VALUES(?, ?, ?, 1, ?, 1, 1, 0, 0, 0, 0, 0, 0, '')",
        "vsii", name, special_use ? special_use : "", (int64_t)uidvalidity, (int64_t)FIRST_CEILING);
    if (r < 0)
        return r;
    r = db_value(o->c, ret_id, ei, "SELECT last_insert_rowid()", "");
    if (r == 0)
        op_changed(o, *ret_id);
    return r;
}

/* Special use of a default folder by its name (RFC 6154); "" for other names. */
static const char *special_use_of(struct sv name)
{
    static const char *const uses[] = { "Drafts",  "\\Drafts",  "Sent",    "\\Sent",
                                        "Trash",   "\\Trash",   "Junk",    "\\Junk",
                                        "Archive", "\\Archive", "Flagged", "\\Flagged" };
    for (size_t i = 0; i < ARRAY_LEN(uses); i += 2) {
        if (sv_ieq(name, sv_c(uses[i])))
            return uses[i + 1];
    }
    return "";
}

static int subscribe(struct op *o, struct sv name, bool on, struct errinfo *ei)
{
    return db_run(o->c, ei,
                  on ? "INSERT OR IGNORE INTO subscription(name) VALUES(?)"
                     : "DELETE FROM subscription WHERE name = ?",
                  "v", name);
}

static int find_id(struct op *o, struct sv name, int64_t *ret, struct errinfo *ei)
{
    return db_value(o->c, ret, ei, "SELECT id FROM folder WHERE name = ?", "v", name);
}

/* The folder and its missing parents. E_EXISTS for the folder itself. */
static int create_path(struct op *o, struct sv name, const char *special_use, int64_t *ret_id,
                       struct errinfo *ei)
{
    for (size_t i = 1; i <= name.n; i++) {
        int64_t id = 0;
        bool last = i == name.n;
        if (!last && name.p[i] != '/')
            continue;
        int r = find_id(o, sv_take(name, i), &id, NULL);
        if (r == E_NOTFOUND)
            r = folder_insert(o, sv_take(name, i), last ? special_use : "", ret_id, ei);
        else if (r == 0 && last)
            r = err_set(ei, E_EXISTS, "folder '%.*s' exists already", (int)MIN(name.n, (size_t)120),
                        name.p);
        if (r < 0)
            return r;
    }
    return 0;
}

int folder_create_path(struct op *o, struct sv name, const char *special_use, int64_t *ret_id,
                       struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t n = 0;
    int r = create_path(o, name, special_use, ret_id, ei);
    if (r == 0)
        r = db_value(o->c, &n, ei, "SELECT COUNT(*) FROM folder", "");
    if (r == 0 && n > cf->mailbox.max_folders)
        r = err_set(ei, E_LIMIT, "an account may have %" PRId64 " folders; delete some first",
                    cf->mailbox.max_folders);
    return r;
}

int folder_defaults(struct op *o, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct sv rest = sv_c(cf->mailbox.default_folders);
    int r = subscribe(o, SV("INBOX"), true, ei);
    while (r == 0 && rest.n > 0) {
        _cleanup_(buf_done) struct buf name = { .p = NULL };
        struct sv item = sv_trim(sv_split(&rest, ';'));
        int64_t id = 0;
        if (item.n == 0 || folder_name(item, &name, NULL) < 0)
            continue; /* a bad item must not keep people from their mail */
        r = create_path(o, buf_sv(&name), special_use_of(item), &id, ei);
        if (r == E_EXISTS)
            r = 0;
        if (r == 0)
            r = subscribe(o, buf_sv(&name), true, ei);
    }
    return r;
}

static int sync_after(struct mailbox *m, int r, struct errinfo *ei)
{
    return r < 0 ? r : index_sync(m, ei);
}

int mailbox_create_folder(struct mailbox *m, struct sv name, const char *special_use,
                          struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf norm = { .p = NULL };
    struct op o;
    int64_t id = 0;
    if (name.n > 1 && name.p[name.n - 1] == '/') /* "I will make folders in it": RFC 3501 6.3.3 */
        name = sv_take(name, name.n - 1);
    int r = folder_name(name, &norm, ei);
    if (r == 0)
        r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = folder_create_path(&o, buf_sv(&norm), special_use, &id, ei);
    return sync_after(m, op_finish(&o, r, ei), ei);
}

static int delete_rows(struct op *o, struct sv name, struct folder_row *f, struct errinfo *ei)
{
    int r = 0;
    for (;;) {
        _cleanup_(freep) struct msg_data *g = NULL;
        size_t n = 0;
        r = msgs_collect(o, f->id, NULL, 0, 0, 0, 1000, &g, &n, ei);
        if (r < 0 || n == 0)
            break;
        r = msgs_remove(o, f, g, n, true, ei);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = db_run(o->c, ei, "DELETE FROM gone WHERE folder_id = ?", "i", f->id);
    if (r == 0)
        r = db_run(o->c, ei, "DELETE FROM folder WHERE id = ?", "i", f->id);
    if (r == 0)
        r = validity_name_left(o, name, f->uidvalidity, ei);
    op_changed(o, f->id);
    return r;
}

int mailbox_delete_folder(struct mailbox *m, struct sv name, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf norm = { .p = NULL };
    _cleanup_(row_done) struct folder_row row = { .id = 0 };
    struct op o;
    int64_t id = 0;
    int r = folder_name(name, &norm, ei);
    if (r < 0)
        return r == E_RANGE ? E_NOTFOUND : r;
    if (sv_eq(buf_sv(&norm), SV("INBOX")))
        return err_set(ei, E_PERM, "INBOX cannot be deleted");
    r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = find_id(&o, buf_sv(&norm), &id, ei);
    if (r == E_NOTFOUND)
        err_set(ei, r, "folder does not exist");
    if (r == 0)
        r = row_load(&o, id, &row, ei);
    if (r == 0)
        r = delete_rows(&o, buf_sv(&norm), &row, ei);
    return sync_after(m, op_finish(&o, r, ei), ei);
}

int mailbox_subscribe(struct mailbox *m, struct sv name, bool on, struct errinfo *ei)
{
    _cleanup_(buf_done) struct buf norm = { .p = NULL };
    struct op o;
    int r = folder_name(name, &norm, ei);
    if (r == 0)
        r = op_write(m, &o, ei);
    if (r < 0)
        return r;
    r = subscribe(&o, buf_sv(&norm), on, ei);
    return sync_after(m, op_finish(&o, r, ei), ei);
}

int usage_load(struct op *o, int64_t *ret_bytes, int64_t *ret_messages, struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(o->c, &s, ei, "SELECT SUM(bytes), SUM(messages) FROM folder", "");
    if (r == 0)
        r = db_step(s, ei);
    if (r <= 0)
        return r;
    *ret_bytes = db_col_int(s, 0);
    *ret_messages = db_col_int(s, 1);
    return 0;
}

int quota_check(struct op *o, const struct mailbox_quota *quota, int64_t used, uint64_t more,
                struct errinfo *ei)
{
    uint64_t was = (uint64_t)MAX(used, 0);
    if (!quota)
        return 0;
    if (quota->mailbox > 0 && was + more > quota->mailbox)
        return err_set(ei, E_QUOTA, "the mailbox is full");
    if (quota->domain == 0 || !usage_counted(o->m))
        return 0;
    if (!o->was_known) {
        o->was = used;
        o->was_known = true;
    }
    if (!usage_reserve(o->m, was + more, was, quota->domain))
        return err_set(ei, E_QUOTA, "the domain's mailboxes are full");
    return 0;
}

int64_t mailbox_inbox_id(_unused_ struct mailbox *m)
{
    return INBOX_ID; /* the first row of every index */
}

int mailbox_usage(struct mailbox *m, uint64_t *ret_bytes, uint64_t *ret_messages,
                  struct errinfo *ei)
{
    struct op o;
    int64_t bytes = 0, messages = 0;
    int r = op_read(m, &o, ei);
    if (r < 0)
        return r;
    r = usage_load(&o, &bytes, &messages, ei);
    r = op_finish(&o, r, ei);
    if (r < 0)
        return r;
    *ret_bytes = (uint64_t)bytes;
    *ret_messages = (uint64_t)messages;
    return 0;
}
