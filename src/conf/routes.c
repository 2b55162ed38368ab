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

static void route_done(struct conf_route *r)
{
    free(r->pattern);
    free(r->host);
    free(r->user);
    if (r->password)
        explicit_bzero(r->password, strlen(r->password));
    free(r->password);
    free(r->source_ip);
}

void conf_routes_free(struct conf_routes *r)
{
    for (size_t i = 0; r && i < r->n; i++)
        route_done(&r->v[i]);
    if (r)
        free(r->v);
    free(r);
}

void conf_backups_add(struct conf_backups *l, struct sv name, struct sv host, bool fetched)
{
    l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
    l->v[l->n++] = (struct conf_backup){
        .name = sv_dup(name),
        .fetched = fetched,
        .route = { .pattern = sv_dup(name),
                   .host = sv_dup(host),
                   .user = xstrdup(""),
                   .password = xstrdup(""),
                   .source_ip = xstrdup("") },
    };
}

void conf_backups_free(struct conf_backups *l)
{
    for (size_t i = 0; l && i < l->n; i++) {
        free(l->v[i].name);
        route_done(&l->v[i].route);
    }
    if (l)
        free(l->v);
    free(l);
}

const struct conf_backup *conf_backup_find(const struct conf *c, struct sv domain)
{
    char name[256];
    size_t from = 0, to = c->backups ? c->backups->n : 0;
    if (to == 0 || domain.n >= sizeof(name))
        return NULL;
    for (size_t i = 0; i < domain.n; i++)
        name[i] = ascii_lower(domain.p[i]);
    name[domain.n] = '\0';
    while (from < to) {
        size_t mid = (from + to) / 2;
        int order = strcmp(name, c->backups->v[mid].name);
        if (order == 0)
            return &c->backups->v[mid];
        if (order < 0)
            to = mid;
        else
            from = mid + 1;
    }
    return NULL;
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
    const struct conf_backup *backup = conf_backup_find(c, domain);
    if (backup && *backup->route.host)
        return &backup->route;
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
