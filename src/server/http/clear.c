/* The console in clear text: whoever types a password into a page that came over http has told it
 * to everybody on the way, whatever the server answers. Such pages lead to https instead. */
#include "server/http/http_priv.h"

enum { PLAIN_ALWAYS = 2 }; /* of auth.plain_without_tls */

static const char page[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Posthorn</title>"
    "<h1>The console needs TLS</h1><p>A password typed here could be read on its way. The server "
    "has "
    "no certificate yet: put one into its directory <code>certs</code> and reload it, or come from "
    "an address of the setting <code>net.trusted_ips</code>.</p></html>";

bool http_must_have_tls(const struct http_conn *c)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    return !c->peer->tls && !c->peer->trusted && cf->auth.plain_without_tls != PLAIN_ALWAYS;
}

/* The name without its port, when it is one. */
static struct sv host_name(const char *header)
{
    struct sv h = sv_c(header ? header : "");
    ssize_t end = h.n && h.p[0] == '[' ? sv_find(h, ']') : sv_find(h, ':');

    if (h.n && h.p[0] == '[')
        h = sv_take(h, (size_t)(end + 1));
    else if (end >= 0)
        h = sv_take(h, (size_t)end);
    for (size_t i = 0; i < h.n; i++)
        if (!(ascii_lower(h.p[i]) >= 'a' && ascii_lower(h.p[i]) <= 'z') &&
            !(h.p[i] >= '0' && h.p[i] <= '9') && !strchr(".-:[]", h.p[i]))
            return SV_NULL;
    return h.n && h.n <= 255 ? h : SV_NULL;
}

static enum MHD_Result answer(struct http_conn *c, int status, const char *location)
{
    struct MHD_Response *r = lib_mhd.MHD_create_response_from_buffer(
        location ? 0 : sizeof(page) - 1, (void *)(intptr_t)page, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result ok;

    if (!r)
        return MHD_NO;
    http_phase(c->peer, PHASE_WRITE);
    http_add_common_headers(c, r);
    if (location)
        lib_mhd.MHD_add_response_header(r, "Location", location);
    else
        lib_mhd.MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
    lib_mhd.MHD_add_response_header(r, "Cache-Control", "no-store");
    ok = lib_mhd.MHD_queue_response(c->mhd, (unsigned)status, r);
    lib_mhd.MHD_destroy_response(r);
    return ok;
}

enum MHD_Result http_reply_use_tls(struct http_conn *c)
{
    struct sv host =
        host_name(lib_mhd.MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Host"));
    _cleanup_(freep) char *location = NULL;
    char port[8] = "";

    if (!c->h->tls_port || !host.p || !http_certs_any())
        return answer(c, 403, NULL);
    if (c->h->tls_port != 443)
        snprintf(port, sizeof(port), ":%u", c->h->tls_port);
    location = xasprintf("https://" SV_FMT "%s%s", SV_ARG(host), port, c->uri);
    return answer(c, 302, location);
}
