/* Rules of content filters. */
#include "admin/admin_priv.h"

#include "base/clock.h"
#include "base/codec.h"
#include "mail/account/filter_store.h"
#include "mail/account/pattern.h"
#include "mail/filter/filter_run.h"

static struct sv arg_sv(const struct admin_call *c, const char *name)
{
    const char *text = admin_arg(c, name);

    return text ? sv_c(text) : SV("");
}

/* What is wrong with a text of rules, as an error of that argument. */
static int as_field(const char *name, int r, struct errinfo *ei)
{
    char text[sizeof(ei->text)];

    if (r != E_PARSE && r != E_LIMIT && r != E_CONFLICT)
        return r;
    memcpy(text, ei->text, sizeof(text));
    return err_set(ei, E_PARSE, "%s: %s", name, text);
}

static bool add_row(const struct filter_info *i, void *rows)
{
    json_array_append_new(rows, json_pack("{s:I, s:o, s:b, s:I, s:I, s:I, s:o}", "position",
                                          (json_int_t)i->position, "name", admin_text(i->name),
                                          "enabled", !i->off, "hits", (json_int_t)i->hits, "hit_ms",
                                          (json_int_t)i->hit_ms, "changed_ms",
                                          (json_int_t)i->changed_ms, "text", admin_text(i->text)));
    return true;
}

static json_t *list(const struct admin_call *c)
{
    json_t *rows = json_array();
    struct errinfo ei = { 0 };

    return admin_rows(filters_each(c->a->accounts, arg_sv(c, "owner"), add_row, rows, &ei), rows,
                      &ei);
}

struct wanted {
    struct sv name; /* n == 0: all */
    struct buf text;
    bool found;
};

static bool add_text(const struct filter_info *i, void *arg)
{
    struct wanted *w = arg;

    if (w->name.n && !sv_eq(sv_c(i->name), w->name))
        return true;
    if (w->found)
        (void)buf_add_str(&w->text, "\n\n");
    (void)buf_add_str(&w->text, i->text);
    w->found = true;
    return true;
}

/* One, or all as they are imported. */
static json_t *show(const struct admin_call *c)
{
    struct wanted w = { .name = arg_sv(c, "name") };
    struct errinfo ei = { 0 };
    json_t *reply;
    int r;

    buf_init(&w.text, FILTER_MAX_RULES * (FILTER_MAX_TEXT + 2));
    r = filters_each(c->a->accounts, arg_sv(c, "owner"), add_text, &w, &ei);
    if (r == 0 && w.name.n && !w.found)
        r = err_set(&ei, E_NOTFOUND, "there is no rule '%.100s'", w.name.p);
    if (r == 0)
        r = buf_terminate(&w.text);
    reply = r < 0 ? admin_result(r, &ei)
                  : json_pack("{s:b, s:o}", "ok", 1, "value", admin_text(w.text.p));
    buf_done(&w.text);
    return reply;
}

static json_t *put(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    bool all;
    int r;

    if (!admin_switch(c, "all", &all, &error))
        return error;
    r = filters_put(c->a->accounts, c->who, arg_sv(c, "owner"), arg_sv(c, "text"), all, &ei);
    return admin_result(as_field("text", r, &ei), &ei);
}

static json_t *replace(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    int r = filters_replace(c->a->accounts, c->who, arg_sv(c, "owner"), arg_sv(c, "name"),
                            arg_sv(c, "text"), &ei);

    return admin_result(as_field("text", r, &ei), &ei);
}

static json_t *turn(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    json_t *error = NULL;
    bool on;

    if (!admin_switch(c, "enabled", &on, &error))
        return error;
    return admin_result(
        filters_turn(c->a->accounts, c->who, arg_sv(c, "owner"), arg_sv(c, "name"), on, &ei), &ei);
}

static json_t *drop(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_result(
        filters_delete(c->a->accounts, c->who, arg_sv(c, "owner"), arg_sv(c, "name"), &ei), &ei);
}

static json_t *move(const struct admin_call *c)
{
    struct errinfo ei = { 0 };
    uint32_t n;

    if (sv_to_u32(sv_trim(arg_sv(c, "position")), &n) < 0)
        return admin_error(E_PARSE, "position: '%.40s' is not a number; 1 is the first",
                           admin_arg(c, "position"));
    return admin_result(
        filters_move(c->a->accounts, c->who, arg_sv(c, "owner"), arg_sv(c, "name"), n, &ei), &ei);
}

/* --- trying a message --- */

static json_t *verdict(const struct filter_result *res, const struct filter_view *v, int r,
                       const struct errinfo *ei)
{
    static const char *const ends[] = { "goes on", "accepted", "rejected", "deleted" };
    json_t *rows = json_array();

    for (size_t i = 0; i < res->n; i++) {
        _cleanup_(freep) char *name = sv_dup(res->hits[i]->name);
        char actions[2000];

        filter_describe(res->hits[i], actions, sizeof(actions));
        json_array_append_new(rows, json_pack("{s:o, s:o}", "rule", admin_text(name), "actions",
                                              admin_text(actions)));
    }
    return json_pack("{s:b, s:o, s:s, s:f, s:o}", "ok", 1, "rows", rows, "outcome",
                     r < 0 ? "failed" : ends[res->end], "score",
                     (double)filter_view_score(v) / 100.0, "reason",
                     r < 0 ? admin_text(ei->text) : json_null());
}

static bool facts_of(const struct admin_call *c, struct filter_facts *f, struct sv *rcpt,
                     json_t **ret_error)
{
    *rcpt = arg_sv(c, "recipient");
    f->sender = arg_sv(c, "sender");
    f->rcpts = rcpt;
    f->n_rcpts = rcpt->n ? 1 : 0;
    f->helo = arg_sv(c, "helo");
    f->host = arg_sv(c, "host");
    f->user = arg_sv(c, "user");
    f->ip = admin_arg(c, "ip");
    f->authenticated = f->user.n > 0;
    f->now_s = clock_wall_s();
    f->in_pattern = pattern_has;
    f->in_pattern_arg = c->a->accounts;
    return admin_switch(c, "tls", &f->tls, ret_error) &&
           admin_switch(c, "trusted", &f->trusted, ret_error) &&
           admin_switch(c, "outgoing", &f->outgoing, ret_error);
}

/* Rules that are not stored yet. */
static int parse_rules(const struct admin_call *c, enum filter_level level,
                       struct filter_rules *ret, struct errinfo *ei)
{
    int r = filter_parse(arg_sv(c, "rules"), ret, ei);

    for (size_t i = 0; i < ret->n && r == 0; i++)
        r = filter_check_level(ret->v[i], level, ei);
    if (r < 0)
        filter_rules_done(ret);
    return r;
}

static int find_rules(const struct admin_call *c, struct filter_rules *ret, struct errinfo *ei)
{
    enum filter_level level;
    int64_t id;
    int r;

    if (!admin_arg(c, "rules"))
        return filters_load(c->a->accounts, arg_sv(c, "owner"), &level, ret, ei);
    r = filters_owner(c->a->accounts, arg_sv(c, "owner"), &level, &id, ei);
    if (r == 0)
        r = as_field("rules", parse_rules(c, level, ret, ei), ei);
    return r;
}

/* The owner's rules over a message; nothing is counted or done. */
static json_t *test(const struct admin_call *c)
{
    _cleanup_(buf_done) struct buf data = { 0 };
    struct filter_facts f = { 0 };
    struct filter_result res = { 0 };
    struct filter_rules rules;
    struct errinfo ei = { 0 };
    json_t *reply = NULL;
    struct sv rcpt;
    int r = 0;

    f.message = arg_sv(c, "text");
    if (admin_arg(c, "data")) {
        buf_init(&data, 64 * MiB);
        r = base64_dec(arg_sv(c, "data"), &data);
        f.message = buf_sv(&data);
    }
    if (r < 0)
        return admin_error(E_PARSE, "data: is not base64");
    if (!facts_of(c, &f, &rcpt, &reply))
        return reply;
    r = find_rules(c, &rules, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    struct filter_view *v = filter_view_new(&f);
    r = filter_run(v, &rules, &res, &ei);
    reply = verdict(&res, v, r, &ei);
    filter_view_free(v);
    filter_result_done(&res);
    filter_rules_done(&rules);
    return reply;
}

const struct admin_op admin_filter_ops[] = {
    { "filter.list", "[owner]",
      "Rules of content filters in their order. owner: a domain or an account; absent: the server.",
      list },
    { "filter.show", "[name] [owner]", "Text of a rule, or of all: what filter.put takes.", show },
    { "filter.put", "[owner] text [all]",
      "Stores rules, each in place of the one of its name, or behind the others; all=yes: in place "
      "of all.",
      put },
    { "filter.replace", "[owner] name text",
      "Stores one rule in place of another, whose place and counters it keeps.", replace },
    { "filter.enable", "name enabled [owner]", "Asks a rule or does not: enabled=yes|no.", turn },
    { "filter.delete", "name [owner]", "Deletes a rule.", drop },
    { "filter.move", "name position [owner]", "Moves a rule; 1 is asked first.", move },
    { "filter.test",
      "[data] [text] [rules] [owner] [sender] [recipient] [ip] [helo] [host] [user] [tls] "
      "[trusted] "
      "[outgoing]",
      "What the rules would do with a message (text, or data in base64). rules: a text of rules to "
      "try in place of the stored ones.",
      test },
    { 0 },
};
