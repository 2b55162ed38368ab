/* Routes of outgoing mail. Passwords go in and never come out. */
#include "admin/admin_priv.h"

#include "mail/account/address.h"
#include "mail/account/route_store.h"
#include "mail/account/settings_store.h"

static struct route_spec spec_of(const struct admin_call *c)
{
    return (struct route_spec){
        .host = admin_arg(c, "host"),
        .user = admin_arg(c, "user"),
        .password = admin_arg(c, "password"),
        .tls = admin_arg(c, "tls"),
        .family = admin_arg(c, "family"),
        .source_ip = admin_arg(c, "source_ip"),
        .position = admin_arg(c, "position"),
    };
}

static json_t *create(const struct admin_call *c)
{
    struct route_spec s = spec_of(c);
    struct errinfo ei = { 0 };

    return admin_took_over(
        c, route_create(c->a->accounts, c->who, sv_c(admin_arg(c, "pattern")), &s, &ei), &ei);
}

static json_t *update(const struct admin_call *c)
{
    struct route_spec s = spec_of(c);
    struct errinfo ei = { 0 };

    return admin_took_over(
        c, route_update(c->a->accounts, c->who, sv_c(admin_arg(c, "pattern")), &s, &ei), &ei);
}

static json_t *drop(const struct admin_call *c)
{
    struct errinfo ei = { 0 };

    return admin_took_over(
        c, route_delete(c->a->accounts, c->who, sv_c(admin_arg(c, "pattern")), &ei), &ei);
}

static json_t *row(const struct conf_route *r, size_t i)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:b, s:s, s:s, s:o, s:I}", "position", (json_int_t)i + 1,
                     "pattern", admin_text(r->pattern), "host", admin_text(r->host), "user",
                     admin_text(r->user), "has_password", *r->password != 0, "tls",
                     route_tls_names[r->tls], "family", route_family_names[r->family], "source_ip",
                     admin_text(r->source_ip), "changed_ms", (json_int_t)r->changed_ms);
}

/* Routes whose login a relay has refused lately: [{"pattern", "answer", "since_ms"}]. */
static void add_trouble(const struct admin_call *c, json_t *rows)
{
    json_t *reply = c->a->ask ? c->a->ask(c->a->arg, MOD_SMTP, "route.trouble", NULL) : NULL;
    json_t *one, *r;
    size_t i, k;

    json_array_foreach(json_object_get(reply, "rows"), i, one)
    {
        json_array_foreach(rows, k, r)
        {
            if (json_equal(json_object_get(r, "pattern"), json_object_get(one, "pattern")))
                json_object_set(r, "trouble", json_object_get(one, "answer"));
        }
    }
    json_decref(reply);
}

static json_t *list(const struct admin_call *c)
{
    struct conf_routes *l = NULL;
    struct errinfo ei = { 0 };
    json_t *rows = json_array();
    int r = routes_read(c->a->db, &l, &ei);

    for (size_t i = 0; r == 0 && i < l->n; i++)
        json_array_append_new(rows, row(&l->v[i], i));
    conf_routes_free(l);
    if (json_array_size(rows))
        add_trouble(c, rows);
    return admin_rows(r, rows, &ei);
}

/* Counted from 0; that of a backup domain's host is before all. */
static size_t position_of(const struct conf *cf, const struct conf_route *found, struct sv domain)
{
    const struct conf_backup *b = conf_backup_find(cf, domain);

    return b && found == &b->route ? SIZE_MAX : (size_t)(found - cf->routes->v);
}

/* By the stored routes: what the next message would take. */
static json_t *find(const struct admin_call *c)
{
    const char *text = admin_arg(c, "address");
    struct sv address = sv_trim(sv_c(text));
    ssize_t at = sv_rfind(address, '@');
    char domain[ADDR_DOMAIN_MAX + 1];
    struct errinfo ei = { 0 };
    struct conf *cf = NULL;
    json_t *rows = json_array();
    size_t n = 0;
    int r = addr_parse_domain(sv_skip(address, (size_t)(at + 1)), domain, &n, &ei);

    if (r == 0)
        r = settings_load_warn(c->a->db, &cf, NULL, &ei);
    if (r == 0) {
        const struct conf_route *found = conf_route_find(cf, sv_n(domain, n));

        if (found)
            json_array_append_new(rows, row(found, position_of(cf, found, sv_n(domain, n))));
        conf_unref(cf);
    }
    return admin_rows(r, rows, &ei);
}

const struct admin_op admin_route_ops[] = {
    { "route.create", "pattern [host] [user] [password] [tls] [family] [source_ip] [position]",
      "A route for mail to a domain, to all below it (*.example.org) or to all (*).", create },
    { "route.update", "pattern [host] [user] [password] [tls] [family] [source_ip] [position]",
      "Changes the given fields of a route; empty = none.", update },
    { "route.delete", "pattern", "Deletes a route.", drop },
    { "route.list", "", "Routes in their order; the first that fits holds.", list },
    { "route.find", "address", "The route of mail to an address or domain; none = the settings.",
      find },
    { 0 },
};
