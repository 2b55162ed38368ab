/* Address lists (RFC 5322 3.4 with its obsolete forms), cut into the pieces that IMAP's ENVELOPE
 * shows. Never fails on content: what cannot be an address becomes a name or a local part. Pure.
 * Every byte is looked at a bounded number of times, whatever a hostile list is made of. */
#include "proto/mime_priv.h"

#define MAX_TEXT (64 * KiB) /* of one name; the rest is dropped */

/* Stands for white space between words until it is known whether they are a name. */
#define GAP '\n'

struct walker {
    const char *p, *end;
    struct arena *a;
    struct mime_address *v;
    size_t n, cap;
    bool in_group;
    bool bare_quotes;   /* a quoted string did not end: from there on quotes are text */
    struct buf words;   /* text since the last separator, words joined by GAP */
    size_t last_word;   /* offset in words */
    struct buf comment; /* last comment of the same stretch: an obsolete place for names */
};

static struct mime_address *add(struct walker *w)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 2;
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

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* p points to a quote: behind the one that closes it, or NULL when it is text. */
static const char *skip_quoted(struct walker *w, const char *p, const char *end)
{
    if (w->bare_quotes)
        return NULL;
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    w->bare_quotes = p >= end;
    return p < end ? p + 1 : NULL;
}

/* What ends a run of plain characters in a word. */
static bool is_special(char c)
{
    static const bool special[256] = {
        [0] = true,   ['\t'] = true, ['\n'] = true, ['\r'] = true, [' '] = true,
        ['('] = true, ['"'] = true,  ['<'] = true,  ['>'] = true,  [','] = true,
        [':'] = true, [';'] = true,  ['@'] = true,
    };

    return special[(unsigned char)c];
}

static void take_comment(struct walker *w, const char **p, const char *end)
{
    const char *start = *p + 1, *after = *p + mime_comment_length(sv_n(*p, (size_t)(end - *p)));
    size_t n = (size_t)(after - start);

    if (n && start[n - 1] == ')')
        n--;
    buf_reset(&w->comment);
    mime_unquote(sv_trim(sv_n(start, n)), &w->comment);
    *p = after;
}

/* Appends words up to one of `stops` to w->words. White space around a dot does not part words
 * (obs-local-part). Returns where it stopped. */
static const char *take_words(struct walker *w, const char *p, const char *end, const char *stops)
{
    bool gap = false;

    while (p < end) {
        const char *from = p;
        char c = *p;

        if (is_blank(c)) {
            gap = true;
            p++;
            continue;
        }
        if (c == '(') {
            take_comment(w, &p, end);
            gap = true;
            continue;
        }
        if (c && strchr(stops, c))
            break;
        if (gap && w->words.n) {
            bool dot = c == '.' || w->words.p[w->words.n - 1] == '.';

            buf_add_c(&w->words, GAP);
            if (!dot)
                w->last_word = w->words.n;
        }
        gap = false;
        if (c == '"' && (p = skip_quoted(w, from, end))) {
            mime_unquote(sv_n(from + 1, (size_t)(p - from) - 2), &w->words);
            continue;
        }
        p = from + 1;
        while (p < end && !is_special(*p))
            p++;
        buf_add(&w->words, from, (size_t)(p - from));
    }
    return p;
}

static struct sv keep(struct walker *w, struct sv s)
{
    return s.n ? arena_sv(w->a, s) : SV_NULL;
}

/* Words of a name, one space for the white space between them. */
static struct sv as_name(struct walker *w, size_t n)
{
    struct sv s;

    while (n && w->words.p[n - 1] == GAP)
        n--;
    s = keep(w, sv_n(w->words.p, n));
    for (char *c = (char *)s.p; s.n && (c = memchr(c, GAP, s.n - (size_t)(c - s.p)));)
        *c = ' ';
    return s;
}

/* Words of a local part or host: no white space between them. */
static struct sv as_atom(struct walker *w, size_t from)
{
    size_t n = from;

    if (from >= w->words.n)
        return keep(w, SV(""));
    for (size_t i = from; i < w->words.n; i++)
        if (w->words.p[i] != GAP)
            w->words.p[n++] = w->words.p[i];
    w->words.n = n;
    return keep(w, sv_n(w->words.p + from, n - from));
}

/* Keeps one word behind offset `from`. */
static void cut_words(struct walker *w, size_t from)
{
    for (size_t i = from; i < w->words.n; i++)
        if (w->words.p[i] == GAP && w->words.p[i + 1] != '.' && i > from &&
            w->words.p[i - 1] != '.')
            w->words.n = i;
}

static void forget_words(struct walker *w)
{
    buf_reset(&w->words);
    w->last_word = 0;
}

/* Text between '<' and '>'. Without a '>' before the next '<' it ends at the first comma. */
static struct sv angle_text(struct walker *w)
{
    const char *start = w->p, *p = start, *comma = NULL;
    struct sv in;

    while (p < w->end && *p != '>' && *p != '<') {
        const char *after = *p == '"' ? skip_quoted(w, p, w->end) : NULL;

        if (after) {
            p = after;
            continue;
        }
        if (*p == ',' && !comma)
            comma = p;
        p++;
    }
    if (p < w->end && *p == '>') {
        w->p = p + 1;
    } else {
        p = comma ? comma : p;
        w->p = p;
    }
    in = sv_n(start, (size_t)(p - start));
    return in;
}

/* <@route,@route:local@host>, the cursor behind the '<'. */
static void take_angle(struct walker *w, struct mime_address *to)
{
    struct sv in = angle_text(w);
    const char *p, *end;

    in = mime_skip_cfws(in);
    if (in.n && *in.p == '@') {
        ssize_t colon = sv_find(in, ':');

        if (colon >= 0) {
            forget_words(w);
            take_words(w, in.p, in.p + colon, "");
            to->route = as_atom(w, 0);
            in = sv_skip(in, (size_t)colon + 1);
        }
    }
    p = in.p;
    end = in.p + in.n;
    forget_words(w);
    p = take_words(w, p, end, "@");
    to->local = as_atom(w, 0);
    if (p < end) {
        forget_words(w);
        take_words(w, p + 1, end, "@");
        to->host = as_atom(w, 0);
    }
}

/* To the end of the mailbox; garbage on the way is dropped, a comment may be its name. */
static void skip_rest(struct walker *w)
{
    forget_words(w);
    for (;;) {
        w->p = take_words(w, w->p, w->end, ",;<");
        if (w->p == w->end || *w->p != '<')
            return;
        w->p++;
        (void)angle_text(w);
    }
}

static void take_mailbox_in_angles(struct walker *w, struct mime_address *to)
{
    to->name = as_name(w, w->words.n);
    w->p++;
    take_angle(w, to);
    buf_reset(&w->comment);
    skip_rest(w);
    if (!to->name.p)
        to->name = keep(w, buf_sv(&w->comment));
}

/* words '@' ...: an address, or a name that looks like one ("a@b.org <a@b.org>"). */
static void take_plain_address(struct walker *w, struct mime_address *to)
{
    size_t local = w->last_word, n_local = w->words.n;
    const char *p;

    buf_add_c(&w->words, '@');
    p = take_words(w, w->p + 1, w->end, ",;<@");
    if (p < w->end && *p == '<') {
        w->p = p;
        take_mailbox_in_angles(w, to);
        return;
    }
    w->p = p;
    cut_words(w, n_local + 1);
    to->host = as_atom(w, n_local + 1);
    to->name = as_name(w, local);
    w->words.n = n_local;
    to->local = as_atom(w, local);
    skip_rest(w);
    if (!to->name.p)
        to->name = keep(w, buf_sv(&w->comment));
}

/* One entry or separator. False at the end. */
static bool one(struct walker *w)
{
    struct mime_address *to;

    forget_words(w);
    buf_reset(&w->comment);
    w->p = take_words(w, w->p, w->end, "<,:;@");
    if (w->p == w->end && !w->words.n)
        return false;
    char c = w->p < w->end ? *w->p : ',';
    if (!w->words.n && (c == ',' || (c == ';' && !w->in_group))) {
        w->p++;
        return true;
    }
    to = add(w);
    if (!to)
        return false;
    if (!w->words.n && c == ';') {
        w->p++;
        w->in_group = false;
        to->group_end = true;
    } else if (c == '<') {
        take_mailbox_in_angles(w, to);
    } else if (c == '@') {
        take_plain_address(w, to);
    } else if (c == ':' && !w->in_group) {
        to->group_start = w->in_group = true;
        to->local = as_name(w, w->words.n);
        w->p++;
    } else if (w->last_word) { /* several words and no address: a name */
        to->name = as_name(w, w->words.n);
        w->p += c == ':';
    } else if (w->words.n) {
        to->local = as_atom(w, 0);
        w->p += c == ':';
    } else { /* a colon inside a group */
        w->n--;
        w->p++;
    }
    return true;
}

int mime_addresses(struct sv value, struct arena *a, struct mime_address **ret, size_t *ret_n)
{
    struct walker w = { .p = value.p, .end = value.p + value.n, .a = a };

    buf_init(&w.words, MAX_TEXT);
    buf_init(&w.comment, MAX_TEXT);
    while (one(&w))
        ;
    if (w.in_group) {
        struct mime_address *end = add(&w);

        if (end)
            end->group_end = true;
    }
    buf_done(&w.words);
    buf_done(&w.comment);
    *ret = w.v;
    *ret_n = w.n;
    return a->overflow ? E_RANGE : 0;
}
