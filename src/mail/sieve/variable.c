/* Variables: RFC 5229. */
#include "mail/sieve/run_priv.h"

#include "base/codec.h"

enum { MAX_EXPANDED = 64 * 1024 };

struct sv variable_get(struct run *x, struct sv name)
{
    uint32_t number;
    if (sv_to_u32(name, &number) == 0)
        return number < x->n_captures && x->captures[number].p ? x->captures[number] : SV("");
    unsigned scope = scope_of(x, &name);
    for (size_t i = 0; i < x->n_vars; i++)
        if (x->vars[i].scope == scope && sv_ieq(x->vars[i].name, name))
            return x->vars[i].value;
    return SV("");
}

int variable_set(struct run *x, struct sv name, struct sv value)
{
    unsigned scope = scope_of(x, &name);
    value = utf8_take(value, SIEVE_MAX_VALUE);
    for (size_t i = 0; i < x->n_vars; i++) {
        if (x->vars[i].scope == scope && sv_ieq(x->vars[i].name, name)) {
            x->vars[i].value = value;
            return 0;
        }
    }
    if (x->n_vars == SIEVE_MAX_VARS)
        return run_fail(x, E_LIMIT, "there are more than %d variables", SIEVE_MAX_VARS);
    if (!x->vars && !(x->vars = run_alloc(x, SIEVE_MAX_VARS * sizeof(*x->vars))))
        return E_LIMIT;
    x->vars[x->n_vars++] = (struct variable){ name, value, scope };
    return 0;
}

static bool is_reference(const struct run *x, struct sv s)
{
    uint32_t n;
    return sieve_is_variable(s) || sv_to_u32(s, &n) == 0 ||
           (sieve_requires(x->script, SIEVE_EXT_INCLUDE) && sieve_is_global(s));
}

int expand(struct run *x, const struct sieve_str *s, struct sv *ret)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    struct sv rest = s->s;
    *ret = s->s.p ? s->s : SV("");
    if (!s->vars)
        return 0;
    buf_init(&out, MAX_EXPANDED);
    while (rest.n) {
        ssize_t at = sv_find_sv(rest, SV("${"));
        if (at < 0)
            break;
        struct sv after = sv_skip(rest, (size_t)at + 2);
        ssize_t end = sv_find(after, '}');
        if (end > 0 && is_reference(x, sv_take(after, (size_t)end))) {
            (void)buf_add_sv(&out, sv_take(rest, (size_t)at));
            (void)buf_add_sv(&out, variable_get(x, sv_take(after, (size_t)end)));
            rest = sv_skip(after, (size_t)end + 1);
        } else {
            (void)buf_add_sv(&out, sv_take(rest, (size_t)at + 1));
            rest = sv_skip(rest, (size_t)at + 1);
        }
    }
    (void)buf_add_sv(&out, rest);
    if (out.overflow)
        return run_fail(x, E_LIMIT, "a text with its variables has more than %d bytes",
                        MAX_EXPANDED);
    int r = run_charge(x, out.n);
    return r < 0 ? r : run_keep(x, &out, ret);
}

int expand_list(struct run *x, const struct sieve_list *l, struct sv **ret)
{
    struct sv *v = run_alloc(x, l->n * sizeof(*v));
    int r = v ? 0 : E_LIMIT;
    for (size_t i = 0; i < l->n && r >= 0; i++)
        r = expand(x, &l->v[i], &v[i]);
    *ret = v;
    return r;
}

int expand_option(struct run *x, const struct sieve_node *n, enum sieve_tag t, struct sv *ret)
{
    const struct sieve_option *o = sieve_option(n, t);
    *ret = SV_NULL;
    return o && o->list.n ? expand(x, &o->list.v[0], ret) : 0;
}

/* --- set --- */

static void change_case(struct buf *b, const struct sieve_node *n)
{
    for (size_t i = 0; i < b->n; i++) {
        if (sieve_has(n, SIEVE_T_LOWER))
            b->p[i] = ascii_lower(b->p[i]);
        else if (sieve_has(n, SIEVE_T_UPPER))
            b->p[i] = ascii_upper(b->p[i]);
    }
    if (b->n && sieve_has(n, SIEVE_T_LOWERFIRST))
        b->p[0] = ascii_lower(b->p[0]);
    if (b->n && sieve_has(n, SIEVE_T_UPPERFIRST))
        b->p[0] = ascii_upper(b->p[0]);
}

static void quote(struct buf *b, const char *special)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    buf_init(&out, b->max);
    for (size_t i = 0; i < b->n; i++) {
        if (b->p[i] && strchr(special, b->p[i]))
            (void)buf_add_c(&out, '\\');
        (void)buf_add_c(&out, b->p[i]);
    }
    buf_reset(b);
    (void)buf_add_sv(b, buf_sv(&out));
}

static void encode_url(struct buf *b)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    buf_init(&out, b->max);
    for (size_t i = 0; i < b->n; i++) {
        unsigned char c = (unsigned char)b->p[i], l = (unsigned char)ascii_lower((char)c);
        if ((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c)))
            (void)buf_add_c(&out, (char)c);
        else
            (void)buf_addf(&out, "%%%02X", c);
    }
    buf_reset(b);
    (void)buf_add_sv(b, buf_sv(&out));
}

static void count_characters(struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        n += ((unsigned char)b->p[i] & 0xc0) != 0x80;
    buf_reset(b);
    (void)buf_addf(b, "%zu", n);
}

/* Modifiers in the order of their precedence (RFC 5229 4.1, RFC 5435 6). */
int do_set(struct run *x, const struct sieve_node *n)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    struct sv value;
    int r = expand(x, &n->arg[1].v[0], &value);
    if (r < 0)
        return r;
    buf_init(&b, 4 * MAX_EXPANDED);
    (void)buf_add_sv(&b, value);
    change_case(&b, n);
    if (sieve_has(n, SIEVE_T_QUOTEWILDCARD))
        quote(&b, "*?\\");
    if (sieve_has(n, SIEVE_T_QUOTEREGEX))
        quote(&b, ".^$*+?()[]{}|\\");
    if (sieve_has(n, SIEVE_T_ENCODEURL))
        encode_url(&b);
    if (sieve_has(n, SIEVE_T_LENGTH))
        count_characters(&b);
    r = run_keep(x, &b, &value);
    return r < 0 ? r : variable_set(x, n->arg[0].v[0].s, value);
}
