/* Deciding SEARCH keys in three stages: what the snapshot knows, what a row of the index knows,
 * what only the file knows. Three-valued logic: a later stage is asked only when an earlier one
 * could not decide. */
#include "server/imap/search_priv.h"

#include "proto/imap_fold.h"

static int not(int r)
{
    return r < 0 ? r : !r;
}

static int all_of(const struct node *n, struct subject *x, enum search_level level)
{
    int result = 1;
    for (const struct node *c = n->children; c; c = c->next) {
        int r = search_eval(c, x, level);
        if (r == 0)
            return 0;
        if (r < 0)
            result = -1;
    }
    return result;
}

static int any_of(const struct node *n, struct subject *x, enum search_level level)
{
    int result = 0;
    for (const struct node *c = n->children; c; c = c->next) {
        int r = search_eval(c, x, level);
        if (r == 1)
            return 1;
        if (r < 0)
            result = -1;
    }
    return result;
}

int search_eval(const struct node *n, struct subject *x, enum search_level level)
{
    const struct snap_msg *m = &x->snap->m[x->index];
    bool inner = n->key == KEY_AND || n->key == KEY_OR || n->key == KEY_NOT;
    if (!inner && n->level > level)
        return -1;
    switch (n->key) {
    case KEY_ALL:
        return 1;
    case KEY_AND:
        return all_of(n, x, level);
    case KEY_OR:
        return any_of(n, x, level);
    case KEY_NOT:
        return not(search_eval(n->children, x, level));
    case KEY_FLAGS:
    case KEY_KEYWORD:
        return !n->never && (m->flags & n->number) == n->number;
    case KEY_RECENT:
        return recent_has(&x->s->recent, m->uid);
    case KEY_SEQSET:
    case KEY_UIDSET:
        return index_set_has(&n->set, x->index);
    case KEY_LARGER:
        return m->size > n->number;
    case KEY_SMALLER:
        return m->size < n->number;
    case KEY_BEFORE:
    case KEY_ON:
    case KEY_SINCE:
        return x->date_s >= n->from && x->date_s < n->to;
    case KEY_SENTBEFORE:
    case KEY_SENTON:
    case KEY_SENTSINCE:
        return search_eval_sent(n, x);
    case KEY_YOUNGER:
        return (uint64_t)MAX(x->now_s - x->date_s, (int64_t)0) <= n->number;
    case KEY_OLDER:
        return (uint64_t)MAX(x->now_s - x->date_s, (int64_t)0) >= n->number;
    case KEY_FROM:
    case KEY_TO:
    case KEY_CC:
    case KEY_BCC:
    case KEY_SUBJECT:
        return search_eval_envelope(n, x);
    case KEY_HEADER:
        return n->level == LEVEL_ROW ? search_eval_envelope(n, x) : search_eval_text(n, x);
    case KEY_BODY:
    case KEY_TEXT:
        return search_eval_text(n, x);
    case KEY_COUNT:
        break;
    }
    return 0;
}

static bool envelope_text(struct subject *x, enum envelope_field field)
{
    return imap_envelope_text(x->envelope, field, &x->scratch, &x->text);
}

int search_eval_envelope(const struct node *n, struct subject *x)
{
    return envelope_text(x, n->field) && imap_fold_contains(buf_sv(&x->text), n->text, &x->fold);
}

/* The day that the Date field names, whatever its time and zone. */
int search_eval_sent(const struct node *n, struct subject *x)
{
    int64_t t;
    int zone;
    if (!envelope_text(x, ENV_DATE) || mime_date(buf_sv(&x->text), &t, &zone) < 0)
        return 0;
    int64_t local = t + (int64_t)zone * 60;
    int64_t day = local >= 0 ? local / 86400 : -((86399 - local) / 86400);
    if (n->key == KEY_SENTBEFORE)
        return day < n->day;
    return n->key == KEY_SENTON ? day == n->day : day >= n->day;
}
