/* What the events know of the search's words: messages and sessions that are over. */
#include "server/api/search.h"

#include <arpa/inet.h>

#include "admin/event_json.h"
#include "admin/session_find.h"
#include "server/api/api_priv.h"
#include "server/api/message.h"
#include "server/api/session.h"

#define BUDGET_MS 150

static void message_hit(void *arg, const struct trace *t)
{
    struct search *s = arg;
    char key[20];
    const struct trace_rcpt *first = t->n ? &t->rcpts[0] : NULL;
    struct sv to = !first ? SV("") : first->original.n ? first->original : first->address;
    _cleanup_(freep) char *id = NULL, *detail = NULL;

    snprintf(key, sizeof(key), "%016" PRIX64, t->key);
    id = t->id.n ? sv_dup(t->id) : xstrdup(key);
    detail = xasprintf("<" SV_FMT "> <" SV_FMT "> %s", SV_ARG(t->sender), SV_ARG(to),
                       trace_statuses[t->status]);
    search_hit(s, "message", id, id, detail);
}

static void find_message(struct search *s, struct sv id, uint64_t key)
{
    struct event_timeline tl;
    struct trace_scope room;
    const struct trace_scope *scope = api_trace_scope(s->c->caller, &room);
    struct trace t;

    if (!key)
        return;
    event_timeline(api_admin_of(s->c)->data_dir, id, key, &tl);
    trace_make(&tl, key, scope, &t);
    if (tl.n && trace_in_scope(&t, scope))
        message_hit(s, &t);
    trace_done(&t);
    event_timeline_done(&tl);
}

static bool is_ip(const char *q)
{
    unsigned char room[16];

    return inet_pton(AF_INET, q, room) == 1 || inet_pton(AF_INET6, q, room) == 1;
}

void search_past_messages(struct search *s)
{
    const char *dir = api_admin_of(s->c)->data_dir;
    struct trace_scope scope;
    struct trace_query q = { .scope = api_trace_scope(s->c->caller, &scope),
                             .limit = s->limit,
                             .budget_ms = BUDGET_MS };
    uint64_t key = 0;

    if (trace_is_id(sv_c(s->q))) {
        find_message(s, sv_c(s->q), trace_key(dir, sv_c(s->q)));
    } else if (strlen(s->q) == 16 && session_parse(s->q, &key)) {
        find_message(s, SV_NULL, key);
    } else if (strchr(s->q, '@') || (is_ip(s->q) && api_sees_all(s->c->caller))) {
        *(strchr(s->q, '@') ? &q.address : &q.ip) = sv_c(s->q);
        trace_find(dir, &q, NULL, message_hit, s, NULL, NULL);
    }
}

void search_past_sessions(struct search *s)
{
    const char *dir = api_admin_of(s->c)->data_dir;
    size_t n = strlen(s->q);
    uint64_t key = n == 4 || n == 8 || n == 16 ? session_find(dir, s->q, BUDGET_MS) : 0;
    json_t *row = api_session_ended(s->c, key);

    if (row)
        search_hit(s, "session", json_string_value(json_object_get(row, "id")),
                   json_string_value(json_object_get(row, "log_id")),
                   json_string_value(json_object_get(row, "account")));
    json_decref(row);
}
