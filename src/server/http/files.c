/* The console's files. Only what a scan of the directory has found is served, so no path can lead
 * out of it; unknown paths are pages of the console, which index.html knows. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "os/file.h"
#include "server/http/http_priv.h"

#define MAX_FILES 5000
#define MAX_DEPTH 6
#define FILE_MAX  (16 * MiB)
#define RESCAN_MS 2000 /* a path that is not there makes the directory be read again this often */

struct files {
    pthread_mutex_t lock; /* guards all */
    char *dir;
    struct map *paths; /* "/assets/a.js" -> path in the file system */
    int64_t scanned_ms;
};

struct files *files_new(const char *dir)
{
    struct files *f = xcalloc(1, sizeof(*f));

    pthread_mutex_init(&f->lock, NULL);
    f->dir = xstrdup(dir);
    f->paths = map_new();
    files_scan(f);
    return f;
}

void files_free(struct files *f)
{
    map_free(f->paths, free);
    pthread_mutex_destroy(&f->lock);
    free(f->dir);
    free(f);
}

static bool served_name(const char *name)
{
    if (name[0] == '.')
        return false;
    for (const char *p = name; *p; p++)
        if (!(*p >= '0' && *p <= '9') && !(ascii_lower(*p) >= 'a' && ascii_lower(*p) <= 'z') &&
            !strchr("._-", *p))
            return false;
    return true;
}

static void scan(struct map *into, const char *dir, const char *prefix, unsigned depth)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) && map_count(into) < MAX_FILES) {
        _cleanup_(freep) char *path = xasprintf("%s/%s", dir, e->d_name);
        _cleanup_(freep) char *url = xasprintf("%s/%s", prefix, e->d_name);
        struct stat st;

        if (!served_name(e->d_name) || lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
            scan(into, path, url, depth + 1);
        else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size <= FILE_MAX)
            free(map_put(into, sv_c(url), take_ptr(path)));
    }
    if (d)
        closedir(d);
}

void files_scan(struct files *f)
{
    struct map *fresh = map_new(), *old;

    scan(fresh, f->dir, "", 0);
    pthread_mutex_lock(&f->lock);
    old = f->paths;
    f->paths = fresh;
    f->scanned_ms = clock_mono_ms();
    pthread_mutex_unlock(&f->lock);
    map_free(old, free);
}

static char *lookup(struct files *f, struct sv url)
{
    char *path;

    pthread_mutex_lock(&f->lock);
    path = map_get(f->paths, url);
    path = path ? xstrdup(path) : NULL;
    pthread_mutex_unlock(&f->lock);
    return path;
}

static bool scan_is_old(struct files *f)
{
    bool old;

    pthread_mutex_lock(&f->lock);
    old = clock_mono_ms() - f->scanned_ms > RESCAN_MS;
    pthread_mutex_unlock(&f->lock);
    return old;
}

static const char *type_of(struct sv url)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        { ".html", "text/html; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },
        { ".svg", "image/svg+xml" },
        { ".json", "application/json" },
        { ".woff2", "font/woff2" },
        { ".png", "image/png" },
        { ".ico", "image/x-icon" },
        { ".webmanifest", "application/manifest+json" },
        { ".txt", "text/plain; charset=utf-8" },
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (sv_iends(url, sv_c(types[i].suffix)))
            return types[i].type;
    return "application/octet-stream";
}

static bool is_text(const char *type)
{
    return strncmp(type, "font/", 5) && strcmp(type, "image/png") && strcmp(type, "image/x-icon") &&
           strcmp(type, "application/octet-stream");
}

/* "/assets/index-B3kd9x1Q.js": the name changes with the content. */
static bool is_hashed(struct sv url)
{
    return sv_starts(url, SV("/assets/")) && sv_find(url, '-') > 0;
}

static const char missing[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Posthorn</title>"
    "<h1>The console is not installed</h1><p>The server runs, and its API answers at "
    "<a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>. The console's files are looked for "
    "in the directory of the setting <code>web.console_path</code>; <code>make console</code> "
    "builds them.</p></html>";

static enum MHD_Result finish(struct http_conn *c, struct MHD_Response *r, int status,
                              const char *type, const char *cache)
{
    enum MHD_Result ok;

    if (!r)
        return MHD_NO;
    http_phase(c->peer, PHASE_WRITE);
    http_add_common_headers(c, r);
    lib_mhd.MHD_add_response_header(r, "Content-Type", type);
    lib_mhd.MHD_add_response_header(r, "Cache-Control", cache);
    lib_mhd.MHD_add_response_header(r, "Vary", "Accept-Encoding");
    ok = lib_mhd.MHD_queue_response(c->mhd, (unsigned)status, r);
    lib_mhd.MHD_destroy_response(r);
    return ok;
}

/* file: taken. */
static enum MHD_Result send_file(struct http_conn *c, struct sv url, char *file)
{
    const char *type = type_of(url), *match;
    const char *cache = is_hashed(url) ? "public, max-age=31536000, immutable" : "no-cache";
    _cleanup_(freep) char *path = file;
    struct MHD_Response *r;
    struct errinfo ei;
    struct buf body;
    char etag[24];
    bool gzipped;
    size_t n;
    char *p;

    buf_init(&body, FILE_MAX);
    if (os_read_file(path, &body, &ei) < 0) {
        log_error("console: %s", ei.text);
        buf_done(&body);
        return http_reply_error(c, 500, "the file cannot be read", false);
    }
    snprintf(etag, sizeof(etag), "\"%016" PRIx64 "\"", fnv1a64(body.p, body.n));
    match = lib_mhd.MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "If-None-Match");
    if (match && strstr(match, etag)) {
        buf_done(&body);
        r = lib_mhd.MHD_create_response_from_buffer(0, (void *)(intptr_t) "",
                                                    MHD_RESPMEM_PERSISTENT);
        if (r)
            lib_mhd.MHD_add_response_header(r, "ETag", etag);
        return finish(c, r, 304, type, cache);
    }
    gzipped = c->gzip && is_text(type) && body.n > HTTP_GZIP_MIN && http_gzip(&body);
    p = buf_take(&body, &n);
    r = lib_mhd.MHD_create_response_from_buffer(n, p, MHD_RESPMEM_MUST_FREE);
    if (r && gzipped)
        lib_mhd.MHD_add_response_header(r, "Content-Encoding", "gzip");
    if (r)
        lib_mhd.MHD_add_response_header(r, "ETag", etag);
    return finish(c, r, 200, type, cache);
}

/* Would it be a file, if it were there? Pages have dots too (/domains/example.org): files with one
 * are at the top or below /assets/. No page has a part that begins with a dot. */
static bool names_a_file(struct sv url)
{
    return sv_starts(url, SV("/assets/")) || sv_find_sv(url, SV("/.")) >= 0 ||
           (sv_rfind(url, '/') == 0 && sv_find(url, '.') >= 0);
}

enum MHD_Result http_reply_file(struct http_conn *c)
{
    struct sv rest = sv_c(c->uri), url = sv_split(&rest, '?');
    struct files *f = c->h->files;
    char *file;

    if (strcmp(c->method, "GET") && strcmp(c->method, "HEAD"))
        return http_reply_error(c, 405, "only GET is possible here", true);
    if (sv_eq(url, SV("/")))
        url = SV("/index.html");
    file = lookup(f, url);
    if (!file && scan_is_old(f)) { /* the console was built meanwhile */
        files_scan(f);
        file = lookup(f, url);
    }
    if (file)
        return send_file(c, url, file);
    if (names_a_file(url) && !sv_eq(url, SV("/index.html")))
        return http_reply_error(c, 404, "there is no such file", false);
    file = lookup(f, SV("/index.html"));
    if (file)
        return send_file(c, SV("/index.html"), file);
    return finish(c,
                  lib_mhd.MHD_create_response_from_buffer(
                      sizeof(missing) - 1, (void *)(intptr_t)missing, MHD_RESPMEM_PERSISTENT),
                  404, "text/html; charset=utf-8", "no-store");
}
