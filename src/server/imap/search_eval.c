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

/* --- the stored ENVELOPE: (date subject from sender reply-to to cc bcc in-reply-to message-id) ---
 */

static int nstring(struct imap_in *in, struct sv *ret)
{
    *ret = SV_NULL;
    return imap_word(in, SV("NIL")) ? 0 : imap_string(in, ret);
}

/* Appends "name <local@host>, " for each address. */
static int address_list(struct imap_in *in, struct buf *out)
{
    if (imap_word(in, SV("NIL")))
        return 0;
    if (!imap_char(in, '('))
        return E_PARSE;
    while (!imap_char(in, ')')) {
        struct sv name, route, local, host;
        if (!imap_char(in, '(') || nstring(in, &name) < 0 || imap_sp(in) < 0 ||
            nstring(in, &route) < 0 || imap_sp(in) < 0 || nstring(in, &local) < 0 ||
            imap_sp(in) < 0 || nstring(in, &host) < 0 || !imap_char(in, ')'))
            return E_PARSE;
        imap_char(in, ' ');
        if (!out)
            continue;
        if (name.p)
            mime_decode_header(name, out);
        buf_add(out, " <", 2);
        buf_add_sv(out, local);
        if (host.p) {
            buf_add_c(out, '@');
            buf_add_sv(out, host);
        }
        buf_add(out, ">, ", 3);
    }
    return 0;
}

static bool is_list(int field)
{
    return field >= ENV_FROM && field <= ENV_BCC;
}

/* Leaves the field's text in x->text, decoded (raw for dates). False: NIL. */
static bool envelope_text(struct subject *x, enum envelope_field field)
{
    arena_reset(&x->scratch);
    buf_reset(&x->text);
    struct imap_in in = imap_in_sv(x->envelope, &x->scratch);
    if (!imap_char(&in, '('))
        return false;
    for (int i = 0; i <= (int)field; i++) {
        struct sv s;
        if (i && imap_sp(&in) < 0)
            return false;
        if (is_list(i)) {
            if (address_list(&in, i == (int)field ? &x->text : NULL) < 0)
                return false;
            continue;
        }
        if (nstring(&in, &s) < 0)
            return false;
        if (i != (int)field)
            continue;
        if (!s.p)
            return false;
        if (field == ENV_DATE)
            buf_add_sv(&x->text, s);
        else
            mime_decode_header(s, &x->text);
    }
    return true;
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
