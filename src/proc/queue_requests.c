/* Queue operations as JSON. Rows are bounded: at most MAX_ROWS, with the total beside. */
#include "proc/queue_requests.h"

#include "base/clock.h"
#include "base/codec.h"
#include "proc/module.h"
#include "proc/queue_filter.h"

#define MAX_ROWS 2000
#define MAX_VIEW (1 * MiB)
#define MAX_TOLD 100 /* of what was not done */

struct listing {
    json_t *rows;
    size_t total;
    struct sv filter;
    struct queue_filter list;
};

static bool matches(const struct queue_info *i, struct sv f)
{
    return !f.n || sv_ifind_sv(sv_c(i->sender), f) >= 0 || sv_ifind_sv(sv_c(i->rcpt), f) >= 0 ||
           sv_ifind_sv(sv_c(i->id), f) >= 0 || sv_ifind_sv(sv_c(i->item), f) >= 0 ||
           sv_ifind_sv(sv_c(i->subject), f) >= 0;
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
    char state[40];

    if (!matches(i, l->filter) || !queue_filter_matches(&l->list, i))
        return true;
    snprintf(state, sizeof(state), "%s%s%s", queue_state_names[queue_state_of(i, clock_wall_ms())],
             i->ordered ? ", then " : "", i->ordered ? queue_action_names[*i->ordered] : "");
    if (l->total++ < MAX_ROWS)
        json_array_append_new(
            l->rows,
            json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:b, s:s, s:s}",
                      "item", i->item, "id", i->id, "sender", safe_string(i->sender), "recipient",
                      safe_string(i->rcpt), "answer", safe_string(i->answer), "subject",
                      safe_string(i->subject), "received_ms", (json_int_t)i->received_ms,
                      "next_try_ms", (json_int_t)i->next_try_ms, "size", (json_int_t)i->size,
                      "recipients", (int)i->n_rcpts, "waiting", (int)i->n_waiting, "attempts",
                      (int)i->attempts, "active", (int)i->active, "priority",
                      queue_priority_names[i->priority], "state", state));
    return true;
}

static json_t *list(struct queue *q, json_t *args)
{
    const char *f = json_string_value(json_object_get(args, "filter"));
    const char *name = json_string_value(json_object_get(args, "queue"));
    struct listing l = { .rows = NULL, .filter = sv_c(f ? f : "") };
    json_t *filter;

    if (name && !queue_filter_is_list(name))
        return reply_error(E_PARSE, "queue: '%.40s' is none; outgoing, incoming, mda, sms or retry",
                           name);
    l.rows = json_array();
    filter = json_pack("{s:O}", "filter", args);
    queue_filter_read(&l.list, filter);
    queue_each(q, add_row, &l);
    queue_filter_done(&l.list);
    json_decref(filter);
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

/* --- actions --- */

struct steering {
    struct queue_filter filter;
    json_t *failures;
};

static bool is_meant(const struct queue_info *i, void *arg)
{
    const struct steering *s = arg;

    return queue_filter_matches(&s->filter, i);
}

static bool is_reached(const struct queue_info *i, const struct rcpt *r, void *arg)
{
    const struct steering *s = arg;

    return queue_filter_reaches(&s->filter, i, r);
}

static void add_failure(struct steering *s, const char *id, const char *why)
{
    if (json_array_size(s->failures) < MAX_TOLD)
        json_array_append_new(s->failures, json_pack("{s:s, s:s}", "id", id, "detail", why));
}

/* All were looked for already: those named that are left in the end are not there. */
static void note(const char *id, enum queue_steer_result r, void *arg)
{
    static const char *const why[STEER_RESULTS] = {
        [STEER_BUSY] = "is being delivered now",
        [STEER_HELD] = "is held; release it first",
        [STEER_SHARED] = "also waits for recipients of other domains: it can be deleted and sent "
                         "for yours, no more",
        [STEER_FAILED] = "the queue could not record it",
    };
    struct steering *s = arg;

    if (s->filter.ids)
        map_del(s->filter.ids, sv_c(id));
    if (why[r])
        add_failure(s, id, why[r]);
}

static bool note_gone(struct sv id, void *value _unused_, void *arg)
{
    char text[64];

    sv_copy(text, sizeof(text), id);
    add_failure(arg, text, "is not in the queue");
    return true;
}

static bool find_word(const char *word, const char *const *names, size_t n, size_t *ret)
{
    for (*ret = 0; *ret < n; ++*ret)
        if (word && !strcmp(word, names[*ret]))
            return true;
    return false;
}

/* {"action", "priority", "admin", "dry_run", "filter", "domains"} -> {"done", "later", "unchanged",
 * "busy", "held", "shared", "failed", "gone", "failures": [{"id", "detail"}]} */
static json_t *steer(struct queue *q, const atomic_bool *cancel, json_t *args)
{
    static const char *const results[STEER_RESULTS] = {
        [STEER_DONE] = "done",           [STEER_LATER] = "later", [STEER_BUSY] = "busy",
        [STEER_AS_IT_WAS] = "unchanged", [STEER_HELD] = "held",   [STEER_SHARED] = "shared",
        [STEER_FAILED] = "failed",
    };
    const char *priority = json_string_value(json_object_get(args, "priority"));
    struct steering s = { 0 };
    struct queue_steer spec = {
        .admin = json_string_value(json_object_get(args, "admin")),
        .dry_run = json_is_true(json_object_get(args, "dry_run")),
        .want = is_meant,
        .reaches = is_reached,
        .each = note,
        .arg = &s,
        .cancel = cancel,
    };
    struct queue_steered done;
    struct errinfo ei = { 0 };
    size_t action, p = PRIORITY_NORMAL;
    json_t *reply;
    int r;

    if (!find_word(json_string_value(json_object_get(args, "action")), queue_action_names,
                   QUEUE_ACTIONS, &action))
        return reply_error(
            E_PARSE,
            "action: hold, release, send_now, bounce, delete, priority, approve or reject");
    if (action == QUEUE_PRIORITY && !find_word(priority, queue_priority_names, PRIORITIES, &p))
        return reply_error(E_PARSE, "priority: high, normal or low");
    spec.action = (enum queue_action)action;
    spec.priority = (enum priority)p;
    s.failures = json_array();
    queue_filter_read(&s.filter, args);
    r = queue_steer(q, &spec, &done, &ei);
    reply = r < 0 && !done.n[STEER_DONE] && !done.n[STEER_LATER] ? reply_error(r, "%s", ei.text)
                                                                 : json_pack("{s:b}", "ok", 1);
    if (json_object_get(reply, "ok")) {
        for (size_t i = 0; i < STEER_RESULTS; i++)
            json_object_set_new(reply, results[i], json_integer((json_int_t)done.n[i]));
        if (s.filter.ids)
            map_each(s.filter.ids, note_gone, &s);
        json_object_set_new(reply, "gone",
                            json_integer(s.filter.ids ? (json_int_t)map_count(s.filter.ids) : 0));
        json_object_set(reply, "failures", s.failures);
    }
    json_decref(s.failures);
    queue_filter_done(&s.filter);
    return reply;
}

/* --- senders --- */

enum { MAX_SENDERS = 20000 };

struct senders {
    struct queue_filter filter;
    struct map *seen;
    size_t messages;
};

/* Notices have no sender. */
static bool add_sender(const struct queue_info *i, void *arg)
{
    struct senders *s = arg;

    if (!queue_filter_matches(&s->filter, i))
        return true;
    s->messages++;
    if (*i->sender)
        map_put(s->seen, sv_c(i->sender), s);
    return map_count(s->seen) <= MAX_SENDERS;
}

static bool list_sender(struct sv sender, void *value _unused_, void *list)
{
    json_t *text = json_stringn(sender.p, sender.n);

    if (text) /* what is no UTF-8 is no address that a list could hold */
        json_array_append_new(list, text);
    return true;
}

/* {"filter", "domains"} -> {"senders", "messages"}: those of the messages meant, each once. */
static json_t *senders(struct queue *q, json_t *args)
{
    struct senders s = { .seen = map_new() };
    json_t *list = json_array();

    queue_filter_read(&s.filter, args);
    queue_each(q, add_sender, &s);
    queue_filter_done(&s.filter);
    map_each(s.seen, list_sender, list);
    map_free(s.seen, NULL);
    if (json_array_size(list) <= MAX_SENDERS)
        return json_pack("{s:b, s:o, s:I}", "ok", 1, "senders", list, "messages",
                         (json_int_t)s.messages);
    json_decref(list);
    return reply_error(E_LIMIT, "the messages have more than %d senders; narrow the filter",
                       MAX_SENDERS);
}

static const char *const pause_names[] = {
    [PAUSE_ALL] = "all", [PAUSE_DESTINATION] = "destination", [PAUSE_SENDER] = "sender"
};

/* {"what": "all|destination|sender", "domain", "on", "admin"} -> {"changed"} */
static json_t *set_pause(struct queue *q, json_t *args)
{
    const char *domain = json_string_value(json_object_get(args, "domain"));
    struct errinfo ei = { 0 };
    size_t what;
    int r;

    if (!find_word(json_string_value(json_object_get(args, "what")), pause_names,
                   ARRAY_LEN(pause_names), &what))
        return reply_error(E_PARSE, "what: all, destination or sender");
    r = queue_pause(q, (enum queue_pause_kind)what, sv_c(domain ? domain : ""),
                    json_is_true(json_object_get(args, "on")),
                    json_string_value(json_object_get(args, "admin")), &ei);
    return r < 0 ? reply_error(r, "%s", ei.text) : json_pack("{s:b, s:b}", "ok", 1, "changed", r);
}

static void add_pause(enum queue_pause_kind kind, const char *name, void *rows)
{
    json_array_append_new(rows, json_pack("{s:s, s:s}", "what", pause_names[kind], "domain", name));
}

static json_t *list_pauses(struct queue *q)
{
    json_t *rows = json_array();

    queue_each_pause(q, add_pause, rows);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

/* {"rows": [{"destination", ...}], "total"}, the fullest first */
static json_t *list_destinations(struct queue *q)
{
    json_t *args = json_pack("{s:i}", "limit", 0), *page = queue_page(q, args), *row, *reply;
    json_t *rows = json_object_get(page, "destinations");
    size_t i;

    json_array_foreach(rows, i, row)
        json_object_set(row, "destination", json_object_get(row, "domain"));
    reply = json_pack("{s:b, s:O, s:O}", "ok", 1, "rows", rows, "total",
                      json_object_get(page, "n_destinations"));
    json_decref(args);
    json_decref(page);
    return reply;
}

json_t *queue_request(struct queue *q, const atomic_bool *cancel, const char *op, json_t *args)
{
    const char *which = json_string_value(json_object_get(args, "id"));

    if (!strcmp(op, "queue.list"))
        return list(q, args);
    if (!strcmp(op, "queue.page"))
        return queue_page(q, args);
    if (!strcmp(op, "queue.steer"))
        return steer(q, cancel, args);
    if (!strcmp(op, "queue.senders"))
        return senders(q, args);
    if (!strcmp(op, "queue.pause"))
        return set_pause(q, args);
    if (!strcmp(op, "queue.pauses"))
        return list_pauses(q);
    if (!strcmp(op, "queue.destinations"))
        return list_destinations(q);
    if (!strcmp(op, "queue.view"))
        return which ? view(q, sv_c(which))
                     : reply_error(E_PARSE, "%s: name the message by its id or item", op);
    return NULL;
}
