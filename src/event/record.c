/* Encoding and decoding of records. */
#include "event/record.h"

#include "base/hash.h"

enum { HEAD = sizeof(struct event_head), VARINT_MAX = 10 };

/* --- writing --- */

struct out {
    unsigned char *p;
    size_t n;
};

static size_t put_varint(unsigned char *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (unsigned char)(v | 0x80);
    p[n++] = (unsigned char)v;
    return n;
}

static void put_number(struct out *o, unsigned field, uint64_t v)
{
    if (o->n + 1 + VARINT_MAX + 8 > RECORD_EVENT_MAX)
        return;
    o->p[o->n++] = (unsigned char)(field << 1);
    o->n += put_varint(o->p + o->n, v);
}

static void put_text(struct out *o, unsigned field, struct sv text)
{
    if (!text.p)
        return;
    text = sv_take(text, RECORD_TEXT_MAX);
    if (o->n + 1 + VARINT_MAX + text.n + 8 > RECORD_EVENT_MAX)
        return;
    o->p[o->n++] = (unsigned char)(field << 1 | 1);
    o->n += put_varint(o->p + o->n, text.n);
    if (text.n)
        memcpy(o->p + o->n, text.p, text.n);
    o->n += text.n;
}

/* What the context says; an argument of the same field has the last word. */
static void put_context(struct out *o, const struct logctx *c, const struct event_arg *args,
                        size_t n)
{
    bool given[FIELD_END] = { false };
    for (size_t i = 0; i < n; i++)
        given[args[i].field] = true;
    if (*c->source && !given[FIELD_peer])
        put_text(o, FIELD_peer, sv_c(c->source));
    if (c->account && *c->account && !given[FIELD_account])
        put_text(o, FIELD_account, sv_c(c->account));
    if (c->message_id && *c->message_id && !given[FIELD_msgid])
        put_text(o, FIELD_msgid, sv_c(c->message_id));
}

size_t record_encode(enum event_type t, const struct logctx *c, const struct event_arg *args,
                     size_t n, unsigned char *out)
{
    struct out o = { out, HEAD };
    put_context(&o, c, args, n);
    for (size_t i = 0; i < n; i++) {
        if (args[i].field && args[i].number)
            put_number(&o, args[i].field, args[i].n);
        else if (args[i].field)
            put_text(&o, args[i].field, args[i].text);
    }
    size_t size = (o.n + 8) & ~(size_t)7; /* at least one zero byte */
    memset(out + o.n, 0, size - o.n);
    struct event_head h = {
        .size = (uint32_t)size,
        .type = (uint16_t)t,
        .service = c->service,
        .session = c->session,
        .message = c->message,
    };
    memcpy(out, &h, HEAD);
    return size;
}

void record_transcript(enum transcript_type t, const struct logctx *c, struct sv line,
                       struct event_head *ret_head, uint32_t *ret_n)
{
    *ret_n = (uint32_t)MIN(line.n, (size_t)RECORD_LINE_MAX);
    *ret_head = (struct event_head){
        .size = (uint32_t)((HEAD + 4 + *ret_n + 7) & ~(size_t)7),
        .type = (uint16_t)t,
        .service = c->service,
        .session = c->session,
    };
}

/* --- reading --- */

static bool take_varint(struct sv *in, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < VARINT_MAX && i < in->n; i++) {
        unsigned char c = (unsigned char)in->p[i];
        if (i == VARINT_MAX - 1 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (!(c & 0x80)) {
            *ret = v;
            *in = sv_skip(*in, i + 1);
            return true;
        }
    }
    return false;
}

/* 1 = a field, 0 = the end, negative = damaged. */
static int next(struct sv *rest, struct event_value *ret)
{
    if (rest->n == 0 || *rest->p == 0)
        return 0;
    unsigned char tag = (unsigned char)*rest->p;
    *ret = (struct event_value){ .field = tag >> 1, .number = !(tag & 1) };
    *rest = sv_skip(*rest, 1);
    if (ret->field == 0 || !take_varint(rest, &ret->n))
        return E_CORRUPT;
    if (ret->number)
        return 1;
    if (ret->n > RECORD_TEXT_MAX || ret->n > rest->n)
        return E_CORRUPT;
    ret->text = sv_take(*rest, (size_t)ret->n);
    *rest = sv_skip(*rest, (size_t)ret->n);
    return 1;
}

static int take_head(struct sv in, size_t max, struct event_head *ret)
{
    if (in.n < HEAD)
        return 0;
    memcpy(ret, in.p, HEAD);
    if (ret->size < HEAD + 8 || ret->size > max || ret->size % 8 || ret->service > SVC_COUNT)
        return E_CORRUPT;
    return in.n >= ret->size;
}

int record_decode(struct sv in, struct record *ret)
{
    struct event_value v;
    int r = take_head(in, RECORD_EVENT_MAX, &ret->head);
    if (r <= 0)
        return r;
    ret->fields = sv_n(in.p + HEAD, ret->head.size - HEAD);
    struct sv rest = ret->fields;
    while ((r = next(&rest, &v)) > 0) {
        const struct field_def *f = &field_defs[v.field];
        if (f->name && v.number != (f->type > FT_ID))
            return E_CORRUPT;
    }
    return r < 0 || rest.n == 0 || rest.n > 8 ? E_CORRUPT : 1;
}

int record_decode_transcript(struct sv in, struct event_head *ret_head, struct sv *ret_text)
{
    uint32_t n;
    int r = take_head(in, RECORD_MAX, ret_head);
    if (r <= 0)
        return r;
    memcpy(&n, in.p + HEAD, 4);
    if (ret_head->type < TRANSCRIPT_IN || ret_head->type > TRANSCRIPT_NOTE ||
        n > ret_head->size - HEAD - 4)
        return E_CORRUPT;
    *ret_text = sv_n(in.p + HEAD + 4, n);
    return 1;
}

bool record_next(struct sv *rest, struct event_value *ret)
{
    return next(rest, ret) > 0;
}

bool record_field(const struct record *r, enum event_field f, struct event_value *ret)
{
    struct sv rest = r->fields;
    while (record_next(&rest, ret))
        if (ret->field == f)
            return true;
    return false;
}

struct sv record_text(const struct record *r, enum event_field f)
{
    struct event_value v;
    return record_field(r, f, &v) && !v.number ? v.text : SV_NULL;
}

uint64_t record_number(const struct record *r, enum event_field f)
{
    struct event_value v;
    return record_field(r, f, &v) && v.number ? v.n : 0;
}

/* --- keys --- */

static uint32_t fold(uint64_t h)
{
    return (uint32_t)(h ^ h >> 32);
}

uint32_t key_hash(enum event_key kind, struct sv text)
{
    unsigned char b[1 + RECORD_TEXT_MAX];
    text = sv_take(text, RECORD_TEXT_MAX);
    b[0] = (unsigned char)kind;
    for (size_t i = 0; i < text.n; i++)
        b[1 + i] = (unsigned char)ascii_lower(text.p[i]);
    return fold(fnv1a64(b, 1 + text.n));
}

uint32_t key_hash_number(enum event_key kind, uint64_t n)
{
    unsigned char b[9] = { (unsigned char)kind };
    memcpy(b + 1, &n, 8);
    return fold(fnv1a64(b, sizeof(b)));
}

void record_keys(const struct record *r, void (*fn)(void *arg, uint32_t hash), void *arg)
{
    struct sv rest = r->fields;
    struct event_value v;
    fn(arg, key_hash_number(KEY_TYPE, r->head.type));
    if (r->head.session)
        fn(arg, key_hash_number(KEY_SESSION, r->head.session));
    if (r->head.message)
        fn(arg, key_hash_number(KEY_MESSAGE, r->head.message));
    while (record_next(&rest, &v)) {
        enum event_key key = (enum event_key)field_defs[v.field].key;
        if (key == KEY_NONE)
            continue;
        if (v.number)
            fn(arg, key_hash_number(key, v.n));
        else if (v.text.n)
            fn(arg, key_hash(key, v.text));
    }
}

bool record_has(const struct record *r, enum event_key kind, struct sv text, uint64_t n)
{
    struct sv rest = r->fields;
    struct event_value v;
    if ((kind == KEY_TYPE && r->head.type == n) || (kind == KEY_SESSION && r->head.session == n) ||
        (kind == KEY_MESSAGE && r->head.message == n))
        return true;
    if (kind == KEY_TYPE || kind == KEY_SESSION)
        return false;
    while (record_next(&rest, &v))
        if (field_defs[v.field].key == (int)kind &&
            (v.number ? kind == KEY_MESSAGE && v.n == n : sv_ieq(v.text, text)))
            return true;
    return false;
}
