/* The text logs: which there are, and their lines. */
#include "base/clock.h"
#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/logs.h"
#include "server/api/page.h"

#define BUDGET_MS     2000
#define CONTEXT_LINES 20

static const struct api_field day_fields[] = {
    { "date", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "2026-03-12, of the server's time zone." },
    { "files", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { 0 },
};
static const struct api_schema day_schema = { "LogDay", "A log's files of a day.", day_fields };
static const struct api_field log_fields[] = {
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "level", API_ENUM, API_REQUIRED, 0, 0, "none|summary|debug|extended", NULL, NULL },
    { "setting", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Of the level." },
    { "days", API_LIST, API_REQUIRED, 0, 0, NULL, &day_schema, "The newest first." },
    { 0 },
};
static const struct api_schema log_schema = { "Log", "A log.", log_fields };

static const struct api_field line_fields[] = { LOG_LINE_FIELDS, { 0 } };
static const struct api_schema line_schema = { "LogLine", "A line.", line_fields };

static const struct api_field line_params[] = {
    { "date", API_TEXT, 0, 10, 10, NULL, NULL, "2026-03-12; today without it." },
    { "from", API_TEXT, 0, 5, 8, NULL, NULL, "hh:mm or hh:mm:ss" },
    { "to", API_TEXT, 0, 5, 8, NULL, NULL, "hh:mm or hh:mm:ss" },
    { "filter", API_TEXT, 0, 0, 500, NULL, NULL,
      "Texts that must all be in the line, with ; between them; - in front: must not." },
    { "around", API_TEXT, 0, 1, 60, NULL, NULL,
      "at of a line: those around it, whatever the filter was; goes alone with before and after." },
    { "before", API_INT, 0, 0, 500, NULL, NULL, "Lines before that one; 20 without it." },
    { "after", API_INT, 0, 0, 500, NULL, NULL, "Lines after that one; 20 without it." },
    { 0 },
};

static void add_day(void *arg, uint32_t ymd, unsigned files, uint64_t bytes)
{
    char date[16];

    snprintf(date, sizeof(date), "%04u-%02u-%02u", ymd / 10000, ymd / 100 % 100, ymd % 100);
    json_array_append_new(arg, json_pack("{s:s, s:i, s:I}", "date", date, "files", (int)files,
                                         "size", (json_int_t)bytes));
}

bool api_log_dir(struct api_call *c, char **ret_dir)
{
    struct api *a = c->api;

    pthread_mutex_lock(&a->lock);
    *ret_dir = a->log_dir ? xstrdup(a->log_dir) : NULL;
    pthread_mutex_unlock(&a->lock);
    if (!*ret_dir)
        api_fail_err(c, E_CLOSED, "there are no logs here");
    return *ret_dir != NULL;
}

static void list(struct api_call *c)
{
    static const char *const levels[] = { "none", "summary", "debug", "extended" };
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    _cleanup_(freep) char *dir = NULL;
    json_t *items;

    if (!api_log_dir(c, &dir))
        return;
    items = json_array();
    for (int t = 0; t < LOG_TYPE_COUNT; t++) {
        json_t *days = json_array();
        char name[40];
        const struct setting *s;
        _cleanup_(freep) char *level = NULL;

        snprintf(name, sizeof(name), "log.%s", log_type_names[t]);
        s = conf_find(sv_c(name));
        level = s ? conf_text(cf, s) : xstrdup(levels[LOG_EXTENDED]);
        log_days(dir, (enum log_type)t, add_day, days);
        json_array_append_new(items,
                              json_pack("{s:s, s:s, s:s?, s:o}", "service", log_type_names[t],
                                        "level", level, "setting", s ? name : NULL, "days", days));
    }
    api_page_of(c, items, "service", true);
}

static json_t *safe(struct sv s)
{
    json_t *j = json_stringn(s.p ? s.p : "", s.n);
    char *copy;

    if (j)
        return j;
    copy = sv_dup(s);
    j = api_text(copy);
    free(copy);
    return j;
}

static const char *kind_of(struct sv text)
{
    if (sv_starts(text, SV(LOG_CLIENT)))
        text = sv_skip(text, strlen(LOG_CLIENT));
    if (sv_starts(text, SV("<<<")))
        return "in";
    if (sv_starts(text, SV(">>>")))
        return "out";
    return sv_starts(text, SV("***")) ? "summary" : "text";
}

json_t *api_log_line_json(struct sv line, const struct log_search *s)
{
    struct log_row row;
    bool head = log_row_parse(line, &row);

    return json_pack("{s:o, s:o, s:o, s:s, s:o, s:o}", "time", head ? safe(row.time) : json_null(),
                     "source", head ? safe(row.source) : json_null(), "session",
                     head ? safe(row.session) : json_null(), "kind", kind_of(row.text), "text",
                     safe(row.text), "at",
                     json_sprintf("%" PRIu32 "-%u-%" PRIu64, s->ymd, s->nn, s->at));
}

/* "2026-03-12" or nothing = today. */
static bool read_date(const char *text, uint32_t *ret)
{
    char ymd[16];
    uint32_t y, m, d;
    struct sv s;

    if (!text) {
        clock_ymd(clock_wall_s(), ymd);
        return sv_to_u32(sv_c(ymd), ret) == 0;
    }
    s = sv_c(text);
    if (s.p[4] != '-' || s.p[7] != '-' || sv_to_u32(sv_take(s, 4), &y) < 0 ||
        sv_to_u32(sv_n(s.p + 5, 2), &m) < 0 || sv_to_u32(sv_n(s.p + 8, 2), &d) < 0 || m < 1 ||
        m > 12 || d < 1 || d > 31)
        return false;
    *ret = y * 10000 + m * 100 + d;
    return true;
}

/* "hh:mm" gets seconds: the first of a beginning, the last of an end. */
static bool read_time(const char *text, const char *seconds, char ret[12], struct sv *ret_sv)
{
    size_t n = text ? strlen(text) : 0;

    *ret_sv = SV_NULL;
    if (!text)
        return true;
    for (size_t i = 0; i < n; i++)
        if (i % 3 == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return false;
    if ((n != 5 && n != 8) || strncmp(text, "23", 2) > 0 || text[3] > '5' ||
        (n == 8 && text[6] > '5'))
        return false;
    snprintf(ret, 12, "%s%s", text, n == 5 ? seconds : "");
    *ret_sv = sv_c(ret);
    return true;
}

bool api_log_type(struct api_call *c, enum log_type *ret)
{
    const char *service = api_param(c, "service");
    int t = 0;

    while (t < LOG_TYPE_COUNT && strcmp(service, log_type_names[t]))
        t++;
    if (t == LOG_TYPE_COUNT) {
        api_fail_gone(c, "log", service);
        return false;
    }
    *ret = (enum log_type)t;
    return true;
}

static bool is_not(struct api_call *c, const char *param, const char *what, const char *example)
{
    api_fail(c, 400, "invalid_parameter", param, "%s: '%s' is not a %s; write %s", param,
             api_query(c, param), what, example);
    return false;
}

bool api_log_date(struct api_call *c, uint32_t *ret_ymd)
{
    return read_date(api_query(c, "date"), ret_ymd) || is_not(c, "date", "date", "2026-03-12");
}

bool api_log_times(struct api_call *c, struct log_search *s, char room[2][12])
{
    static const char example[] = "08:50 or 08:50:00";

    return (read_time(api_query(c, "from"), ":00", room[0], &s->from) ||
            is_not(c, "from", "time of day", example)) &&
           (read_time(api_query(c, "to"), ":59", room[1], &s->to) ||
            is_not(c, "to", "time of day", example));
}

static bool read_search(struct api_call *c, struct log_search *s, char room[2][12])
{
    char cursor[60];
    struct sv rest, nn;
    uint32_t n;

    if (!api_log_type(c, &s->type) || !api_log_date(c, &s->ymd) || !api_log_times(c, s, room) ||
        !api_page_cursor(c, cursor, sizeof(cursor)))
        return false;
    rest = sv_c(cursor);
    nn = sv_split(&rest, ':');
    if (*cursor && (sv_to_u32(nn, &n) < 0 || sv_to_u64(rest, &s->offset) < 0)) {
        api_fail(c, 400, "invalid_parameter", "cursor", "cursor: not of this list");
        return false;
    }
    s->nn = *cursor ? n : 0;
    s->offset = MIN(s->offset, (uint64_t)INT64_MAX / 2);
    return true;
}

struct lines {
    struct log_search s;
    json_t *items;
};

static void add_line(void *arg, struct sv line)
{
    struct lines *l = arg;

    json_array_append_new(l->items, api_log_line_json(line, &l->s));
}

/* What api_log_line_json says: "20260312-1-48213". */
static bool read_place(const char *text, struct log_search *s)
{
    struct sv rest = sv_c(text), ymd = sv_split(&rest, '-'), nn = SV_NULL;
    uint32_t n = 0;

    if (rest.p)
        nn = sv_split(&rest, '-');
    if (!rest.p || sv_to_u32(ymd, &s->ymd) < 0 || sv_to_u32(nn, &n) < 0 ||
        sv_to_u64(rest, &s->offset) < 0 || s->offset > INT64_MAX / 2)
        return false;
    s->nn = n;
    return true;
}

/* False: answered. */
static bool goes_alone(struct api_call *c)
{
    static const char *const others[] = { "date", "from", "to", "filter", "q", "cursor" };

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (api_query(c, others[i])) {
            api_fail(c, 400, "invalid_parameter", others[i],
                     "%s: does not go together with around, which names day and place", others[i]);
            return false;
        }
    return true;
}

static void around(struct api_call *c, const char *place)
{
    _cleanup_(freep) char *dir = NULL;
    struct lines l = { .s = { .budget_ms = BUDGET_MS } };
    int r;

    if (!api_log_type(c, &l.s.type) || !goes_alone(c) || !api_log_dir(c, &dir))
        return;
    if (!read_place(place, &l.s)) {
        api_fail(c, 400, "invalid_parameter", "around",
                 "around: '%.60s' is not the place of a line, as at of a line has it", place);
        return;
    }
    l.s.dir = dir;
    r = log_back(&l.s, (unsigned)api_query_int(c, "before", CONTEXT_LINES));
    if (r >= 0) {
        l.s.max = (size_t)r + 1 + (size_t)api_query_int(c, "after", CONTEXT_LINES);
        l.items = json_array();
        r = log_search(&l.s, add_line, &l);
    }
    if (r == E_NOTFOUND) {
        api_fail(c, 404, "not_found", "around",
                 "around: no line begins there; its file may have been deleted");
    } else if (r < 0) {
        json_decref(l.items);
        api_fail_err(c, E_TEMP, err_name(r));
    } else {
        api_page_answer(c, l.items, NULL, (int64_t)json_array_size(l.items), true);
    }
}

static void lines(struct api_call *c)
{
    _cleanup_(freep) char *dir = NULL;
    const char *filter = api_query(c, "filter"), *q = api_query(c, "q"),
               *place = api_query(c, "around");
    _cleanup_(freep) char *both = filter && q ? xasprintf("%s;%s", filter, q) : NULL;
    char room[2][12], last[60];
    struct lines l = { .s = { .filter = both     ? both
                                        : filter ? filter
                                                 : q,
                              .max = api_page_limit(c),
                              .budget_ms = BUDGET_MS } };
    size_t n;
    int r;

    if (place) {
        around(c, place);
        return;
    }
    if (!read_search(c, &l.s, room) || !api_log_dir(c, &dir))
        return;
    l.s.dir = dir;
    l.items = json_array();
    r = log_search(&l.s, add_line, &l);
    if (r < 0) {
        json_decref(l.items);
        api_fail_err(c, E_TEMP, err_name(r));
        return;
    }
    n = json_array_size(l.items);
    snprintf(last, sizeof(last), "%u:%" PRIu64, l.s.nn, l.s.offset);
    api_page_answer(c, l.items, r == 1 ? last : NULL, (int64_t)n,
                    r == 0 && !api_query(c, "cursor"));
}

const struct api_route api_log_routes[] = {
    { .method = "GET",
      .path = "/logs",
      .scope = SCOPE_LOGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listLogs",
      .status = 200,
      .response = &log_schema,
      .run = list,
      .help = "Logs, their levels and their days." },
    { .method = "GET",
      .path = "/logs/{service}/lines",
      .scope = SCOPE_LOGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listLogLines",
      .query = line_params,
      .status = 200,
      .response = &line_schema,
      .run = lines,
      .help =
          "Lines of a log, the oldest first. A page may be short, or empty, with a next_cursor: "
          "then the search goes on there." },
    { 0 },
};
