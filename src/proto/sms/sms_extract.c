/* The text of an SMS out of a message of mail. */
#include "base/codec.h"
#include "proto/mime.h"
#include "proto/sms/sms.h"
#include "proto/sms/sms_utf8.h"

enum {
    MAX_PART = 128 * 1024, /* bytes of a part that are looked at */
    MAX_TEXT = 512 * 1024,
    MAX_TREE = 4 * 1024 * 1024,
};

/* --- which part --- */

static bool is_text(const struct mime_part *p, struct sv subtype)
{
    return !p->n_children && sv_ieq(p->type, SV("text")) && sv_ieq(p->subtype, subtype) &&
           !sv_istarts(sv_trim(p->disposition), SV("attachment"));
}

/* Depth first. What is inside a forwarded message is not the sender's text. */
static const struct mime_part *find(const struct mime_part *p, struct sv subtype)
{
    const struct mime_part *found = NULL;
    if (is_text(p, subtype))
        return p;
    if (sv_ieq(p->type, SV("message")))
        return NULL;
    for (const struct mime_part *c = p->children; c && !found; c = c->next)
        found = find(c, subtype);
    return found;
}

static void read_part(const struct mime_part *part, struct buf *out)
{
    struct mime_part cut = *part;
    cut.body = sv_take(cut.body, MAX_PART);
    (void)mime_decode_body(&cut, out);
}

static void read_body(const struct mime_part *root, struct buf *out)
{
    const struct mime_part *plain = find(root, SV("plain")), *html = NULL;
    if (plain)
        read_part(plain, out);
    if (!sv_trim(buf_sv(out)).n)
        html = find(root, SV("html"));
    if (html) {
        _cleanup_(buf_done) struct buf text = { 0 };
        buf_init(&text, MAX_TEXT);
        buf_reset(out);
        read_part(html, &text);
        mime_html_text(buf_sv(&text), out);
    }
}

/* --- what of it --- */

struct lines { /* what is kept, and the line that may introduce a quotation */
    struct buf *out;
    size_t last; /* where the last line with text begins; SIZE_MAX = none */
    unsigned empty;
};

static void add_line(struct lines *l, struct sv line)
{
    if (!line.n) {
        l->empty++;
        return;
    }
    if (l->out->n)
        (void)buf_add_str(l->out, l->empty ? "\n\n" : "\n");
    l->empty = 0;
    l->last = l->out->n;
    (void)buf_add_sv(l->out, line);
}

/* "On Monday Ann wrote:" in whatever language: a line that ends with a colon. */
static void drop_introduction(struct lines *l)
{
    if (l->last == SIZE_MAX || !l->out->n || l->out->p[l->out->n - 1] != ':')
        return;
    l->out->n = l->last;
    while (l->out->n && l->out->p[l->out->n - 1] == '\n')
        l->out->n--;
    l->last = SIZE_MAX;
}

/* RFC 3676 4.3: "-- ", whose space transports may have lost. What programs write before a whole
 * message that is quoted: dashes, or a line of underscores. */
static bool ends_text(struct sv raw, struct sv line)
{
    return sv_eq(raw, SV("-- ")) || sv_eq(raw, SV("--")) ||
           sv_starts(line, SV("________________")) ||
           (sv_starts(line, SV("-----")) && sv_iends(line, SV("-----")) && line.n > 12);
}

static void take_lines(struct sv text, bool unquote, struct buf *out)
{
    struct lines l = { .out = out, .last = SIZE_MAX };
    bool quoted = false;
    while (text.p) {
        struct sv raw = sv_split(&text, '\n');
        if (raw.n && raw.p[raw.n - 1] == '\r')
            raw = sv_take(raw, raw.n - 1);
        struct sv line = sv_trim(raw);
        bool is_quote = unquote && line.n && line.p[0] == '>';
        if (unquote && ends_text(raw, line))
            return;
        if (is_quote && !quoted)
            drop_introduction(&l);
        quoted = is_quote;
        if (!is_quote)
            add_line(&l, line);
    }
}

/* Valid UTF-8 without control characters. */
static void clean(struct sv text, struct buf *out)
{
    while (text.n) {
        struct sv before = text;
        uint32_t c = sms_utf8_next(&text);
        if (c == 0xFFFD)
            (void)buf_add_c(out, '?');
        else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F && !(c >= 0x80 && c < 0xA0)))
            if (buf_add(out, before.p, before.n - text.n) < 0)
                return;
    }
}

static void add_subject(const struct mime_part *root, struct buf *out)
{
    _cleanup_(buf_done) struct buf raw = { 0 };
    const struct mime_header *h = mime_header_get(root, SV("Subject"));
    buf_init(&raw, MAX_TEXT);
    if (h)
        (void)mime_decode_header(h->value, &raw);
    (void)buf_add_sv(out, sv_trim(buf_sv(&raw)));
}

void sms_extract(struct sv message, const struct sms_extract *how, struct buf *out)
{
    _cleanup_(arena_done) struct arena arena;
    _cleanup_(buf_done) struct buf part = { 0 }, text = { 0 }, cleaned = { 0 };
    struct mime_part *root = NULL;
    arena_init(&arena, MAX_TREE);
    buf_init(&part, MAX_TEXT);
    buf_init(&text, 2 * MAX_TEXT);
    buf_init(&cleaned, 2 * MAX_TEXT);
    (void)mime_parse(message, &arena, &root);
    if (!root)
        return;
    if (how->content != SMS_BODY)
        add_subject(root, &text);
    if (how->content != SMS_SUBJECT) {
        read_body(root, &part);
        take_lines(buf_sv(&part), how->unquote, &text);
    }
    if (how->content == SMS_BODY && !sv_trim(buf_sv(&text)).n)
        add_subject(root, &text);
    clean(buf_sv(&text), &cleaned);
    buf_reset(&text);
    if (how->plain_signs)
        (void)sms_plain_signs(sv_trim(buf_sv(&cleaned)), &text);
    struct sv result = sv_trim(how->plain_signs ? buf_sv(&text) : buf_sv(&cleaned));
    result = sv_take(result, out->max - out->n); /* in whole characters */
    while (result.n && !utf8_valid(result))
        result = sv_take(result, result.n - 1);
    (void)buf_add_sv(out, result);
}
