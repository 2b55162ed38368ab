/* The message taken apart: header, texts, attachments, each when a condition first asks. */
#include "base/clock.h"
#include "mail/filter/filter_run_priv.h"

enum { CHECK_EVERY = 1 << 20 }; /* steps between looks at the clock */

struct filter_view *filter_view_new(const struct filter_facts *facts)
{
    struct filter_view *v = xcalloc(1, sizeof(*v));
    v->f = facts;
    v->cpu_start_us = clock_thread_cpu_us();
    arena_init(&v->a, FILTER_MAX_TREE);
    return v;
}

void filter_view_free(struct filter_view *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n_texts; i++)
        buf_done(&v->texts[i]);
    free(v->texts);
    arena_done(&v->a);
    free(v);
}

int64_t filter_view_score(const struct filter_view *v)
{
    return v->score;
}

int filter_charge(struct filter_view *v, uint64_t bytes)
{
    v->steps += bytes + 16;
    if (v->steps > FILTER_MAX_STEPS)
        return E_LIMIT;
    if (v->steps < v->steps_at_check + CHECK_EVERY)
        return 0;
    v->steps_at_check = v->steps;
    return clock_thread_cpu_us() - v->cpu_start_us > FILTER_MAX_CPU_US ? E_LIMIT : 0;
}

int filter_lower(struct filter_view *v, struct sv text, struct sv *ret)
{
    char *p = arena_alloc(&v->a, text.n + 1);
    if (!p)
        return E_RANGE;
    for (size_t i = 0; i < text.n; i++)
        p[i] = ascii_lower(text.p[i]);
    *ret = sv_n(p, text.n);
    return 0;
}

int filter_word(struct filter_view *v, struct filter_words *w, struct sv text)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 16;
        struct sv *more = arena_alloc(&v->a, cap * sizeof(*more));
        if (!more)
            return E_RANGE;
        if (w->n)
            memcpy(more, w->v, w->n * sizeof(*more));
        w->v = more;
        w->cap = cap;
    }
    int r = filter_lower(v, text, &w->v[w->n]);
    w->n += r == 0;
    return r;
}

int filter_need_header(struct filter_view *v)
{
    if (v->parsed)
        return v->root ? 0 : E_RANGE;
    v->parsed = true;
    int r = filter_charge(v, v->f->message.n);
    if (r < 0)
        return r;
    struct mime_part *root = NULL;
    r = mime_parse(v->f->message, &v->a, &root);
    if (r == 0)
        v->root = root;
    return v->root ? 0 : E_RANGE;
}

/* --- texts --- */

static int add_text(struct filter_view *v, const struct mime_part *p)
{
    _cleanup_(buf_done) struct buf plain = { 0 };
    struct buf text;
    size_t room = FILTER_MAX_BODY - MIN(FILTER_MAX_BODY, v->text_bytes);
    int r = filter_charge(v, 2 * p->body.n);
    if (r < 0 || room == 0)
        return r;
    buf_init(&text, room);
    (void)mime_decode_body(p, &text); /* of one that is too long: its beginning */
    if (sv_ieq(p->subtype, SV("html"))) {
        buf_init(&plain, room);
        mime_html_text(buf_sv(&text), &plain);
        buf_done(&text);
        text = plain;
        plain = (struct buf){ 0 };
    }
    for (size_t i = 0; i < text.n; i++)
        text.p[i] = ascii_lower(text.p[i]);
    v->text_bytes += text.n;
    v->texts = xrealloc(v->texts, (v->n_texts + 1) * sizeof(*v->texts));
    v->texts[v->n_texts++] = text;
    return 0;
}

/* MIME_MAX_DEPTH and MIME_MAX_PARTS bound it. */
static int add_texts(struct filter_view *v, const struct mime_part *p)
{
    int r = 0;
    if (!p->n_children)
        return sv_ieq(p->type, SV("text")) ? add_text(v, p) : 0;
    for (const struct mime_part *c = p->children; c && r == 0; c = c->next)
        r = add_texts(v, c);
    return r;
}

int filter_need_body(struct filter_view *v)
{
    int r = filter_need_header(v);
    if (r < 0 || v->have_body)
        return r;
    v->have_body = true;
    return add_texts(v, v->root);
}

/* --- attachments --- */

/* The file's name, decoded; empty: it has none. */
static void file_name(const struct mime_part *p, struct buf *ret)
{
    _cleanup_(buf_done) struct buf raw = { 0 };
    buf_init(&raw, 8 * KiB);
    if (p->disposition.p)
        (void)mime_param(p->disposition, SV("filename"), &raw);
    if (!raw.n && p->content_type.p)
        (void)mime_param(p->content_type, SV("name"), &raw);
    if (raw.n)
        (void)mime_decode_header(buf_sv(&raw), ret);
}

static bool says_attachment(struct sv disposition)
{
    return sv_istarts(sv_trim(disposition), SV("attachment"));
}

static int note_types(struct filter_view *v, const struct mime_part *p)
{
    char declared[260];
    _cleanup_(buf_done) struct buf data = { 0 };
    struct sv type = sv_take(p->type, 120), sub = sv_take(p->subtype, 120);
    size_t n = 0;
    memcpy(declared, type.p, type.n);
    n = type.n;
    declared[n++] = '/';
    memcpy(declared + n, sub.p, sub.n);
    int r = filter_word(v, &v->types, sv_n(declared, n + sub.n));
    if (r == 0)
        r = filter_charge(v, 2 * p->body.n);
    if (r < 0)
        return r;
    buf_init(&data, FILTER_MAX_DECODED);
    (void)mime_decode_body(p, &data); /* of one that is too long: its beginning */
    struct sv found = filter_signature(buf_sv(&data));
    v->unreadable |= data.overflow || filter_is_closed_archive(found);
    if (found.p && !sv_ieq(found, sv_n(declared, n + sub.n)))
        r = filter_word(v, &v->types, found);
    if (r == 0 && sv_eq(found, SV("application/zip")))
        r = filter_look_into(v, buf_sv(&data), 1);
    return r;
}

static int note_leaf(struct filter_view *v, const struct mime_part *p)
{
    _cleanup_(buf_done) struct buf name = { 0 };
    buf_init(&name, 8 * KiB);
    file_name(p, &name);
    bool attached = name.n || (p->disposition.p && says_attachment(p->disposition));
    if (!attached && sv_ieq(p->type, SV("text")))
        return 0;
    v->n_attachments++;
    int r = name.n ? filter_word(v, &v->names, buf_sv(&name)) : 0;
    return r < 0 ? r : note_types(v, p);
}

static int note_parts(struct filter_view *v, const struct mime_part *p)
{
    int r = 0;
    if (!p->n_children)
        return note_leaf(v, p);
    if (sv_ieq(p->type, SV("message"))) { /* one that is forwarded as it is: a file, too */
        v->n_attachments++;
        r = filter_word(v, &v->types, SV("message/rfc822"));
    }
    for (const struct mime_part *c = p->children; c && r == 0; c = c->next)
        r = note_parts(v, c);
    return r;
}

int filter_need_attachments(struct filter_view *v)
{
    int r = filter_need_header(v);
    if (r < 0 || v->have_attachments)
        return r;
    v->have_attachments = true;
    return note_parts(v, v->root);
}
