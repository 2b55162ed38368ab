/* Pages. A cursor is the base64 of "<number>|<length of text>|<text><id>": opaque to clients,
 * checked like any other input. */
#include "server/api/page.h"

#include "base/clock.h"
#include "base/codec.h"
#include "server/api/api_priv.h"

enum { CURSOR_TEXT = 32 + sizeof(struct api_key) };

struct slot {
    struct api_key key;
    char payload[];
};

static int cmp_keys(const struct api_key *a, const struct api_key *b)
{
    int r = a->n < b->n ? -1 : a->n > b->n;

    if (!r)
        r = strcmp(a->text, b->text);
    return r ? r : strcmp(a->id, b->id);
}

static int cmp_slots(const void *a, const void *b, const void *arg)
{
    const struct api_page *p = arg;
    int r = cmp_keys(a, b);

    return p->down ? -r : r;
}

/* URL-safe without padding. */
static void encode(const char *text, struct buf *out)
{
    size_t at = out->n;

    base64_enc(sv_c(text), out);
    for (size_t i = at; i < out->n; i++) {
        if (out->p[i] == '+')
            out->p[i] = '-';
        else if (out->p[i] == '/')
            out->p[i] = '_';
    }
    while (out->n > at && out->p[out->n - 1] == '=')
        out->n--;
}

static bool decode(const char *cursor, char *ret, size_t cap)
{
    struct buf in, out;
    bool ok;

    buf_init(&in, 2 * KiB);
    buf_init(&out, 2 * KiB);
    for (const char *c = cursor; *c; c++)
        buf_add_c(&in, (char)(*c == '-' ? '+' : *c == '_' ? '/' : *c));
    while (in.n % 4)
        buf_add_c(&in, '=');
    ok = base64_dec(buf_sv(&in), &out) == 0 && sv_find(buf_sv(&out), '\0') < 0 &&
         sv_copy(ret, cap, buf_sv(&out));
    buf_done(&in);
    buf_done(&out);
    return ok;
}

bool api_page_bad_cursor(struct api_call *c)
{
    api_fail(c, 400, "invalid_parameter", "cursor",
             "cursor: this is not a next_cursor of this list; begin without a cursor");
    return false;
}

static bool read_key(struct api_call *c, const char *cursor, struct api_key *ret)
{
    char text[CURSOR_TEXT];
    struct sv rest, n, length;
    uint32_t k = 0;

    if (!decode(cursor, text, sizeof(text)))
        return api_page_bad_cursor(c);
    rest = sv_c(text);
    n = sv_split(&rest, '|');
    length = rest.p ? sv_split(&rest, '|') : SV_NULL;
    if (!rest.p || sv_to_i64(n, &ret->n) < 0 || sv_to_u32(length, &k) < 0 || k > rest.n ||
        !sv_copy(ret->text, sizeof(ret->text), sv_take(rest, k)) ||
        !sv_copy(ret->id, sizeof(ret->id), sv_skip(rest, k)))
        return api_page_bad_cursor(c);
    return true;
}

size_t api_page_limit(const struct api_call *c)
{
    return (size_t)api_query_int(c, "limit", API_PAGE_DEFAULT);
}

bool api_page_cursor(struct api_call *c, char *ret, size_t cap)
{
    const char *cursor = api_query(c, "cursor");
    struct api_key k;

    ret[0] = '\0';
    if (!cursor)
        return true;
    return read_key(c, cursor, &k) && (sv_copy(ret, cap, sv_c(k.id)) || api_page_bad_cursor(c));
}

bool api_page_begin(struct api_page *p, struct api_call *c, size_t payload, const char *dflt)
{
    const char *sort = api_query(c, "sort"), *cursor = api_query(c, "cursor");

    *p = (struct api_page){ .c = c, .limit = api_page_limit(c) };
    sort = sort ? sort : dflt;
    p->down = *sort == '-';
    snprintf(p->sort, sizeof(p->sort), "%s", sort + p->down);
    if (cursor && !read_key(c, cursor, &p->after))
        return false;
    p->from_cursor = cursor != NULL;
    /* One more than the page tells whether there are more. */
    top_init(&p->top, sizeof(struct slot) + payload, p->limit + 1, cmp_slots, p);
    return true;
}

void api_page_add(struct api_page *p, const struct api_key *k, const void *payload)
{
    _Alignas(16) char room[2048];
    size_t n = p->top.size - sizeof(struct slot);
    struct slot *s = (struct slot *)(void *)room;

    if (p->top.size > sizeof(room))
        panic("a row of %zu bytes does not fit a page", n);
    p->total++;
    if (p->from_cursor) {
        int r = cmp_keys(k, &p->after);

        if (p->down ? r >= 0 : r <= 0)
            return;
    }
    s->key = *k;
    memcpy(s->payload, payload, n);
    top_add(&p->top, s);
}

static json_t *cursor_of(const struct api_key *k)
{
    char text[CURSOR_TEXT];
    struct buf b;
    json_t *j;

    snprintf(text, sizeof(text), "%" PRId64 "|%zu|%s%s", k->n, strlen(k->text), k->text, k->id);
    buf_init(&b, 2 * KiB);
    encode(text, &b);
    j = json_stringn(b.p, b.n);
    buf_done(&b);
    return j;
}

static void answer(struct api_call *c, json_t *items, json_t *cursor, int64_t total, bool exact)
{
    api_reply(c, 200,
              json_pack("{s:o, s:o, s:{s:I, s:s}, s:o}", "items", items, "next_cursor",
                        cursor ? cursor : json_null(), "total", "value", (json_int_t)total,
                        "relation", exact ? "exact" : "at_least", "as_of",
                        api_time(clock_wall_ms())));
}

json_t *api_cursor_json(const char *id)
{
    struct api_key k = { 0 };

    sv_copy(k.id, sizeof(k.id), sv_c(id));
    return cursor_of(&k);
}

void api_page_answer(struct api_call *c, json_t *items, const char *last_id, int64_t total,
                     bool exact)
{
    answer(c, items, last_id ? api_cursor_json(last_id) : NULL, total, exact);
}

void api_page_end(struct api_page *p, json_t *(*row)(struct api_call *c, const void *payload))
{
    json_t *items = json_array(), *cursor = NULL;

    top_sort(&p->top);
    for (size_t i = 0; i < MIN(p->top.n, p->limit); i++) {
        const struct slot *s = top_row(&p->top, i);
        json_t *item = row(p->c, s->payload);

        if (item)
            json_array_append_new(items, item);
        if (i + 1 == p->limit && p->top.n > p->limit)
            cursor = cursor_of(&s->key);
    }
    answer(p->c, items, cursor, (int64_t)p->total, true);
    top_done(&p->top);
}

static bool fits(const char *q, const struct sv *texts, size_t n)
{
    struct sv rest = sv_c(q ? q : "");

    while (rest.p) {
        struct sv word = sv_trim(sv_split(&rest, ';'));
        bool not = word.n > 1 && word.p[0] == '-', found = false;

        word = not ? sv_skip(word, 1) : word;
        if (!word.n)
            continue;
        for (size_t i = 0; i < n && !found; i++)
            found = sv_ifind_sv(texts[i], word) >= 0;
        if (found == not )
            return false;
    }
    return true;
}

static bool item_fits(const char *q, json_t *item)
{
    struct sv texts[16];
    size_t n = 0, i;
    const char *key;
    json_t *v, *one;

    json_object_foreach(item, key, v)
    {
        if (json_is_string(v) && n < ARRAY_LEN(texts))
            texts[n++] = sv_n(json_string_value(v), json_string_length(v));
        json_array_foreach(v, i, one) if (json_is_string(one) && n < ARRAY_LEN(texts)) texts[n++] =
            sv_n(json_string_value(one), json_string_length(one));
    }
    return fits(q, texts, n);
}

static bool is_item(json_t *item, const char *id, const char *value)
{
    const char *s = json_string_value(json_object_get(item, id));

    return s && !strcmp(s, value);
}

/* Behind the item that the cursor names; where that is gone, at its place. */
static size_t page_from(json_t *items, const char *id, const struct api_key *after)
{
    size_t i;
    json_t *item;

    json_array_foreach(items, i, item) if (is_item(item, id, after->id)) return i + 1;
    return after->n > 0 ? (size_t)after->n : 0;
}

void api_page_of(struct api_call *c, json_t *items, const char *id, bool exact)
{
    const char *q = api_query(c, "q"), *cursor = api_query(c, "cursor");
    size_t from = 0, limit = api_page_limit(c), i;
    json_t *fitting, *page, *item;
    struct api_key k = { 0 };

    if (cursor && !read_key(c, cursor, &k)) {
        json_decref(items);
        return;
    }
    fitting = json_array();
    json_array_foreach(items, i, item) if (item_fits(q, item)) json_array_append(fitting, item);
    if (cursor)
        from = page_from(fitting, id, &k);
    page = json_array();
    for (i = from; i < json_array_size(fitting) && i - from < limit; i++)
        json_array_append(page, json_array_get(fitting, i));
    item = json_array_get(page, json_array_size(page) - 1);
    k = (struct api_key){ .n = (int64_t)i };
    sv_copy(k.id, sizeof(k.id), sv_c(json_string_value(json_object_get(item, id))));
    answer(c, page, i < json_array_size(fitting) ? cursor_of(&k) : NULL,
           (int64_t)json_array_size(fitting), exact);
    json_decref(fitting);
    json_decref(items);
}

bool api_q_fits(const char *q, struct sv text)
{
    return fits(q, &text, 1);
}

bool api_q_matches(const char *q, const char *const *texts, size_t n)
{
    struct sv v[8];

    for (size_t i = 0; i < MIN(n, ARRAY_LEN(v)); i++)
        v[i] = sv_c(texts[i]);
    return fits(q, v, MIN(n, ARRAY_LEN(v)));
}
