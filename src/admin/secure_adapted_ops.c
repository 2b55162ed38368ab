/* Domains that secure destinations have adapted to (setting deliver.secure_adapt). */
#include "admin/admin_priv.h"

#include "conf/conf.h"
#include "mail/account/secure_adapted.h"

struct listing {
    json_t *rows;
    size_t limit;
    int64_t adapt_ms; /* the setting */
    bool more;
};

static bool add_row(const struct secure_adapted *row, void *arg)
{
    struct listing *l = arg;

    l->more = json_array_size(l->rows) == l->limit;
    if (!l->more)
        json_array_append_new(
            l->rows,
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:b}", "domain", admin_text(row->domain),
                      "name", admin_text(row->name), "subject", admin_text(row->subject), "issuer",
                      admin_text(row->issuer), "ip", admin_text(row->ip), "since_ms",
                      (json_int_t)row->since_ms, "seen_ms", (json_int_t)row->seen_ms, "in_force",
                      secure_adapted_holds(row, l->adapt_ms)));
    return !l->more;
}

static int read_setting(const struct admin_call *c, int64_t *ret, struct errinfo *ei)
{
    struct conf *cf = NULL;
    int r = admin_settings(c->a, &cf, NULL, ei);

    if (r < 0)
        return r;
    *ret = cf->deliver.secure_adapt;
    conf_unref(cf);
    return 0;
}

static json_t *list(const struct admin_call *c)
{
    const char *after = admin_arg(c, "after"), *text = admin_arg(c, "text");
    struct listing l = { 0 };
    struct errinfo ei = { 0 };
    json_t *reply, *last, *error = admin_take_limit(c, &l.limit);
    int r;

    if (error)
        return error;
    r = read_setting(c, &l.adapt_ms, &ei);
    l.rows = json_array();
    if (r == 0)
        r = secure_adapted_each(c->a->accounts, sv_c(after ? after : ""), sv_c(text ? text : ""),
                                add_row, &l, &ei);
    reply = admin_rows(r, l.rows, &ei);
    if (r < 0)
        return reply;
    json_object_set_new(reply, "adapt_ms", json_integer(l.adapt_ms));
    if (text && *text)
        json_object_set_new(reply, "text", json_string(text));
    last = json_array_get(l.rows, l.limit - 1);
    if (l.more)
        json_object_set(reply, "next", json_object_get(last, "domain"));
    return reply;
}

static json_t *forget(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_result(
        secure_adapted_forget(c->a->accounts, c->who, sv_c(admin_arg(c, "domain")), &ei), &ei);
}

const struct admin_op admin_adapted_ops[] = {
    { "secure.adapted", "[text] [after] [limit]",
      "Domains that became secure destinations by mail with a certificate, and whether they count.",
      list },
    { "secure.forget", "domain", "Such a domain counts no more, until it shows one again.",
      forget },
    { 0 },
};
