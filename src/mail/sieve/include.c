/* Scripts in scripts, and variables that they share: RFC 6609. Each execution of a script has
 * variables of its own. */
#include "mail/sieve/run_priv.h"

#include <stdio.h>

struct included {
    struct included *before;
    struct sv name;
    bool global, runs;
};

static const char *kind_of(bool global)
{
    return global ? "global" : "personal";
}

static struct included *find(struct run *x, bool global, struct sv name)
{
    for (struct included *i = x->included; i; i = i->before)
        if (i->global == global && sv_eq(i->name, name))
            return i;
    return NULL;
}

static struct included *note(struct run *x, bool global, struct sv name)
{
    struct included *i = run_alloc(x, sizeof(*i));
    if (i)
        *i = (struct included){ x->included, name, global, false };
    if (i)
        x->included = i;
    return i;
}

/* 1 = found, 0 = it need not be there. */
static int find_script(struct run *x, const struct sieve_node *n, bool global, struct sv name,
                       const struct sieve_script **ret)
{
    int r = x->e->include ? x->e->include(x->e->arg, global, name, ret) : E_NOTFOUND;
    if (r >= 0)
        return 1;
    if (r == E_NOTFOUND && sieve_has(n, SIEVE_T_OPTIONAL))
        return 0;
    if (r == E_TEMP)
        return run_fail(x, E_TEMP, "the script '" SV_FMT "' cannot be read now", SV_ARG(name));
    return run_fail(x, E_NOTFOUND,
                    r == E_NOTFOUND ? "there is no %s script '" SV_FMT "' to include"
                                    : "the %s script '" SV_FMT "' cannot be read",
                    kind_of(global), SV_ARG(name));
}

/* The line of the error is the included script's. */
static void tell_where(struct run *x, bool global, struct sv name)
{
    char text[sizeof(x->r->ei.text)];
    if (x->told_where)
        return;
    x->told_where = true;
    snprintf(text, sizeof(text), "in the %s script '" SV_FMT "': %.*s", kind_of(global),
             SV_ARG(sv_take(name, 60)), (int)sizeof(text) - 100, x->r->ei.text);
    memcpy(x->r->ei.text, text, sizeof(text));
}

static int run_included(struct run *x, const struct sieve_script *s, struct included *what)
{
    const struct sieve_script *script = x->script;
    struct sv captures[MAX_CAPTURES];
    size_t n_captures = x->n_captures;
    unsigned scope = x->scope;
    uint32_t line = x->line;
    memcpy(captures, x->captures, sizeof(captures));
    what->runs = true;
    x->script = s;
    x->scope = ++x->scopes;
    x->n_captures = 0;
    x->depth++;
    int r = run_block(x, s->commands);
    if (r < 0)
        tell_where(x, what->global, what->name);
    x->depth--;
    x->returned = false;
    x->script = script;
    x->scope = scope;
    x->line = line;
    x->n_captures = n_captures;
    memcpy(x->captures, captures, sizeof(captures));
    what->runs = false;
    return r;
}

int do_include(struct run *x, const struct sieve_node *n)
{
    bool global = sieve_has(n, SIEVE_T_GLOBAL);
    struct sv name = n->arg[0].v[0].s;
    const struct sieve_script *s = NULL;
    struct included *what = find(x, global, name);
    if (what && what->runs)
        return run_fail(x, E_CONFLICT, "the script '" SV_FMT "' includes itself", SV_ARG(name));
    if (what && sieve_has(n, SIEVE_T_ONCE))
        return 0;
    if (x->depth >= SIEVE_MAX_DEPTH)
        return run_fail(x, E_LIMIT, "scripts include scripts deeper than %d", SIEVE_MAX_DEPTH);
    if (++x->n_includes > SIEVE_MAX_INCLUDES)
        return run_fail(x, E_LIMIT, "more than %d scripts are included", SIEVE_MAX_INCLUDES);
    int r = find_script(x, n, global, name, &s);
    if (r <= 0)
        return r;
    if (!what && !(what = note(x, global, name)))
        return E_LIMIT;
    return run_included(x, s, what);
}

/* --- variables --- */

unsigned scope_of(const struct run *x, struct sv *name)
{
    if (sieve_is_global(*name)) {
        *name = sv_skip(*name, strlen("global."));
        return SCOPE_GLOBAL;
    }
    for (size_t i = 0; i < x->n_globals; i++)
        if (x->globals[i].scope == x->scope && sv_ieq(x->globals[i].name, *name))
            return SCOPE_GLOBAL;
    return x->scope;
}

int do_global(struct run *x, const struct sieve_node *n)
{
    if (!x->globals && !(x->globals = run_alloc(x, SIEVE_MAX_VARS * sizeof(*x->globals))))
        return E_LIMIT;
    for (size_t i = 0; i < n->arg[0].n; i++) {
        if (x->n_globals == SIEVE_MAX_VARS)
            return run_fail(x, E_LIMIT, "there are more than %d variables", SIEVE_MAX_VARS);
        x->globals[x->n_globals++] = (struct variable){ n->arg[0].v[i].s, SV(""), x->scope };
    }
    return 0;
}
