/* Tests: which one it is, and the short ones. */
#include "mail/sieve/run_priv.h"

#include "mail/sieve/mailto.h"

static int test_header(struct run *x, const struct sieve_node *n)
{
    struct matcher m;
    struct sv *names, text;
    int r = matcher_begin(&m, x, n, &n->arg[1]);
    if (r >= 0)
        r = expand_list(x, &n->arg[0], &names);
    for (size_t i = 0; i < n->arg[0].n && r == 0; i++) {
        size_t pos = 0;
        for (const struct field *f; r == 0 && (f = header_next(x, n, names[i], &pos));) {
            r = header_text(x, f, &text);
            if (r >= 0)
                r = matcher_try(&m, text);
        }
    }
    return matcher_end(&m, r);
}

static int test_exists(struct run *x, const struct sieve_node *n)
{
    struct sv *names;
    int r = expand_list(x, &n->arg[0], &names);
    for (size_t i = 0; i < n->arg[0].n && r >= 0; i++) {
        r = run_charge(x, x->n_fields);
        if (r >= 0 && !header_find(x, names[i], 0))
            return 0;
    }
    return r < 0 ? r : 1;
}

static int test_string(struct run *x, const struct sieve_node *n)
{
    struct matcher m;
    struct sv *values;
    int r = matcher_begin(&m, x, n, &n->arg[1]);
    if (r >= 0)
        r = expand_list(x, &n->arg[0], &values);
    for (size_t i = 0; i < n->arg[0].n && r == 0; i++) {
        if (m.type == MATCH_COUNT && !values[i].n) /* empty ones do not count: RFC 5229 5 */
            continue;
        r = matcher_try(&m, values[i]);
    }
    return matcher_end(&m, r);
}

static int test_mailboxexists(struct run *x, const struct sieve_node *n)
{
    struct sv *names;
    int r = expand_list(x, &n->arg[0], &names);
    for (size_t i = 0; i < n->arg[0].n && r >= 0; i++) {
        if (!x->e->mailbox_exists)
            return 0;
        r = x->e->mailbox_exists(x->e->arg, names[i]);
        if (r < 0)
            return run_fail(x, E_TEMP, "cannot look for a folder now");
        if (r == 0)
            return 0;
    }
    return r < 0 ? r : 1;
}

/* --- duplicate: RFC 7352 --- */

static int unique_text(struct run *x, const struct sieve_node *n, struct sv *ret)
{
    struct sv name = SV("Message-ID");
    const struct sieve_option *o = sieve_option(n, SIEVE_T_HEADER);
    int r = expand_option(x, n, SIEVE_T_UNIQUEID, ret);
    if (r < 0 || ret->p)
        return r;
    if (o)
        r = expand(x, &o->list.v[0], &name);
    const struct field *f = r < 0 ? NULL : header_find(x, name, 0);
    return f ? header_text(x, f, ret) : r;
}

static int remember(struct run *x, struct sv id, int64_t seconds)
{
    struct sieve_result *res = x->r;
    for (size_t i = 0; i < res->n_marks; i++)
        if (sv_eq(res->marks[i].id, id))
            return 0;
    if (res->n_marks >= x->e->max_actions)
        return run_fail(x, E_LIMIT, "there are more than %zu different tests 'duplicate'",
                        x->e->max_actions);
    res->marks = xrealloc(res->marks, (res->n_marks + 1) * sizeof(*res->marks));
    res->marks[res->n_marks++] = (struct sieve_mark){ id, seconds };
    return 0;
}

static int test_duplicate(struct run *x, const struct sieve_node *n)
{
    _cleanup_(buf_done) struct buf b = { 0 };
    struct sv unique, handle, id;
    const struct sieve_option *o = sieve_option(n, SIEVE_T_SECONDS);
    int64_t seconds = o ? (int64_t)MIN(o->number, 90u * 86400) : 7 * 86400;
    int r = unique_text(x, n, &unique);
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_HANDLE, &handle);
    if (r < 0 || !unique.n)
        return MIN(r, 0);
    buf_init(&b, 2 * MiB);
    (void)buf_addf(&b, "%zu:", handle.n);
    (void)buf_add_sv(&b, handle);
    (void)buf_add_sv(&b, unique);
    r = run_keep(x, &b, &id);
    if (r < 0)
        return r;
    int seen = x->e->seen ? x->e->seen(x->e->arg, id, seconds, sieve_has(n, SIEVE_T_LAST)) : 0;
    if (seen < 0)
        return run_fail(x, E_TEMP, "cannot look for earlier messages now");
    if (seen == 0 || sieve_has(n, SIEVE_T_LAST))
        r = remember(x, id, seconds);
    return r < 0 ? r : seen;
}

/* --- enotify: RFC 5435 4 and 5 --- */

static int test_valid_method(struct run *x, const struct sieve_node *n)
{
    struct sv *methods;
    int r = expand_list(x, &n->arg[0], &methods);
    for (size_t i = 0; i < n->arg[0].n && r >= 0; i++)
        if (!mailto_valid(methods[i]))
            return 0;
    return r < 0 ? r : 1;
}

static int test_capability(struct run *x, const struct sieve_node *n)
{
    struct matcher m;
    struct sv method, capability;
    int r = matcher_begin(&m, x, n, &n->arg[2]);
    if (r >= 0)
        r = expand(x, &n->arg[0].v[0], &method);
    if (r >= 0)
        r = expand(x, &n->arg[1].v[0], &capability);
    if (r >= 0 && mailto_valid(method) && sv_ieq(capability, SV("online")))
        r = matcher_try(&m, SV("maybe")); /* nobody knows whether mail is being read */
    return matcher_end(&m, r);
}

/* --- together --- */

static int test_all(struct run *x, const struct sieve_node *n, bool want)
{
    for (const struct sieve_node *t = n->tests; t; t = t->next) {
        int r = run_test(x, t);
        if (r < 0 || (r > 0) != want)
            return r;
    }
    return want;
}

int run_test(struct run *x, const struct sieve_node *n)
{
    x->line = n->line;
    int r = run_charge(x, 0);
    if (r < 0)
        return r;
    switch (n->word) {
    case SIEVE_TRUE:
        return 1;
    case SIEVE_NOT:
        r = run_test(x, n->tests);
        return r < 0 ? r : !r;
    case SIEVE_ALLOF:
        return test_all(x, n, true);
    case SIEVE_ANYOF:
        return test_all(x, n, false);
    case SIEVE_ADDRESS:
        return test_address(x, n);
    case SIEVE_ENVELOPE:
        return test_envelope(x, n);
    case SIEVE_EXISTS:
        return test_exists(x, n);
    case SIEVE_HEADER:
        return test_header(x, n);
    case SIEVE_SIZE:
        return sieve_has(n, SIEVE_T_OVER) ? x->e->message.n > n->number
                                          : x->e->message.n < n->number;
    case SIEVE_BODY:
        return test_body(x, n);
    case SIEVE_STRING:
        return test_string(x, n);
    case SIEVE_HASFLAG:
        return test_hasflag(x, n);
    case SIEVE_MAILBOXEXISTS:
        return test_mailboxexists(x, n);
    case SIEVE_DATE:
    case SIEVE_CURRENTDATE:
        return test_date(x, n);
    case SIEVE_DUPLICATE:
        return test_duplicate(x, n);
    case SIEVE_VALID_NOTIFY_METHOD:
        return test_valid_method(x, n);
    case SIEVE_NOTIFY_METHOD_CAPABILITY:
        return test_capability(x, n);
    default:
        return 0;
    }
}
