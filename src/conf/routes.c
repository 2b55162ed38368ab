/* Routes as part of a snapshot, and the small grammar of their fields. Pure. */
#include "conf/conf_priv.h"
#include "conf/routes.h"

const char *const route_tls_names[] = {
    "default", "never", "may", "require", "verify", "dane", NULL
};
const char *const route_family_names[] = { "default",   "ipv4-first", "ipv6-first",
                                           "ipv4-only", "ipv6-only",  NULL };

int conf_choice(const char *const *names, struct sv text)
{
    for (int i = 0; names[i]; i++)
        if (sv_ieq(text, sv_c(names[i])))
            return i;
    return -1;
}

void conf_routes_free(struct conf_routes *r)
{
    for (size_t i = 0; r && i < r->n; i++) {
        free(r->v[i].pattern);
        free(r->v[i].host);
        free(r->v[i].user);
        if (r->v[i].password)
            explicit_bzero(r->v[i].password, strlen(r->v[i].password));
        free(r->v[i].password);
        free(r->v[i].source_ip);
    }
    if (r)
        free(r->v);
    free(r);
}

bool conf_pattern_fits(struct sv pattern, struct sv name)
{
    if (sv_eq(pattern, SV("*")))
        return true;
    if (sv_starts(pattern, SV("*.")))
        return name.n > pattern.n - 1 && sv_iends(name, sv_skip(pattern, 1));
    return sv_ieq(pattern, name);
}

const struct conf_route *conf_route_find(const struct conf *c, struct sv domain)
{
    for (size_t i = 0; c->routes && i < c->routes->n; i++)
        if (conf_pattern_fits(sv_c(c->routes->v[i].pattern), domain))
            return &c->routes->v[i];
    return NULL;
}

bool conf_parse_relay(struct sv text, struct sv *ret_host, uint16_t *port)
{
    text = sv_trim(text);
    if (!conf_is_relay(text))
        return false;
    ssize_t colon = sv_rfind(text, ':');
    uint32_t n;
    *ret_host = text;
    if (conf_address_family(text) == 0 && colon > 0) {
        if (sv_to_u32(sv_skip(text, (size_t)colon + 1), &n) < 0 || n == 0 || n > 65535)
            return false;
        *port = (uint16_t)n;
        *ret_host = sv_take(text, (size_t)colon);
    }
    if (ret_host->n > 2 && ret_host->p[0] == '[')
        *ret_host = sv_take(sv_skip(*ret_host, 1), ret_host->n - 2);
    return true;
}
