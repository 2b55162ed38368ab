/* Figures over time: what the charts show. */
#include "base/clock.h"
#include "samples/query.h"
#include "server/api/api_priv.h"

#define DAY_MS INT64_C(86400000)

static const struct api_field query_params[] = {
    { "metric", API_TEXT, API_REQUIRED, 1, 600, NULL, NULL,
      "Names of GET /metrics with commas between them, 16 at most." },
    { "by", API_ENUM, 0, 0, 0, "metric|total", NULL,
      "metric (without it): a series for each; total: one series of all." },
    { "from", API_TIME, 0, 0, 0, NULL, NULL, "Without it: a day before to." },
    { "to", API_TIME, 0, 0, 0, NULL, NULL, "Without it: now." },
    { "step", API_ENUM, 0, 0, 0, "auto|1m|5m|15m|1h|6h|1d", NULL,
      "Length of a step. auto (without it): the shortest that gives at most 800 points and is "
      "still "
      "kept: minutes for 2 days, 5 minutes for 14 days, hours for 400 days." },
    { 0 },
};
static const struct api_field series_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, "counter|peak", NULL,
      "counter: how many in the step; peak: most at once in it." },
    { "unit", API_ENUM, API_REQUIRED, 0, 0, "count|bytes", NULL, NULL },
    { "values", API_INTS, API_REQUIRED, 0, 0, NULL, NULL, "One a step; null: a gap." },
    { 0 },
};
static const struct api_schema series_schema = { "Series", "A figure over time.", series_fields };
static const struct api_field answer_fields[] = {
    { "from", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, "Begin of the first step." },
    { "step_seconds", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "covered_seconds", API_INTS, API_REQUIRED, 0, 0, NULL, NULL,
      "How much of each step was counted: less than the step at a start or an end of the server, "
      "and in the step that runs." },
    { "series", API_LIST, API_REQUIRED, 0, 0, NULL, &series_schema, NULL },
    { "since", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Nothing was counted before." },
    { "as_of", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema answer_schema = { "MetricsOverTime", "Figures over time.",
                                                 answer_fields };

static const struct {
    const char *name;
    int64_t s;
} steps[] = { { "1m", 60 },   { "5m", 300 },      { "15m", 900 },
              { "1h", 3600 }, { "6h", 6 * 3600 }, { "1d", 86400 } };

/* False: answered. */
static bool read_metrics(struct api_call *c, struct samples_query *q)
{
    struct sv rest = sv_c(api_query(c, "metric"));

    while (rest.p) {
        struct sv name = sv_trim(sv_split(&rest, ','));
        int i = series_find(name);

        if (i < 0) {
            api_fail(c, 400, "invalid_parameter", "metric",
                     "metric: '" SV_FMT "' is not known; GET /metrics lists all",
                     SV_ARG(sv_take(name, 60)));
            return false;
        }
        if (q->n == QUERY_SERIES_MAX) {
            api_fail(c, 400, "invalid_parameter", "metric", "metric: more than %d names",
                     QUERY_SERIES_MAX);
            return false;
        }
        q->series[q->n++] = i;
    }
    return true;
}

static bool read_span(struct api_call *c, struct samples_query *q)
{
    int64_t now = clock_wall_ms(), to = api_query_time(c, "to", now, now);
    int64_t from = api_query_time(c, "from", now, to - DAY_MS);
    const char *step = api_query(c, "step");

    q->from_s = from / 1000;
    q->to_s = (to + 999) / 1000;
    for (size_t i = 0; step && i < ARRAY_LEN(steps); i++)
        if (!strcmp(step, steps[i].name))
            q->step_s = steps[i].s;
    if (q->from_s >= 0 && q->to_s > q->from_s)
        return true;
    api_fail(c, 400, "invalid_parameter", "to", "to: lies before from");
    return false;
}

/* Series can be added up when they mean the same. False: answered. */
static bool check_total(struct api_call *c, const struct samples_query *q)
{
    for (size_t i = 0; i < q->n; i++)
        if (series_kind(q->series[i]) != SERIES_COUNTER ||
            strcmp(series_unit(q->series[i]), series_unit(q->series[0]))) {
            api_fail(c, 400, "invalid_parameter", "by",
                     "by: %s and %s cannot be added up; only counters of one unit can",
                     series_name(q->series[0]), series_name(q->series[i]));
            return false;
        }
    return true;
}

static json_t *values_json(const struct samples *s, size_t first, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->points; i++) {
        uint64_t v = 0;

        for (size_t k = first; k < first + n; k++)
            v += s->v[k * s->points + i];
        json_array_append_new(a, s->present[i] ? json_integer((json_int_t)v) : json_null());
    }
    return a;
}

static json_t *series_json(const struct samples_query *q, const struct samples *s, bool total)
{
    json_t *a = json_array();

    for (size_t k = 0; k < (total ? 1 : q->n); k++)
        json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:o}", "name",
                                           total ? "total" : series_name(q->series[k]), "kind",
                                           series_kind_names[series_kind(q->series[k])], "unit",
                                           series_unit(q->series[k]), "values",
                                           values_json(s, k, total ? q->n : 1)));
    return a;
}

static json_t *covered_json(const struct samples *s)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->points; i++)
        json_array_append_new(a, json_integer(s->covered_s[i]));
    return a;
}

static void query(struct api_call *c)
{
    const char *by = api_query(c, "by");
    bool total = by && !strcmp(by, "total");
    struct samples_query q = { .shm = api_admin_of(c)->shm };
    struct errinfo ei = { 0 };
    struct samples s;
    int r;

    if (!read_metrics(c, &q) || !read_span(c, &q) || (total && !check_total(c, &q)))
        return;
    r = samples_read(api_admin_of(c)->data_dir, &q, &s, &ei);
    if (r == E_RANGE)
        api_fail(c, 400, "invalid_parameter", "step", "step: %s", ei.text);
    else if (r < 0)
        api_fail_err(c, r, ei.text);
    else
        api_reply(c, 200,
                  json_pack("{s:o, s:I, s:o, s:o, s:o, s:o}", "from", api_time(s.from_s * 1000),
                            "step_seconds", (json_int_t)s.step_s, "covered_seconds",
                            covered_json(&s), "series", series_json(&q, &s, total), "since",
                            api_time(s.since_s * 1000), "as_of", api_time(clock_wall_ms())));
    samples_done(&s);
}

const struct api_route api_series_routes[] = {
    { .method = "GET",
      .path = "/metrics/query",
      .scope = SCOPE_METRICS_READ,
      .id = "queryMetrics",
      .query = query_params,
      .status = 200,
      .response = &answer_schema,
      .run = query,
      .help = "Figures over time, for charts." },
    { 0 },
};
