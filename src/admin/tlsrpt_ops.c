/* TLS reports: what is counted for them, and sending them now. */
#include "admin/admin_priv.h"

#include <time.h>

#include "mail/account/tls_count.h"

enum { DAY_S = 86400 };

static bool add(const struct tls_count *t, void *rows)
{
    char day[16];
    struct tm tm;
    time_t at = (time_t)(t->day * DAY_S);

    gmtime_r(&at, &tm);
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    json_array_append_new(
        rows, json_pack("{s:s, s:o, s:s, s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o}", "day", day,
                        "domain", admin_text(t->domain), "policy", t->policy_type, "policy_domain",
                        admin_text(t->policy_domain), "policy_string", admin_text(t->policy),
                        "result", *t->result ? t->result : "success", "sessions",
                        (json_int_t)t->sessions, "mx", admin_text(t->mx), "ip", admin_text(t->ip),
                        "sending_ip", admin_text(t->sending_ip), "reason", admin_text(t->reason)));
    return true;
}

/* As it is counted: A-labels in lower case. "" without the argument. */
static json_t *domain_arg(const struct admin_call *c, char ret[256])
{
    const char *text = admin_arg(c, "domain");

    ret[0] = '\0';
    if (text && !sv_copy(ret, 256, sv_trim(sv_c(text))))
        return admin_error(E_RANGE, "domain: longer than 255 bytes");
    for (char *p = ret; *p; p++)
        *p = ascii_lower(*p);
    return NULL;
}

static json_t *list(const struct admin_call *c)
{
    char domain[256];
    struct errinfo ei = { 0 };
    json_t *wrong = domain_arg(c, domain), *rows;

    if (wrong)
        return wrong;
    rows = json_array();
    return admin_rows(tls_counts_each(c->a->accounts, domain, -1, add, rows, &ei), rows, &ei);
}

static bool see(const struct tls_count *t, void *any)
{
    (void)t;
    *(bool *)any = true;
    return false;
}

static json_t *send_now(const struct admin_call *c)
{
    char domain[256];
    struct errinfo ei = { 0 };
    json_t *wrong = domain_arg(c, domain), *reply, *args;
    bool any = false;
    int r;

    if (wrong)
        return wrong;
    r = tls_counts_each(c->a->accounts, domain, -1, see, &any, &ei);
    if (r < 0)
        return admin_error(r, "%s", ei.text);
    if (!any)
        return admin_error(E_NOTFOUND,
                           "nothing is counted%s%s; counting needs deliver.tls_reports, and what "
                           "happens shows after ten seconds",
                           *domain ? " for " : "", domain);
    if (!c->a->ask)
        return admin_error(E_CLOSED, "the server is not running; start it with `posthorn serve`");
    if (c->a->dry_run)
        return admin_ok();
    args = json_pack("{s:s}", "domain", domain);
    reply = c->a->ask(c->a->arg, MOD_SMTP, "tlsrpt.send", args);
    json_decref(args);
    if (json_is_true(json_object_get(reply, "ok")))
        json_object_set_new(reply, "note",
                            json_string("reports are being sent; `posthorn tool events "
                                        "name=tls.report.` shows what becomes of them"));
    return reply;
}

const struct admin_op admin_tlsrpt_ops[] = {
    { "tlsrpt.list", "[domain]", "What is counted for TLS reports (RFC 8460), by day and domain.",
      list },
    { "tlsrpt.send", "[domain]", "Sends TLS reports with what is counted, also about today.",
      send_now },
    { 0 },
};
