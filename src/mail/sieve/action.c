/* Commands that do something with the message: what they add to the list of actions, and which of
 * them exclude each other. */
#include "mail/sieve/run_priv.h"

#include "base/codec.h"
#include "mail/sieve/mailto.h"

#define DAY 86400

static bool is_store(const struct sieve_action *a)
{
    return a->kind == SIEVE_DO_KEEP || a->kind == SIEVE_DO_FILE;
}

static struct sv folder_of(const struct sieve_action *a)
{
    return a->kind == SIEVE_DO_KEEP || sv_ieq(a->target, SV("INBOX")) ? SV("INBOX") : a->target;
}

/* Local parts may differ in case only. */
static bool same_address(struct sv a, struct sv b)
{
    ssize_t x = sv_rfind(a, '@'), y = sv_rfind(b, '@');
    return x == y && x >= 0 && sv_eq(sv_take(a, (size_t)x), sv_take(b, (size_t)x)) && sv_ieq(a, b);
}

/* The same has been asked for before: RFC 5228 2.10.3. */
static bool is_repeated(const struct run *x, const struct sieve_action *a)
{
    for (size_t i = 0; i < x->r->n; i++) {
        const struct sieve_action *b = &x->r->v[i];
        if (is_store(a) && is_store(b) && sv_eq(folder_of(a), folder_of(b)))
            return true;
        if (a->kind == SIEVE_DO_REDIRECT && b->kind == SIEVE_DO_REDIRECT &&
            same_address(a->target, b->target))
            return true;
    }
    return false;
}

/* RFC 5429 2.4: a message that is refused is not delivered too. RFC 5230 4.7: one reply. */
static int check_conflict(struct run *x, const struct sieve_action *a)
{
    for (size_t i = 0; i < x->r->n; i++) {
        const struct sieve_action *b = &x->r->v[i];
        bool store = is_store(b) || b->kind == SIEVE_DO_REDIRECT;
        if (a->kind == SIEVE_DO_VACATION && b->kind == SIEVE_DO_VACATION)
            return run_fail(x, E_CONFLICT, "'vacation' in line %u has answered already", b->line);
        if (a->kind == SIEVE_DO_REJECT && b->kind == SIEVE_DO_REJECT)
            return run_fail(x, E_CONFLICT, "line %u has refused the message already", b->line);
        if (a->kind == SIEVE_DO_REJECT && (store || b->kind == SIEVE_DO_VACATION))
            return run_fail(x, E_CONFLICT,
                            "the message cannot be refused: line %u has used it already", b->line);
        if (b->kind == SIEVE_DO_REJECT &&
            (is_store(a) || a->kind == SIEVE_DO_REDIRECT || a->kind == SIEVE_DO_VACATION))
            return run_fail(x, E_CONFLICT, "the message was refused already in line %u", b->line);
    }
    return 0;
}

static int add(struct run *x, struct sieve_action *a)
{
    struct sieve_result *res = x->r;
    int r = check_conflict(x, a);
    if (r < 0 || is_repeated(x, a))
        return r;
    if (res->n >= x->e->max_actions)
        return run_fail(x, E_LIMIT, "there are more than %zu actions", x->e->max_actions);
    if (a->kind == SIEVE_DO_REDIRECT || a->kind == SIEVE_DO_NOTIFY) {
        if (++x->n_redirects > x->e->max_redirects)
            return run_fail(x, E_LIMIT, "the message would be sent on more than %zu times",
                            x->e->max_redirects);
    }
    if (a->kind != SIEVE_DO_REJECT && a->kind != SIEVE_DO_VACATION && a->kind != SIEVE_DO_NOTIFY)
        r = header_snapshot(x, &a->header);
    if (r < 0)
        return r;
    res->v = xrealloc(res->v, (res->n + 1) * sizeof(*res->v));
    res->v[res->n] = *a;
    res->v[res->n++].script = x->index;
    return 0;
}

void add_implicit_keep(struct run *x)
{
    struct sieve_action a = { .kind = SIEVE_DO_KEEP, .target = SV("INBOX"), .script = x->index };
    struct sieve_result *res = x->r;
    if (flags_of(x, NULL, &a) < 0 || is_repeated(x, &a))
        return;
    if (header_snapshot(x, &a.header) < 0)
        a.header = SV_NULL; /* without memory for the changes: as it came */
    res->v = xrealloc(res->v, (res->n + 1) * sizeof(*res->v));
    res->v[res->n++] = a;
}

static int do_fileinto(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    int r = expand(x, &n->arg[0].v[0], &a->target);
    if (r < 0)
        return r;
    if (!a->target.n || !utf8_valid(a->target) || a->target.n > 1000)
        return run_fail(x, E_PARSE, "\"%.60s\" is no name of a folder",
                        a->target.p ? a->target.p : "");
    a->kind = SIEVE_DO_FILE;
    a->create = sieve_has(n, SIEVE_T_CREATE);
    r = flags_of(x, n, a);
    if (r >= 0)
        r = add(x, a);
    x->keep_cancelled |= r >= 0 && !sieve_has(n, SIEVE_T_COPY);
    return r;
}

static int do_redirect(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    int r = expand(x, &n->arg[0].v[0], &a->target);
    if (r < 0)
        return r;
    if (!sieve_is_address(a->target))
        return run_fail(x, E_PARSE, "\"%.100s\" is no address", a->target.p);
    a->kind = SIEVE_DO_REDIRECT;
    r = add(x, a);
    x->keep_cancelled |= r >= 0 && !sieve_has(n, SIEVE_T_COPY);
    return r;
}

static int do_reject(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    int r = expand(x, &n->arg[0].v[0], &a->text);
    a->kind = SIEVE_DO_REJECT;
    a->ereject = n->word == SIEVE_EREJECT;
    if (r >= 0)
        r = add(x, a);
    x->keep_cancelled |= r >= 0;
    return r;
}

static int do_keep(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    a->kind = SIEVE_DO_KEEP;
    a->target = SV("INBOX");
    int r = flags_of(x, n, a);
    if (r >= 0)
        r = add(x, a);
    x->keep_cancelled |= r >= 0;
    return r;
}

/* RFC 5230 4.1: at least a day, at most a month here; with :seconds (RFC 6131) a minute at least,
 * or 0 for every message. */
static int64_t period(const struct sieve_node *n)
{
    const struct sieve_option *days = sieve_option(n, SIEVE_T_DAYS),
                              *seconds = sieve_option(n, SIEVE_T_SECONDS);
    if (days)
        return (int64_t)MAX(MIN(days->number, 30), 1) * DAY;
    if (!seconds)
        return -1;
    return seconds->number ? (int64_t)MAX(MIN(seconds->number, 30 * DAY), 60) : 0;
}

static int do_vacation(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    const struct sieve_option *addresses = sieve_option(n, SIEVE_T_ADDRESSES);
    int r = expand(x, &n->arg[0].v[0], &a->text);
    a->kind = SIEVE_DO_VACATION;
    a->seconds = period(n);
    a->mime = sieve_has(n, SIEVE_T_MIME);
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_SUBJECT, &a->subject);
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_FROM, &a->from);
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_HANDLE, &a->handle);
    if (r >= 0 && addresses) {
        a->n_addresses = addresses->list.n;
        r = expand_list(x, &addresses->list, &a->addresses);
    }
    return r < 0 ? r : add(x, a);
}

static int do_notify(struct run *x, const struct sieve_node *n, struct sieve_action *a)
{
    int r = expand(x, &n->arg[0].v[0], &a->target);
    a->kind = SIEVE_DO_NOTIFY;
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_MESSAGE, &a->text);
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_FROM, &a->from);
    if (r >= 0)
        r = expand_option(x, n, SIEVE_T_IMPORTANCE, &a->importance);
    if (r >= 0 && !mailto_valid(a->target))
        return run_fail(x, E_PARSE, "\"%.100s\" is no mailto: method", a->target.p);
    return r < 0 ? r : add(x, a);
}

int do_action(struct run *x, const struct sieve_node *n)
{
    struct sieve_action a = { .line = n->line };
    switch (n->word) {
    case SIEVE_KEEP:
        return do_keep(x, n, &a);
    case SIEVE_FILEINTO:
        return do_fileinto(x, n, &a);
    case SIEVE_REDIRECT:
        return do_redirect(x, n, &a);
    case SIEVE_REJECT:
    case SIEVE_EREJECT:
        return do_reject(x, n, &a);
    case SIEVE_VACATION:
        return do_vacation(x, n, &a);
    case SIEVE_NOTIFY:
        return do_notify(x, n, &a);
    case SIEVE_DISCARD:
        x->keep_cancelled = true;
        if (!x->r->discard_line)
            x->r->discard_line = n->line;
        x->r->discard_script = x->index;
        return 0;
    default:
        return 0;
    }
}
