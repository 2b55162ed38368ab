/* ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 7.4.2). Pure. */
#include "proto/mime_priv.h"

#define MAX_ADDRESSES (1 * MiB) /* memory for the list of one field */

int mime_imap_string(struct sv s, struct buf *out)
{
    bool literal = s.n > 2000;
    size_t extra = 0;

    if (!s.p)
        return buf_add_str(out, "NIL");
    for (size_t i = 0; i < s.n && !literal; i++) {
        unsigned char c = (unsigned char)s.p[i];

        literal = c >= 128 || c == '\r' || c == '\n' || c == 0;
        extra += c == '"' || c == '\\';
    }
    if (literal) {
        buf_addf(out, "{%zu}\r\n", s.n);
        /* NUL has no place in IMAP (CHAR8): 0x80 keeps the length. */
        for (struct sv rest = s; rest.n;) {
            ssize_t nul = sv_find(rest, '\0');
            struct sv part = sv_take(rest, nul < 0 ? rest.n : (size_t)nul);

            buf_add_sv(out, part);
            rest = sv_skip(rest, part.n);
            if (nul >= 0) {
                buf_add_c(out, (char)0x80);
                rest = sv_skip(rest, 1);
            }
        }
    } else {
        buf_add_c(out, '"');
        if (!extra)
            buf_add_sv(out, s);
        for (size_t i = 0; extra && i < s.n; i++) {
            if (s.p[i] == '"' || s.p[i] == '\\')
                buf_add_c(out, '\\');
            buf_add_c(out, s.p[i]);
        }
        buf_add_c(out, '"');
    }
    return out->overflow ? -ENOMEM : 0;
}

/* A header value as a string: unfolded, without white space at its ends. */
static void add_value(struct sv raw, struct buf *out)
{
    struct buf b;

    raw = raw.p ? sv_trim(raw) : raw;
    if (!raw.p || !memchr(raw.p, '\n', raw.n)) {
        mime_imap_string(raw, out);
        return;
    }
    buf_init(&b, raw.n + 1);
    mime_unfold(raw, &b);
    mime_imap_string(b.p ? buf_sv(&b) : SV(""), out);
    buf_done(&b);
}

static struct sv value_of(const struct mime_part *p, const char *name)
{
    const struct mime_header *h = mime_header_get(p, sv_c(name));

    return h ? h->value : SV_NULL;
}

static void add_address(const struct mime_address *m, struct buf *out)
{
    buf_add_c(out, '(');
    if (m->group_end) {
        buf_add_str(out, "NIL NIL NIL NIL)");
        return;
    }
    mime_imap_string(m->group_start ? SV_NULL : m->name, out);
    buf_add_c(out, ' ');
    mime_imap_string(m->route, out);
    buf_add_c(out, ' ');
    mime_imap_string(m->local.p ? m->local : SV(""), out);
    buf_add_c(out, ' ');
    if (m->group_start)
        buf_add_str(out, "NIL");
    else
        mime_imap_string(m->host.p ? m->host : SV(""), out);
    buf_add_c(out, ')');
}

/* All fields of that name together: a second To is not lost (RFC 5322 allows one). What does not
 * fit the arena of a field is left out. */
static void add_addresses(const struct mime_part *p, struct sv name, struct buf *out)
{
    bool any = false;

    for (unsigned h = 0; h < p->n_headers; h++) {
        struct arena a;
        struct mime_address *v = NULL;
        size_t n = 0;

        if (!sv_ieq(p->headers[h].name, name))
            continue;
        arena_init(&a, MAX_ADDRESSES);
        mime_addresses(p->headers[h].value, &a, &v, &n);
        for (size_t i = 0; i < n; i++) {
            if (!any)
                buf_add_c(out, '(');
            any = true;
            add_address(&v[i], out);
        }
        arena_done(&a);
    }
    buf_add_str(out, any ? ")" : "NIL");
}

/* From, and Sender and Reply-To, which default to it. */
static void add_authors(const struct mime_part *p, struct buf *out)
{
    static const struct sv others[] = { { "Sender", 6 }, { "Reply-To", 8 } };
    size_t at = out->n, n;

    add_addresses(p, SV("From"), out);
    n = out->n - at;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        size_t before;

        buf_add_c(out, ' ');
        before = out->n;
        add_addresses(p, others[i], out);
        if (out->overflow || out->n - before != 3 || memcmp(out->p + before, "NIL", 3))
            continue;
        out->n = before;
        if (buf_reserve(out, n) == 0)
            buf_add(out, out->p + at, n);
    }
}

int mime_imap_envelope(const struct mime_part *p, struct buf *out)
{
    static const struct sv receivers[] = { { "To", 2 }, { "Cc", 2 }, { "Bcc", 3 } };

    buf_add_c(out, '(');
    add_value(value_of(p, "Date"), out);
    buf_add_c(out, ' ');
    add_value(value_of(p, "Subject"), out);
    buf_add_c(out, ' ');
    add_authors(p, out);
    for (size_t i = 0; i < ARRAY_LEN(receivers); i++) {
        buf_add_c(out, ' ');
        add_addresses(p, receivers[i], out);
    }
    buf_add_c(out, ' ');
    add_value(value_of(p, "In-Reply-To"), out);
    buf_add_c(out, ' ');
    add_value(value_of(p, "Message-ID"), out);
    buf_add_c(out, ')');
    return out->overflow ? -ENOMEM : 0;
}

/* Parameters as a parenthesised list of pairs, or NIL. text: a charset is added when none is named
 * (RFC 2045 5.2); clients are used to seeing it. */
static void add_params(struct sv value, bool text, struct buf *out)
{
    struct mime_param p;
    struct sv rest = value;
    bool any = false, charset = false;

    while (value.p && mime_next_param(&rest, &p)) {
        struct buf b;

        buf_add_c(out, any ? ' ' : '(');
        any = true;
        charset = charset || sv_ieq(p.name, SV("charset"));
        mime_imap_string(p.name, out);
        buf_add_c(out, ' ');
        buf_init(&b, p.value.n + 1);
        mime_unquote(p.value, &b);
        mime_imap_string(b.p ? buf_sv(&b) : SV(""), out);
        buf_done(&b);
    }
    if (text && !charset) {
        buf_add_str(out, any ? " " : "(");
        buf_add_str(out, "\"charset\" \"us-ascii\"");
        any = true;
    }
    buf_add_str(out, any ? ")" : "NIL");
}

static void add_disposition(struct sv value, struct buf *out)
{
    struct sv s = value.p ? mime_skip_cfws(value) : SV_NULL, t = mime_take_token(&s);

    if (!t.n) {
        buf_add_str(out, "NIL");
        return;
    }
    buf_add_c(out, '(');
    mime_imap_string(t, out);
    buf_add_c(out, ' ');
    add_params(s, false, out);
    buf_add_c(out, ')');
}

/* Content-Language: NIL, a string or a list of strings. */
static void add_language(struct sv value, struct buf *out)
{
    struct sv rest = value, first = SV_NULL;
    unsigned n = 0;

    while (rest.p) {
        struct sv s = mime_skip_cfws(sv_split(&rest, ',')), t = mime_take_token(&s);

        if (!t.n)
            continue;
        if (n == 1) {
            buf_add_c(out, '(');
            mime_imap_string(first, out);
        }
        if (n++ == 0) {
            first = t;
            continue;
        }
        buf_add_c(out, ' ');
        mime_imap_string(t, out);
    }
    if (n <= 1)
        mime_imap_string(first, out);
    else
        buf_add_c(out, ')');
}

static void add_extension(const struct mime_part *p, struct buf *out)
{
    buf_add_c(out, ' ');
    add_disposition(p->disposition, out);
    buf_add_c(out, ' ');
    add_language(p->language, out);
    buf_add_c(out, ' ');
    add_value(p->location, out);
}

static void add_encoding(struct sv value, struct buf *out)
{
    struct sv s = value.p ? mime_skip_cfws(value) : SV_NULL, t = mime_take_token(&s);

    mime_imap_string(t.n ? t : SV("7bit"), out);
}

static void add_structure(const struct mime_part *p, bool ext, struct buf *out);

static void add_multipart(const struct mime_part *p, bool ext, struct buf *out)
{
    if (!p->n_children) /* the grammar wants one part at least */
        buf_addf(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0%s)",
                 ext ? " NIL NIL NIL NIL" : "");
    for (const struct mime_part *c = p->children; c; c = c->next)
        add_structure(c, ext, out);
    buf_add_c(out, ' ');
    mime_imap_string(p->subtype, out);
    if (!ext)
        return;
    buf_add_c(out, ' ');
    add_params(p->content_type, false, out);
    add_extension(p, out);
}

static void add_leaf(const struct mime_part *p, bool ext, struct buf *out)
{
    mime_imap_string(p->type, out);
    buf_add_c(out, ' ');
    mime_imap_string(p->subtype, out);
    buf_add_c(out, ' ');
    add_params(p->content_type, sv_ieq(p->type, SV("text")), out);
    buf_add_c(out, ' ');
    add_value(p->id, out);
    buf_add_c(out, ' ');
    add_value(p->description, out);
    buf_add_c(out, ' ');
    add_encoding(p->encoding, out);
    buf_addf(out, " %zu", p->body.n);
    if (mime_is_message(p)) {
        static const struct mime_part none = { .type = { "text", 4 }, .subtype = { "plain", 5 } };
        const struct mime_part *inner = p->children ? p->children : &none;

        buf_add_c(out, ' ');
        mime_imap_envelope(inner, out);
        buf_add_c(out, ' ');
        add_structure(inner, ext, out);
    }
    if (mime_is_message(p) || sv_ieq(p->type, SV("text")))
        buf_addf(out, " %u", p->lines);
    if (!ext)
        return;
    buf_add_c(out, ' ');
    add_value(p->md5, out);
    add_extension(p, out);
}

static void add_structure(const struct mime_part *p, bool ext, struct buf *out)
{
    buf_add_c(out, '(');
    /* A multipart that could not be opened (no boundary, too deep) still has to look like one: its
     * type says so. */
    if (sv_ieq(p->type, SV("multipart")))
        add_multipart(p, ext, out);
    else
        add_leaf(p, ext, out);
    buf_add_c(out, ')');
}

int mime_imap_bodystructure(const struct mime_part *root, bool ext, struct buf *out)
{
    add_structure(root, ext, out);
    return out->overflow ? -ENOMEM : 0;
}
