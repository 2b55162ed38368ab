/* What happened beside the figures: notes that people wrote, starts of the server as the samples
 * know them, and changed settings as the audit knows them. */
#include "base/clock.h"
#include "mail/account/annotation.h"
#include "mail/account/audit.h"
#include "samples/query.h"
#include "server/api/api_priv.h"

#define DAY_MS    INT64_C(86400000)
#define MOST      500 /* of each kind: a chart cannot show more */
#define AHEAD_MAX (366 * DAY_MS)

static const struct api_field note_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "at", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, "note|restart|setting", NULL, NULL },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL,
      "The note; of a setting its name; of a restart nothing." },
    { "who", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "old", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Of a setting." },
    { "new", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Of a setting." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "delete, of a note." },
    { 0 },
};
static const struct api_schema note_schema = { "Annotation", "Something that happened.",
                                               note_fields };
static const struct api_field list_fields[] = {
    { "items", API_LIST, API_REQUIRED, 0, 0, NULL, &note_schema, "The oldest first." },
    { "as_of", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema list_schema = { "Annotations", "What happened in a span of time.",
                                               list_fields };
static const struct api_field span_params[] = {
    { "from", API_TIME, 0, 0, 0, NULL, NULL, "Without it: a day before to." },
    { "to", API_TIME, 0, 0, 0, NULL, NULL, "Without it: now." },
    { 0 },
};
static const struct api_field new_fields[] = {
    { "at", API_TIME, 0, 0, 0, NULL, NULL, "Without it: now." },
    { "text", API_TEXT, API_REQUIRED, 1, ANNOTATION_MAX, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema new_schema = { "AnnotationNew", "A note.", new_fields };

struct listing {
    struct api_call *c;
    json_t *items;
};

static json_t *text_or_null(const char *s)
{
    return s ? api_text(s) : json_null();
}

/* id: taken. */
static json_t *item(json_t *id, int64_t at_ms, const char *kind, const char *text, const char *who,
                    const char *old, const char *new, bool can_delete)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id", id, "at", api_time(at_ms),
                     "kind", kind, "text", api_text(text), "who", text_or_null(who), "old",
                     text_or_null(old), "new", text_or_null(new), "actions",
                     can_delete ? json_pack("[s]", "delete") : json_array());
}

static json_t *note_json(struct api_call *c, const struct annotation *a)
{
    return item(json_sprintf("%" PRId64, a->id), a->at_ms, "note", a->text, a->who, NULL, NULL,
                c->caller->scopes & SCOPE_BIT(SCOPE_METRICS_WRITE));
}

static bool add_note(const struct annotation *a, void *arg)
{
    struct listing *l = arg;

    json_array_append_new(l->items, note_json(l->c, a));
    return true;
}

static void add_start(int64_t started_s, void *arg)
{
    struct listing *l = arg;

    if (json_array_size(l->items) < (size_t)MOST)
        json_array_append_new(l->items,
                              item(json_sprintf("start-%" PRId64, started_s), started_s * 1000,
                                   "restart", "", NULL, NULL, NULL, false));
}

static bool add_setting(const struct audit_row *r, void *arg)
{
    struct listing *l = arg;

    json_array_append_new(l->items, item(json_sprintf("audit-%" PRId64, r->id), r->at_ms, "setting",
                                         strchr(r->object, ' ') + 1, r->admin, r->old_value,
                                         r->new_value, false));
    return true;
}

static int by_time(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;

    return strcmp(json_string_value(json_object_get(*x, "at")),
                  json_string_value(json_object_get(*y, "at")));
}

/* Takes items. */
static json_t *sorted(json_t *items)
{
    size_t n = json_array_size(items), i;
    json_t **v = xcalloc(n + 1, sizeof(json_t *)), *one, *out = json_array();

    json_array_foreach(items, i, one) v[i] = one;
    qsort(v, n, sizeof(json_t *), by_time);
    for (i = 0; i < n; i++)
        json_array_append(out, v[i]);
    free(v);
    json_decref(items);
    return out;
}

static void list(struct api_call *c)
{
    int64_t now = clock_wall_ms(), to = api_query_time(c, "to", now, now + 1);
    int64_t from = api_query_time(c, "from", now, to - DAY_MS);
    struct admin *a = api_admin_of(c);
    struct listing l = { .c = c, .items = json_array() };
    struct errinfo ei = { 0 };
    int r = samples_starts(a->data_dir, from / 1000, (to + 999) / 1000, add_start, &l, &ei);

    if (r >= 0)
        r = annotation_each(a->db, from, to, MOST, add_note, &l, &ei);
    if (r >= 0 && c->caller->scopes & SCOPE_BIT(SCOPE_AUDIT_READ))
        r = audit_settings(a->db, from, to, MOST, add_setting, &l, &ei);
    if (r < 0) {
        json_decref(l.items);
        api_fail_err(c, r, ei.text);
        return;
    }
    api_reply(
        c, 200,
        json_pack("{s:o, s:o}", "items", sorted(l.items), "as_of", api_time(clock_wall_ms())));
}

static void create(struct api_call *c)
{
    const char *text = api_body_text(c, "text"), *at = api_body_text(c, "at");
    int64_t now = clock_wall_ms(), at_ms = now, id = 0;
    struct errinfo ei = { 0 };
    int r;

    if (at)
        api_parse_time(at, now, &at_ms);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            api_fail(c, 422, "invalid_field", "text", "text: must be one line");
            return;
        }
    if (at_ms <= 0 || at_ms > now + AHEAD_MAX) {
        api_fail(c, 422, "invalid_field", "at", "at: is not a time that a chart will show");
        return;
    }
    r = annotation_add(api_admin_of(c)->db, c->caller->who, at_ms, text, &id, &ei);
    if (r < 0)
        api_fail_err(c, r, ei.text);
    else
        api_reply(
            c, 201,
            note_json(c, &(struct annotation){
                             .id = id, .at_ms = at_ms, .text = text, .who = c->caller->who }));
}

static void drop(struct api_call *c)
{
    struct errinfo ei = { 0 };
    int64_t id = 0;
    int r = sv_to_i64(sv_c(api_param(c, "id")), &id);

    if (r == 0 && id > 0)
        r = annotation_delete(api_admin_of(c)->db, c->caller->who, id, &ei);
    else
        r = E_NOTFOUND;
    if (r == E_NOTFOUND)
        api_fail_gone(c, "annotation", api_param(c, "id"));
    else if (r < 0)
        api_fail_err(c, r, ei.text);
    else
        api_reply(c, 204, NULL);
}

const struct api_route api_annotation_routes[] = {
    { .method = "GET",
      .path = "/annotations",
      .scope = SCOPE_METRICS_READ,
      .id = "listAnnotations",
      .query = span_params,
      .status = 200,
      .response = &list_schema,
      .run = list,
      .help = "Notes, restarts and changed settings, for charts." },
    { .method = "POST",
      .path = "/annotations",
      .scope = SCOPE_METRICS_WRITE,
      .flags = ROUTE_IDEMPOTENT,
      .id = "createAnnotation",
      .body = &new_schema,
      .status = 201,
      .response = &note_schema,
      .run = create,
      .help = "Writes a note." },
    { .method = "DELETE",
      .path = "/annotations/{id}",
      .scope = SCOPE_METRICS_WRITE,
      .id = "deleteAnnotation",
      .status = 204,
      .run = drop,
      .help = "Deletes a note." },
    { 0 },
};
