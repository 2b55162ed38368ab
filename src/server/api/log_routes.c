/* The text logs: which there are, and their lines. */
#include "base/clock.h"
#include "conf/conf.h"
#include "server/api/api_priv.h"
#include "server/api/log_reader.h"
#include "server/api/page.h"

#define BUDGET_MS 2000

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

static const struct api_field line_fields[] = {
    { "time", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "hh:mm:ss; null: goes on from the line before." },
    { "source", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Address, or SYSTEM." },
    { "session", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "4 hex digits." },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, "in|out|summary|text", NULL,
      "<<< read, >>> written, *** summary." },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema line_schema = { "LogLine", "A line.", line_fields };

static const struct api_field line_params[] = {
    { "date", API_TEXT, 0, 10, 10, NULL, NULL, "2026-03-12; today without it." },
    { "from", API_TEXT, 0, 5, 8, NULL, NULL, "hh:mm or hh:mm:ss" },
    { "to", API_TEXT, 0, 5, 8, NULL, NULL, "hh:mm or hh:mm:ss" },
    { "filter", API_TEXT, 0, 0, 500, NULL, NULL,
      "Texts that must all be in the line, with ; between them; - in front: must not." },
    { 0 },
};

static void add_day(void *arg, uint32_t ymd, unsigned files, uint64_t bytes)
{
    char date[16];

    snprintf(date, sizeof(date), "%04u-%02u-%02u", ymd / 10000, ymd / 100 % 100, ymd % 100);
    json_array_append_new(arg, json_pack("{s:s, s:i, s:I}", "date", date, "files", (int)files,
                                         "size", (json_int_t)bytes));
}

/* False: answered. *ret_dir: free() it. */
static bool dir_of(struct api_call *c, char **ret_dir)
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

    if (!dir_of(c, &dir))
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

static void add_line(void *arg, struct sv line)
{
    struct log_row row;
    bool head = log_row_parse(line, &row);

    json_array_append_new(arg, json_pack("{s:o, s:o, s:o, s:s, s:o}", "time",
                                         head ? safe(row.time) : json_null(), "source",
                                         head ? safe(row.source) : json_null(), "session",
                                         head ? safe(row.session) : json_null(), "kind",
                                         kind_of(row.text), "text", safe(row.text)));
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

static bool read_search(struct api_call *c, struct log_search *s, char room[2][12])
{
    const char *service = api_param(c, "service");
    const char *wrong = NULL;
    char cursor[60];
    struct sv rest, nn;
    uint32_t n;
    int t = 0;

    while (t < LOG_TYPE_COUNT && strcmp(service, log_type_names[t]))
        t++;
    if (t == LOG_TYPE_COUNT) {
        api_fail_gone(c, "log", service);
        return false;
    }
    s->type = (enum log_type)t;
    if (!read_date(api_query(c, "date"), &s->ymd))
        wrong = "date";
    else if (!read_time(api_query(c, "from"), ":00", room[0], &s->from))
        wrong = "from";
    else if (!read_time(api_query(c, "to"), ":59", room[1], &s->to))
        wrong = "to";
    if (wrong) {
        api_fail(c, 400, "invalid_parameter", wrong, "%s: '%s' is not a %s; write %s", wrong,
                 api_query(c, wrong), *wrong == 'd' ? "date" : "time of day",
                 *wrong == 'd' ? "2026-03-12" : "08:50 or 08:50:00");
        return false;
    }
    if (!api_page_cursor(c, cursor, sizeof(cursor)))
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

static void lines(struct api_call *c)
{
    _cleanup_(freep) char *dir = NULL;
    const char *filter = api_query(c, "filter"), *q = api_query(c, "q");
    _cleanup_(freep) char *both = filter && q ? xasprintf("%s;%s", filter, q) : NULL;
    char room[2][12], last[60];
    struct log_search s = { .filter = both     ? both
                                      : filter ? filter
                                               : q,
                            .max = api_page_limit(c),
                            .budget_ms = BUDGET_MS };
    json_t *items;
    size_t n;
    int r;

    if (!read_search(c, &s, room) || !dir_of(c, &dir))
        return;
    s.dir = dir;
    items = json_array();
    r = log_search(&s, add_line, items);
    if (r < 0) {
        json_decref(items);
        api_fail_err(c, E_TEMP, err_name(r));
        return;
    }
    n = json_array_size(items);
    snprintf(last, sizeof(last), "%u:%" PRIu64, s.nn, s.offset);
    api_page_answer(c, items, r == 1 ? last : NULL, (int64_t)n, r == 0 && !api_query(c, "cursor"));
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
