/* Lists of senders that are kept out or let in: by name, and of messages in the queue. */
#include "admin/admin_priv.h"

#include "mail/account/sender_list.h"

static struct sv owner_of(const struct admin_call *c)
{
    const char *owner = admin_arg(c, "owner");

    return sv_c(owner ? owner : "");
}

static bool add_row(const struct sender_entry *e, void *rows)
{
    json_array_append_new(rows,
                          json_pack("{s:o, s:s, s:I, s:o}", "sender", admin_text(e->sender),
                                    "verdict", e->allow ? "allow" : "deny", "changed_ms",
                                    (json_int_t)e->changed_ms, "admin", admin_text(e->admin)));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };

    return admin_rows(senders_each(c->a->accounts, owner_of(c), add_row, rows, &ei), rows, &ei);
}

static json_t *put(const struct admin_call *c, bool allow)
{
    struct sv sender = sv_c(admin_arg(c, "sender"));
    struct errinfo ei = { 0 };

    return admin_result(
        senders_put(c->a->accounts, c->who, owner_of(c), &sender, 1, allow, NULL, &ei), &ei);
}

static json_t *allow_one(const struct admin_call *c)
{
    return put(c, true);
}

static json_t *deny_one(const struct admin_call *c)
{
    return put(c, false);
}

static json_t *remove_one(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_result(
        senders_remove(c->a->accounts, c->who, owner_of(c), sv_c(admin_arg(c, "sender")), &ei),
        &ei);
}

/* --- of the queue --- */

static json_t *put_all(const struct admin_call *c, json_t *senders, bool allow, size_t messages)
{
    size_t n = json_array_size(senders), changed = 0, i;
    struct sv *v = xcalloc(n + 1, sizeof(*v));
    struct errinfo ei = { 0 };
    char note[120];
    json_t *s;
    int r;

    json_array_foreach(senders, i, s) v[i] = sv_c(json_string_value(s));
    r = senders_put(c->a->accounts, c->who, SV(""), v, n, allow, &changed, &ei);
    free(v);
    if (r < 0)
        return admin_result(r, &ei);
    snprintf(note, sizeof(note), "%zu senders of %zu messages, %zu of them new in the list", n,
             messages, changed);
    return json_pack("{s:b, s:s, s:O, s:I, s:I}", "ok", 1, "note", note, "senders", senders,
                     "count", (json_int_t)changed, "messages", (json_int_t)messages);
}

static json_t *of_queue(const struct admin_call *c, bool allow)
{
    json_t *error = NULL, *filter, *reply, *args, *done;
    size_t messages;

    if (!c->a->ask)
        return admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");
    filter = admin_queue_filter(c, false, &error);
    if (!filter)
        return error;
    args = json_pack("{s:o}", "filter", filter);
    reply = c->a->ask(c->a->arg, MOD_SMTP, "queue.senders", args);
    json_decref(args);
    if (!json_is_true(json_object_get(reply, "ok")))
        return reply;
    messages = (size_t)json_integer_value(json_object_get(reply, "messages"));
    done = messages ? put_all(c, json_object_get(reply, "senders"), allow, messages)
                    : admin_error(E_NOTFOUND, "the queue has no such message");
    json_decref(reply);
    return done;
}

static json_t *allow_queued(const struct admin_call *c)
{
    return of_queue(c, true);
}

static json_t *deny_queued(const struct admin_call *c)
{
    return of_queue(c, false);
}

#define FILTER                                                                                     \
    "[id] [ids] [q] [sender] [recipient] [destination] [state] [answer] [older] [all] [priority]"

const struct admin_op admin_sender_ops[] = {
    { "sender.list", "[owner]", "Senders that the server or a domain keeps out or lets in.", list },
    { "sender.allow", "sender [owner]", "Lets in an address or a domain.", allow_one },
    { "sender.deny", "sender [owner]", "Keeps out an address or a domain.", deny_one },
    { "sender.remove", "sender [owner]", "Takes a sender off the list.", remove_one },
    { "queue.allow-sender", FILTER, "Lets in the senders of messages in the queue.", allow_queued },
    { "queue.deny-sender", FILTER, "Keeps out the senders of messages in the queue.", deny_queued },
    { 0 },
};
