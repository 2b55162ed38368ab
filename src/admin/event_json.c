/* Events as JSON. */
#include "admin/event_json.h"

#include <stdio.h>
#include <time.h>

#include "base/codec.h"
#include "event/explain.h"
#include "event/text.h"

/* Text from outside may be anything; JSON is UTF-8. */
json_t *event_text_json(struct sv s)
{
    struct buf b;
    json_t *j;

    if (utf8_valid(s))
        return json_stringn(s.n ? s.p : "", s.n);
    buf_init(&b, 64 * KiB);
    escape_text(s, &b);
    j = json_stringn(b.p ? b.p : "", b.n);
    buf_done(&b);
    return j;
}

json_t *event_key_json(uint64_t key)
{
    return key ? json_sprintf("%016" PRIX64, key) : json_null();
}

json_t *event_time_json(int64_t time_us)
{
    time_t s = (time_t)(time_us / 1000000);
    struct tm tm;
    char text[40] = "";

    if (!gmtime_r(&s, &tm))
        return json_null();
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    return json_sprintf("%s.%06dZ", text, (int)(time_us % 1000000));
}

static json_t *value_json(const struct event_value *v)
{
    enum field_type type = field_defs[v->field].type;

    if (!v->number)
        return event_text_json(v->text);
    if (type == FT_HEX)
        return event_key_json(v->n);
    if (type == FT_TIME)
        return event_time_json((int64_t)v->n * 1000);
    return json_integer((json_int_t)v->n);
}

static json_t *fields_json(const struct record *r)
{
    json_t *fields = json_object();
    struct sv rest = r->fields;
    struct event_value v;

    while (record_next(&rest, &v))
        if (field_defs[v.field].name)
            json_object_set_new(fields, field_defs[v.field].name, value_json(&v));
    return fields;
}

json_t *event_json(const struct event_view *e)
{
    const struct event_head *h = &e->record.head;
    struct buf sentence;
    json_t *j;

    buf_init(&sentence, 64 * KiB);
    text_sentence(&sentence, &e->record);
    j = json_pack("{s:o, s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:o}", "time",
                  event_time_json(h->time_us), "name", e->def ? e->def->name : "unknown",
                  "severity", event_severities[e->def ? e->def->severity : SEV_INFO], "module",
                  module_names[e->module], "service",
                  h->service ? service_names[h->service - 1] : NULL, "session",
                  event_key_json(h->session), "message", event_key_json(h->message), "sentence",
                  event_text_json(buf_sv(&sentence)), "fields", fields_json(&e->record));
    buf_done(&sentence);
    return j;
}

json_t *event_line_json(const struct transcript_line *l)
{
    static const char *const types[] = {
        [TRANSCRIPT_IN] = "in", [TRANSCRIPT_OUT] = "out", [TRANSCRIPT_NOTE] = "note"
    };

    return json_pack("{s:o, s:s, s:o}", "time", event_time_json(l->time_us), "type", types[l->type],
                     "text", event_text_json(l->text));
}

json_t *event_explanation_json(struct sv reply, struct sv host)
{
    const struct explanation *e = reply.n ? explain_reply(reply, host.n > 0) : NULL;

    if (!e)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:s?}", "id", e->id, "cause", e->cause, "remedy", e->remedy,
                     "setting", *e->setting ? e->setting : NULL);
}
