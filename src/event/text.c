/* Puts values into templates. The lines are those that administrators know:
 * their form is in events.def. */
#include "event/text.h"

#include "base/clock.h"
#include "base/codec.h"

struct source {
    const struct logctx *c;
    const struct event_arg *args;
    size_t n;
    const struct record *r; /* instead of the three above */
    bool escape;
};

static enum event_field field_named(struct sv name)
{
    for (unsigned i = 1; i < FIELD_END; i++)
        if (field_defs[i].name && sv_eq(name, sv_c(field_defs[i].name)))
            return (enum event_field)i;
    return FIELD_END;
}

static bool from_context(const struct logctx *c, enum event_field f, struct event_value *ret)
{
    const char *text = f == FIELD_peer      ? c->source
                       : f == FIELD_account ? c->account
                       : f == FIELD_msgid   ? c->message_id
                                            : NULL;
    ret->text = sv_c(text && *text ? text : NULL);
    return ret->text.p;
}

static bool find(const struct source *s, enum event_field f, struct event_value *ret)
{
    *ret = (struct event_value){ .field = (uint8_t)f };
    if (s->r)
        return record_field(s->r, f, ret);
    for (size_t i = 0; i < s->n; i++) {
        const struct event_arg *a = &s->args[i];
        if (a->field != f)
            continue;
        *ret = (struct event_value){ a->field, a->number, a->n, a->text };
        return a->number || a->text.p;
    }
    return from_context(s->c, f, ret);
}

void text_duration(struct buf *out, uint64_t ms)
{
    uint64_t s = ms / 1000;
    buf_addf(out, "%02" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

static void put_time(struct buf *out, uint64_t ms)
{
    char text[40];
    clock_rfc5322((int64_t)(ms / 1000), text);
    buf_add_str(out, text);
}

static void put_value(struct buf *out, const struct source *s, const struct event_value *v)
{
    if (!v->number) {
        if (s->escape)
            log_add(out, v->text);
        else
            buf_add_sv(out, v->text);
        return;
    }
    switch (field_defs[v->field].type) {
    case FT_DURATION:
        text_duration(out, v->n);
        return;
    case FT_TIME:
        put_time(out, v->n);
        return;
    case FT_HEX:
        buf_addf(out, "%016" PRIX64, v->n);
        return;
    case FT_NONE:
    case FT_TEXT:
    case FT_ADDRESS:
    case FT_IP:
    case FT_ID:
    case FT_INTEGER:
    case FT_BYTES:
    case FT_CODE:
        buf_addf(out, "%" PRIu64, v->n);
        return;
    }
}

static void put_field(struct buf *out, const struct source *s, struct sv inside)
{
    struct event_value v;
    struct sv name = sv_split(&inside, '|'), before = sv_split(&inside, '|');
    if (!find(s, field_named(name), &v))
        return;
    buf_add_sv(out, before);
    put_value(out, s, &v);
    buf_add_sv(out, inside);
}

static void render(struct buf *out, const char *tmpl, const struct source *s)
{
    struct sv rest = sv_c(tmpl);
    while (rest.n) {
        ssize_t open = sv_find(rest, '{');
        ssize_t close = open < 0 ? -1 : sv_find(rest, '}');
        if (close < open || open < 0) {
            buf_add_sv(out, rest);
            return;
        }
        buf_add_sv(out, sv_take(rest, (size_t)open));
        put_field(out, s, sv_n(rest.p + open + 1, (size_t)(close - open - 1)));
        rest = sv_skip(rest, (size_t)close + 1);
    }
}

void text_line(struct buf *out, const char *tmpl, const struct logctx *c,
               const struct event_arg *args, size_t n)
{
    render(out, tmpl, &(struct source){ .c = c, .args = args, .n = n, .escape = true });
}

void text_sentence(struct buf *out, const struct record *r)
{
    const struct event_def *d = r->head.type < EVT_END ? &event_defs[r->head.type] : NULL;
    if (d && d->name)
        render(out, d->sentence, &(struct source){ .r = r });
    else
        buf_addf(out, "An event of number %u, which this version does not know", r->head.type);
}
