/* Secure destinations: the entries of deliver.secure_destinations one by one, and what an entry can
 * ask of a certificate that somebody hands in. */
#include "admin/admin_priv.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "conf/routes.h"
#include "net/certificate.h"
#include "net/secure.h"

static const char setting_name[] = "deliver.secure_destinations";

static json_t *text_of(struct sv v)
{
    _cleanup_(freep) char *text = sv_dup(v);

    return admin_text(text);
}

/* ; and | end items and fields of the setting. */
static bool is_usable(const char *name, bool cut)
{
    return *name && !cut && !strpbrk(name, ";|");
}

static json_t *warnings_of(const struct certificate *x)
{
    json_t *list = json_array();
    int64_t now = clock_wall_s();

    if (x->until_s < now)
        json_array_append_new(list, json_string("expired"));
    if (x->from_s > now)
        json_array_append_new(list, json_string("not-yet-valid"));
    if (!is_usable(x->subject, x->subject_cut))
        json_array_append_new(list, json_string("subject-unusable"));
    if (!is_usable(x->issuer, x->issuer_cut))
        json_array_append_new(list, json_string("issuer-unusable"));
    return list;
}

static json_t *describe(const struct certificate *x)
{
    return json_pack("{s:b, s:o, s:o, s:s, s:I, s:I, s:o}", "ok", 1, "subject",
                     admin_text(x->subject), "issuer", admin_text(x->issuer), "sha256", x->sha256,
                     "valid_from_ms", (json_int_t)x->from_s * 1000, "valid_until_ms",
                     (json_int_t)x->until_s * 1000, "warnings", warnings_of(x));
}

/* NULL: *ret is filled; else the error. A file that is no text comes as data. */
static json_t *certificate_arg(const struct admin_call *c, struct certificate *ret)
{
    const char *text = admin_arg(c, "text");
    struct errinfo ei = { 0 };

    return certificate_read(sv_c(text ? text : ""), ret, &ei) < 0
               ? admin_error(E_PARSE, "%s", ei.text)
               : NULL;
}

static json_t *read_certificate(const struct admin_call *c)
{
    struct certificate x;
    json_t *error = certificate_arg(c, &x);

    return error ? error : describe(&x);
}

/* The setting as it is stored; free() it. */
static int stored(const struct admin_call *c, char **ret, struct errinfo *ei)
{
    struct conf *cf = NULL;
    int r = admin_settings(c->a, &cf, NULL, ei);

    if (r < 0)
        return r;
    *ret = xstrdup(cf->deliver.secure_destinations);
    conf_unref(cf);
    return 0;
}

static json_t *list(const struct admin_call *c)
{
    _cleanup_(freep) char *value = NULL;
    struct secure_destination d;
    struct errinfo ei = { 0 };
    struct sv rest, item;
    json_t *rows = json_array();
    int r = stored(c, &value, &ei);

    rest = r == 0 ? sv_c(value) : SV_NULL;
    while (conf_list_next(&rest, &item))
        if (secure_parse(item, &d))
            json_array_append_new(rows,
                                  json_pack("{s:o, s:o, s:o, s:o}", "pattern", text_of(d.pattern),
                                            "sha256", text_of(d.sha256), "subject",
                                            text_of(d.subject), "issuer", text_of(d.issuer)));
    return admin_rows(r, rows, &ei);
}

/* The list with the entry in place of the one of its pattern, else before the first that would hold
 * in its place, else at its end. */
static void put_entry(struct sv list, struct sv pattern, const char *entry, struct buf *ret)
{
    struct secure_destination d;
    struct sv rest = list, item;
    bool replaces = false, done = false;

    while (conf_list_next(&rest, &item))
        replaces |= secure_parse(item, &d) && sv_ieq(d.pattern, pattern);
    while (conf_list_next(&list, &item)) {
        bool known = secure_parse(item, &d), same = known && sv_ieq(d.pattern, pattern);

        if (!done && (same || (!replaces && known && conf_pattern_fits(d.pattern, pattern)))) {
            (void)buf_addf(ret, "%s;", entry);
            done = true;
        }
        if (!same)
            (void)buf_addf(ret, SV_FMT ";", SV_ARG(item));
    }
    if (!done)
        (void)buf_add_str(ret, entry);
}

static char *entry_of(const char *pattern, const struct certificate *x)
{
    bool subject = is_usable(x->subject, x->subject_cut);
    bool issuer = is_usable(x->issuer, x->issuer_cut);

    return xasprintf("%s|sha256=%s%s%s%s%s", pattern, x->sha256, subject ? "|subject=" : "",
                     subject ? x->subject : "", issuer ? "|issuer=" : "", issuer ? x->issuer : "");
}

static json_t *change(const struct admin_call *c, const struct buf *value)
{
    json_t *values = json_pack("{s:s%}", setting_name, value->p ? value->p : "", value->n), *reply;

    if (!values)
        return admin_error(E_PARSE, "pattern: it is not valid UTF-8");
    reply = admin_change_settings(c->a, c->who, values);
    json_decref(values);
    return reply;
}

static json_t *import(const struct admin_call *c)
{
    const char *pattern = admin_arg(c, "pattern");
    _cleanup_(freep) char *value = NULL, *entry = NULL;
    _cleanup_(buf_done) struct buf b = { 0 };
    struct errinfo ei = { 0 };
    struct certificate x;
    json_t *reply, *error = certificate_arg(c, &x);
    int r;

    if (error)
        return error;
    if (!*pattern || strpbrk(pattern, ";|= \t"))
        return admin_error(E_PARSE,
                           "pattern: '%.100s' is no host; allowed: example.com, "
                           "*.example.com, *",
                           pattern);
    r = stored(c, &value, &ei);
    if (r < 0)
        return admin_result(r, &ei);
    entry = entry_of(pattern, &x);
    buf_init(&b, strlen(value) + strlen(entry) + 16);
    put_entry(sv_c(value), sv_c(pattern), entry, &b);
    reply = change(c, &b);
    if (json_is_true(json_object_get(reply, "ok"))) {
        json_t *told = describe(&x);

        json_object_update_missing(reply, told);
        json_decref(told);
    }
    return reply;
}

static json_t *drop(const struct admin_call *c)
{
    struct sv pattern = sv_c(admin_arg(c, "pattern")), rest, item;
    _cleanup_(freep) char *value = NULL;
    _cleanup_(buf_done) struct buf b = { 0 };
    struct secure_destination d;
    struct errinfo ei = { 0 };
    bool found = false;
    int r = stored(c, &value, &ei);

    if (r < 0)
        return admin_result(r, &ei);
    buf_init(&b, strlen(value) + 16);
    rest = sv_c(value);
    while (conf_list_next(&rest, &item)) {
        if (secure_parse(item, &d) && sv_ieq(d.pattern, pattern))
            found = true;
        else
            (void)buf_addf(&b, SV_FMT ";", SV_ARG(item));
    }
    return found ? change(c, &b)
                 : admin_error(E_NOTFOUND, "'" SV_FMT "' is no secure destination",
                               SV_ARG(sv_take(pattern, 150)));
}

const struct admin_op admin_secure_ops[] = {
    { "secure.list", "", "Secure destinations in their order; the first that fits holds.", list },
    { "secure.read", "[text] [data]",
      "Subject, issuer and SHA-256 fingerprint of the certificate in a PEM text.",
      read_certificate },
    { "secure.import", "pattern [text] [data]",
      "Makes pattern a secure destination whose certificate has to be the one in a PEM text.",
      import },
    { "secure.delete", "pattern", "Takes an entry off the secure destinations.", drop },
    { 0 },
};
