/* Conditions, and the rules in their order. */
#include <time.h>

#include "base/iplist.h"
#include "base/pattern_item.h"
#include "mail/filter/filter_run_priv.h"
#include "proto/sieve/glob.h"

/* --- texts; values are lower case --- */

static bool ends_with(struct sv s, struct sv end)
{
    return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

static int fits_pattern(struct filter_view *v, const struct filter_node *t, struct sv name,
                        struct sv s)
{
    const struct filter_facts *f = v->f;
    int r = filter_charge(v, 64 * KiB);
    return r < 0 || !f->in_pattern || !s.n
               ? MIN(r, 0)
               : f->in_pattern(f->in_pattern_arg, name, s, t->fact == FILTER_IP);
}

static int fits_value(struct filter_view *v, const struct filter_node *t, size_t i, struct sv s)
{
    struct sv caps[1], want = t->values[i];
    size_t n;
    int r = filter_charge(v, s.n + want.n);
    if (r < 0)
        return r;
    if (t->patterns && pattern_is_name(want))
        return fits_pattern(v, t, want, s);
    switch (t->op) {
    case FILTER_IS:
        return sv_eq(s, want);
    case FILTER_CONTAINS:
        return memmem(s.p, s.n, want.p, want.n) != NULL;
    case FILTER_STARTS:
        return sv_starts(s, want);
    case FILTER_ENDS:
        return ends_with(s, want);
    case FILTER_MATCHES:
        r = filter_charge(v, s.n * (want.n / 16));
        return r < 0 ? r : glob_match(want, s, caps, 1, &n);
    case FILTER_REGEX:
        r = filter_charge(v, 64 * KiB + s.n);
        return r < 0 ? r : sieve_regex_match(t->re[i], s, caps, 1, &n);
    case FILTER_IN:
    case FILTER_EXISTS:
    case FILTER_OVER:
    case FILTER_UNDER:
    case FILTER_EQUAL:
    case FILTER_RANGE:
    case FILTER_YES:
        break;
    }
    return 0;
}

/* s: lower case. */
static int fits_lower(struct filter_view *v, const struct filter_node *t, struct sv s)
{
    int r = 0;
    if (!s.p)
        s = SV("");
    for (size_t i = 0; i < t->n && r == 0; i++)
        r = fits_value(v, t, i, s);
    return r;
}

static int fits(struct filter_view *v, const struct filter_node *t, struct sv s)
{
    char few[512];
    _cleanup_(freep) char *many = s.n > sizeof(few) ? xmalloc(s.n) : NULL;
    char *lower = many ? many : few;
    for (size_t i = 0; i < s.n; i++)
        lower[i] = ascii_lower(s.p[i]);
    return fits_lower(v, t, sv_n(lower, s.n));
}

static int fits_words(struct filter_view *v, const struct filter_node *t,
                      const struct filter_words *w)
{
    int r = 0;
    for (size_t i = 0; i < w->n && r == 0; i++)
        r = fits_lower(v, t, w->v[i]);
    return r;
}

static int fits_rcpts(struct filter_view *v, const struct filter_node *t)
{
    int r = 0;
    for (size_t i = 0; i < v->f->n_rcpts && r == 0; i++)
        r = fits(v, t, v->f->rcpts[i]);
    return r;
}

static int fits_ip(struct filter_view *v, const struct filter_node *t)
{
    const char *ip = v->f->ip ? v->f->ip : "";
    int r = 0;
    if (t->op != FILTER_IN)
        return fits(v, t, sv_c(ip));
    for (size_t i = 0; i < t->n && r == 0; i++)
        r = pattern_is_name(t->values[i]) ? fits_pattern(v, t, t->values[i], sv_c(ip))
                                          : ip_in_list(ip, t->values[i]);
    return r;
}

static int fits_header(struct filter_view *v, const struct filter_node *t)
{
    bool all = sv_eq(t->header, SV("*"));
    int r = filter_need_header(v);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < v->root->n_headers && r == 0; i++) {
        const struct mime_header *h = &v->root->headers[i];
        _cleanup_(buf_done) struct buf text = { 0 };
        if (!all && !sv_ieq(h->name, t->header))
            continue;
        if (t->op == FILTER_EXISTS)
            return 1;
        buf_init(&text, 1 * MiB);
        (void)mime_decode_header(h->value, &text); /* of one that is too long: its beginning */
        struct sv s = sv_trim(buf_sv(&text));
        for (size_t k = 0; k < s.n; k++)
            ((char *)(uintptr_t)s.p)[k] = ascii_lower(s.p[k]);
        r = filter_charge(v, h->value.n);
        if (r == 0)
            r = fits_lower(v, t, s);
    }
    return r;
}

static int fits_body(struct filter_view *v, const struct filter_node *t)
{
    int r = filter_need_body(v);
    for (size_t i = 0; i < v->n_texts && r == 0; i++)
        r = fits_lower(v, t, buf_sv(&v->texts[i]));
    return r;
}

/* --- numbers and the clock --- */

static int compare(const struct filter_node *t, int64_t n)
{
    return t->op == FILTER_OVER ? n > t->from : t->op == FILTER_UNDER ? n < t->from : n == t->from;
}

static bool local_time(const struct filter_view *v, struct tm *ret)
{
    time_t now = (time_t)v->f->now_s;
    return localtime_r(&now, ret) != NULL;
}

static int fits_clock(struct filter_view *v, const struct filter_node *t)
{
    static const char *const days[] = { "sunday",   "monday", "tuesday", "wednesday",
                                        "thursday", "friday", "saturday" };
    struct tm tm;
    if (!local_time(v, &tm))
        return 0;
    if (t->fact == FILTER_WEEKDAY)
        return fits_lower(v, t, sv_c(days[tm.tm_wday]));
    if (t->fact == FILTER_DATE) {
        int64_t day = ((tm.tm_year + 1900) * 100LL + tm.tm_mon + 1) * 100 + tm.tm_mday;
        return day >= t->from && day <= t->to;
    }
    int64_t m = tm.tm_hour * 60 + tm.tm_min;
    return t->from <= t->to ? m >= t->from && m < t->to : m >= t->from || m < t->to;
}

/* --- one condition --- */

static int fits_attachment(struct filter_view *v, const struct filter_node *t)
{
    int r = filter_need_attachments(v);
    if (r < 0)
        return r;
    switch (t->fact) {
    case FILTER_ATTACHMENT_NAME:
        return fits_words(v, t, &v->names);
    case FILTER_ATTACHMENT_TYPE:
        return fits_words(v, t, &v->types);
    case FILTER_ATTACHMENTS:
        return compare(t, (int64_t)v->n_attachments);
    case FILTER_ENCRYPTED_ARCHIVE:
        return v->encrypted;
    default:
        return v->unreadable;
    }
}

static int test(struct filter_view *v, const struct filter_node *t)
{
    const struct filter_facts *f = v->f;
    switch (t->fact) {
    case FILTER_SENDER:
        return fits(v, t, f->sender);
    case FILTER_RECIPIENT:
        return fits_rcpts(v, t);
    case FILTER_HELO:
        return fits(v, t, f->helo);
    case FILTER_HOST:
        return fits(v, t, f->host);
    case FILTER_USER:
        return fits(v, t, f->user);
    case FILTER_IP:
        return fits_ip(v, t);
    case FILTER_HEADER:
        return fits_header(v, t);
    case FILTER_BODY:
        return fits_body(v, t);
    case FILTER_ATTACHMENT_NAME:
    case FILTER_ATTACHMENT_TYPE:
    case FILTER_ATTACHMENTS:
    case FILTER_ENCRYPTED_ARCHIVE:
    case FILTER_UNREADABLE_ARCHIVE:
        return fits_attachment(v, t);
    case FILTER_SIZE:
        return compare(t, (int64_t)f->message.n);
    case FILTER_SCORE:
        return compare(t, v->score);
    case FILTER_RECIPIENTS:
        return compare(t, (int64_t)f->n_rcpts);
    case FILTER_AUTHENTICATED:
        return f->authenticated;
    case FILTER_TRUSTED:
        return f->trusted;
    case FILTER_TLS:
        return f->tls;
    case FILTER_OUTGOING:
        return f->outgoing;
    case FILTER_WEEKDAY:
    case FILTER_TIME:
    case FILTER_DATE:
        return fits_clock(v, t);
    }
    return 0;
}

/* FILTER_MAX_NODES bounds the depth. */
static int holds(struct filter_view *v, const struct filter_node *n)
{
    int r;
    switch (n->kind) {
    case FILTER_AND:
        r = holds(v, n->a);
        return r > 0 ? holds(v, n->b) : r;
    case FILTER_OR:
        r = holds(v, n->a);
        return r == 0 ? holds(v, n->b) : r;
    case FILTER_NOT:
        r = holds(v, n->a);
        return r < 0 ? r : !r;
    case FILTER_TEST:
        break;
    }
    return test(v, n);
}

/* --- rules --- */

void filter_result_done(struct filter_result *r)
{
    free(r->hits);
    *r = (struct filter_result){ 0 };
}

/* True: no further rule is asked. */
static bool hit(struct filter_view *v, const struct filter_rule *rule, struct filter_result *ret)
{
    ret->hits = xrealloc(ret->hits, (ret->n + 1) * sizeof(*ret->hits));
    ret->hits[ret->n++] = rule;
    for (size_t i = 0; i < rule->n_actions; i++) {
        const struct filter_action *a = &rule->actions[i];
        if (a->kind == FILTER_ADD_SCORE)
            v->score += a->number;
        if (a->kind == FILTER_REJECT)
            ret->reply = a->text;
        ret->end = a->kind == FILTER_ACCEPT   ? FILTER_END_ACCEPT
                   : a->kind == FILTER_REJECT ? FILTER_END_REJECT
                   : a->kind == FILTER_DELETE ? FILTER_END_DELETE
                                              : FILTER_END_NONE;
        if (ret->end != FILTER_END_NONE || a->kind == FILTER_STOP)
            return true;
    }
    return false;
}

int filter_run(struct filter_view *v, const struct filter_rules *rules, struct filter_result *ret,
               struct errinfo *ei)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct filter_rule *rule = rules->v[i];
        int r = rule->off ? 0 : rule->when ? holds(v, rule->when) : 1;
        if (r < 0)
            return err_set(ei, r,
                           r == E_TEMP    ? "rule '" SV_FMT "': its patterns cannot be read now"
                           : r == E_RANGE ? "rule '" SV_FMT "': the message has too many parts, "
                                            "header fields or files to look at"
                                          : "rule '" SV_FMT "' takes too long; make it simpler",
                           SV_ARG(rule->name));
        if (r > 0 && hit(v, rule, ret))
            break;
    }
    return 0;
}
