/* Is everything well: one verdict a row, with what to do. */
#include <sys/statvfs.h>

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
      "What it is about, where there are several: a destination, a certificate's name." },
    { "value", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "The figure in it: percent of the disk in use, messages, days, how often." },
    { "bytes_free", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Of a disk." },
    { 0 },
};
static const struct api_schema check_schema = { "HealthCheck", "A verdict.", check_fields };

enum verdict { OK, WARN, BAD };

struct check {
    const char *id, *title, *remedy;
    const char *object;  /* NULL = there is one of its kind */
    int64_t value;       /* NO_VALUE = no figure */
    uint64_t bytes_free; /* 0 = not about a disk, or full */
};
#define NO_VALUE INT64_MIN

static void put(json_t *items, enum verdict v, const struct check *k, const char *fmt, ...)
    _printf_(4, 5);
static void put(json_t *items, enum verdict v, const struct check *k, const char *fmt, ...)
{
    static const char *const names[] = { "ok", "warn", "bad" };
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_array_append_new(
        items, json_pack("{s:o, s:s, s:s, s:o, s:s?, s:o, s:o, s:o}", "id", api_text(k->id),
                         "state", names[v], "title", k->title, "detail", api_text(text), "remedy",
                         v == OK ? NULL : k->remedy, "object",
                         k->object ? api_text(k->object) : json_null(), "value",
                         k->value == NO_VALUE ? json_null() : json_integer(k->value), "bytes_free",
                         k->bytes_free ? json_integer((json_int_t)k->bytes_free) : json_null()));
}

static void check_modules(struct api_call *c, json_t *items)
{
    static const enum module modules[] = { MOD_SMTP, MOD_ACCESS, MOD_CONTROL };

    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        json_t *st = api_module_status(c->api, modules[i]);
        char id[40], title[60];

        snprintf(id, sizeof(id), "module.%s", module_names[modules[i]]);
        snprintf(title, sizeof(title), "Module %s", module_names[modules[i]]);
        put(items, st ? OK : BAD,
            &(struct check){ id, title, "The error log says why; restart it under Services.", NULL,
                             NO_VALUE, 0 },
            "%s", st ? "answers" : "does not answer");
        json_decref(st);
    }
}

/* k: its figures are filled in. */
static void check_volume(json_t *items, struct check *k, const char *dir)
{
    struct statvfs v;
    unsigned percent;

    if (!dir || statvfs(dir, &v) < 0 || !v.f_blocks)
        return;
    percent = (unsigned)(100 * (uint64_t)v.f_bavail / v.f_blocks);
    k->value = 100 - percent;
    k->bytes_free = (uint64_t)v.f_bavail * v.f_frsize;
    put(items,
        percent < DISK_BAD    ? BAD
        : percent < DISK_WARN ? WARN
                              : OK,
        k, "%u %% of the volume is free (%" PRIu64 " MiB)", percent, k->bytes_free / MiB);
}

static void check_disk(struct api_call *c, json_t *items)
{
    struct check k = { .id = "disk",
                       .title = "Disk space",
                       .remedy = "Free space, or move the mail directory to a larger volume." };
    char *dir;

    pthread_mutex_lock(&c->api->lock);
    dir = c->api->log_dir ? xstrdup(c->api->log_dir) : NULL;
    pthread_mutex_unlock(&c->api->lock);
    check_volume(items, &k, dir);
    free(dir);
}

static void check_counter(struct api_call *c, json_t *items, enum counter counter, const char *id,
                          const char *title, const char *remedy)
{
    uint64_t n = ctr_get(api_admin_of(c)->shm, counter);

    put(items, n ? WARN : OK, &(struct check){ id, title, remedy, NULL, (int64_t)n, 0 },
        "%" PRIu64 " since the start", n);
}

/* The archive, when it is used. */
static void check_archive(struct api_call *c, json_t *items)
{
    struct check k = { .id = "archive.disk",
                       .title = "Disk space of the mail archive",
                       .remedy = "Free space, let the archive delete sooner (archive.keep), or "
                                 "move it to a larger volume (archive.path)." };
    const struct conf *cf = conf_pin();
    char *dir = *cf->archive.path ? xstrdup(cf->archive.path)
                                  : xasprintf("%s/archive", api_admin_of(c)->data_dir);
    bool enabled = cf->archive.enabled;

    conf_unref(cf);
    if (enabled) {
        check_volume(items, &k, dir);
        check_counter(c, items, CTR_archive_failed, "archive.failed", "Messages not archived",
                      "The volume of the archive was full or not writable; the events "
                      "archive.failed say why, and what became of the messages.");
    }
    free(dir);
}

/* A destination that does not take what waits for it. */
static void check_destination(json_t *items, const json_t *d, int64_t now_ms)
{
    const char *domain = json_string_value(json_object_get(d, "domain"));
    const char *answer = json_string_value(json_object_get(d, "answer"));
    json_int_t n = json_integer_value(json_object_get(d, "messages"));
    int64_t age_s = (now_ms - json_integer_value(json_object_get(d, "oldest_ms"))) / 1000;
    char id[300];

    if (!answer || !*answer || (n < DEST_MESSAGES && age_s < DEST_AGE_S))
        return;
    snprintf(id, sizeof(id), "destination.%s", domain);
    put(items, age_s >= DEST_BAD_S ? BAD : WARN,
        &(struct check){ id, "Messages wait for one destination",
                         "Its last answer and the sessions with it say what is wrong there.",
                         domain, n, 0 },
        "The oldest has waited for %" PRId64 " minutes; the last answer was: %s", age_s / 60,
        answer);
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
        put(items, overdue ? WARN : OK,
            &(struct check){ "queue.overdue", "Overdue messages",
                             "Look at the destinations' last answers in the queue.", NULL, overdue,
                             0 },
            "%" JSON_INTEGER_FORMAT " messages have waited for more than 4 hours", overdue);
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
        const char *pattern = json_string_value(json_object_get(t, "pattern"));
        char id[300];

        if (i >= DEST_MAX)
            break;
        snprintf(id, sizeof(id), "route.%s", pattern);
        put(items, BAD,
            &(struct check){ id, "A relay refuses our login",
                             "Change user and password of the route; its mail waits until then.",
                             pattern, NO_VALUE, 0 },
            "%s", json_string_value(json_object_get(t, "answer")));
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
    char id[300], date[32];
    struct tm tm;

    if (k->n++ >= CERT_MAX)
        return;
    snprintf(id, sizeof(id), "certificate.%s", name);
    if (!gmtime_r(&(time_t){ (time_t)ends_s }, &tm) ||
        !strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm))
        return;
    put(k->items,
        ends_s <= now_s    ? BAD
        : days < CERT_WARN ? WARN
                           : OK,
        &(struct check){ id, "Certificate",
                         "Put the new one into the directory of certificates, then run "
                         "posthorn tool reload.",
                         name, days, 0 },
        "Its last moment is %s UTC", date);
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
        put(items, n >= LOGINS_WARN ? WARN : OK,
            &(struct check){ "logins.refused", "Refused sign-ins",
                             "The log of sign-ins names the addresses they come from.", NULL,
                             (int64_t)n, 0 },
            "%" PRIu64 " in the last hour", n);
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
    check_counter(c, items, CTR_deliver_local_failed, "delivery.local", "Failed local deliveries",
                  "The messages wait in the queue; the error log says why.");
    check_counter(c, items, CTR_log_lines_lost, "log.lost", "Lost log lines",
                  "The log volume was full or slow; the error log says since when.");
    check_counter(c, items, CTR_events_lost, "events.lost", "Lost events",
                  "The volume of events was full or slow; the error log says since when.");
    check_counter(c, items, CTR_transcript_lines_lost, "transcripts.lost",
                  "Lost lines of transcripts",
                  "The volume of events was full or slow; the error log says since when.");
    check_counter(c, items, CTR_events_over_share, "events.share", "Events of strangers not kept",
                  "An address has left as much as one may in a day (events.peer_share); "
                  "/event-log?name=events.capped says which.");
    check_counter(c, items, CTR_syslog_lines_lost, "syslog.lost", "Lines lost for syslog",
                  "Look at log.syslog and log.syslog_server; the error log may say why.");
    check_counter(c, items, CTR_db_errors, "db.errors", "Failed database statements",
                  "The error log names them.");
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
