/* One thread of a day through all logs: a session's lines, or those that name a message. */
#include "admin/session_find.h"
#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/logs.h"

#define BUDGET_MS 2000
#define MAX_LINES 2000

static const struct api_field params[] = {
    { "date", API_TEXT, 0, 10, 10, NULL, NULL, "2026-03-12; today without it." },
    { "session", API_TEXT, 0, 4, 16, NULL, NULL,
      "4 hex digits as in the lines; of 8 or 16 the last 4 count." },
    { "text", API_TEXT, 0, 1, 200, NULL, NULL,
      "Texts that must all be in the line, as filter of a log's lines; such as a message's id." },
    { "from", API_TEXT, 0, 5, 8, NULL, NULL, "hh:mm or hh:mm:ss" },
    { "to", API_TEXT, 0, 5, 8, NULL, NULL, "hh:mm or hh:mm:ss" },
    { 0 },
};
static const struct api_field line_fields[] = {
    { "log", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Which it stands in." },
    LOG_LINE_FIELDS,
    { 0 },
};
static const struct api_schema line_schema = { "LogThreadLine", "A line.", line_fields };
static const struct api_field thread_fields[] = {
    { "items", API_LIST, API_REQUIRED, 0, 0, NULL, &line_schema, "By time." },
    { "cut", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL, "There are, or may be, more." },
    { 0 },
};
static const struct api_schema thread_schema = { "LogThread", "Lines of all logs.", thread_fields };

struct row {
    json_t *line;
    char hms[9];
    size_t nr; /* of equal times the order of the logs, and in them of the lines */
};

struct thread {
    struct log_search s;
    const char *session; /* 4 digits; NULL = any */
    struct row *v;
    size_t n;
};

static void add(void *arg, struct sv line)
{
    struct thread *t = arg;
    struct log_row row;
    struct row *r;

    if (!log_row_parse(line, &row) || (t->session && !sv_iends(row.session, sv_c(t->session))))
        return;
    if (!(t->n & (t->n - 1)))
        t->v = xrealloc(t->v, (t->n ? 2 * t->n : 1) * sizeof(*t->v));
    r = &t->v[t->n];
    r->nr = t->n++;
    sv_copy(r->hms, sizeof(r->hms), sv_take(row.time, 8));
    r->line = api_log_line_json(line, &t->s);
    json_object_set_new(r->line, "log", json_string(log_type_names[t->s.type]));
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int r = strcmp(x->hms, y->hms);

    return r ? r : x->nr < y->nr ? -1 : x->nr > y->nr;
}

/* The digits of a line's bracket. False: answered. */
static bool read_session(struct api_call *c, char ret[5])
{
    const char *text = api_query(c, "session");
    size_t n = text ? strlen(text) : 0;
    uint64_t id;

    ret[0] = '\0';
    if (!text)
        return true;
    if ((n == 4 || n == 8 || n == 16) && session_parse(text, &id)) {
        snprintf(ret, 5, "%04X", (unsigned)(id & 0xffff));
        return true;
    }
    api_fail(c, 400, "invalid_parameter", "session",
             "session: '%.16s' is not 4, 8 or 16 hex digits", text);
    return false;
}

static bool search_all(struct thread *t, uint32_t ymd, int64_t until)
{
    struct log_search first = t->s;
    bool cut = false;

    for (int type = 0; type < LOG_TYPE_COUNT; type++) {
        int64_t left = until - clock_mono_ms();

        t->s = first;
        t->s.type = (enum log_type)type;
        t->s.ymd = ymd;
        t->s.max = MAX_LINES;
        t->s.budget_ms = left;
        cut = left <= 0 || log_search(&t->s, add, t) > 0 || cut;
    }
    return cut;
}

static void thread(struct api_call *c)
{
    const char *text = api_query(c, "text");
    _cleanup_(freep) char *dir = NULL, *filter = NULL;
    struct thread t = { 0 };
    char session[5], room[2][12];
    uint32_t ymd;
    json_t *items;
    bool cut;

    if (!read_session(c, session) || !api_log_date(c, &ymd) || !api_log_times(c, &t.s, room))
        return;
    if (!text && !*session) {
        api_fail(c, 400, "missing_parameter", "session", "session: is missing, and so is text");
        return;
    }
    if (!api_log_dir(c, &dir))
        return;
    filter = xasprintf("%s%s;%s", session, *session ? "]" : "", text ? text : "");
    t.s.dir = dir;
    t.s.filter = filter;
    t.session = *session ? session : NULL;
    cut = search_all(&t, ymd, clock_mono_ms() + BUDGET_MS) || t.n > MAX_LINES;
    if (t.n)
        qsort(t.v, t.n, sizeof(*t.v), by_time);
    items = json_array();
    for (size_t i = 0; i < t.n; i++)
        if (i < MAX_LINES)
            json_array_append_new(items, t.v[i].line);
        else
            json_decref(t.v[i].line);
    free(t.v);
    api_reply(c, 200, json_pack("{s:o, s:b}", "items", items, "cut", (int)cut));
}

const struct api_route api_log_thread_routes[] = {
    { .method = "GET",
      .path = "/logs/thread",
      .scope = SCOPE_LOGS_READ,
      .id = "getLogThread",
      .query = params,
      .status = 200,
      .response = &thread_schema,
      .run = thread,
      .help = "Lines of a session, or with a text, in all logs of a day, by time." },
    { 0 },
};
