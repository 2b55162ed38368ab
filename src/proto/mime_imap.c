/* ENVELOPE, BODY, BODYSTRUCTURE and sections (RFC 3501 6.4.5, 7.4.2). Pure. */
#include "proto/mime_priv.h"

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
    buf_add_str(out, " NIL ");
    mime_imap_string(m->local.p ? m->local : SV(""), out);
    buf_add_c(out, ' ');
    if (m->group_start)
        buf_add_str(out, "NIL");
    else
        mime_imap_string(m->host.p ? m->host : SV(""), out);
    buf_add_c(out, ')');
}

static void add_addresses(struct sv value, struct buf *out)
{
    struct arena a;
    struct mime_address *v = NULL;
    size_t n = 0;

    arena_init(&a, 1 * MiB);
    if (value.p)
        mime_addresses(value, &a, &v, &n);
    if (!n) {
        buf_add_str(out, "NIL");
    } else {
        buf_add_c(out, '(');
        for (size_t i = 0; i < n; i++)
            add_address(&v[i], out);
        buf_add_c(out, ')');
    }
    arena_done(&a);
}

static bool has_address(struct sv value)
{
    return value.p && mime_skip_cfws(value).n > 0;
}

int mime_imap_envelope(const struct mime_part *p, struct buf *out)
{
    struct sv from = value_of(p, "From"), sender = value_of(p, "Sender"),
              reply = value_of(p, "Reply-To");

    buf_add_c(out, '(');
    add_value(value_of(p, "Date"), out);
    buf_add_c(out, ' ');
    add_value(value_of(p, "Subject"), out);
    buf_add_c(out, ' ');
    add_addresses(from, out);
    buf_add_c(out, ' ');
    add_addresses(has_address(sender) ? sender : from, out);
    buf_add_c(out, ' ');
    add_addresses(has_address(reply) ? reply : from, out);
    buf_add_c(out, ' ');
    add_addresses(value_of(p, "To"), out);
    buf_add_c(out, ' ');
    add_addresses(value_of(p, "Cc"), out);
    buf_add_c(out, ' ');
    add_addresses(value_of(p, "Bcc"), out);
    buf_add_c(out, ' ');
    add_value(value_of(p, "In-Reply-To"), out);
    buf_add_c(out, ' ');
    add_value(value_of(p, "Message-ID"), out);
    buf_add_c(out, ')');
    return out->overflow ? -ENOMEM : 0;
}

/* Parameters as a parenthesised list of pairs, or NIL. */
static void add_params(struct sv value, struct buf *out)
{
    struct mime_param p;
    struct sv rest = value;
    bool any = false;

    while (value.p && mime_next_param(&rest, &p)) {
        struct buf b;

        buf_add_c(out, any ? ' ' : '(');
        any = true;
        mime_imap_string(p.name, out);
        buf_add_c(out, ' ');
        buf_init(&b, p.value.n + 1);
        mime_unquote(p.value, &b);
        mime_imap_string(b.p ? buf_sv(&b) : SV(""), out);
        buf_done(&b);
    }
    buf_add_str(out, any ? ")" : "NIL");
}

static void add_type_params(const struct mime_part *p, struct buf *out)
{
    if (!p->content_type.p && sv_ieq(p->type, SV("text")))
        buf_add_str(out, "(\"charset\" \"us-ascii\")");
    else
        add_params(p->content_type, out);
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
    add_params(s, out);
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
    add_params(p->content_type, out);
    add_extension(p, out);
}

static void add_leaf(const struct mime_part *p, bool ext, struct buf *out)
{
    mime_imap_string(p->type, out);
    buf_add_c(out, ' ');
    mime_imap_string(p->subtype, out);
    buf_add_c(out, ' ');
    add_type_params(p, out);
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

static const struct mime_part *child_at(const struct mime_part *p, uint32_t n)
{
    const struct mime_part *c = p->children;

    for (uint32_t i = 1; c && i < n; i++)
        c = c->next;
    return c;
}

/* Part `n` of a message or of a nested message: of a multipart its n-th part, else 1 is the body
 * itself. */
static const struct mime_part *part_of_message(const struct mime_part *m, uint32_t n)
{
    if (m->n_children && sv_ieq(m->type, SV("multipart")))
        return child_at(m, n);
    return n == 1 ? m : NULL;
}

int mime_section(const struct mime_part *root, struct sv msg, struct sv section, struct sv *ret)
{
    const struct mime_part *p = root;
    struct sv rest = section;
    bool whole = true; /* p is a message, not a numbered part */

    if (!section.n) {
        *ret = msg;
        return 0;
    }
    while (rest.n && *rest.p >= '0' && *rest.p <= '9') {
        uint32_t n;

        if (sv_to_u32(sv_split(&rest, '.'), &n) < 0 || n == 0)
            return E_NOTFOUND;
        if (whole)
            p = part_of_message(p, n);
        else if (sv_ieq(p->type, SV("multipart")))
            p = child_at(p, n);
        else
            p = mime_is_message(p) && p->children ? part_of_message(p->children, n) : NULL;
        if (!p)
            return E_NOTFOUND;
        whole = false;
    }
    if (!rest.n) {
        *ret = p->body;
        return 0;
    }
    if (sv_ieq(rest, SV("MIME"))) {
        *ret = p->header;
        return whole ? E_NOTFOUND : 0;
    }
    if (!whole)
        p = mime_is_message(p) ? p->children : NULL;
    if (!p)
        return E_NOTFOUND;
    if (sv_ieq(rest, SV("HEADER")))
        *ret = p->header;
    else if (sv_ieq(rest, SV("TEXT")))
        *ret = p->body;
    else
        return E_NOTFOUND;
    return 0;
}

static bool name_listed(struct sv line, const struct sv *names, size_t n)
{
    ssize_t colon = sv_find(line, ':');
    struct sv name = colon < 0 ? SV_NULL : sv_trim(sv_take(line, (size_t)colon));

    for (size_t i = 0; i < n; i++)
        if (sv_ieq(name, names[i]))
            return true;
    return false;
}

int mime_header_fields(struct sv header, const struct sv *names, size_t n, bool not,
                       struct buf *out)
{
    bool take = false;

    while (header.n) {
        ssize_t eol = sv_find(header, '\n');
        struct sv line = sv_take(header, eol < 0 ? header.n : (size_t)eol + 1);

        header = sv_skip(header, line.n);
        if (sv_trim(line).n == 0 && *line.p != ' ' && *line.p != '\t')
            break;
        if (*line.p != ' ' && *line.p != '\t')
            take = name_listed(line, names, n) != not ;
        if (take)
            buf_add_sv(out, line);
    }
    buf_add_str(out, "\r\n");
    return out->overflow ? -ENOMEM : 0;
}
