/* Commands in their order; limits; what is left after an error. */
#include "mail/sieve/run_priv.h"

#include "base/clock.h"

#include <stdio.h>

enum { CHECK_EVERY = 1 << 20 }; /* steps between looks at the clock */

int run_fail(struct run *x, int code, const char *fmt, ...)
{
    struct sieve_result *r = x->r;
    va_list ap;
    if (r->error < 0)
        return code;
    r->error = r->ei.code = code;
    r->error_line = x->line;
    r->error_script = x->index;
    va_start(ap, fmt);
    vsnprintf(r->ei.text, sizeof(r->ei.text), fmt, ap);
    va_end(ap);
    return code;
}

int run_charge(struct run *x, uint64_t bytes)
{
    x->steps += bytes + 16;
    if (x->steps > SIEVE_MAX_STEPS)
        return run_fail(x, E_LIMIT, "the script compares too much; make it simpler");
    if (x->steps < x->steps_at_check + CHECK_EVERY || !x->e->max_cpu_us)
        return 0;
    x->steps_at_check = x->steps;
    if (clock_thread_cpu_us() - x->cpu_start_us > x->e->max_cpu_us)
        return run_fail(x, E_LIMIT, "the script takes too long; make it simpler");
    return 0;
}

void *run_alloc(struct run *x, size_t n)
{
    void *p = arena_alloc(x->a, MAX(n, 1));
    if (!p)
        run_fail(x, E_LIMIT, "the script needs too much memory; make it simpler");
    return p;
}

int run_keep(struct run *x, const struct buf *b, struct sv *ret)
{
    char *p = run_alloc(x, b->n + 1);
    if (!p)
        return E_LIMIT;
    if (b->n)
        memcpy(p, b->p, b->n);
    *ret = sv_n(p, b->n);
    return 0;
}

/* Runs the first branch whose test holds; returns the last node of the chain. */
static const struct sieve_node *run_if(struct run *x, const struct sieve_node *n, int *ret)
{
    bool done = false;
    for (;;) {
        if (!done) {
            x->line = n->line;
            *ret = n->word == SIEVE_ELSE ? 1 : run_test(x, n->tests);
            if (*ret < 0)
                return n;
            done = *ret > 0;
            *ret = done ? run_block(x, n->block) : 0;
            if (*ret < 0)
                return n;
        }
        if (!n->next || (n->next->word != SIEVE_ELSIF && n->next->word != SIEVE_ELSE))
            return n;
        n = n->next;
    }
}

static int run_command(struct run *x, const struct sieve_node *n)
{
    switch (n->word) {
    case SIEVE_REQUIRE:
        return 0;
    case SIEVE_STOP:
        x->stopped = true;
        return 0;
    case SIEVE_INCLUDE:
        return do_include(x, n);
    case SIEVE_RETURN:
        x->returned = true;
        return 0;
    case SIEVE_GLOBAL:
        return do_global(x, n);
    case SIEVE_SET:
        return do_set(x, n);
    case SIEVE_SETFLAG:
    case SIEVE_ADDFLAG:
    case SIEVE_REMOVEFLAG:
        return do_flags(x, n);
    case SIEVE_ADDHEADER:
        return do_addheader(x, n);
    case SIEVE_DELETEHEADER:
        return do_deleteheader(x, n);
    default:
        return do_action(x, n);
    }
}

int run_block(struct run *x, const struct sieve_node *first)
{
    int r = 0;
    for (const struct sieve_node *n = first; n && !x->stopped && !x->returned && r >= 0;
         n = n->next) {
        x->line = n->line;
        r = run_charge(x, 0);
        if (r < 0)
            return r;
        if (n->word == SIEVE_IF)
            n = run_if(x, n, &r);
        else
            r = run_command(x, n);
    }
    return r;
}

/* Takes the keeps of a script that is not the last one; false: it keeps nothing. */
static bool take_keep(struct run *x)
{
    struct sieve_result *r = x->r;
    bool keeps = !x->keep_cancelled;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool keep = r->v[i].kind == SIEVE_DO_KEEP;
        keeps |= keep;
        if (!keep)
            r->v[n++] = r->v[i];
    }
    if (keeps)
        r->n = n;
    return keeps;
}

static int run_sequence(struct run *x, const struct sieve_script *const *s, size_t n)
{
    int r = 0;
    for (size_t i = 0; i < n && r >= 0; i++) {
        if (i && !take_keep(x))
            break;
        x->script = s[i];
        x->index = (unsigned)i;
        x->scope = i ? ++x->scopes : 0;
        x->stopped = x->returned = x->keep_cancelled = false;
        x->n_captures = 0;
        x->flags = SV("");
        r = run_block(x, s[i]->commands);
    }
    return r;
}

int sieve_run(const struct sieve_script *s, const struct sieve_env *e, struct sieve_result *ret)
{
    return sieve_run_all(&s, 1, e, ret);
}

int sieve_run_all(const struct sieve_script *const *s, size_t n, const struct sieve_env *e,
                  struct sieve_result *ret)
{
    struct run x = { .script = s[0], .e = e, .r = ret, .a = &ret->arena, .flags = SV("") };
    struct mime_part *root = NULL;
    *ret = (struct sieve_result){ 0 };
    arena_init(&ret->arena, SIEVE_RUN_MEMORY);
    x.cpu_start_us = clock_thread_cpu_us();
    (void)mime_parse(e->message, x.a, &root); /* without memory for all parts: what fits */
    ret->root = root;
    int r = headers_load(&x);
    if (r >= 0)
        r = run_sequence(&x, s, n);
    if (r == E_TEMP || (r < 0 && ret->error == E_TEMP)) {
        ret->n = ret->n_marks = 0;
        return E_TEMP;
    }
    if (r < 0) {
        ret->n = ret->n_marks = 0;
        ret->discard_line = 0;
        x.flags = SV("");
        x.edited = false;
    }
    if (r < 0 || !x.keep_cancelled)
        add_implicit_keep(&x);
    return 0;
}

void sieve_result_done(struct sieve_result *r)
{
    free(r->v);
    free(r->marks);
    arena_done(&r->arena);
}

void sieve_content(const struct sieve_env *e, const struct sieve_result *r,
                   const struct sieve_action *a, struct sv *ret_header, struct sv *ret_body)
{
    size_t n = r->root ? MIN(r->root->header.n, e->message.n) : mime_header_length(e->message);
    *ret_header = a->header.p ? a->header : sv_take(e->message, n);
    *ret_body = sv_skip(e->message, n);
}
