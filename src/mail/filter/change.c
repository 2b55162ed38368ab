/* What rules change of a message's header. */
#include "mail/filter/change.h"

#include "base/buf.h"
#include "mail/sieve/text.h"

enum { MAX_VALUE = 64 * 1024 };

/* The value as it travels: encoded where it is not ASCII, and folded. Points into tmp. */
static struct sv encoded(struct sv name, struct sv text, struct buf *tmp)
{
    buf_init(tmp, MAX_VALUE);
    sieve_add_field(tmp, name, text);
    struct sv v = sv_skip(buf_sv(tmp), name.n + 1);
    return sv_trim(v);
}

static uint32_t count(const struct edit *e, struct sv name)
{
    uint32_t n = 0;
    for (size_t i = 0; i < e->n_fields; i++)
        n += sv_ieq(sv_n(e->fields[i].text, e->fields[i].name_n), name);
    return n;
}

/* Those from the nth on go. */
static void remove_from(struct edit *e, struct sv name, uint32_t nth)
{
    for (uint32_t n = count(e, name); n >= nth && n > 0; n--)
        edit_change(e, n, name, SV(""), false);
}

static void set(struct edit *e, struct sv name, struct sv text)
{
    _cleanup_(buf_done) struct buf tmp = { 0 };
    struct sv v = encoded(name, text, &tmp);
    remove_from(e, name, v.n ? 2 : 1);
    if (v.n && count(e, name))
        edit_change(e, 1, name, v, false);
    else if (v.n)
        edit_insert(e, 0, name, v, false);
}

static void tag_subject(struct edit *e, struct sv tag)
{
    _cleanup_(buf_done) struct buf old = { 0 }, front = { 0 }, both = { 0 };
    const struct sv name = SV("Subject");
    size_t i = 0;
    while (i < e->n_fields && !sv_ieq(sv_n(e->fields[i].text, e->fields[i].name_n), name))
        i++;
    struct sv v = encoded(name, tag, &front);
    if (i == e->n_fields) {
        edit_insert(e, 0, name, v, false);
        return;
    }
    buf_init(&old, EDIT_MAX_HEADER);
    buf_init(&both, EDIT_MAX_HEADER + MAX_VALUE);
    struct sv was = edit_value(&e->fields[i], false, &old);
    if (sv_starts(was, v)) /* a reply to a tagged one, or tagged elsewhere */
        return;
    (void)buf_add_sv(&both, v);
    (void)buf_add_str(&both, " ");
    (void)buf_add_sv(&both, was);
    edit_change(e, 1, name, buf_sv(&both), false);
}

bool filter_is_change(const struct filter_action *a)
{
    return a->kind == FILTER_ADD_HEADER || a->kind == FILTER_SET_HEADER ||
           a->kind == FILTER_REMOVE_HEADER || a->kind == FILTER_TAG_SUBJECT;
}

void filter_change(struct edit *e, const struct filter_action *a)
{
    _cleanup_(buf_done) struct buf tmp = { 0 };
    if (a->kind == FILTER_ADD_HEADER)
        edit_insert(e, 0, a->name, encoded(a->name, a->text, &tmp), false);
    else if (a->kind == FILTER_SET_HEADER)
        set(e, a->name, a->text);
    else if (a->kind == FILTER_REMOVE_HEADER)
        remove_from(e, a->name, 1);
    else if (a->kind == FILTER_TAG_SUBJECT)
        tag_subject(e, a->text);
}
