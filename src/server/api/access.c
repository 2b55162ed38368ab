/* Access lists: what they say of an address, before it is shut out by them. */
#include "server/api/access.h"

#include "base/iplist.h"
#include "conf/conf.h"
#include "conf/patterns.h"
#include "server/api/api_priv.h"

const struct api_field api_confirm_params[] = {
    { "confirm", API_BOOL, 0, 0, 0, NULL, NULL,
      "true: also when the address from which this is asked would be shut out." },
    { 0 },
};

struct rule {
    const char *mode, *ips; /* settings */
};

/* What applies to every service, and what to one. */
static const struct rule of_all = { "net.access_mode", "net.access_ips" };
static const struct rule of_web = { "web.access_mode", "web.access_ips" };

/* The entry of the list that decides, part of ips; p == NULL: none contains it. */
static bool admits(const char *mode, const char *ips, const char *ip, struct sv *ret_entry)
{
    *ret_entry = SV_NULL;
    if (!strcmp(mode, "off"))
        return true;
    *ret_entry = ip_list_find(ip, sv_c(ips));
    return !ret_entry->p == !strcmp(mode, "deny");
}

/* --- the test --- */

static const struct api_field test_params[] = {
    { "ip", API_TEXT, API_REQUIRED, 2, 45, NULL, NULL, "Address." },
    { 0 },
};
static const struct api_field rule_fields[] = {
    { "setting", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of the mode." },
    { "list_setting", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of the addresses." },
    { "mode", API_ENUM, API_REQUIRED, 0, 0, "off|grant|deny", NULL, NULL },
    { "entry", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Of the list, that contains the address." },
    { "allowed", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "By this rule." },
    { 0 },
};
static const struct api_schema rule_schema = { "AccessRule", "What a list says.", rule_fields };
static const struct api_field test_fields[] = {
    { "ip", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "allowed", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "rules", API_LIST, API_REQUIRED, 0, 0, NULL, &rule_schema,
      "In their order; the first that does not allow it decides." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "In words." },
    { 0 },
};
static const struct api_schema test_schema = { "AccessTest", "May an address connect?",
                                               test_fields };

static json_t *rule_json(const struct rule *r, const char *ip, bool *ret_allowed)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(freep) char *mode = conf_text(cf, conf_find(sv_c(r->mode)));
    const char *ips = conf_in_force(cf, conf_find(sv_c(r->ips)));
    struct sv entry;

    *ret_allowed = admits(mode, ips, ip, &entry);
    return json_pack("{s:s, s:s, s:s, s:o, s:b}", "setting", r->mode, "list_setting", r->ips,
                     "mode", mode, "entry", entry.p ? json_stringn(entry.p, entry.n) : json_null(),
                     "allowed", (int)*ret_allowed);
}

static void test(struct api_call *c)
{
    const char *service = api_param(c, "service"), *ip = api_query(c, "ip"), *decides = NULL;
    struct rule rules[2] = { of_all };
    json_t *list;
    bool v4;

    if (!admin_access_settings(service, &rules[1].mode, &rules[1].ips)) {
        api_fail_gone(c, "service that others connect to", service);
        return;
    }
    if (strchr(ip, '/') || ip_net_bits(sv_c(ip), &v4) < 0) {
        api_fail(c, 400, "invalid_parameter", "ip", "ip: '%.45s' is not an address", ip);
        return;
    }
    list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        bool allowed;

        json_array_append_new(list, rule_json(&rules[i], ip, &allowed));
        if (!allowed && !decides)
            decides = rules[i].mode;
    }
    api_reply(
        c, 200,
        json_pack("{s:s, s:b, s:o, s:o}", "ip", ip, "allowed", (int)!decides, "rules", list, "text",
                  decides ? json_sprintf("%s may not connect to %s, by %s", ip, service, decides)
                          : json_sprintf("%s may connect to %s", ip, service)));
}

const struct api_route api_access_routes[] = {
    { .method = "GET",
      .path = "/services/{service}/access-test",
      .scope = SCOPE_SERVICES_READ,
      .id = "testAccess",
      .query = test_params,
      .status = 200,
      .response = &test_schema,
      .run = test,
      .help = "Would this address get in, and which list says so?" },
    { 0 },
};

/* --- shutting oneself out --- */

/* The value that a setting would have; NULL: it cannot be, which others tell. free() it. */
static char *value_after(const struct conf *cf, json_t *values, const char *name)
{
    const struct setting *s = conf_find(sv_c(name));
    char *canonical = NULL;
    const char *key;
    json_t *v;

    json_object_foreach(values, key, v)
    {
        if (conf_find(sv_c(key)) != s)
            continue;
        if (json_is_boolean(v))
            return xstrdup(json_is_true(v) ? "yes" : "no");
        if (!json_is_null(v) && !json_is_string(v))
            return NULL;
        conf_check(s, sv_c(json_is_null(v) ? s->dflt : json_string_value(v)), &canonical, NULL);
        return canonical;
    }
    return conf_text(cf, s);
}

static bool touches(json_t *values, const char *name)
{
    const char *key;
    json_t *v;

    json_object_foreach(values, key,
                        v) if (conf_find(sv_c(key)) == conf_find(sv_c(name))) return true;
    return false;
}

/* NULL: he gets in. */
static const char *shut_by_list(const struct conf *cf, json_t *values, const struct rule *r,
                                const char *ip)
{
    _cleanup_(freep) char *mode = value_after(cf, values, r->mode),
                          *ips = value_after(cf, values, r->ips);
    _cleanup_(freep) char *listed =
        ips ? conf_resolve(cf, conf_find(sv_c(r->ips)), sv_c(ips)) : NULL;
    struct sv entry;

    if (!mode || !listed || admits(mode, listed, ip, &entry))
        return NULL;
    return touches(values, r->ips) ? r->ips : r->mode;
}

static struct sv port_of(struct sv address)
{
    ssize_t colon = sv_rfind(address, ':'), bracket = sv_rfind(address, ']');

    return colon > bracket ? sv_skip(address, (size_t)colon + 1) : SV("");
}

static bool has_port(const char *list, struct sv port)
{
    struct sv rest = sv_c(list), item;

    while (conf_list_next(&rest, &item))
        if (sv_eq(port_of(item), port))
            return true;
    return false;
}

/* Through a forwarded port the one asked for may be none of ours: then any will do. */
static const char *shut_by_port(const struct api_call *c, const struct conf *cf, json_t *values)
{
    const char *name = c->req->tls ? "web.listen_tls" : "web.listen";
    _cleanup_(freep) char *was = conf_text(cf, conf_find(sv_c(name))),
                          *is = value_after(cf, values, name),
                          *tls = value_after(cf, values, "net.tls");
    struct sv port = port_of(sv_c(c->req->host ? c->req->host : ""));

    if (c->req->tls && tls && !strcmp(tls, "no") && touches(values, "net.tls"))
        return "net.tls";
    if (!is || !touches(values, name))
        return NULL;
    if (!port.n)
        port = c->req->tls ? SV("443") : SV("80");
    return !*is || (has_port(was, port) && !has_port(is, port)) ? name : NULL;
}

static const char *shut_by(const struct api_call *c, json_t *values)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    const char *ip = c->req->peer ? c->req->peer : "", *by;
    _cleanup_(freep) char *ipv6 = value_after(cf, values, "net.ipv6");
    bool v4;

    if (ip_net_bits(sv_c(ip), &v4) < 0)
        return NULL; /* at the local socket, which is always open */
    by = shut_by_list(cf, values, &of_all, ip);
    by = by ? by : shut_by_list(cf, values, &of_web, ip);
    by = by ? by : shut_by_port(c, cf, values);
    if (!by && !v4 && ipv6 && !strcmp(ipv6, "no") && touches(values, "net.ipv6"))
        by = "net.ipv6";
    return by;
}

bool api_keeps_access(struct api_call *c, json_t *values)
{
    const char *by = json_is_true(json_object_get(c->query, "confirm")) ? NULL : shut_by(c, values);

    if (!by)
        return true;
    api_fail(c, 409, "locks_you_out", by,
             "%s: you would be shut out: you are here from %s. If that is meant, ask again with "
             "confirm=true (posthorn tool: --confirm)",
             by, c->req->peer);
    return false;
}
