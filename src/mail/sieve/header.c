/* Header fields as the script sees them: those of the message, edited by addheader and deleteheader
 * (RFC 5293). */
#include "mail/sieve/run_priv.h"

#include "mail/sieve/text.h"

enum { MAX_HEADER_TEXT = 1 << 20, MAX_FIELDS = 5000 };

static int add_field(struct run *x, struct field f, bool first)
{
    if (x->n_fields == x->cap_fields) {
        size_t cap = x->cap_fields ? 2 * x->cap_fields : 64;
        struct field *v = run_alloc(x, cap * sizeof(*v));
        if (!v)
            return E_LIMIT;
        if (x->n_fields)
            memcpy(v, x->fields, x->n_fields * sizeof(*v));
        x->fields = v;
        x->cap_fields = cap;
    }
    if (first)
        memmove(x->fields + 1, x->fields, x->n_fields * sizeof(*x->fields));
    x->fields[first ? 0 : x->n_fields] = f;
    x->n_fields++;
    return 0;
}

int headers_load(struct run *x)
{
    const struct mime_part *root = x->r->root;
    int r = 0;
    for (unsigned i = 0; root && i < root->n_headers && r >= 0; i++) {
        const struct mime_header *h = &root->headers[i];
        r = add_field(x, (struct field){ h->name, h->value, h->raw }, false);
    }
    return r;
}

const struct field *header_find(const struct run *x, struct sv name, size_t from)
{
    for (size_t i = from; i < x->n_fields; i++)
        if (sv_ieq(x->fields[i].name, name))
            return &x->fields[i];
    return NULL;
}

/* A tab that begins a continuation line is one space: users write their texts by what they see. */
static void unfold_tabs(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++)
        (void)buf_add_c(out, in.p[i] == '\t' && i && in.p[i - 1] == '\n' ? ' ' : in.p[i]);
}

int header_text(struct run *x, const struct field *f, struct sv *ret)
{
    _cleanup_(buf_done) struct buf b = { 0 }, raw = { 0 };
    int r = run_charge(x, f->value.n);
    if (r < 0)
        return r;
    buf_init(&raw, MAX_HEADER_TEXT);
    buf_init(&b, MAX_HEADER_TEXT);
    if (sv_find_sv(f->value, SV("\n\t")) >= 0)
        unfold_tabs(f->value, &raw);
    (void)mime_decode_header(raw.n ? buf_sv(&raw) : f->value,
                             &b); /* of one that is too long: its beginning */
    r = run_keep(x, &b, ret);
    *ret = r < 0 ? SV_NULL : sv_trim(*ret);
    return r;
}

/* The field number `index` of that name, counted from 1. */
static const struct field *nth(const struct run *x, struct sv name, uint64_t index, bool last)
{
    uint64_t seen = 0;
    for (size_t k = 0; k < x->n_fields; k++) {
        const struct field *f = &x->fields[last ? x->n_fields - 1 - k : k];
        if (sv_ieq(f->name, name) && ++seen == index)
            return f;
    }
    return NULL;
}

const struct field *header_next(const struct run *x, const struct sieve_node *n, struct sv name,
                                size_t *pos)
{
    const struct sieve_option *o = sieve_option(n, SIEVE_T_INDEX);
    const struct field *f;
    if (o) {
        f = *pos ? NULL : nth(x, name, o->number, sieve_has(n, SIEVE_T_LAST));
        *pos = 1;
        return f;
    }
    f = header_find(x, name, *pos);
    if (f)
        *pos = (size_t)(f - x->fields) + 1;
    return f;
}

/* --- editing --- */

int do_addheader(struct run *x, const struct sieve_node *n)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    struct sv name, value, raw;
    int r = expand(x, &n->arg[0].v[0], &name);
    if (r >= 0)
        r = expand(x, &n->arg[1].v[0], &value);
    if (r < 0)
        return r;
    if (!sieve_is_header_name(name))
        return run_fail(x, E_PARSE, "\"%.60s\" is no name of a header field", name.p);
    if (x->n_fields >= MAX_FIELDS)
        return run_fail(x, E_LIMIT, "the header has more than %d fields", MAX_FIELDS);
    buf_init(&b, 4 * SIEVE_MAX_VALUE + 4 * KiB);
    sieve_add_field(&b, name, sv_take(sv_trim(value), SIEVE_MAX_VALUE));
    r = run_keep(x, &b, &raw);
    if (r < 0)
        return r;
    x->edited = x->snapshot_old = true;
    struct sv v = sv_skip(raw, name.n + 1);
    v.n -= MIN(v.n, 2);
    return add_field(x, (struct field){ name, v, raw }, !sieve_has(n, SIEVE_T_LAST));
}

/* RFC 5293 6: what tells of the way of a message, or that it was sent by a machine, stays. */
static bool is_protected(struct sv name)
{
    return sv_ieq(name, SV("Received")) || sv_ieq(name, SV("Auto-Submitted"));
}

static int fits(struct run *x, const struct sieve_node *n, struct matcher *m, const struct field *f)
{
    struct sv text;
    if (!n->arg[1].n)
        return 1;
    m->count = 0;
    int r = header_text(x, f, &text);
    if (r >= 0)
        r = matcher_try(m, text);
    return r;
}

int do_deleteheader(struct run *x, const struct sieve_node *n)
{
    struct matcher m = { .x = x };
    struct sv name;
    const struct sieve_option *o = sieve_option(n, SIEVE_T_INDEX);
    int r = expand(x, &n->arg[0].v[0], &name);
    if (r >= 0 && n->arg[1].n)
        r = matcher_begin(&m, x, n, &n->arg[1]);
    if (r < 0 || is_protected(name))
        return matcher_end(&m, MIN(r, 0));
    m.capture = false;
    const struct field *only = o ? nth(x, name, o->number, sieve_has(n, SIEVE_T_LAST)) : NULL;
    size_t keep = 0;
    for (size_t i = 0; i < x->n_fields; i++) {
        struct field f = x->fields[i];
        bool candidate = sv_ieq(f.name, name) && (!o || &x->fields[i] == only);
        int gone = candidate && r >= 0 ? fits(x, n, &m, &f) : 0;
        r = MIN(r, gone);
        if (gone > 0)
            x->edited = x->snapshot_old = true;
        else
            x->fields[keep++] = f;
    }
    x->n_fields = keep;
    m.type = MATCH_IS; /* counting was per field */
    return matcher_end(&m, MIN(r, 0));
}

int header_snapshot(struct run *x, struct sv *ret)
{
    size_t n = 2, at = 0;
    *ret = x->edited ? x->snapshot : SV_NULL;
    if (!x->edited || !x->snapshot_old)
        return 0;
    for (size_t i = 0; i < x->n_fields; i++)
        n += x->fields[i].raw.n + 2;
    char *p = run_alloc(x, n);
    if (!p)
        return E_LIMIT;
    for (size_t i = 0; i < x->n_fields; i++) {
        struct sv raw = x->fields[i].raw;
        memcpy(p + at, raw.p, raw.n);
        at += raw.n;
        if (!raw.n || raw.p[raw.n - 1] != '\n') { /* the message ended with this field */
            memcpy(p + at, "\r\n", 2);
            at += 2;
        }
    }
    memcpy(p + at, "\r\n", 2);
    x->snapshot_old = false;
    *ret = x->snapshot = sv_n(p, at + 2);
    return 0;
}
