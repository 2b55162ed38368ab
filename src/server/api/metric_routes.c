/* Counters: the catalogue, and a service's figures. */
#include "base/clock.h"
#include "samples/series.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"

static const struct api_field metric_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "kind", API_ENUM, API_REQUIRED, 0, 0, "counter|peak", NULL,
      "counter: a sum; peak: what is open at once." },
    { "unit", API_ENUM, API_REQUIRED, 0, 0, "count|bytes", NULL, NULL },
    { "help", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What one more of it means." },
    { "value", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Since the start; of a peak: now." },
    { 0 },
};
static const struct api_schema metric_schema = { "Metric", "A figure.", metric_fields };
static const struct api_field stat_fields[] = {
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "sessions", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Active now." },
    { "counters", API_LIST, API_REQUIRED, 0, 0, NULL, &metric_schema, NULL },
    { "as_of", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema stat_schema = { "Statistics", "A service's figures.", stat_fields };

static json_t *metric_json(struct shm *shm, int i)
{
    uint64_t v = i < CTR_COUNT ? ctr_get(shm, (enum counter)i)
                               : shm_sessions_open(shm, (enum service)(i - CTR_COUNT));

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "name", series_name(i), "service",
                     series_group(i), "kind", series_kind_names[series_kind(i)], "unit",
                     series_unit(i), "help", series_help(i), "value", (json_int_t)v);
}

static struct shm *shm_of(struct api_call *c)
{
    if (!api_admin_of(c)->shm)
        api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
    return api_admin_of(c)->shm;
}

static void list(struct api_call *c)
{
    struct shm *shm = shm_of(c);
    json_t *items;

    if (!shm)
        return;
    items = json_array();
    for (int i = 0; i < SERIES_COUNT; i++)
        json_array_append_new(items, metric_json(shm, i));
    api_page_of(c, items, "name", true);
}

struct count {
    const char *service;
    json_int_t n;
};

static bool count_session(const struct shm_session_info *s, void *arg)
{
    struct count *k = arg;

    k->n += sv_starts(sv_c(service_names[s->service]), sv_c(k->service));
    return true;
}

static void show(struct api_call *c)
{
    const char *service = api_param(c, "service");
    struct count k = { .service = service };
    struct shm *shm = shm_of(c);
    json_t *counters;

    if (!shm)
        return;
    counters = json_array();
    for (int i = 0; i < CTR_COUNT; i++)
        if (!strcmp(series_group(i), service))
            json_array_append_new(counters, metric_json(shm, i));
    if (!json_array_size(counters)) {
        json_decref(counters);
        api_fail_gone(c, "statistics", service);
        return;
    }
    shm_session_each(shm, count_session, &k);
    api_reply(c, 200,
              json_pack("{s:s, s:I, s:o, s:o}", "service", service, "sessions", k.n, "counters",
                        counters, "as_of", api_time(clock_wall_ms())));
}

const struct api_route api_metric_routes[] = {
    { .method = "GET",
      .path = "/metrics",
      .scope = SCOPE_METRICS_READ,
      .flags = ROUTE_PAGED,
      .id = "listMetrics",
      .status = 200,
      .response = &metric_schema,
      .run = list,
      .help = "All figures with their meaning." },
    { .method = "GET",
      .path = "/statistics/{service}",
      .scope = SCOPE_METRICS_READ,
      .id = "getStatistics",
      .status = 200,
      .response = &stat_schema,
      .run = show,
      .help = "A service's counters and sessions." },
    { 0 },
};
