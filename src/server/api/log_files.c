/* Files of the text logs: where they are, to be taken away, to be deleted. */
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/api/api_priv.h"
#include "server/api/logs.h"
#include "server/api/page.h"

#define PIECE_MAX (16 * MiB)

static const struct api_field file_fields[] = {
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "path", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "On the server." },
    { "date", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "2026-03-12, of the server's time zone." },
    { "number", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Of the day's files." },
    { "size", API_INT, API_REQUIRED, 0, 0, NULL, NULL, "Bytes." },
    { "current", API_BOOL, API_REQUIRED, 0, 0, NULL, NULL,
      "Lines still come: it cannot be deleted." },
    { "actions", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What the caller may do: delete." },
    { 0 },
};
static const struct api_schema file_schema = { "LogFile", "A file of a log.", file_fields };
static const struct api_field read_params[] = {
    { "offset", API_INT, 0, 0, INT64_MAX, NULL, NULL,
      "Bytes to leave out: one answer has 16 MiB at most." },
    { 0 },
};

/* False: answered. The caller frees *ret_files and *ret_dir, which is the log's own. */
static bool read_list(struct api_call *c, enum log_type *ret_type, char **ret_dir,
                      struct log_file **ret_files, size_t *ret_n)
{
    _cleanup_(freep) char *logs = NULL;
    char ymd[16];
    uint32_t today = 0;
    int r;

    if (!api_log_type(c, ret_type) || !api_log_dir(c, &logs))
        return false;
    clock_ymd(clock_wall_s(), ymd);
    sv_to_u32(sv_c(ymd), &today);
    *ret_dir = log_dir_of(logs, *ret_type);
    r = log_list_files(logs, *ret_type, today, ret_files, ret_n);
    if (r < 0)
        api_fail_err(c, E_TEMP, err_name(r));
    return r >= 0;
}

static void list(struct api_call *c)
{
    bool may = c->caller->scopes & SCOPE_BIT(SCOPE_LOGS_WRITE);
    _cleanup_(freep) char *dir = NULL;
    _cleanup_(freep) struct log_file *files = NULL;
    enum log_type type;
    json_t *items;
    size_t n = 0;

    if (!read_list(c, &type, &dir, &files, &n))
        return;
    items = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct log_file *f = &files[i];

        json_array_append_new(
            items, json_pack("{s:o, s:o, s:o, s:I, s:I, s:b, s:o}", "name", api_text(f->name),
                             "path", json_sprintf("%s/%s", dir, f->name), "date",
                             json_sprintf("%04u-%02u-%02u", f->ymd / 10000, f->ymd / 100 % 100,
                                          f->ymd % 100),
                             "number", (json_int_t)f->nn, "size", (json_int_t)f->size, "current",
                             (int)f->current, "actions",
                             may && !f->current ? json_pack("[s]", "delete") : json_array()));
    }
    api_page_of(c, items, "name", true);
}

/* The one of the path, which is one of the list whatever its name says. NULL: answered. */
static const struct log_file *file_of(struct api_call *c, const struct log_file *files, size_t n)
{
    const char *name = api_param(c, "name");

    for (size_t i = 0; i < n; i++)
        if (!strcmp(files[i].name, name))
            return &files[i];
    api_fail_gone(c, "log file", name);
    return NULL;
}

/* Recorded where it begins. */
static bool audited(struct api_call *c, enum log_type type, const char *what, const char *name)
{
    char object[40];

    snprintf(object, sizeof(object), "log %s", log_type_names[type]);
    return api_audit(c, object, what, name);
}

static bool read_piece(int fd, int64_t offset, struct buf *out)
{
    while (out->n < PIECE_MAX) {
        size_t want = MIN((size_t)(256 * KiB), PIECE_MAX - out->n);
        ssize_t n;

        if (buf_reserve(out, want) < 0)
            return false;
        n = pread(fd, out->p + out->n, want, (off_t)(offset + (int64_t)out->n));
        if (n <= 0)
            return n == 0;
        out->n += (size_t)n;
    }
    return true;
}

static void show(struct api_call *c)
{
    int64_t offset = MIN(api_query_int(c, "offset", 0), INT64_MAX / 2);
    _cleanup_(freep) char *dir = NULL, *path = NULL;
    _cleanup_(freep) struct log_file *files = NULL;
    _cleanup_(closep) int fd = -1;
    const struct log_file *f = NULL;
    enum log_type type;
    size_t n = 0;

    if (!read_list(c, &type, &dir, &files, &n) || !(f = file_of(c, files, n)))
        return;
    path = xasprintf("%s/%s", dir, f->name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        api_fail_gone(c, "log file", f->name);
        return;
    }
    if (offset == 0 && !audited(c, type, "downloaded", f->name))
        return;
    if (!read_piece(fd, offset, &c->res->body)) {
        api_fail_err(c, E_TEMP, "the file cannot be read now");
        return;
    }
    c->res->status = 200;
    c->res->type = "text/plain; charset=utf-8";
}

static void drop(struct api_call *c)
{
    _cleanup_(freep) char *dir = NULL, *path = NULL;
    _cleanup_(freep) struct log_file *files = NULL;
    const struct log_file *f = NULL;
    enum log_type type;
    size_t n = 0;

    if (!read_list(c, &type, &dir, &files, &n) || !(f = file_of(c, files, n)))
        return;
    if (f->current) {
        api_fail(c, 409, "in_use", NULL,
                 "log file '%s' is the one that lines are written to; it can go tomorrow, or when "
                 "log.rotate_size has begun another",
                 f->name);
        return;
    }
    if (!audited(c, type, "deleted", f->name))
        return;
    path = xasprintf("%s/%s", dir, f->name);
    if (unlink(path) < 0 && errno != ENOENT)
        api_fail_err(c, E_TEMP, err_name(-errno));
    else
        api_reply(c, 204, NULL);
}

const struct api_route api_log_file_routes[] = {
    { .method = "GET",
      .path = "/logs/{service}/files",
      .scope = SCOPE_LOGS_READ,
      .flags = ROUTE_PAGED,
      .id = "listLogFiles",
      .status = 200,
      .response = &file_schema,
      .run = list,
      .help = "Files of a log, the newest first." },
    { .method = "GET",
      .path = "/logs/{service}/files/{name}",
      .scope = SCOPE_LOGS_READ,
      .flags = ROUTE_TEXT,
      .id = "getLogFile",
      .query = read_params,
      .status = 200,
      .run = show,
      .help = "The text of a log file; recorded in the audit." },
    { .method = "DELETE",
      .path = "/logs/{service}/files/{name}",
      .scope = SCOPE_LOGS_WRITE,
      .id = "deleteLogFile",
      .status = 204,
      .run = drop,
      .help = "Deletes a log file that is complete. It does not go into log.archive." },
    { 0 },
};
