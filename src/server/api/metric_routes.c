/* Counters: the catalogue, and a service's figures. */
#include "base/clock.h"
#include "samples/series.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/services.h"

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
static const struct api_field connection_fields[] = {
    { "total", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Since the server began." },
    { "active", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Now." },
    { "peak", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Most at once." },
    { 0 },
};
static const struct api_schema connection_schema = { "ServiceConnections",
                                                     "Connections of a service.",
                                                     connection_fields };
static const struct api_field byte_fields[] = {
    { "in", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Read." },
    { "out", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Written." },
    { 0 },
};
static const struct api_schema byte_schema = { "ServiceBytes", "What a service has moved.",
                                               byte_fields };
static const struct api_field memory_fields[] = {
    { "now", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes that are in memory." },
    { "allocated", API_INT, API_REQUIRED, 0, 0, NULL, NULL,
      "Bytes of the heap in use: when only `now` grows, the heap has gaps; when this does, "
      "something is kept. 0: unknown." },
    { "peak", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "The most there ever were." },
    { 0 },
};
static const struct api_schema memory_schema = { "ModuleMemory", "Of a module's process.",
                                                 memory_fields };
static const struct api_field stat_fields[] = {
    { "service", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "sessions", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Active now." },
    { "counters", API_LIST, API_REQUIRED, 0, 0, NULL, &metric_schema, NULL },
    { "running_since", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Of the module that carries the service; null: of none, or it does not answer." },
    { "running_ms", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "connections", API_OBJECT, 0, 0, 0, NULL, &connection_schema, "Of a service." },
    { "bytes", API_OBJECT, 0, 0, 0, NULL, &byte_schema,
      "Of a service. Of control with TLS and heads, of mail services without TLS." },
    { "memory", API_OBJECT, 0, 0, 0, NULL, &memory_schema, "Of the module." },
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

/* The service of this name; -1 = none. */
static int service_of(const char *name)
{
    for (int i = 0; i < SVC_COUNT; i++)
        if (!strcmp(service_names[i], name))
            return i;
    return -1;
}

/* Counters of what goes out are of the deliveries, those of 587 in SMTP's. */
static const char *group_of(int service, const char *name)
{
    return service == SVC_SMTP_CLIENT ? "delivery" : service == SVC_SUBMISSION ? "smtp" : name;
}

static enum module module_of(int service)
{
    switch (service) {
    case SVC_POP3:
    case SVC_IMAP:
    case SVC_MANAGESIEVE:
        return MOD_ACCESS;
    case SVC_CONTROL:
        return MOD_CONTROL;
    default:
        return MOD_SMTP;
    }
}

/* Of the groups that are no services: what belongs to them. */
static json_int_t sessions_of(struct shm *shm, int service, const char *group)
{
    json_int_t n = 0;

    for (int i = 0; i < SVC_COUNT; i++)
        if (service < 0 ? !strcmp(series_group(CTR_COUNT + i), group) : i == service)
            n += shm_sessions_open(shm, (enum service)i);
    return n;
}

static void add_module(struct api_call *c, int service, json_t *j)
{
    json_t *status = service < 0 ? NULL : api_module_status(c->api, module_of(service));
    int64_t since = json_integer_value(json_object_get(status, "started_ms"));

    json_object_set_new(j, "running_since", api_time(since));
    json_object_set_new(j, "running_ms",
                        since ? json_integer((json_int_t)MAX(clock_wall_ms() - since, 0))
                              : json_null());
    if (status)
        json_object_set_new(j, "memory",
                            json_pack("{s:O, s:O, s:O}", "now", json_object_get(status, "memory"),
                                      "allocated", json_object_get(status, "memory_allocated"),
                                      "peak", json_object_get(status, "memory_peak")));
    json_decref(status);
}

static void add_figures(struct shm *shm, int service, json_t *j)
{
    struct shm_figures f;

    if (service < 0 || !shm_service_figures(shm, (enum service)service, &f))
        return;
    json_object_set_new(j, "connections",
                        json_pack("{s:I, s:I, s:I}", "total", (json_int_t)f.connections, "active",
                                  (json_int_t)f.active, "peak", (json_int_t)f.peak));
    json_object_set_new(
        j, "bytes",
        json_pack("{s:I, s:I}", "in", (json_int_t)f.bytes_in, "out", (json_int_t)f.bytes_out));
}

static void show(struct api_call *c)
{
    const char *name = api_param(c, "service"), *group;
    struct shm *shm = shm_of(c);
    int service = service_of(name);
    json_t *counters, *j;

    if (!shm)
        return;
    group = group_of(service, name);
    counters = json_array();
    for (int i = 0; i < CTR_COUNT; i++)
        if (!strcmp(series_group(i), group))
            json_array_append_new(counters, metric_json(shm, i));
    if (service < 0 && !json_array_size(counters)) {
        json_decref(counters);
        api_fail_gone(c, "statistics", name);
        return;
    }
    j = json_pack("{s:s, s:I, s:o, s:o}", "service", name, "sessions",
                  sessions_of(shm, service, group), "counters", counters, "as_of",
                  api_time(clock_wall_ms()));
    add_module(c, service, j);
    add_figures(shm, service, j);
    api_reply(c, 200, j);
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
