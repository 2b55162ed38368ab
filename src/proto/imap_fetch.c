/* Parser of FETCH items. Pure. RFC 3501 sections 6.4.5 and 9 (fetch-att, section). */
#include "proto/imap_fetch.h"
#include "proto/imap_format.h"

static const struct {
    const char *name;
    unsigned items;
} simple_items[] = {
    { "UID", FETCH_UID },
    { "FLAGS", FETCH_FLAGS },
    { "INTERNALDATE", FETCH_INTERNALDATE },
    { "RFC822.SIZE", FETCH_SIZE },
    { "ENVELOPE", FETCH_ENVELOPE },
    { "BODYSTRUCTURE", FETCH_BODYSTRUCTURE },
};

static const struct {
    const char *name;
    unsigned items;
} macros[] = {
    { "ALL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE },
    { "FAST", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE },
    { "FULL", FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY },
};

static const struct {
    const char *name;
    enum imap_section_kind kind;
    const char *path;
    bool sets_seen;
} rfc822_items[] = {
    { "RFC822", SECTION_WHOLE, "", true },
    { "RFC822.HEADER", SECTION_HEADER, "HEADER", false },
    { "RFC822.TEXT", SECTION_TEXT, "TEXT", true },
};

static const struct {
    const char *name;
    enum imap_section_kind kind;
} section_texts[] = {
    { "HEADER", SECTION_HEADER },
    { "HEADER.FIELDS", SECTION_FIELDS },
    { "HEADER.FIELDS.NOT", SECTION_FIELDS_NOT },
    { "TEXT", SECTION_TEXT },
    { "MIME", SECTION_MIME },
};

/* Letters, digits and dots: the names of items, which end at "[", "<", " " or ")". */
static struct sv name_token(struct imap_in *in)
{
    const char *start = in->p;
    while (in->p < in->end && ((*in->p >= '0' && *in->p <= '9') || *in->p == '.' ||
                               (ascii_lower(*in->p) >= 'a' && ascii_lower(*in->p) <= 'z')))
        in->p++;
    return sv_n(start, (size_t)(in->p - start));
}

/* "1.2." in front of a section text: numbers from 1 up. Leaves the cursor behind the last dot. */
static int part_number(struct imap_in *in, struct sv *ret)
{
    const char *start = in->p, *end = in->p;
    while (imap_peek(in) >= '0' && imap_peek(in) <= '9') {
        uint32_t v;
        if (imap_u32(in, &v) < 0 || v == 0)
            return E_PARSE;
        end = in->p;
        if (!imap_char(in, '.'))
            break;
    }
    *ret = sv_n(start, (size_t)(end - start));
    return 0;
}

static int header_names(struct imap_in *in, struct imap_section *s)
{
    if (imap_sp(in) < 0 || !imap_char(in, '('))
        return E_PARSE;
    size_t cap = 0;
    do {
        struct sv name;
        int r = imap_astring(in, &name);
        if (r < 0)
            return r;
        if (s->n_names == cap) {
            struct sv *bigger = arena_alloc(in->a, (cap + 8) * 2 * sizeof(*bigger));
            if (!bigger)
                return E_LIMIT;
            if (cap)
                memcpy(bigger, s->names, cap * sizeof(*bigger));
            s->names = bigger;
            cap = (cap + 8) * 2;
        }
        s->names[s->n_names++] = name;
    } while (imap_char(in, ' '));
    return imap_char(in, ')') ? 0 : E_PARSE;
}

static int section_text(struct imap_in *in, struct imap_section *s)
{
    struct sv text = name_token(in);
    for (size_t i = 0; i < ARRAY_LEN(section_texts); i++) {
        if (!sv_ieq(text, sv_c(section_texts[i].name)))
            continue;
        s->kind = section_texts[i].kind;
        if (s->kind == SECTION_MIME && s->part.n == 0)
            return E_PARSE;
        return s->kind == SECTION_FIELDS || s->kind == SECTION_FIELDS_NOT ? header_names(in, s) : 0;
    }
    return E_PARSE;
}

static int set_path(struct imap_in *in, struct imap_section *s)
{
    static const char *const suffix[] = {
        [SECTION_WHOLE] = "",        [SECTION_HEADER] = "HEADER",
        [SECTION_FIELDS] = "HEADER", [SECTION_FIELDS_NOT] = "HEADER",
        [SECTION_TEXT] = "TEXT",     [SECTION_MIME] = "MIME",
    };
    struct sv text = sv_c(suffix[s->kind]);
    size_t dot = s->part.n && text.n;
    char *p = arena_alloc(in->a, s->part.n + dot + text.n);
    if (!p)
        return E_LIMIT;
    if (s->part.n)
        memcpy(p, s->part.p, s->part.n);
    if (dot)
        p[s->part.n] = '.';
    memcpy(p + s->part.n + dot, text.p, text.n);
    s->path = sv_n(p, s->part.n + dot + text.n);
    return 0;
}

static int partial(struct imap_in *in, struct imap_section *s)
{
    if (!imap_char(in, '<'))
        return 0;
    uint32_t off, len;
    if (imap_u32(in, &off) < 0 || !imap_char(in, '.') || imap_u32(in, &len) < 0 ||
        !imap_char(in, '>') || len == 0)
        return E_PARSE;
    s->partial = true;
    s->offset = off;
    s->length = len;
    return 0;
}

static int label_from(struct imap_in *in, struct imap_section *s, struct buf *b)
{
    if (s->partial)
        buf_addf(b, "<%" PRIu64 ">", s->offset);
    s->label = arena_sv(in->a, buf_sv(b));
    return b->overflow || !s->label.p ? E_LIMIT : 0;
}

/* The label repeats the section as the client wrote it, in upper case but for the header names:
 * those who compare text find what they sent. Names that came as literals are written anew. */
static int set_label(struct imap_in *in, struct imap_section *s, struct sv written)
{
    struct buf b;
    bool literals = s->n_names && sv_find(written, '{') >= 0;
    ssize_t names = sv_find(written, '(');
    size_t upper = names < 0 ? written.n : (size_t)names;
    buf_init(&b, 2 * written.n + 64);
    buf_add(&b, "BODY", 4);
    for (size_t i = 0; i < upper; i++)
        buf_add_c(&b, ascii_upper(written.p[i]));
    if (!literals) {
        buf_add_sv(&b, sv_skip(written, upper));
    } else {
        for (size_t i = 0; i < s->n_names; i++) {
            buf_add_c(&b, i ? ' ' : '(');
            imap_put_astring(&b, s->names[i]);
        }
        buf_add(&b, ")]", 2);
    }
    int r = label_from(in, s, &b);
    buf_done(&b);
    return r;
}

static int section(struct imap_in *in, bool peek, struct imap_section *s)
{
    const char *start = in->p;
    *s = (struct imap_section){ .sets_seen = !peek };
    if (!imap_char(in, '['))
        return E_PARSE;
    int r = part_number(in, &s->part);
    if (r == 0 && imap_peek(in) != ']')
        r = section_text(in, s);
    else if (r == 0 && in->p > start + 1 && in->p[-1] == '.')
        r = E_PARSE;
    if (r < 0)
        return r;
    if (!imap_char(in, ']'))
        return E_PARSE;
    struct sv written = sv_n(start, (size_t)(in->p - start));
    r = partial(in, s);
    if (r == 0)
        r = set_path(in, s);
    return r < 0 ? r : set_label(in, s, written);
}

static int add_section(struct imap_in *in, struct imap_fetch *f, size_t *cap, struct imap_section s)
{
    if (f->n >= IMAP_FETCH_MAX_SECTIONS)
        return E_LIMIT;
    if (f->n == *cap) {
        size_t bigger = *cap ? *cap * 2 : 4;
        struct imap_section *p = arena_alloc(in->a, bigger * sizeof(*p));
        if (!p)
            return E_LIMIT;
        if (f->n)
            memcpy(p, f->sections, f->n * sizeof(*p));
        f->sections = p;
        *cap = bigger;
    }
    f->sections[f->n++] = s;
    return 0;
}

static int item(struct imap_in *in, struct imap_fetch *f, size_t *cap)
{
    struct sv name = name_token(in);
    struct imap_section s;
    for (size_t i = 0; i < ARRAY_LEN(simple_items); i++) {
        if (sv_ieq(name, sv_c(simple_items[i].name))) {
            f->items |= simple_items[i].items;
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rfc822_items); i++) {
        if (!sv_ieq(name, sv_c(rfc822_items[i].name)))
            continue;
        s = (struct imap_section){ .kind = rfc822_items[i].kind,
                                   .sets_seen = rfc822_items[i].sets_seen,
                                   .path = sv_c(rfc822_items[i].path),
                                   .label = sv_c(rfc822_items[i].name) };
        return add_section(in, f, cap, s);
    }
    bool peek = sv_ieq(name, SV("BODY.PEEK"));
    if (!peek && !sv_ieq(name, SV("BODY")))
        return E_PARSE;
    if (!peek && imap_peek(in) != '[') {
        f->items |= FETCH_BODY;
        return 0;
    }
    int r = section(in, peek, &s);
    return r < 0 ? r : add_section(in, f, cap, s);
}

int imap_fetch_parse(struct imap_in *in, struct imap_fetch *ret)
{
    struct imap_fetch f = { 0 };
    size_t cap = 0;
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
        if (imap_word(in, sv_c(macros[i].name))) {
            f.items = macros[i].items;
            *ret = f;
            return 0;
        }
    }
    if (imap_char(in, '(')) {
        do
            r = item(in, &f, &cap);
        while (r == 0 && imap_char(in, ' '));
        if (r == 0 && !imap_char(in, ')'))
            r = E_PARSE;
    } else {
        r = item(in, &f, &cap);
    }
    if (r == 0)
        *ret = f;
    return r;
}
