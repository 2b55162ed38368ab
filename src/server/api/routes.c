/* The table of all routes and how a path finds its row. Pure. */
#include "base/codec.h"
#include "server/api/api_priv.h"

const struct api_route *const api_tables[] = {
    api_self_routes,      api_search_routes,       api_queue_routes,        api_operation_routes,
    api_session_routes,   api_metric_routes,       api_log_routes,          api_domain_routes,
    api_alias_routes,     api_account_routes,      api_app_password_routes, api_sieve_routes,
    api_setting_routes,   api_service_routes,      api_health_routes,       api_audit_routes,
    api_token_routes,     api_event_routes,        api_series_routes,       api_annotation_routes,
    api_message_routes,   api_reference_routes,    api_transcript_routes,   api_command_routes,
    api_event_log_routes, api_log_thread_routes,   api_log_file_routes,     api_access_routes,
    api_self_page_routes, api_self_session_routes, api_outgoing_routes,     api_member_routes,
    api_filter_routes,    api_remote_routes,       api_archive_routes,      api_sender_routes,
    api_pattern_routes,   api_sms_routes,          api_mailbox_routes,      api_secure_routes,
    api_adapted_routes,   api_dns_routes,
};
const size_t api_tables_count = ARRAY_LEN(api_tables);

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool api_percent_decode(struct sv in, bool plus, char *ret, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        char ch = in.p[i];

        if (ch == '%') {
            int hi = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
            int lo = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return false;
            ch = (char)(hi << 4 | lo);
            i += 2;
        } else if (ch == '+' && plus) {
            ch = ' ';
        }
        if (!ch || n + 1 >= cap)
            return false;
        ret[n++] = ch;
    }
    ret[n] = '\0';
    return utf8_valid(sv_n(ret, n));
}

/* Does path fit the template? Collects its parameters when ret is not NULL. */
static bool fits(const char *template, struct sv path, json_t *ret)
{
    struct sv want = sv_c(template);
    char text[API_PARAM_MAX];

    while (want.p && path.p) {
        struct sv w = sv_split(&want, '/'), have = sv_split(&path, '/');

        if (w.n > 2 && w.p[0] == '{') {
            if (!have.n)
                return false;
            if (!ret)
                continue;
            if (!api_percent_decode(have, false, text, sizeof(text)))
                return false;
            json_object_setn_new(ret, w.p + 1, w.n - 2, json_string(text));
        } else if (!sv_eq(w, have)) {
            return false;
        }
    }
    return !want.p && !path.p;
}

/* A literal template wins over one with parameters: rows stand in that order. */
const struct api_route *api_route_find(const char *method, struct sv path, json_t *ret_params,
                                       char *ret_allow, size_t cap)
{
    size_t n = 0;

    if (ret_allow)
        ret_allow[0] = '\0';
    for (size_t t = 0; t < api_tables_count; t++)
        for (const struct api_route *r = api_tables[t]; r->method; r++) {
            if (!fits(r->path, path, NULL))
                continue;
            if (strcmp(r->method, method)) {
                if (ret_allow && n < cap)
                    n += (size_t)snprintf(ret_allow + n, cap - n, "%s%s", n ? ", " : "", r->method);
                continue;
            }
            if (!ret_params || fits(r->path, path, ret_params))
                return r;
            if (ret_allow)
                ret_allow[0] = '\0'; /* a parameter that cannot be: there is no such thing */
            return NULL;
        }
    return NULL;
}

size_t api_body_max(const char *method, struct sv path)
{
    const struct api_route *r = api_route_find(method, path, NULL, NULL, 0);

    if (!r || !r->body)
        return 0;
    return r->body_max ? r->body_max : API_BODY_MAX;
}
