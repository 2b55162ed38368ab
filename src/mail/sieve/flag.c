/* imap4flags: RFC 5232. A variable with flags is a text with spaces between them. */
#include "mail/sieve/run_priv.h"

enum { MAX_FLAGS_TEXT = 8192, MAX_FLAG = 100 };

static bool next_flag(struct sv *rest, struct sv *ret)
{
    size_t n = 0;
    *rest = sv_trim(*rest);
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != '\r' &&
           rest->p[n] != '\n')
        n++;
    *ret = sv_take(*rest, n);
    *rest = sv_skip(*rest, n);
    return n > 0;
}

/* A system flag or a keyword, as IMAP would take it (RFC 3501 9); others are left out. */
static bool is_flag(struct sv s)
{
    static const char *const system[] = { "\\answered", "\\flagged", "\\deleted", "\\seen",
                                          "\\draft" };
    if (s.n > MAX_FLAG)
        return false;
    if (*s.p == '\\') {
        for (size_t i = 0; i < ARRAY_LEN(system); i++)
            if (sv_ieq(s, sv_c(system[i])))
                return true;
        return false;
    }
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127 ||
            strchr("(){%*\"\\]", s.p[i]))
            return false;
    return true;
}

static bool has_flag(struct sv all, struct sv flag)
{
    struct sv f;
    while (next_flag(&all, &f))
        if (sv_ieq(f, flag))
            return true;
    return false;
}

static void add_flags(struct buf *b, struct sv flags)
{
    struct sv f;
    while (next_flag(&flags, &f)) {
        if (!is_flag(f) || has_flag(buf_sv(b), f))
            continue;
        if (b->n)
            (void)buf_add_c(b, ' ');
        (void)buf_add_sv(b, f);
    }
}

static void remove_flags(struct buf *b, struct sv from, struct sv flags)
{
    struct sv f;
    while (next_flag(&from, &f)) {
        if (has_flag(flags, f))
            continue;
        if (b->n)
            (void)buf_add_c(b, ' ');
        (void)buf_add_sv(b, f);
    }
}

/* All texts of a list with spaces between them. */
static int joined(struct run *x, const struct sieve_list *l, struct buf *b)
{
    struct sv *v;
    int r = expand_list(x, l, &v);
    for (size_t i = 0; i < l->n && r >= 0; i++) {
        (void)buf_add_sv(b, v[i]);
        (void)buf_add_c(b, ' ');
    }
    return r < 0 || !b->overflow
               ? r
               : run_fail(x, E_LIMIT, "there are more than %d bytes of flags", MAX_FLAGS_TEXT);
}

int do_flags(struct run *x, const struct sieve_node *n)
{
    _cleanup_(buf_done) struct buf given = { 0 }, now = { 0 };
    bool named = n->arg[0].n > 0;
    struct sv name = named ? n->arg[0].v[0].s : SV_NULL;
    struct sv old = named ? variable_get(x, name) : x->flags, text;
    buf_init(&given, MAX_FLAGS_TEXT);
    buf_init(&now, MAX_FLAGS_TEXT);
    int r = joined(x, &n->arg[1], &given);
    if (r < 0)
        return r;
    if (n->word == SIEVE_REMOVEFLAG) {
        remove_flags(&now, old, buf_sv(&given));
    } else {
        if (n->word == SIEVE_ADDFLAG)
            add_flags(&now, old);
        add_flags(&now, buf_sv(&given));
    }
    if (now.overflow)
        return run_fail(x, E_LIMIT, "there are more than %d bytes of flags", MAX_FLAGS_TEXT);
    r = run_keep(x, &now, &text);
    if (r < 0)
        return r;
    if (named)
        return variable_set(x, name, text);
    x->flags = text;
    return 0;
}

static int try_flags(struct matcher *m, struct sv flags)
{
    struct sv f;
    int r = 0;
    while (r == 0 && next_flag(&flags, &f))
        r = matcher_try(m, f);
    return r;
}

int test_hasflag(struct run *x, const struct sieve_node *n)
{
    struct matcher m;
    int r = matcher_begin(&m, x, n, &n->arg[1]);
    if (r >= 0 && !n->arg[0].n)
        r = try_flags(&m, x->flags);
    for (size_t i = 0; i < n->arg[0].n && r == 0; i++)
        r = try_flags(&m, variable_get(x, n->arg[0].v[i].s));
    return matcher_end(&m, r);
}

int flags_of(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    _cleanup_(buf_done) struct buf given = { 0 }, all = { 0 };
    const struct sieve_option *o = n ? sieve_option(n, SIEVE_T_FLAGS) : NULL;
    struct sv text = x->flags, f;
    size_t count = 0;
    buf_init(&given, MAX_FLAGS_TEXT);
    buf_init(&all, MAX_FLAGS_TEXT);
    if (o) {
        int r = joined(x, &o->list, &given);
        if (r < 0)
            return r;
        add_flags(&all, buf_sv(&given));
        r = run_keep(x, &all, &text);
        if (r < 0)
            return r;
    }
    for (struct sv rest = text; next_flag(&rest, &f);)
        count++;
    if (!count)
        return 0;
    a->flags = run_alloc(x, count * sizeof(*a->flags));
    if (!a->flags)
        return E_LIMIT;
    for (struct sv rest = text; next_flag(&rest, &f);)
        a->flags[a->n_flags++] = f;
    return 0;
}
