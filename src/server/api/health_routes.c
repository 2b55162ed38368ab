/* Is everything well: one verdict a row, with what to do. */
#include <sys/statvfs.h>

#include "admin/event_json.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "samples/query.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/services.h"
#include "server/http/http.h"

#define DISK_WARN 10 /* percent free */
#define DISK_BAD  3

#define DAY_S     86400
#define CERT_WARN 21 /* days */
#define CERT_MAX  50

#define DEST_MESSAGES                                                                              \
    5 /* a destination that has failed once needs somebody with so many waiting, */
#define DEST_AGE_S 1800 /* ... or after so long */
#define DEST_MAX   20
#define DEST_BAD_S 14400

#define LOGINS_SPAN_S 3600
#define LOGINS_WARN   100

static const struct api_field check_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "ok|warn|bad", NULL, NULL },
    { "title", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "detail", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What was found." },
    { "remedy", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "object", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "What it is about, where there are several: a destination, a certificate's name. The id then "
      "is "
      "its kind, a dot and this." },
    { "value", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "The figure in it: percent of the disk in use, messages, days, how often." },
    { "bytes_free", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Of a disk." },
    { "answer", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "The last one of a destination or a relay." },
    { "at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "The moment in it: since when the oldest waits, the end of a certificate." },
    { 0 },
};
static const struct api_schema check_schema = { "HealthCheck", "A verdict.", check_fields };

enum verdict { OK, WARN, BAD };

enum check {
#define HEALTH(symbol, id, title, well, detail, remedy) CHECK_##symbol,
#include "server/api/health.def"
#undef HEALTH
    CHECK_COUNT
};
static const struct check_row {
    const char *id, *title, *well, *detail, *remedy;
} rows[CHECK_COUNT] = {
#define HEALTH(symbol, id, title, well, detail, remedy) { id, title, well, detail, remedy },
#include "server/api/health.def"
#undef HEALTH
};

/* What was found; the fields of the answer. */
struct facts {
    const char *object; /* NULL = there is one of its kind */
    const char *answer;
    int64_t value;       /* NO_VALUE = no figure */
    int64_t at_s;        /* 0 = no moment */
    uint64_t bytes_free; /* 0 = not about a disk, or full */
};
#define NO_VALUE INT64_MIN

static void add_time(struct buf *out, int64_t at_s)
{
    char date[32];
    struct tm tm;

    if (gmtime_r(&(time_t){ (time_t)at_s }, &tm) &&
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm))
        buf_add_str(out, date);
}

/* The fact that a template names. */
static void add_fact(struct buf *out, struct sv name, const struct facts *f)
{
    if (sv_eq(name, SV("value")))
        buf_addf(out, "%" PRId64, f->value);
    else if (sv_eq(name, SV("bytes_free")))
        buf_addf(out, "%" PRIu64 " MiB", f->bytes_free / MiB);
    else if (sv_eq(name, SV("answer")))
        buf_add_str(out, f->answer);
    else if (sv_eq(name, SV("at")))
        add_time(out, f->at_s);
}

static json_t *detail_json(const char *template, const struct facts *f)
{
    struct sv rest = sv_c(template);
    struct buf out;
    json_t *text;

    buf_init(&out, 8 * KiB);
    for (ssize_t at; (at = sv_find(rest, '{')) >= 0;) {
        ssize_t end = sv_find(rest, '}');

        buf_add(&out, rest.p, (size_t)at);
        add_fact(&out, sv_skip(sv_take(rest, (size_t)end), (size_t)at + 1), f);
        rest = sv_skip(rest, (size_t)end + 1);
    }
    buf_add(&out, rest.p, rest.n);
    text = event_text_json(buf_sv(&out));
    buf_done(&out);
    return text;
}

static void put(json_t *items, enum verdict v, enum check check, const struct facts *f)
{
    static const char *const names[] = { "ok", "warn", "bad" };
    const struct check_row *row = &rows[check];
    char id[300];

    snprintf(id, sizeof(id), "%s%s%s", row->id, f->object ? "." : "", f->object ? f->object : "");
    json_array_append_new(
        items, json_pack("{s:o, s:s, s:s, s:o, s:s?, s:o, s:o, s:o, s:o, s:o}", "id", api_text(id),
                         "state", names[v], "title", row->title, "detail",
                         detail_json(v == OK && *row->well ? row->well : row->detail, f), "remedy",
                         v == OK ? NULL : row->remedy, "object",
                         f->object ? api_text(f->object) : json_null(), "value",
                         f->value == NO_VALUE ? json_null() : json_integer(f->value), "bytes_free",
                         f->bytes_free ? json_integer((json_int_t)f->bytes_free) : json_null(),
                         "answer", f->answer ? api_text(f->answer) : json_null(), "at",
                         f->at_s ? event_time_json(f->at_s * 1000000) : json_null()));
}

static void check_modules(struct api_call *c, json_t *items)
{
    static const struct {
        enum module module;
        enum check check;
    } modules[] = { { MOD_SMTP, CHECK_MODULE_SMTP },
                    { MOD_ACCESS, CHECK_MODULE_ACCESS },
                    { MOD_CONTROL, CHECK_MODULE_CONTROL } };

    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        json_t *st = api_module_status(c->api, modules[i].module);

        put(items, st ? OK : BAD, modules[i].check, &(struct facts){ .value = NO_VALUE });
        json_decref(st);
    }
}

static void check_volume(json_t *items, enum check check, const char *dir)
{
    struct statvfs v;
    unsigned percent;

    if (!dir || statvfs(dir, &v) < 0 || !v.f_blocks)
        return;
    percent = (unsigned)(100 * (uint64_t)v.f_bavail / v.f_blocks);
    put(items,
        percent < DISK_BAD    ? BAD
        : percent < DISK_WARN ? WARN
                              : OK,
        check,
        &(struct facts){ .value = 100 - percent, .bytes_free = (uint64_t)v.f_bavail * v.f_frsize });
}

static void check_disk(struct api_call *c, json_t *items)
{
    char *dir;

    pthread_mutex_lock(&c->api->lock);
    dir = c->api->log_dir ? xstrdup(c->api->log_dir) : NULL;
    pthread_mutex_unlock(&c->api->lock);
    check_volume(items, CHECK_DISK, dir);
    free(dir);
}

static void check_counter(struct api_call *c, json_t *items, enum counter counter, enum check check)
{
    uint64_t n = ctr_get(api_admin_of(c)->shm, counter);

    put(items, n ? WARN : OK, check, &(struct facts){ .value = (int64_t)n });
}

/* The archive, when it is used. */
static void check_archive(struct api_call *c, json_t *items)
{
    const struct conf *cf = conf_pin();
    char *dir = *cf->archive.path ? xstrdup(cf->archive.path)
                                  : xasprintf("%s/archive", api_admin_of(c)->data_dir);
    bool enabled = cf->archive.enabled;

    conf_unref(cf);
    if (enabled) {
        check_volume(items, CHECK_ARCHIVE_DISK, dir);
        check_counter(c, items, CTR_archive_failed, CHECK_ARCHIVE_FAILED);
    }
    free(dir);
}

/* A destination that does not take what waits for it. */
static void check_destination(json_t *items, const json_t *d, int64_t now_ms)
{
    const char *domain = json_string_value(json_object_get(d, "domain"));
    const char *answer = json_string_value(json_object_get(d, "answer"));
    json_int_t n = json_integer_value(json_object_get(d, "messages"));
    int64_t since_s = json_integer_value(json_object_get(d, "oldest_ms")) / 1000;
    int64_t age_s = now_ms / 1000 - since_s;

    if (!answer || !*answer || (n < DEST_MESSAGES && age_s < DEST_AGE_S))
        return;
    put(items, age_s >= DEST_BAD_S ? BAD : WARN, CHECK_DESTINATION,
        &(struct facts){ .object = domain, .answer = answer, .value = n, .at_s = since_s });
}

static void check_queue(struct api_call *c, json_t *items)
{
    struct admin *a = api_admin_of(c);
    json_t *args = json_pack("{s:{}, s:n, s:i, s:s, s:s}", "filter", "domains", "limit", 0, "sort",
                             "age", "after", "");
    json_t *reply = a->ask(a->arg, MOD_SMTP, "queue.page", args), *d;
    json_int_t overdue =
        json_integer_value(json_object_get(json_object_get(reply, "states"), "overdue"));
    size_t i;

    json_decref(args);
    if (json_object_get(reply, "ok")) {
        put(items, overdue ? WARN : OK, CHECK_QUEUE_OVERDUE, &(struct facts){ .value = overdue });
        json_array_foreach(json_object_get(reply, "destinations"), i, d)
        {
            if (i < DEST_MAX)
                check_destination(items, d, clock_wall_ms());
        }
    }
    json_decref(reply);
}

/* A relay that takes no login of ours holds up all mail of its route. */
static void check_routes(struct api_call *c, json_t *items)
{
    struct admin *a = api_admin_of(c);
    json_t *reply = a->ask(a->arg, MOD_SMTP, "route.trouble", NULL), *t;
    size_t i;

    json_array_foreach(json_object_get(reply, "rows"), i, t)
    {
        const char *answer = json_string_value(json_object_get(t, "answer"));

        if (i >= DEST_MAX)
            break;
        put(items, BAD, CHECK_ROUTE,
            &(struct facts){ .object = json_string_value(json_object_get(t, "pattern")),
                             .answer = answer ? answer : "",
                             .value = NO_VALUE });
    }
    json_decref(reply);
}

struct certs {
    json_t *items;
    size_t n;
};

static void check_certificate(const char *name, int64_t ends_s, void *arg)
{
    struct certs *k = arg;
    int64_t now_s = clock_wall_ms() / 1000, days = (ends_s - now_s) / DAY_S;

    if (k->n++ >= CERT_MAX)
        return;
    put(k->items,
        ends_s <= now_s    ? BAD
        : days < CERT_WARN ? WARN
                           : OK,
        CHECK_CERTIFICATE, &(struct facts){ .object = name, .value = days, .at_s = ends_s });
}

/* Somebody is guessing passwords. */
static void check_logins(struct api_call *c, json_t *items)
{
    int64_t now_s = clock_wall_ms() / 1000;
    struct samples_query q = { .series = { CTR_auth_failed },
                               .n = 1,
                               .from_s = now_s - LOGINS_SPAN_S,
                               .to_s = now_s + 1,
                               .step_s = 60,
                               .shm = api_admin_of(c)->shm };
    struct errinfo ei = { 0 };
    struct samples s;
    uint64_t n = 0;

    if (samples_read(api_admin_of(c)->data_dir, &q, &s, &ei) == 0) {
        for (size_t i = 0; i < s.points; i++)
            n += s.v[i];
        put(items, n >= LOGINS_WARN ? WARN : OK, CHECK_LOGINS,
            &(struct facts){ .value = (int64_t)n });
    }
    samples_done(&s);
}

static void list(struct api_call *c)
{
    json_t *items;
    struct certs certs = { 0 };

    if (!api_admin_of(c)->shm || !api_admin_of(c)->ask) {
        api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
        return;
    }
    certs.items = items = json_array();
    check_modules(c, items);
    check_disk(c, items);
    check_archive(c, items);
    check_queue(c, items);
    check_routes(c, items);
    http_certs_each(check_certificate, &certs);
    check_logins(c, items);
    check_counter(c, items, CTR_deliver_local_failed, CHECK_DELIVERY_LOCAL);
    check_counter(c, items, CTR_log_lines_lost, CHECK_LOG_LOST);
    check_counter(c, items, CTR_events_lost, CHECK_EVENTS_LOST);
    check_counter(c, items, CTR_transcript_lines_lost, CHECK_TRANSCRIPTS_LOST);
    check_counter(c, items, CTR_events_over_share, CHECK_EVENTS_SHARE);
    check_counter(c, items, CTR_syslog_lines_lost, CHECK_SYSLOG_LOST);
    check_counter(c, items, CTR_db_errors, CHECK_DB_ERRORS);
    api_page_of(c, items, "id", true);
}

const struct api_route api_health_routes[] = {
    { .method = "GET",
      .path = "/health/checks",
      .scope = SCOPE_SERVICES_READ,
      .flags = ROUTE_PAGED,
      .id = "listHealthChecks",
      .status = 200,
      .response = &check_schema,
      .run = list,
      .help = "What is well and what needs somebody." },
    { 0 },
};
