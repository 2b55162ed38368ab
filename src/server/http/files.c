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
#define KEEP_MAX  (32 * MiB) /* of contents kept; the rest is read for each request */

/* A file, and what it held when it was read last: read, hashed and compressed once, not by
 * everybody who asks. */
struct file {
    char *path;
    ino_t ino;
    off_t size;
    struct timespec changed;
    bool kept;
    struct buf plain, gzip; /* gzip.n == 0: would not be smaller */
    char etag[24];
};

struct files {
    pthread_mutex_t lock; /* guards all */
    char *dir;
    struct map *files; /* "/assets/a.js" -> struct file */
    size_t kept;       /* bytes */
    int64_t scanned_ms;
};

static void file_free(void *arg)
{
    struct file *file = arg;

    buf_done(&file->plain);
    buf_done(&file->gzip);
    free(file->path);
    free(file);
}

struct files *files_new(const char *dir)
{
    struct files *f = xcalloc(1, sizeof(*f));

    pthread_mutex_init(&f->lock, NULL);
    f->dir = xstrdup(dir);
    f->files = map_new();
    files_scan(f);
    return f;
}

void files_free(struct files *f)
{
    map_free(f->files, file_free);
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

/* What is known of it already is kept. */
static void add(struct map *into, struct map *known, const char *url, char *path)
{
    struct file *file = map_del(known, sv_c(url));

    if (!file) {
        file = xcalloc(1, sizeof(*file));
        buf_init(&file->plain, FILE_MAX);
        buf_init(&file->gzip, FILE_MAX);
    }
    free(file->path);
    file->path = path;
    file = map_put(into, sv_c(url), file);
    if (file)
        file_free(file);
}

static void scan(struct map *into, struct map *known, const char *dir, const char *prefix,
                 unsigned depth)
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
            scan(into, known, path, url, depth + 1);
        else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size <= FILE_MAX)
            add(into, known, url, take_ptr(path));
    }
    if (d)
        closedir(d);
}

static bool count_kept(struct sv url _unused_, void *value, void *arg)
{
    const struct file *file = value;

    *(size_t *)arg += file->plain.n + file->gzip.n;
    return true;
}

/* With the lock. */
static void scan_again(struct files *f)
{
    struct map *fresh = map_new();

    scan(fresh, f->files, f->dir, "", 0);
    map_free(f->files, file_free);
    f->files = fresh;
    f->kept = 0;
    map_each(fresh, count_kept, &f->kept);
    f->scanned_ms = clock_mono_ms();
}

void files_scan(struct files *f)
{
    pthread_mutex_lock(&f->lock);
    scan_again(f);
    pthread_mutex_unlock(&f->lock);
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

static bool is_unchanged(const struct file *file, const struct stat *st)
{
    return file->kept && file->ino == st->st_ino && file->size == st->st_size &&
           file->changed.tv_sec == st->st_ctim.tv_sec &&
           file->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static void forget(struct files *f, struct file *file)
{
    f->kept -= file->plain.n + file->gzip.n;
    buf_done(&file->plain);
    buf_done(&file->gzip);
    buf_init(&file->plain, FILE_MAX);
    buf_init(&file->gzip, FILE_MAX);
    file->kept = false;
}

/* With the lock: the file's content is what is on the disk now. */
static int read_file(struct files *f, struct file *file, bool text, struct errinfo *ei)
{
    struct stat st;

    if (lstat(file->path, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(ei, E_NOTFOUND, "%s: is gone", file->path);
    if (is_unchanged(file, &st))
        return 0;
    forget(f, file);
    if (os_read_file(file->path, &file->plain, ei) < 0)
        return ei->code;
    file->ino = st.st_ino;
    file->size = st.st_size;
    file->changed = st.st_ctim;
    snprintf(file->etag, sizeof(file->etag), "\"%016" PRIx64 "\"",
             fnv1a64(file->plain.p, file->plain.n));
    if (text && file->plain.n > HTTP_GZIP_MIN &&
        buf_add_sv(&file->gzip, buf_sv(&file->plain)) == 0 && !http_gzip(&file->gzip, 9))
        buf_reset(&file->gzip);
    f->kept += file->plain.n + file->gzip.n;
    file->kept = true;
    return 0;
}

/* With the lock. */
static enum MHD_Result send_content(struct http_conn *c, const struct file *file, const char *type,
                                    const char *cache)
{
    const char *match =
        lib_mhd.MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "If-None-Match");
    const struct buf *b = c->gzip && file->gzip.n ? &file->gzip : &file->plain;
    bool same = match && strstr(match, file->etag);
    struct MHD_Response *r = lib_mhd.MHD_create_response_from_buffer(
        same ? 0 : b->n, same || !b->n ? (void *)(intptr_t) "" : b->p,
        same || !b->n ? MHD_RESPMEM_PERSISTENT : MHD_RESPMEM_MUST_COPY);

    if (r)
        lib_mhd.MHD_add_response_header(r, "ETag", file->etag);
    if (r && !same && b == &file->gzip)
        lib_mhd.MHD_add_response_header(r, "Content-Encoding", "gzip");
    return finish(c, r, same ? 304 : 200, type, cache);
}

/* With the lock. */
static enum MHD_Result send_file(struct http_conn *c, struct sv url, struct file *file)
{
    const char *cache = is_hashed(url) ? "public, max-age=31536000, immutable" : "no-cache";
    const char *type = type_of(url);
    struct files *f = c->h->files;
    enum MHD_Result ok;
    struct errinfo ei;

    if (read_file(f, file, is_text(type), &ei) < 0) {
        log_error("console: %s", ei.text);
        return http_reply_error(c, 500, "the file cannot be read", false);
    }
    ok = send_content(c, file, type, cache);
    if (f->kept > KEEP_MAX)
        forget(f, file);
    return ok;
}

/* Would it be a file, if it were there? Pages have dots too (/domains/example.org): files with one
 * are at the top or below /assets/. No page has a part that begins with a dot. */
static bool names_a_file(struct sv url)
{
    return sv_starts(url, SV("/assets/")) || sv_find_sv(url, SV("/.")) >= 0 ||
           (sv_rfind(url, '/') == 0 && sv_find(url, '.') >= 0);
}

/* With the lock. */
static enum MHD_Result reply(struct http_conn *c, struct sv url)
{
    struct files *f = c->h->files;
    struct file *file = map_get(f->files, url);

    if (!file &&
        clock_mono_ms() - f->scanned_ms > RESCAN_MS) { /* the console was built meanwhile */
        scan_again(f);
        file = map_get(f->files, url);
    }
    if (file)
        return send_file(c, url, file);
    if (names_a_file(url) && !sv_eq(url, SV("/index.html")))
        return http_reply_error(c, 404, "there is no such file", false);
    file = map_get(f->files, SV("/index.html"));
    if (file)
        return send_file(c, SV("/index.html"), file);
    return finish(c,
                  lib_mhd.MHD_create_response_from_buffer(
                      sizeof(missing) - 1, (void *)(intptr_t)missing, MHD_RESPMEM_PERSISTENT),
                  404, "text/html; charset=utf-8", "no-store");
}

enum MHD_Result http_reply_file(struct http_conn *c)
{
    struct sv rest = sv_c(c->uri), url = sv_split(&rest, '?');
    enum MHD_Result ok;

    if (strcmp(c->method, "GET") && strcmp(c->method, "HEAD"))
        return http_reply_error(c, 405, "only GET is possible here", true);
    if (http_must_have_tls(c))
        return http_reply_use_tls(c);
    if (sv_eq(url, SV("/")))
        url = SV("/index.html");
    pthread_mutex_lock(&c->h->files->lock);
    ok = reply(c, url);
    pthread_mutex_unlock(&c->h->files->lock);
    return ok;
}
