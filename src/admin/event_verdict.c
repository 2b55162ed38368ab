/* What became of a message, as JSON for the command line. */
#include "admin/event_json.h"

static json_t *rcpts_json(const struct trace *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct trace_rcpt *r = &t->rcpts[i];

        json_array_append_new(
            list, json_pack("{s:o, s:s, s:o, s:o, s:o}", "address", event_text_json(r->address),
                            "state", trace_fates[r->fate], "reply", event_text_json(r->reply),
                            "host", event_text_json(r->host), "explanation",
                            event_explanation_json(r->reply, r->host)));
    }
    return list;
}

json_t *event_verdict_json(const struct trace *t)
{
    struct buf sentence;
    json_t *j;

    buf_init(&sentence, 1024);
    trace_sentence(t, &sentence);
    j = json_pack("{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                  event_text_json(t->id), "message", event_key_json(t->key), "sender",
                  event_text_json(t->sender), "state", trace_statuses[t->status], "verdict",
                  event_text_json(buf_sv(&sentence)), "recipients", rcpts_json(t), "next_try",
                  t->next_try_ms ? event_time_json(t->next_try_ms * 1000) : json_null(), "decisive",
                  t->decisive ? event_json(t->decisive) : json_null(), "explanation",
                  event_explanation_json(t->answer, t->answer_host), "time",
                  event_time_json(t->time_us));
    buf_done(&sentence);
    return j;
}
