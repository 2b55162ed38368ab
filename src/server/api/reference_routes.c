/* What replies mean. */
#include "event/explain.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"

static const struct api_field row_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Does not change." },
    { "code", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "pattern", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Of the reply; * = anything." },
    { "side", API_ENUM, API_REQUIRED, 0, 0, "server|delivery", NULL,
      "server: we answer a client so; delivery: a delivery of ours ended so." },
    { "cause", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "remedy", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "setting", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "That decides." },
    { 0 },
};
static const struct api_schema row_schema = { "ReplyCode", "A reply and its meaning.", row_fields };
static const struct api_field params[] = {
    { "code", API_INT, 0, 200, 599, NULL, NULL, "Reply code." },
    { "reply", API_TEXT, 0, 1, 1000, NULL, NULL, "A whole reply: the row that fits it." },
    { 0 },
};

static int64_t code_of(const struct explanation *e)
{
    int64_t n = 0;

    return sv_to_i64(sv_take(sv_c(e->pattern), 3), &n) == 0 ? n : 0;
}

static json_t *row(struct api_call *c _unused_, const void *payload)
{
    const struct explanation *e = *(const struct explanation *const *)payload;
    bool delivery = sv_starts(sv_c(e->id), SV("smtp.err.c."));

    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s?}", "id", e->id, "code",
                     (json_int_t)code_of(e), "pattern", e->pattern, "side",
                     delivery ? "delivery" : "server", "cause", e->cause, "remedy", e->remedy,
                     "setting", *e->setting ? e->setting : NULL);
}

static void list(struct api_call *c)
{
    const char *q = api_query(c, "q"), *reply = api_query(c, "reply");
    int64_t code = api_query_int(c, "code", 0);
    struct api_page page;

    if (!api_page_begin(&page, c, sizeof(const struct explanation *), "code"))
        return;
    for (size_t i = 0; i < explanations_count; i++) {
        const struct explanation *e = &explanations[i];
        struct api_key k = { .n = code_of(e) };

        if ((code && code != code_of(e)) || (reply && !explain_matches(e, sv_c(reply))) ||
            !api_q_matches(
                q, (const char *const[]){ e->id, e->pattern, e->cause, e->remedy, e->setting }, 5))
            continue;
        sv_copy(k.id, sizeof(k.id), sv_c(e->id));
        api_page_add(&page, &k, &e);
    }
    api_page_end(&page, row);
}

const struct api_route api_reference_routes[] = {
    { .method = "GET",
      .path = "/reference/reply-codes",
      .scope = SCOPE_SELF,
      .flags = ROUTE_PAGED,
      .id = "listReplyCodes",
      .query = params,
      .status = 200,
      .response = &row_schema,
      .sort = "code|-code",
      .run = list,
      .help = "Replies of this server and outcomes of its deliveries: cause, remedy, setting." },
    { 0 },
};
