/* Is everything well: one verdict a row, with what to do. */
#include <sys/statvfs.h>

#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/page.h"
#include "server/api/services.h"

#define DISK_WARN 10 /* percent free */
#define DISK_BAD  3

static const struct api_field check_fields[] = {
    { "id", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "state", API_ENUM, API_REQUIRED, 0, 0, "ok|warn|bad", NULL, NULL },
    { "title", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "detail", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "What was found." },
    { "remedy", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema check_schema = { "HealthCheck", "A verdict.", check_fields };

enum verdict { OK, WARN, BAD };

static void put(json_t *items, const char *id, enum verdict v, const char *title,
                const char *remedy, const char *fmt, ...) _printf_(6, 7);
static void put(json_t *items, const char *id, enum verdict v, const char *title,
                const char *remedy, const char *fmt, ...)
{
    static const char *const names[] = { "ok", "warn", "bad" };
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:o, s:s?}", "id", id, "state",
                                           names[v], "title", title, "detail", api_text(text),
                                           "remedy", v == OK ? NULL : remedy));
}

static void check_modules(struct api_call *c, json_t *items)
{
    static const enum module modules[] = { MOD_SMTP, MOD_ACCESS, MOD_CONTROL };

    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        json_t *st = api_module_status(c->api, modules[i]);
        char id[40], title[60];

        snprintf(id, sizeof(id), "module.%s", module_names[modules[i]]);
        snprintf(title, sizeof(title), "Module %s", module_names[modules[i]]);
        put(items, id, st ? OK : BAD, title, "The error log says why; restart it under Services.",
            "%s", st ? "answers" : "does not answer");
        json_decref(st);
    }
}

static void check_disk(struct api_call *c, json_t *items)
{
    const char *remedy = "Free space, or move the mail directory to a larger volume.";
    struct statvfs v;
    unsigned percent;
    char *dir;

    pthread_mutex_lock(&c->api->lock);
    dir = c->api->log_dir ? xstrdup(c->api->log_dir) : NULL;
    pthread_mutex_unlock(&c->api->lock);
    if (dir && statvfs(dir, &v) == 0 && v.f_blocks) {
        percent = (unsigned)(100 * (uint64_t)v.f_bavail / v.f_blocks);
        put(items, "disk",
            percent < DISK_BAD    ? BAD
            : percent < DISK_WARN ? WARN
                                  : OK,
            "Disk space", remedy, "%u %% of the volume is free (%" PRIu64 " MiB)", percent,
            (uint64_t)v.f_bavail * v.f_frsize / MiB);
    }
    free(dir);
}

static void check_number(json_t *items, uint64_t n, const char *id, const char *title,
                         const char *remedy)
{
    put(items, id, n ? WARN : OK, title, remedy, "%" PRIu64 " since the start", n);
}

static void check_counter(struct api_call *c, json_t *items, enum counter k, const char *id,
                          const char *title, const char *remedy)
{
    check_number(items, ctr_get(api_admin_of(c)->shm, k), id, title, remedy);
}

static void check_events(struct api_call *c, json_t *items)
{
    struct shm *shm = api_admin_of(c)->shm;

    check_number(items, ctr_get(shm, CTR_events_lost) + ctr_get(shm, CTR_transcript_lines_lost),
                 "events.lost", "Lost events and transcripts",
                 "The volume of the data directory was full or slow; events.lost says since when.");
}

static void check_queue(struct api_call *c, json_t *items)
{
    struct admin *a = api_admin_of(c);
    json_t *args = json_pack("{s:{}, s:n, s:i, s:s, s:s}", "filter", "domains", "limit", 0, "sort",
                             "age", "after", "");
    json_t *reply = a->ask(a->arg, MOD_SMTP, "queue.page", args);
    json_int_t overdue =
        json_integer_value(json_object_get(json_object_get(reply, "states"), "overdue"));

    json_decref(args);
    if (json_object_get(reply, "ok"))
        put(items, "queue.overdue", overdue ? WARN : OK, "Overdue messages",
            "Look at the destinations' last answers in the queue.",
            "%" JSON_INTEGER_FORMAT " messages have waited for more than 4 hours", overdue);
    json_decref(reply);
}

static void list(struct api_call *c)
{
    json_t *items;

    if (!api_admin_of(c)->shm || !api_admin_of(c)->ask) {
        api_fail_err(c, E_CLOSED, "the server is not running; start it with `posthorn serve`");
        return;
    }
    items = json_array();
    check_modules(c, items);
    check_disk(c, items);
    check_queue(c, items);
    check_counter(c, items, CTR_log_lines_lost, "log.lost", "Lost log lines",
                  "The log volume was full or slow; the error log says since when.");
    check_counter(c, items, CTR_syslog_lines_lost, "syslog.lost", "Lines lost for syslog",
                  "Look at log.syslog and log.syslog_server; the error log may say why.");
    check_events(c, items);
    check_counter(c, items, CTR_db_errors, "db.errors", "Failed database statements",
                  "The error log names them.");
    api_page_answer(c, items, NULL, (int64_t)json_array_size(items), true);
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
