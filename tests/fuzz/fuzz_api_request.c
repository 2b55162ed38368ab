/* link: server_api */
/* A request's method, path, query and body through the whole API, without a database behind it: the
 * decoding and the checks that stand before every handler. Lines: method, path?query, the rest. */
#include "server/api/api.h"
#include "server/api/import.h"
#include "server/api/log_reader.h"
#include "server/api/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct api *api;
static struct admin admin;
static const struct api_caller nobody = { .who = (char *)(intptr_t) "fuzz",
                                          .scopes = SCOPE_BIT(SCOPE_SELF) |
                                                    SCOPE_BIT(SCOPE_METRICS_READ) |
                                                    SCOPE_BIT(SCOPE_LOGS_READ),
                                          .csrf_ok = true };

static void pure_parts(struct sv text)
{
    struct log_row row;
    struct sv rest = text;
    struct buf b;
    char *s = sv_dup(text);

    log_row_parse(text, &row);
    api_cookie(s, "posthorn");
    api_origin_is_own(s, NULL, "a.test", true);
    buf_init(&b, 4096);
    while (rest.n && api_csv_field(&rest, ',', &b) >= 0)
        ;
    buf_done(&b);
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sv rest = sv_n(data, n), method = sv_split(&rest, '\n');
    struct sv target = rest.p ? sv_split(&rest, '\n') : SV(""), query = target;
    char name[16];
    struct api_response res;

    if (!api)
        api = api_new(&(struct api_opts){ .admin = &admin, .hostname = "fuzz.test" });
    pure_parts(sv_n(data, n));
    sv_copy(name, sizeof(name), method);
    struct sv path = sv_split(&query, '?');
    struct api_request req = { .method = name,
                               .path = path,
                               .query = query,
                               .body = rest.p ? rest : SV(""),
                               .content_type = "application/json",
                               .peer = "192.0.2.1",
                               .caller = &nobody };

    /* What reads the database is not for this: the checks before it are. */
    if (sv_starts(path, SV("/search")) || sv_starts(path, SV("/login")) ||
        sv_starts(path, SV("/events")) || sv_starts(path, SV("/logout")))
        req.caller = NULL;
    if (!sv_starts(path, SV("/login"))) {
        api_handle(api, &req, &res);
        json_t *body = res.type ? json_loadb(res.body.p, res.body.n, 0, NULL) : json_null();
        if (!body) /* whatever was sent, what is answered is JSON */
            __builtin_trap();
        json_decref(body);
        api_response_done(&res);
    }
    return 0;
}
