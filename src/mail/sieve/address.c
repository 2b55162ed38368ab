/* The tests address and envelope: RFC 5228 5.1 and 5.4, RFC 5233. */
#include "mail/sieve/run_priv.h"

static ssize_t find_delimiter(struct sv delimiters, struct sv local)
{
    for (size_t i = 0; i < local.n; i++)
        if (sv_find(delimiters, local.p[i]) >= 0)
            return (ssize_t)i;
    return -1;
}

/* The part of local@domain that the test asks for. False: it has none (no detail). */
static bool part_of(const struct run *x, const struct sieve_node *n, struct sv local,
                    struct sv host, struct sv whole, struct sv *ret)
{
    ssize_t at = find_delimiter(x->e->delimiters, local);
    *ret = whole;
    if (sieve_has(n, SIEVE_T_LOCALPART))
        *ret = local;
    else if (sieve_has(n, SIEVE_T_DOMAIN))
        *ret = host;
    else if (sieve_has(n, SIEVE_T_USER))
        *ret = at < 0 ? local : sv_take(local, (size_t)at);
    else if (sieve_has(n, SIEVE_T_DETAIL))
        *ret = at < 0 ? SV_NULL : sv_skip(local, (size_t)at + 1);
    return ret->p != NULL;
}

static int try_address(struct matcher *m, const struct sieve_node *n, const struct mime_address *a)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    struct sv part, whole;
    buf_init(&b, MiB);
    (void)buf_add_sv(&b, a->local);
    (void)buf_add_c(&b, '@');
    (void)buf_add_sv(&b, a->host);
    int r = run_keep(m->x, &b, &whole);
    if (r < 0)
        return r;
    return part_of(m->x, n, a->local, a->host, whole, &part) ? matcher_try(m, part) : 0;
}

/* Text that holds no address is a value as it is, when all of an address is asked for. */
static int try_text(struct matcher *m, const struct sieve_node *n, const struct field *f)
{
    struct sv text;
    if (n->tags & (UINT64_C(1) << SIEVE_T_LOCALPART | UINT64_C(1) << SIEVE_T_DOMAIN |
                   UINT64_C(1) << SIEVE_T_USER | UINT64_C(1) << SIEVE_T_DETAIL))
        return 0;
    int r = header_text(m->x, f, &text);
    return r < 0 || !text.n ? MIN(r, 0) : matcher_try(m, text);
}

static int try_field(struct matcher *m, const struct sieve_node *n, const struct field *f)
{
    struct mime_address *v = NULL;
    size_t n_addresses = 0, found = 0;
    int r = run_charge(m->x, f->value.n);
    if (r >= 0 && mime_addresses(f->value, m->x->a, &v, &n_addresses) < 0)
        return run_fail(m->x, E_LIMIT, "there are too many addresses in the message");
    for (size_t i = 0; i < n_addresses && r == 0; i++) {
        if (v[i].group_start || v[i].group_end || !v[i].local.p || !v[i].host.p)
            continue;
        found++;
        r = try_address(m, n, &v[i]);
    }
    return r == 0 && !found ? try_text(m, n, f) : r;
}

int test_address(struct run *x, const struct sieve_node *n)
{
    struct matcher m;
    struct sv *names;
    int r = matcher_begin(&m, x, n, &n->arg[1]);
    if (r >= 0)
        r = expand_list(x, &n->arg[0], &names);
    for (size_t i = 0; i < n->arg[0].n && r == 0; i++) {
        size_t pos = 0;
        for (const struct field *f; r == 0 && (f = header_next(x, n, names[i], &pos));)
            r = try_field(&m, n, f);
    }
    return matcher_end(&m, r);
}

static int try_path(struct matcher *m, const struct sieve_node *n, struct sv path)
{
    struct sv part;
    ssize_t at = sv_rfind(path, '@');
    struct sv local = at < 0 ? path : sv_take(path, (size_t)at),
              host = at < 0 ? SV("") : sv_skip(path, (size_t)at + 1);
    if (!path.n) /* the null sender is empty in each of its parts */
        return sieve_has(n, SIEVE_T_DETAIL) ? 0 : matcher_try(m, SV(""));
    return part_of(m->x, n, local, host, path, &part) ? matcher_try(m, part) : 0;
}

int test_envelope(struct run *x, const struct sieve_node *n)
{
    struct matcher m;
    struct sv *names;
    int r = matcher_begin(&m, x, n, &n->arg[1]);
    if (r >= 0)
        r = expand_list(x, &n->arg[0], &names);
    for (size_t i = 0; i < n->arg[0].n && r == 0; i++) {
        if (sv_ieq(names[i], SV("from")))
            r = try_path(&m, n, x->e->sender);
        else if (sv_ieq(names[i], SV("to")))
            r = try_path(&m, n, x->e->rcpt);
        else if (sv_ieq(names[i], SV("auth")) && x->e->auth.n)
            r = try_path(&m, n, x->e->auth);
    }
    return matcher_end(&m, r);
}
