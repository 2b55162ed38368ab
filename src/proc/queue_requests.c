/* Queue operations as JSON. Rows are bounded: at most MAX_ROWS, with the total beside. */
#include "proc/queue_requests.h"

#include "base/codec.h"
#include "proc/module.h"

#define MAX_ROWS 2000
#define MAX_VIEW (1 * MiB)

struct listing {
    json_t *rows;
    size_t total;
    struct sv filter;
};

static bool matches(const struct queue_info *i, struct sv f)
{
    return !f.n || sv_ifind_sv(sv_c(i->sender), f) >= 0 || sv_ifind_sv(sv_c(i->rcpt), f) >= 0 ||
           sv_ifind_sv(sv_c(i->id), f) >= 0 || sv_ifind_sv(sv_c(i->item), f) >= 0;
}

/* JSON text must be UTF-8; what peers sent may not be. */
static json_t *safe_string(const char *s)
{
    struct buf b;
    json_t *j;

    if (utf8_valid(sv_c(s)))
        return json_string(s);
    buf_init(&b, 64 * KiB);
    escape_text(sv_c(s), &b);
    j = json_stringn(b.p, b.n);
    buf_done(&b);
    return j ? j : json_string("");
}

static bool add_row(const struct queue_info *i, void *arg)
{
    struct listing *l = arg;

    if (!matches(i, l->filter))
        return true;
    if (l->total++ < MAX_ROWS)
        json_array_append_new(
            l->rows,
            json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:b}", "item",
                      i->item, "id", i->id, "sender", safe_string(i->sender), "recipient",
                      safe_string(i->rcpt), "answer", safe_string(i->answer), "received_ms",
                      (json_int_t)i->received_ms, "next_try_ms", (json_int_t)i->next_try_ms, "size",
                      (json_int_t)i->size, "recipients", (int)i->n_rcpts, "waiting",
                      (int)i->n_waiting, "attempts", (int)i->attempts, "active", (int)i->active));
    return true;
}

static json_t *list(struct queue *q, json_t *args)
{
    const char *f = json_string_value(json_object_get(args, "filter"));
    struct listing l = { .rows = json_array(), .filter = sv_c(f ? f : "") };

    queue_each(q, add_row, &l);
    return json_pack("{s:b, s:I, s:o}", "ok", 1, "total", (json_int_t)l.total, "rows", l.rows);
}

static json_t *view(struct queue *q, struct sv which)
{
    struct message *m = NULL;
    struct buf tmp, text;
    struct sv content;
    json_t *j;
    int r = queue_view(q, which, &m);

    if (r < 0)
        return reply_error(r, "queue: no message '" SV_FMT "'", SV_ARG(which));
    buf_init(&tmp, (size_t)m->size + 1);
    buf_init(&text, 4 * MAX_VIEW + 16);
    r = message_read(m, &tmp, &content, NULL);
    if (r == 0)
        base64_enc(sv_take(content, MAX_VIEW), &text);
    j = r < 0 ? reply_error(r, "queue: message '" SV_FMT "' cannot be read: %s", SV_ARG(which),
                            err_name(r))
              : json_pack("{s:b, s:s, s:s, s:s, s:I, s:s%}", "ok", 1, "item", m->item, "id", m->id,
                          "encoding", "base64", "size", (json_int_t)m->size, "content",
                          text.p ? text.p : "", text.n);
    buf_done(&tmp);
    buf_done(&text);
    message_unref(m);
    return j;
}

json_t *queue_request(struct queue *q, const char *op, json_t *args)
{
    const char *which = json_string_value(json_object_get(args, "id"));
    struct errinfo ei = { 0 };
    int r;

    if (!strcmp(op, "queue.list"))
        return list(q, args);
    if (!strcmp(op, "queue.page"))
        return queue_page(q, args);
    if (!strcmp(op, "queue.retry")) {
        r = queue_retry(q, sv_c(which ? which : ""));
        return r < 0 ? reply_error(r, "queue: no message '%s'", which ? which : "")
                     : json_pack("{s:b, s:i}", "ok", 1, "count", r);
    }
    if (!which && (!strcmp(op, "queue.delete") || !strcmp(op, "queue.view")))
        return reply_error(E_PARSE, "%s: name the message by its id or item", op);
    if (!strcmp(op, "queue.delete")) {
        r = queue_delete(q, sv_c(which), &ei);
        return r < 0 ? reply_error(r, "%s", *ei.text ? ei.text : err_name(r))
                     : json_pack("{s:b, s:i}", "ok", 1, "count", 1);
    }
    if (!strcmp(op, "queue.view"))
        return view(q, sv_c(which));
    return NULL;
}
