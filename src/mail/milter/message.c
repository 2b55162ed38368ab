/* A message before the milters: header, body, its end, and the changes that they ask for then.
 * Those of one milter are kept until it has made up its mind: a milter that fails half-way has
 * changed nothing. */
#include "mail/milter/milter_priv.h"

#include <unistd.h>

#include "event/event.h"
#include "os/file.h"

/* Sends one packet; 1 = go on, 0 = *ret_v holds: the milter has had enough. */
static int step(struct milters *ms, struct milter *m, enum milter_step s,
                enum milter_verdict *ret_v, bool *ret_skip, struct milter_result *ret)
{
    struct milter_answer a;
    struct errinfo ei = { 0 };
    int r = milter_ask(ms, m, s, &a, &ei);
    if (r < 0) {
        *ret_v = milter_fail(ms, m, s, &ei, ret);
        return 0;
    }
    *ret_skip = a.kind == MILTER_SKIP;
    if (a.kind == MILTER_CONTINUE || a.kind == MILTER_SKIP)
        return 1;
    *ret_v = milter_judge(ms, m, s, &a, ret);
    return 0;
}

static int tell_header(struct milters *ms, struct milter *m, const struct edit *e,
                       enum milter_verdict *ret_v, struct milter_result *ret)
{
    struct buf value;
    bool skip;
    int r = 1;
    buf_init(&value, EDIT_MAX_HEADER + PENDING_MAX);
    for (size_t i = 0; r > 0 && i < e->n_fields && milter_wants(m->protocol, MILTER_HEADER); i++) {
        const struct edit_field *f = &e->fields[i];
        if (f->name_n == 0)
            continue;
        struct sv v = edit_value(f, m->protocol & MILTER_HEADER_SPACE, &value);
        milter_put_header(&m->out, sv_n(f->text, f->name_n), sv_take(v, MILTER_MAX_PACKET / 2));
        r = step(ms, m, MILTER_HEADER, ret_v, &skip, ret);
    }
    buf_done(&value);
    if (r > 0 && milter_wants(m->protocol, MILTER_EOH)) {
        milter_add_macros(ms, m, MILTER_EOH);
        milter_put_step(&m->out, MILTER_EOH);
        r = step(ms, m, MILTER_EOH, ret_v, &skip, ret);
    }
    return r;
}

static int tell_body(struct milters *ms, struct milter *m, const struct edit *e,
                     enum milter_verdict *ret_v, struct milter_result *ret)
{
    bool skip = !milter_wants(m->protocol, MILTER_BODY);
    int r = 1;
    char *chunk = xmalloc(MILTER_CHUNK);
    for (uint64_t at = 0; r > 0 && !skip && at < e->body_size;) {
        ssize_t n = edit_read_body(e, at, chunk, MILTER_CHUNK);
        if (n <= 0) {
            struct errinfo ei;
            (void)err_set(&ei, E_TEMP, "the message cannot be read");
            *ret_v = milter_fail(ms, m, MILTER_BODY, &ei, ret);
            r = 0;
            break;
        }
        at += (uint64_t)n;
        milter_put_body(&m->out, sv_n(chunk, (size_t)n));
        r = step(ms, m, MILTER_BODY, ret_v, &skip, ret);
    }
    free(chunk);
    return r;
}

static int new_body(const struct edit *e, struct milter *m, struct sv piece, struct errinfo *ei)
{
    if (m->new_body < 0) {
        int r = e->scratch(e->arg, &m->new_body, ei);
        if (r < 0)
            return r;
    }
    m->new_body_size += piece.n;
    if (m->new_body_size > e->max_body)
        return err_set(ei, E_RANGE, "its new body has more than %" PRIu64 " bytes", e->max_body);
    int r = os_write_all(m->new_body, piece.p, piece.n);
    return r < 0 ? err_set(ei, E_TEMP, "its new body cannot be written: %s", err_name(r)) : 0;
}

/* Keeps a change; a body goes to its file. */
static int keep_change(const struct edit *e, struct milter *m, const struct milter_answer *a,
                       struct errinfo *ei)
{
    uint32_t needs = milter_needs(a->kind);
    if (!(m->actions & needs))
        return err_set(ei, E_PERM, "it did not ask for the right to '%s'",
                       milter_kind_names[a->kind]);
    if (a->kind == MILTER_REPLACE_BODY)
        return new_body(e, m, a->text, ei);
    /* The packet itself: it was found right, so it is right when it is read again. */
    if (++m->n_changes > CHANGES_MAX)
        return err_set(ei, E_RANGE, "its changes are too many");
    uint32_t n = (uint32_t)m->in.n;
    buf_add(&m->pending, &n, sizeof(n));
    buf_add_sv(&m->pending, buf_sv(&m->in));
    return m->pending.overflow ? err_set(ei, E_RANGE, "its changes are too many") : 0;
}

struct changes {
    unsigned added, changed, rcpts_added, rcpts_deleted;
    bool body, sender;
};

static void apply_one(struct edit *e, const struct milter *m, const struct milter_answer *a,
                      struct changes *c)
{
    bool leading = m->protocol & MILTER_HEADER_SPACE;
    c->added += a->kind == MILTER_ADD_HEADER || a->kind == MILTER_INSERT_HEADER;
    c->changed += a->kind == MILTER_CHANGE_HEADER;
    if (a->kind == MILTER_ADD_HEADER) {
        edit_insert(e, e->n_fields, a->name, a->text, leading);
    } else if (a->kind == MILTER_INSERT_HEADER) {
        /* 0 would be above our own Received, which is not theirs to move. */
        edit_insert(e, a->index ? a->index - 1 : 0, a->name, a->text, leading);
    } else if (a->kind == MILTER_CHANGE_HEADER) {
        edit_change(e, a->index, a->name, a->text, leading);
    } else if (a->kind == MILTER_ADD_RCPT || a->kind == MILTER_DELETE_RCPT) {
        c->rcpts_added += a->kind == MILTER_ADD_RCPT;
        c->rcpts_deleted += a->kind == MILTER_DELETE_RCPT;
        edit_rcpt(e, a->kind == MILTER_ADD_RCPT, a->text);
    } else if (a->kind == MILTER_CHANGE_FROM) {
        c->sender = true;
        free(e->sender);
        e->sender = sv_dup(a->text);
    } else if (a->kind == MILTER_QUARANTINE) {
        free(e->quarantine);
        e->quarantine = sv_dup(a->text);
    }
}

static void add_count(struct buf *b, unsigned n, const char *what)
{
    if (n)
        buf_addf(b, "%s%u %s", b->n ? ", " : "", n, what);
}

static void tell_changes(struct milters *ms, const struct milter *m, const struct edit *e,
                         const struct changes *c)
{
    struct buf b;
    buf_init(&b, 1 * KiB);
    add_count(&b, c->added, "header fields added");
    add_count(&b, c->changed, "header fields changed or deleted");
    add_count(&b, c->rcpts_added, "recipients added");
    add_count(&b, c->rcpts_deleted, "recipients deleted");
    if (c->body)
        buf_addf(&b, "%sbody replaced", b.n ? ", " : "");
    if (c->sender)
        buf_addf(&b, "%ssender now %s", b.n ? ", " : "", e->sender);
    if (b.n)
        event(milter_changed, ms->o.log, F_STR(milter, m->conf.name), F_STR(what, buf_sv(&b)),
              F_INT(took, milter_took_ms(m)));
    if (e->quarantine)
        event(milter_held, ms->o.log, F_STR(milter, m->conf.name), F_STR(reason, e->quarantine));
    buf_done(&b);
}

/* The milter lets the message pass: what it asked for holds. */
static void apply(struct milters *ms, struct milter *m, struct edit *e)
{
    struct changes c = { .body = m->new_body >= 0 };
    struct sv rest = buf_sv(&m->pending);
    char *held_before = take_ptr(e->quarantine);
    while (rest.n) {
        struct milter_answer a;
        uint32_t n;
        memcpy(&n, rest.p, sizeof(n));
        if (milter_parse_answer(sv_take(sv_skip(rest, sizeof(n)), n), &a, NULL) == 0)
            apply_one(e, m, &a, &c);
        rest = sv_skip(rest, sizeof(n) + n);
    }
    if (c.body) {
        closep(&e->body_fd);
        e->body_fd = m->new_body;
        m->new_body = -1;
        e->body_size = m->new_body_size;
        e->separated = e->changed = true;
    }
    tell_changes(ms, m, e, &c);
    if (e->quarantine)
        free(held_before);
    else
        e->quarantine = held_before;
}

static void forget_changes(struct milter *m)
{
    buf_done(&m->pending);
    buf_init(&m->pending, PENDING_MAX);
    closep(&m->new_body);
    m->new_body = -1;
    m->new_body_size = 0;
    m->n_changes = 0;
}

static enum milter_verdict end_of_message(struct milters *ms, struct milter *m, struct edit *e,
                                          struct milter_result *ret)
{
    struct milter_answer a;
    struct errinfo ei = { 0 };
    milter_add_macros(ms, m, MILTER_EOM);
    milter_put_step(&m->out, MILTER_EOM);
    int r = milter_ask(ms, m, MILTER_EOM, &a, &ei);
    while (r == 0 && a.kind > MILTER_PROGRESS) {
        r = keep_change(e, m, &a, &ei);
        if (r == 0)
            r = link_receive(ms, m, &a, &ei);
    }
    if (r == 0 && a.kind == MILTER_SKIP)
        r = err_set(&ei, E_PARSE, "it answered 'skip' to eom");
    if (r < 0)
        return milter_fail(ms, m, MILTER_EOM, &ei, ret);
    m->in_message = false; /* it has seen the end: nothing to abort */
    if (a.kind == MILTER_CONTINUE || a.kind == MILTER_ACCEPT)
        apply(ms, m, e);
    return milter_judge(ms, m, MILTER_EOM, &a, ret);
}

static enum milter_verdict show(struct milters *ms, struct milter *m, struct edit *e,
                                struct milter_result *ret)
{
    enum milter_verdict v = milter_tell_data(ms, m, ret);
    /* It may have let it pass, dropped it, or failed where that counts as consent. */
    if (v != MILTERS_PASS || m->passed || m->lost || ms->discard)
        return v;
    if (tell_header(ms, m, e, &v, ret) && tell_body(ms, m, e, &v, ret))
        v = end_of_message(ms, m, e, ret);
    return v;
}

enum milter_verdict milters_message(struct milters *ms, struct edit *e, struct milter_result *ret)
{
    for (size_t i = 0; i < ms->n; i++) {
        struct milter *m = &ms->m[i];
        enum milter_verdict v;
        if (milter_takes_part(ms, m, &v, ret)) {
            link_begin(m);
            forget_changes(m);
            v = show(ms, m, e, ret);
            forget_changes(m);
        }
        if (v != MILTERS_PASS)
            return v;
    }
    return MILTERS_PASS;
}
