/* The test body: RFC 5173. It sets no match variables. */
#include "mail/sieve/run_priv.h"

/* "text" fits all of text/..., "text/html" only this, "" everything. */
static bool type_fits(const struct mime_part *p, struct sv want)
{
    struct sv sub = want, type = sv_split(&sub, '/');
    if (!want.n)
        return true;
    if (!sub.p)
        return sv_ieq(type, p->type);
    return type.n && sub.n && sv_find(sub, '/') < 0 && sv_ieq(type, p->type) &&
           sv_ieq(sub, p->subtype);
}

struct body {
    struct matcher m;
    const struct sieve_node *n;
    struct sv *types;
    size_t n_types;
};

static bool wanted(const struct body *b, const struct mime_part *p)
{
    if (!sieve_has(b->n, SIEVE_T_CONTENT))
        return sv_ieq(p->type, SV("text"));
    for (size_t i = 0; i < b->n_types; i++)
        if (type_fits(p, b->types[i]))
            return true;
    return false;
}

static int try_leaf(struct body *b, const struct mime_part *p)
{
    _cleanup_(buf_done) struct buf text = { 0 }, plain = { 0 };
    int r = run_charge(b->m.x, p->body.n);
    if (r < 0 || !wanted(b, p))
        return r;
    buf_init(&text, SIEVE_MAX_BODY);
    buf_init(&plain, SIEVE_MAX_BODY);
    (void)mime_decode_body(p, &text); /* of one that is too long: its beginning */
    if (sieve_has(b->n, SIEVE_T_CONTENT) || !sv_ieq(p->subtype, SV("html")))
        return matcher_try(&b->m, buf_sv(&text));
    mime_html_text(buf_sv(&text), &plain);
    return matcher_try(&b->m, buf_sv(&plain));
}

/* MIME_MAX_DEPTH bounds the depth. */
static int try_part(struct body *b, const struct mime_part *p)
{
    int r = 0;
    if (!p->n_children)
        return try_leaf(b, p);
    for (const struct mime_part *c = p->children; c && r == 0; c = c->next)
        r = try_part(b, c);
    return r;
}

int test_body(struct run *x, const struct sieve_node *n)
{
    struct body b = { .n = n };
    const struct sieve_option *o = sieve_option(n, SIEVE_T_CONTENT);
    struct sieve_action whole = { 0 };
    struct sv header, body;
    int r = matcher_begin(&b.m, x, n, &n->arg[0]);
    b.m.capture = false;
    if (r >= 0 && o) {
        b.n_types = o->list.n;
        r = expand_list(x, &o->list, &b.types);
    }
    if (r >= 0 && sieve_has(n, SIEVE_T_RAW)) {
        sieve_content(x->e, x->r, &whole, &header, &body);
        r = matcher_try(&b.m, body);
    } else if (r >= 0 && x->r->root) {
        r = try_part(&b, x->r->root);
    }
    return matcher_end(&b.m, r);
}
