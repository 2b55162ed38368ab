/* The mail of one account, where the queue is looked at: its inbox or its junk folder, a page at a
 * time. A message is named by UIDVALIDITY and UID, so that an id that is stale fits none. Who reads
 * or deletes what is somebody else's is recorded here, whatever way he comes. */
#include <unistd.h>

#include "admin/admin_priv.h"
#include "base/clock.h"
#include "mail/account/audit.h"
#include "mail/account/members.h"
#include "mail/mailbox/mailbox.h"
#include "proto/imap_envelope.h"
#include "proto/imap_format.h"

enum { TEXT_MAX = 1024, ENVELOPE_MAX = 1 << 20, LOOKED_AT = 50000, BUDGET_MS = 3000 };

/* --- whose, and which folder --- */

struct place {
    const struct account *acc;
    struct mailbox *m;
    const char *name; /* inbox, junk */
    struct arena arena;
    struct folder folder;
};

static void place_done(struct place *p)
{
    arena_done(&p->arena);
    if (p->m)
        mailbox_unref(p->m);
    if (p->acc)
        account_unref(p->acc);
}

static bool find_junk(const struct folder *f, void *arg)
{
    struct place *p = arg;

    if (!f->exists || !sv_ieq(sv_c(f->special_use), SV("\\Junk")))
        return true;
    p->folder.name = arena_strndup(&p->arena, f->name, strlen(f->name));
    return false;
}

static int find_folder(struct place *p, struct errinfo *ei)
{
    int r = 0;

    p->folder.name = "INBOX";
    if (!strcmp(p->name, "junk")) {
        p->folder.name = NULL;
        r = mailbox_folders(p->m, false, find_junk, p, ei);
    }
    if (r == 0 && !p->folder.name)
        return err_set(ei, E_NOTFOUND,
                       "%s has no junk folder yet: none with the special use \\Junk",
                       p->acc->address);
    return r < 0 ? r : mailbox_folder(p->m, sv_c(p->folder.name), &p->arena, &p->folder, ei);
}

/* NULL, or the error; place_done in any case. */
static json_t *open_place(const struct admin_call *c, struct place *ret)
{
    const char *folder = admin_arg(c, "folder");
    struct errinfo ei = { 0 };
    int r;

    *ret = (struct place){ .name = folder ? folder : "inbox" };
    arena_init(&ret->arena, 64 * KiB);
    if (strcmp(ret->name, "inbox") != 0 && strcmp(ret->name, "junk") != 0)
        return admin_bad_arg("folder", ret->name, "inbox or junk");
    if (!c->a->store)
        return admin_error(E_UNSUPPORTED, "there is no mail store here");
    r = account_find_address(c->a->accounts, sv_c(admin_arg(c, "address")), &ret->acc, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    if (account_kind(ret->acc) != KIND_USER)
        return admin_error(E_CONFLICT, "%s is a %s and has no mailbox; its mail goes to members",
                           ret->acc->address,
                           account_kind(ret->acc) == KIND_LIST ? "mailing list" : "group");
    r = mailbox_open(c->a->store, ret->acc->id, sv_c(ret->acc->address), &ret->m, &ei);
    if (r == 0)
        r = find_folder(ret, &ei);
    return r < 0 ? admin_result(r, &ei) : NULL;
}

/* --- rows --- */

struct texts {
    struct arena scratch;
    struct buf b;
};

static void texts_init(struct texts *x)
{
    arena_init(&x->scratch, ENVELOPE_MAX);
    buf_init(&x->b, TEXT_MAX);
}

static void texts_done(struct texts *x)
{
    arena_done(&x->scratch);
    buf_done(&x->b);
}

/* free() it. */
static char *field_of(struct texts *x, const struct msg_row *row, enum envelope_field f)
{
    struct sv text = SV("");

    if (imap_envelope_text(row->envelope, f, &x->scratch, &x->b))
        text = sv_trim(buf_sv(&x->b));
    if (text.n && text.p[text.n - 1] == ',') /* behind the last address */
        text = sv_take(text, text.n - 1);
    return sv_dup(text);
}

static json_t *flags_json(uint64_t flags)
{
    static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted",
                                         "\\Draft" };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (flags & imap_system_flag(sv_c(names[i])))
            json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *row_json(const struct place *p, struct texts *x, const struct msg_row *row)
{
    static const struct {
        const char *name;
        enum envelope_field field;
    } fields[] = { { "from", ENV_FROM },
                   { "to", ENV_TO },
                   { "subject", ENV_SUBJECT },
                   { "date", ENV_DATE },
                   { "message_id", ENV_MESSAGE_ID } };
    char id[24];
    json_t *j;

    snprintf(id, sizeof(id), "%" PRIu32 ".%" PRIu32, p->folder.uidvalidity, row->uid);
    j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:o}", "id", id, "uid", (json_int_t)row->uid,
                  "uidvalidity", (json_int_t)p->folder.uidvalidity, "received_ms",
                  (json_int_t)row->internal_date_s * 1000, "size", (json_int_t)row->size, "seen",
                  (int)((row->flags & FLAG_SEEN) != 0), "flags", flags_json(row->flags));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        _cleanup_(freep) char *text = field_of(x, row, fields[i].field);

        json_object_set_new(j, fields[i].name, admin_text(text));
    }
    return j;
}

/* --- a page --- */

struct listing {
    const struct place *p;
    struct texts x;
    const char *part[3]; /* of from, to, subject; NULL = any */
    enum msg_order by;
    size_t limit, looked_at;
    int64_t until_ms;
    json_t *rows;
    char last[48]; /* message looked at last: "<value>.<uid>" */
    bool more;
};

static bool has(json_t *row, const char *field, const char *part)
{
    return !part ||
           sv_ifind_sv(sv_c(json_string_value(json_object_get(row, field))), sv_c(part)) >= 0;
}

static bool add_row(const struct msg_row *row, void *arg)
{
    static const char *const fields[] = { "from", "to", "subject" };
    struct listing *l = arg;
    int64_t value = l->by == ORDER_SIZE   ? (int64_t)row->size
                    : l->by == ORDER_DATE ? row->internal_date_s
                                          : (int64_t)row->uid;
    bool fits = true;
    json_t *j;

    if (json_array_size(l->rows) == l->limit || l->looked_at++ == LOOKED_AT ||
        clock_mono_ms() > l->until_ms) {
        l->more = true;
        return false;
    }
    j = row_json(l->p, &l->x, row);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        fits = fits && has(j, fields[i], l->part[i]);
    if (fits)
        json_array_append(l->rows, j);
    json_decref(j);
    snprintf(l->last, sizeof(l->last), "%" PRId64 ".%" PRIu32, value, row->uid);
    return true;
}

/* "<a>.<b>" */
static bool two_numbers(const char *text, int64_t *ret_a, uint32_t *ret_b)
{
    struct sv rest = sv_c(text), a = sv_split(&rest, '.');

    return rest.p && sv_to_i64(a, ret_a) == 0 && sv_to_u32(rest, ret_b) == 0;
}

static json_t *take_order(const struct admin_call *c, struct msg_walk *w)
{
    static const char *const names[ORDER_COUNT] = { "uid", "received", "size" };
    const char *sort = admin_arg(c, "sort"), *after = admin_arg(c, "after");

    *w = (struct msg_walk){ .by = ORDER_UID, .down = !sort || *sort == '-' };
    w->behind = after;
    if (after && !two_numbers(after, &w->value, &w->uid))
        return admin_bad_arg("after", after, "what an answer had as next");
    if (!sort)
        return NULL;
    for (w->by = 0; w->by < ORDER_COUNT; w->by++)
        if (!strcmp(sort + w->down, names[w->by]))
            return NULL;
    return admin_bad_arg("sort", sort, "uid, received or size, with - in front for the last first");
}

static json_t *list_place(const struct admin_call *c, const struct place *p)
{
    struct listing l = { .p = p,
                         .part = { admin_arg(c, "sender"), admin_arg(c, "recipient"),
                                   admin_arg(c, "subject") },
                         .until_ms = clock_mono_ms() + BUDGET_MS };
    struct errinfo ei = { 0 };
    struct msg_walk w;
    json_t *error = take_order(c, &w);
    int r;

    if (!error)
        error = admin_take_limit(c, &l.limit);
    if (error)
        return error;
    l.by = w.by;
    l.rows = json_array();
    texts_init(&l.x);
    r = mailbox_walk(p->m, p->folder.id, &w, MSG_ENVELOPE, add_row, &l, &ei);
    texts_done(&l.x);
    if (r < 0)
        return admin_rows(r, l.rows, &ei);
    return json_pack("{s:b, s:o, s:s, s:s, s:I, s:I, s:s*}", "ok", 1, "rows", l.rows, "address",
                     p->acc->address, "folder", p->folder.name, "total",
                     (json_int_t)p->folder.messages, "unseen", (json_int_t)p->folder.unseen, "next",
                     l.more ? l.last : NULL);
}

static json_t *list(const struct admin_call *c)
{
    _cleanup_(place_done) struct place p;
    json_t *error = open_place(c, &p);

    return error ? error : list_place(c, &p);
}

/* --- one message --- */

struct found {
    const struct place *p;
    struct texts x;
    uint32_t uid;
    uint64_t key;
    json_t *row;
};

static bool take_row(const struct msg_row *row, void *arg)
{
    struct found *f = arg;

    f->key = row->key;
    f->row = row_json(f->p, &f->x, row);
    return false;
}

/* The message of args.id: f->row, a new reference. NULL, or the error. */
static json_t *find_message(const struct admin_call *c, const struct place *p, struct found *f)
{
    const char *id = admin_arg(c, "id");
    struct errinfo ei = { 0 };
    int64_t uidvalidity;
    int r = 0;

    *f = (struct found){ .p = p };
    if (!two_numbers(id, &uidvalidity, &f->uid))
        return admin_bad_arg("id", id,
                             "UIDVALIDITY and UID with a dot between them, as the list shows it");
    texts_init(&f->x);
    if (uidvalidity == (int64_t)p->folder.uidvalidity && f->uid)
        r = mailbox_rows(p->m, p->folder.id, f->uid, f->uid, MSG_ENVELOPE, take_row, f, &ei);
    texts_done(&f->x);
    if (r < 0)
        return admin_result(r, &ei);
    return f->row ? NULL
                  : admin_error(E_NOTFOUND, "the %s of %s has no message '%.40s' (any more)",
                                p->name, p->acc->address, id);
}

/* Recorded before it is done. NULL, or the error: then it is not done. */
static json_t *record(const struct admin_call *c, const struct found *f, const char *what,
                      const char *old_value, const char *new_value)
{
    struct errinfo ei = { 0 };
    char object[400];
    int r;

    snprintf(object, sizeof(object), "mailbox %s %s %s", f->p->acc->address, f->p->name,
             admin_arg(c, "id"));
    r = audit_write_alone(c->a->db, c->who, object, what, old_value, new_value, &ei);
    return r < 0 ? admin_error(r, "this cannot be recorded in the audit, and is not done: %s",
                               ei.text)
                 : NULL;
}

static const char *message_id(const struct found *f)
{
    return json_string_value(json_object_get(f->row, "message_id"));
}

static json_t *content(const struct admin_call *c, const struct found *f, uint64_t offset)
{
    _cleanup_(closep) int fd = -1;
    struct errinfo ei = { 0 };
    uint64_t size;
    int r = mailbox_open_message(f->p->m, f->key, &fd, &size, &ei);
    json_t *j = r < 0 ? NULL : record(c, f, "looked at", NULL, message_id(f));

    if (r < 0)
        return admin_result(r, &ei);
    if (j)
        return j;
    j = admin_piece(fd, 0, size, offset);
    if (!j)
        return admin_error(E_TEMP, "message %s of %s cannot be read", admin_arg(c, "id"),
                           f->p->acc->address);
    json_object_set(j, "id", json_object_get(f->row, "id"));
    return j;
}

static json_t *view(const struct admin_call *c)
{
    _cleanup_(place_done) struct place p;
    json_t *reply = open_place(c, &p);
    struct found f = { 0 };
    uint64_t offset = 0;

    if (!reply)
        reply = admin_take_offset(c, &offset);
    if (!reply)
        reply = find_message(c, &p, &f);
    if (!reply)
        reply = content(c, &f, offset);
    json_decref(f.row);
    return reply;
}

static json_t *show(const struct admin_call *c)
{
    _cleanup_(place_done) struct place p;
    json_t *error = open_place(c, &p);
    struct found f = { 0 };

    if (!error)
        error = find_message(c, &p, &f);
    if (error)
        return error;
    json_object_set_new(f.row, "ok", json_true());
    return f.row;
}

static json_t *remove_message(const struct admin_call *c, const struct found *f)
{
    struct errinfo ei = { 0 };
    json_t *reply;
    size_t n;
    int r;

    if (c->a->dry_run) {
        json_t *effect = json_array();

        admin_effect(effect, f->p->acc->address, "delete", message_id(f), NULL);
        return json_pack("{s:b, s:o}", "ok", 1, "effect", effect);
    }
    reply = record(c, f, "delete", message_id(f), NULL);
    if (reply)
        return reply;
    r = mailbox_expunge(f->p->m, f->p->folder.id, &f->uid, 1, false, &n, &ei);
    if (r == 0 && n == 0)
        r = err_set(&ei, E_NOTFOUND, "message '%.40s' of %s has been deleted by somebody else",
                    admin_arg(c, "id"), f->p->acc->address);
    return admin_result(r, &ei);
}

static json_t *delete (const struct admin_call *c)
{
    _cleanup_(place_done) struct place p;
    json_t *reply = open_place(c, &p);
    struct found f = { 0 };

    if (!reply)
        reply = find_message(c, &p, &f);
    if (!reply)
        reply = remove_message(c, &f);
    json_decref(f.row);
    return reply;
}

const struct admin_op admin_queue_mailbox_ops[] = {
    { "queue.mailbox", "address [folder] [sender] [recipient] [subject] [sort] [after] [limit]",
      "Messages in the inbox or junk folder of an account, the newest first. after: what an answer "
      "had as next.",
      list },
    { "queue.mailbox-row", "address folder id", "One of these messages.", show },
    { "queue.mailbox-show", "address folder id [offset]",
      "Such a message as it lies there, 4 MiB of it from an offset on; it is recorded.", view },
    { "queue.mailbox-delete", "address folder id", "Deletes such a message for good.", delete },
    { 0 },
};
