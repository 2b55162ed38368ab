/* One pass over a message: headers, boundaries, parts. Pure. RFC 2046 5.1; a cursor moves forward
 * only, and each line that starts with "--" is compared with the boundaries of the multiparts that
 * are open. */
#include "proto/mime.h"
#include "proto/mime_priv.h"

struct parser {
    const char *p, *end; /* cursor */
    struct arena *a;
    struct sv boundary[MIME_MAX_DEPTH];
    unsigned depth;   /* open boundaries */
    unsigned nesting; /* entities around the cursor, message/rfc822 included */
    unsigned parts;
    bool full; /* the arena is */
};

/* What ended a stretch of body: a boundary of an open multipart (index), or the end of the message
 * (-1). */
struct stop {
    int level;
    bool final;
    const char *body_end;
};

/* How far `line` (behind its "--") is the boundary b: 2 = exactly, 1 = something follows behind a
 * blank or the final "--", 0 = not. RFC 2046 asks for a comparison of the line's beginning only;
 * taken literally that mixes up boundaries that begin alike, so the exact one goes first. */
static int compare_boundary(struct sv line, struct sv b, bool *ret_final)
{
    struct sv rest;

    if (!sv_starts(line, b))
        return 0;
    rest = sv_n(line.p + b.n, line.n - b.n);
    *ret_final = rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-';
    if (*ret_final)
        rest = sv_skip(rest, 2);
    if (sv_trim(rest).n == 0)
        return 2;
    return *ret_final || *rest.p == ' ' || *rest.p == '\t';
}

static int match_boundary(const struct parser *ps, struct sv line, bool *ret_final)
{
    int loose = -1;
    bool loose_final = false;

    for (int i = (int)ps->depth - 1; i >= 0; i--) {
        int r = compare_boundary(line, ps->boundary[i], ret_final);

        if (r == 2)
            return i;
        if (r == 1 && loose < 0) {
            loose = i;
            loose_final = *ret_final;
        }
    }
    *ret_final = loose_final;
    return loose;
}

/* If a boundary line starts at `at`, moves the cursor behind it. */
static bool at_boundary(struct parser *ps, const char *at, const char *start, struct stop *ret)
{
    const char *eol;
    struct sv line;
    bool final;
    int level;

    if (!ps->depth || ps->end - at < 2 || at[0] != '-' || at[1] != '-')
        return false;
    eol = memchr(at, '\n', (size_t)(ps->end - at));
    line = sv_n(at + 2, (size_t)((eol ? eol : ps->end) - at - 2));
    level = match_boundary(ps, line, &final);
    if (level < 0)
        return false;
    ps->p = eol ? eol + 1 : ps->end;
    ret->level = level;
    ret->final = final;
    ret->body_end = at;
    /* The line end before the boundary belongs to it (RFC 2046 5.1.1). */
    if (ret->body_end > start && ret->body_end[-1] == '\n')
        ret->body_end--;
    if (ret->body_end > start && ret->body_end[-1] == '\r')
        ret->body_end--;
    return true;
}

/* Skips body lines up to a boundary line or the end. */
static struct stop skip_body(struct parser *ps)
{
    const char *start = ps->p, *at = ps->p;
    struct stop s = { .level = -1 };

    if (at_boundary(ps, at, start, &s))
        return s;
    while (ps->depth && at < ps->end) {
        const char *hit = memmem(at, (size_t)(ps->end - at), "\n--", 3);

        if (!hit)
            break;
        at = hit + 1;
        if (at_boundary(ps, at, start, &s))
            return s;
    }
    ps->p = s.body_end = ps->end;
    return s;
}

static void add_header(struct parser *ps, struct mime_part *part, unsigned *cap, struct sv raw)
{
    ssize_t colon = sv_find(raw, ':');
    struct mime_header *h;
    struct sv value;

    if (colon <= 0 || raw.p[0] == ' ' || raw.p[0] == '\t')
        return; /* not a field; its bytes stay in the header block */
    if (part->n_headers == *cap) {
        unsigned n = *cap ? *cap * 2 : 16;
        struct mime_header *more = arena_alloc(ps->a, n * sizeof(*more));

        if (!more) {
            ps->full = true;
            return;
        }
        if (part->n_headers)
            memcpy(more, part->headers, part->n_headers * sizeof(*more));
        part->headers = more;
        *cap = n;
    }
    h = &part->headers[part->n_headers++];
    h->raw = raw;
    h->name = sv_trim(sv_take(raw, (size_t)colon));
    value = sv_skip(raw, (size_t)colon + 1);
    if (value.n && value.p[value.n - 1] == '\n')
        value.n--;
    if (value.n && value.p[value.n - 1] == '\r')
        value.n--;
    h->value = value;
}

/* Reads the header block. True when a boundary line or the end of the message cut it short. */
static bool parse_header(struct parser *ps, struct mime_part *part, struct stop *stop)
{
    const char *start = ps->p;
    unsigned cap = 0;

    while (ps->p < ps->end) {
        const char *line = ps->p, *eol, *next;

        if (at_boundary(ps, line, start, stop)) {
            part->header = sv_n(start, (size_t)(line - start));
            stop->body_end = line;
            return true;
        }
        eol = memchr(line, '\n', (size_t)(ps->end - line));
        next = eol ? eol + 1 : ps->end;
        if (eol == line || (eol == line + 1 && line[0] == '\r')) {
            ps->p = next;
            part->header = sv_n(start, (size_t)(next - start));
            return false;
        }
        while (next < ps->end && (*next == ' ' || *next == '\t')) { /* folded */
            eol = memchr(next, '\n', (size_t)(ps->end - next));
            next = eol ? eol + 1 : ps->end;
        }
        add_header(ps, part, &cap, sv_n(line, (size_t)(next - line)));
        ps->p = next;
    }
    part->header = sv_n(start, (size_t)(ps->p - start));
    *stop = (struct stop){ .level = -1, .body_end = ps->end };
    return true;
}

static void note_fields(struct mime_part *part, bool digest)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        { "Content-Type", offsetof(struct mime_part, content_type) },
        { "Content-Transfer-Encoding", offsetof(struct mime_part, encoding) },
        { "Content-ID", offsetof(struct mime_part, id) },
        { "Content-Description", offsetof(struct mime_part, description) },
        { "Content-Disposition", offsetof(struct mime_part, disposition) },
        { "Content-MD5", offsetof(struct mime_part, md5) },
        { "Content-Language", offsetof(struct mime_part, language) },
        { "Content-Location", offsetof(struct mime_part, location) },
    };

    for (unsigned i = 0; i < part->n_headers; i++) {
        struct mime_header *h = &part->headers[i];

        if (!sv_istarts(h->name, SV("Content-")))
            continue;
        for (size_t f = 0; f < ARRAY_LEN(fields); f++) {
            struct sv *to = (struct sv *)((char *)part + fields[f].offset);

            if (!to->p && sv_ieq(h->name, sv_c(fields[f].name)))
                *to = h->value;
        }
    }
    part->type = digest ? SV("message") : SV("text");
    part->subtype = digest ? SV("rfc822") : SV("plain");
    if (part->content_type.p)
        mime_content_type(part->content_type, &part->type, &part->subtype);
}

static struct mime_part *new_part(struct parser *ps)
{
    struct mime_part *p;

    if (ps->parts >= MIME_MAX_PARTS)
        return NULL;
    p = arena_alloc(ps->a, sizeof(*p));
    if (!p)
        ps->full = true;
    else
        ps->parts++;
    return p;
}

static struct stop parse_entity(struct parser *ps, struct mime_part *part, bool digest);

static uint32_t count_lines(struct sv s)
{
    uint32_t n = 0;
    const char *p = s.p, *end = s.p + s.n;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        n++;
        p++;
    }
    return n;
}

static void set_body(struct mime_part *part, const char *body, const char *end)
{
    part->body = sv_n(body, (size_t)(end - body));
    if (mime_is_message(part) || sv_ieq(part->type, SV("text")))
        part->lines = count_lines(part->body);
}

/* Beyond the bounds: the rest belongs to the last part. */
static void extend_body(struct mime_part *last, const char *end)
{
    if (last && end > last->body.p + last->body.n)
        set_body(last, last->body.p, end);
}

/* The parts between the boundaries, up to the end of the multipart and behind its epilogue. */
static struct stop parse_multipart(struct parser *ps, struct mime_part *part, struct sv boundary)
{
    bool digest = sv_ieq(part->subtype, SV("digest"));
    unsigned self = ps->depth;
    struct mime_part **link = &part->children, *last = NULL;
    struct stop s;

    ps->boundary[ps->depth++] = boundary;
    s = skip_body(ps); /* preamble */
    while (s.level == (int)self && !s.final) {
        struct mime_part *child = new_part(ps);

        if (!child) {
            do
                s = skip_body(ps);
            while (s.level == (int)self && !s.final);
            extend_body(last, s.body_end);
            break;
        }
        *link = last = child;
        link = &child->next;
        part->n_children++;
        s = parse_entity(ps, child, digest);
    }
    ps->depth = self;
    if (s.level == (int)self)
        s = skip_body(ps); /* epilogue */
    return s;
}

/* Parses from the cursor to the boundary that ends this entity. */
static struct stop parse_entity(struct parser *ps, struct mime_part *part, bool digest)
{
    struct stop s = { .level = -1 };
    bool cut = parse_header(ps, part, &s);
    const char *body = cut ? s.body_end : ps->p;
    struct sv boundary;

    note_fields(part, digest);
    ps->nesting++;
    if (cut) {
        body = part->header.p + part->header.n;
        s.body_end = body;
    } else if (ps->nesting < MIME_MAX_DEPTH && sv_ieq(part->type, SV("multipart")) &&
               mime_boundary(part->content_type, ps->a, &boundary)) {
        s = parse_multipart(ps, part, boundary);
    } else if (ps->nesting < MIME_MAX_DEPTH && mime_is_message(part)) {
        part->children = new_part(ps);
        if (part->children) {
            part->n_children = 1;
            s = parse_entity(ps, part->children, false);
        } else {
            s = skip_body(ps);
        }
    } else {
        s = skip_body(ps);
    }
    ps->nesting--;
    if (s.body_end < body)
        s.body_end = body;
    set_body(part, body, s.body_end);
    return s;
}

int mime_parse(struct sv msg, struct arena *a, struct mime_part **ret)
{
    static const char empty[1] = "";
    struct parser ps = { .p = msg.p ? msg.p : empty,
                         .end = (msg.p ? msg.p : empty) + msg.n,
                         .a = a };
    struct mime_part *root = new_part(&ps);

    if (!root)
        return E_RANGE;
    parse_entity(&ps, root, false);
    *ret = root;
    return ps.full ? E_RANGE : 0;
}

size_t mime_header_length(struct sv msg)
{
    const char *p = msg.p, *end = msg.p + msg.n;

    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));

        if (!eol)
            return msg.n;
        if (eol == p || (eol == p + 1 && *p == '\r'))
            return (size_t)(eol + 1 - msg.p);
        p = eol + 1;
    }
    return msg.n;
}

const struct mime_header *mime_header_get(const struct mime_part *p, struct sv name)
{
    for (unsigned i = 0; i < p->n_headers; i++)
        if (sv_ieq(p->headers[i].name, name))
            return &p->headers[i];
    return NULL;
}

unsigned mime_count_received(struct sv msg)
{
    struct sv header = sv_take(msg, mime_header_length(msg));
    unsigned n = 0;
    while (header.n)
        n += sv_istarts(sv_split(&header, '\n'), SV("Received:"));
    return n;
}
