/* Address lists (RFC 5322 3.4 with its obsolete forms), cut into the pieces that IMAP's ENVELOPE
 * shows. Never fails on content: what cannot be an address becomes a name or a local part. Pure. */
#include "proto/mime_priv.h"

struct walker {
    struct sv s;
    struct arena *a;
    struct mime_address *v;
    size_t n, cap;
    bool in_group;
};

static struct mime_address *add(struct walker *w)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 4;
        struct mime_address *more = arena_alloc(w->a, cap * sizeof(*more));

        if (!more)
            return NULL;
        if (w->n)
            memcpy(more, w->v, w->n * sizeof(*more));
        w->v = more;
        w->cap = cap;
    }
    w->v[w->n] = (struct mime_address){ 0 };
    return &w->v[w->n++];
}

/* Text of a phrase or local part: words joined as written, one space for white space between them,
 * quotes removed. The last comment seen goes to *ret_comment (an obsolete place for names). Stops
 * at one of `stops`. */
static int take_words(struct sv *s, const char *stops, bool spaces, struct buf *out,
                      struct buf *comment)
{
    bool gap = false;

    while (s->n) {
        char c = *s->p;

        if (c && strchr(stops, c))
            break;
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            gap = true;
            *s = sv_skip(*s, 1);
            continue;
        }
        if (c == '(') {
            struct sv after = mime_skip_cfws(*s),
                      inside = sv_n(s->p + 1, (size_t)(after.p - s->p) - 1);

            inside = sv_trim(inside);
            if (inside.n && inside.p[inside.n - 1] == ')')
                inside.n--;
            buf_reset(comment);
            mime_unquote(inside, comment);
            *s = after;
            gap = true;
            continue;
        }
        if (gap && out->n && spaces)
            buf_add_c(out, ' ');
        gap = false;
        if (c == '"') {
            size_t n = 1;

            while (n < s->n && s->p[n] != '"')
                n += s->p[n] == '\\' && n + 1 < s->n ? 2 : 1;
            n = MIN(n, s->n);
            mime_unquote(sv_n(s->p + 1, n - 1), out);
            *s = sv_skip(*s, n + 1);
            continue;
        }
        buf_add_c(out, c);
        *s = sv_skip(*s, 1);
    }
    return out->overflow ? -ENOMEM : 0;
}

static struct sv keep(struct walker *w, const struct buf *b)
{
    return b->n ? arena_sv(w->a, buf_sv(b)) : SV_NULL;
}

static void skip_to(struct sv *s, const char *stops)
{
    while (s->n && !(*s->p && strchr(stops, *s->p)))
        *s = sv_skip(*s, 1);
}

/* <@route,@route:local@host> behind the '<'. */
static void take_angle(struct walker *w, struct mime_address *to, struct buf *b,
                       struct buf *comment)
{
    ssize_t end = sv_find(w->s, '>');
    struct sv in = sv_take(w->s, end < 0 ? w->s.n : (size_t)end);

    in = mime_skip_cfws(in);
    if (in.n && *in.p == '@') {
        ssize_t colon = sv_find(in, ':');

        if (colon >= 0)
            in = sv_skip(in, (size_t)colon + 1);
    }
    buf_reset(b);
    take_words(&in, "@>", false, b, comment);
    to->local = b->n ? arena_sv(w->a, buf_sv(b)) : SV("");
    if (in.n && *in.p == '@') {
        in = sv_skip(in, 1);
        buf_reset(b);
        take_words(&in, ">", false, b, comment);
        to->host = keep(w, b);
    }
    w->s = end < 0 ? SV_NULL : sv_skip(w->s, (size_t)end + 1);
}

static bool one(struct walker *w, struct buf *b, struct buf *comment)
{
    struct mime_address *to;
    char c;

    w->s = mime_skip_cfws(w->s);
    if (!w->s.n)
        return false;
    if (*w->s.p == ',' || (*w->s.p == ';' && !w->in_group)) {
        w->s = sv_skip(w->s, 1);
        return true;
    }
    if (*w->s.p == ';') {
        w->s = sv_skip(w->s, 1);
        w->in_group = false;
        to = add(w);
        if (to)
            to->group_end = true;
        return to != NULL;
    }
    buf_reset(b);
    buf_reset(comment);
    take_words(&w->s, "<,:;@", true, b, comment);
    c = w->s.n ? *w->s.p : ',';
    to = add(w);
    if (!to)
        return false;
    if (c == '<') {
        to->name = keep(w, b);
        w->s = sv_skip(w->s, 1);
        take_angle(w, to, b, comment);
        skip_to(&w->s, ",;");
    } else if (c == ':' && !w->in_group) {
        to->group_start = w->in_group = true;
        to->local = b->n ? arena_sv(w->a, buf_sv(b)) : SV("");
        w->s = sv_skip(w->s, 1);
    } else if (c == '@') {
        to->local = b->n ? arena_sv(w->a, buf_sv(b)) : SV("");
        w->s = sv_skip(w->s, 1);
        buf_reset(b);
        take_words(&w->s, ",;<", false, b, comment);
        to->host = keep(w, b);
        to->name = keep(w, comment);
        skip_to(&w->s, ",;");
    } else {
        if (c == ':')
            w->s = sv_skip(w->s, 1);
        if (b->n)
            to->local = arena_sv(w->a, buf_sv(b));
        else
            w->n--;
    }
    return true;
}

int mime_addresses(struct sv value, struct arena *a, struct mime_address **ret, size_t *ret_n)
{
    struct walker w = { .s = value, .a = a };
    struct buf b, comment;

    buf_init(&b, 64 * KiB);
    buf_init(&comment, 64 * KiB);
    while (one(&w, &b, &comment))
        ;
    if (w.in_group) {
        struct mime_address *end = add(&w);

        if (end)
            end->group_end = true;
    }
    buf_done(&b);
    buf_done(&comment);
    *ret = w.v;
    *ret_n = w.n;
    return a->overflow ? E_RANGE : 0;
}
