/* Log files: which one a line belongs to, when it ends. Errors never stop anybody: lines are
 * counted as lost, which stderr is told once a minute and the log itself when it works. Sink thread
 * only. */
#include "log/sink_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log_priv.h"
#include "log/names.h"
#include "os/file.h"
#include "stats/shm.h"

enum {
    WRITE_BYTES = 128 * 1024,
    KEEP_BYTES = 512 * 1024, /* a larger buffer is freed after use */
    OPEN_TRIES = 5,
    CACHE_MS = 5000,
    RETRY_MS = 1000,
    REPORT_MS = 60000,
    TELL_MS = 10000,
    LATE_S = 3600, /* lines of another day are filed under it this long before and after midnight */
};

/* Highest number of a day's files, or -1. */
static int last_number(const struct log_files *f, enum log_type t, const char *dir, uint32_t ymd)
{
    int last = -1;
    DIR *d = opendir(dir);
    if (!d)
        return last;
    for (struct dirent *e; (e = readdir(d));) {
        uint32_t day;
        unsigned nn;
        if (log_name_parse(t, f->server_id, sv_c(e->d_name), &day, &nn) && day == ymd &&
            nn < 1000000)
            last = MAX(last, (int)nn);
    }
    closedir(d);
    return last;
}

static void failed(struct log_files *f, struct log_file *file, int code, const char *what,
                   const char *path)
{
    snprintf(f->fault, sizeof(f->fault), "cannot %s %s: %s", what, path, err_name(code));
    f->works = false;
    file->retry_ms = clock_mono_ms() + RETRY_MS;
}

static void lose(struct log_files *f, unsigned lines)
{
    f->lost += lines;
    f->untold += lines;
    ctr_add(CTR_log_lines_lost, lines);
}

/* Somebody may be deleting the directory just now, between two looks at it. */
static int open_file(const char *dir, const char *path)
{
    struct errinfo ei;
    for (int i = 0; i < OPEN_TRIES; i++) {
        int fd =
            open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
        if (fd >= 0 || errno != ENOENT)
            return fd < 0 ? -errno : fd;
        int r = os_mkdirs(dir, 0750, &ei);
        if (r < 0)
            return r;
    }
    return -ENOENT;
}

static int open_number(struct log_files *f, enum log_type t, const char *dir, uint32_t ymd,
                       unsigned nn)
{
    struct log_file *file = &f->files[t];
    _cleanup_(freep) char *path =
        xasprintf("%s/%s%s%08u-%02u.log", dir, log_letter(t), f->server_id, ymd, nn);
    _cleanup_(closep) int fd = open_file(dir, path);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = fd < 0 ? fd : -errno;
        failed(f, file, r, "open", path);
        return r;
    }
    file->fd = take_fd(&fd);
    file->ymd = ymd;
    file->nn = nn;
    file->size = (uint64_t)st.st_size;
    return 0;
}

static void close_file(struct log_file *file)
{
    closep(&file->fd);
    file->fd = -1;
}

/* Goes on with the day's last file, unless that is full. */
static int open_day(struct log_files *f, enum log_type t, uint32_t ymd)
{
    struct log_file *file = &f->files[t];
    if (clock_mono_ms() < file->retry_ms)
        return -EAGAIN;
    _cleanup_(freep) char *dir = log_dir_of(f->dir, t);
    struct errinfo ei;
    int r = os_mkdirs(dir, 0750, &ei);
    if (r < 0) {
        failed(f, file, r, "make the log directory", dir);
        return r;
    }
    int last = last_number(f, t, dir, ymd);
    r = open_number(f, t, dir, ymd, last < 0 ? 0 : (unsigned)last);
    if (r == 0 && f->rotate_bytes > 0 && file->size >= f->rotate_bytes) {
        close_file(file);
        r = open_number(f, t, dir, ymd, (unsigned)last + 1);
    }
    return r;
}

static bool is_deleted(const struct log_file *file)
{
    struct stat st;
    return fstat(file->fd, &st) == 0 && st.st_nlink == 0;
}

static int write_pending(struct log_files *f, enum log_type t)
{
    struct log_file *file = &f->files[t];
    int r = file->fd < 0 ? -EBADF : os_write_all(file->fd, file->pending.p, file->pending.n);
    if (r < 0 || !is_deleted(file))
        return r;
    /* Deleted by hand, or with its directory: what was just written is not lost with it. */
    close_file(file);
    file->retry_ms = 0;
    r = open_day(f, t, file->ymd);
    if (r < 0)
        return r;
    file->size += file->pending.n;
    return os_write_all(file->fd, file->pending.p, file->pending.n);
}

static void write_file(struct log_files *f, enum log_type t)
{
    struct log_file *file = &f->files[t];
    if (file->pending.n == 0)
        return;
    int r = write_pending(f, t);
    if (r < 0) {
        if (file->fd >= 0) {
            /* What arrived in part goes: half lines would be read as damage. */
            if (ftruncate(file->fd, (off_t)(file->size - file->pending.n)) < 0)
                r = -errno;
            _cleanup_(freep) char *dir = log_dir_of(f->dir, t);
            failed(f, file, r, "write to", dir);
        }
        close_file(file);
        lose(f, file->pending_lines);
    } else {
        f->works = true;
    }
    f->waiting -= file->pending.n;
    file->pending_lines = 0;
    buf_reset(&file->pending);
    if (file->pending.cap > KEEP_BYTES) {
        size_t max = file->pending.max;
        buf_done(&file->pending);
        buf_init(&file->pending, max);
    }
}

static void write_all(struct log_files *f)
{
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        write_file(f, t);
    f->urgent = false;
}

/* Modules are not trusted with the choice of a date: near midnight a line may be late or early. */
static uint32_t sane_day(uint32_t ymd)
{
    int64_t now = clock_wall_s();
    uint32_t today = log_ymd(now);
    if (ymd == today || ymd == log_ymd(now - LATE_S) || ymd == log_ymd(now + LATE_S))
        return ymd;
    return today;
}

void log_files_add(struct log_files *f, enum log_type t, uint32_t ymd, struct sv text)
{
    struct log_file *file = &f->files[t];
    if (file->fd < 0 || ymd != file->ymd) {
        ymd = sane_day(ymd);
        if (file->fd >= 0 && ymd != file->ymd) {
            write_file(f, t);
            close_file(file);
        }
        if (file->fd < 0 && open_day(f, t, ymd) < 0) {
            lose(f, 1);
            return;
        }
    }
    if (f->rotate_bytes > 0 && file->size > 0 && file->size + text.n > f->rotate_bytes) {
        write_file(f, t);
        close_file(file);
        _cleanup_(freep) char *dir = log_dir_of(f->dir, t);
        if (open_number(f, t, dir, ymd, file->nn + 1) < 0) {
            lose(f, 1);
            return;
        }
    }
    if (f->cache_bytes > 0 && f->waiting + text.n > f->cache_bytes)
        write_all(f); /* a crash costs no more than the cache */
    if (f->waiting == 0)
        f->waiting_ms = clock_mono_ms();
    buf_add_sv(&file->pending, text);
    file->pending_lines++;
    file->size += text.n;
    f->waiting += text.n;
    f->urgent |= t == LOG_ERRORS;
    if (f->cache_bytes > 0 && f->waiting >= f->cache_bytes)
        write_all(f);
    else if (f->cache_bytes == 0 && file->pending.n >= WRITE_BYTES)
        write_file(f, t);
}

int log_files_patience(const struct log_files *f, int most)
{
    int64_t left = f->waiting_ms + CACHE_MS - clock_mono_ms();
    if (f->waiting == 0)
        return most;
    return f->cache_bytes == 0 || f->urgent || left < 0 ? 0 : (int)MIN(left, (int64_t)most);
}

void log_files_slim(struct log_files *f)
{
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        if (f->files[t].pending.n == 0)
            buf_done(&f->files[t].pending);
}

void log_files_write(struct log_files *f)
{
    if (f->waiting > 0 && log_files_patience(f, CACHE_MS) == 0)
        write_all(f);
}

static void report(struct log_files *f)
{
    int64_t now = clock_mono_ms();
    if (f->lost == 0 || (f->reported_ms != 0 && now - f->reported_ms < REPORT_MS))
        return;
    fprintf(stderr, "posthorn: %s; %" PRIu64 " log lines lost\n", f->fault, f->lost);
    f->lost = 0;
    f->reported_ms = now;
}

/* A line in the log itself, and an event. It takes the way of any line of this process. */
static void tell(struct log_files *f)
{
    int64_t now = clock_mono_ms();
    if (f->untold == 0 || !f->works || (f->told_ms != 0 && now - f->told_ms < TELL_MS))
        return;
    uint64_t n = f->untold;
    f->untold = 0;
    f->told_ms = now;
    log_error("%" PRIu64 " log lines were lost: %s", n, f->fault);
}

static void end_day(struct log_files *f, uint32_t today)
{
    f->day = today;
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        if (f->files[t].fd >= 0 && f->files[t].ymd < today) {
            write_file(f, t);
            close_file(&f->files[t]);
        }
    f->old.due = true;
}

void log_files_tick(struct log_files *f)
{
    uint32_t today = log_ymd(clock_wall_s());
    if (today != f->day)
        end_day(f, today);
    log_old_tick(&f->old, f);
    report(f);
    tell(f);
}

void log_files_init(struct log_files *f, int wake)
{
    *f = (struct log_files){ .dir = xstrdup("."),
                             .server_id = xstrdup(""),
                             .archive = xstrdup(""),
                             .works = true,
                             .old = { .wake = wake } };
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        f->files[t].fd = -1;
        buf_init(&f->files[t].pending, LOG_CACHE_MAX + LOG_RECORD_MAX);
    }
}

static void close_all(struct log_files *f)
{
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        write_file(f, t);
        close_file(&f->files[t]);
        f->files[t].retry_ms = 0;
    }
}

void log_files_configure(struct log_files *f, const struct log_sink_conf *c)
{
    if (strcmp(f->dir, c->dir) != 0 || strcmp(f->server_id, c->server_id) != 0) {
        close_all(f);
        free(f->dir);
        free(f->server_id);
        f->dir = xstrdup(c->dir);
        f->server_id = xstrdup(c->server_id);
    }
    f->rotate_bytes = c->rotate_bytes;
    f->delete_days = c->delete_days;
    free(f->archive);
    f->archive = xstrdup(c->archive ? c->archive : "");
    f->cache_bytes = MIN(c->cache_bytes, (size_t)LOG_CACHE_MAX);
    f->old.due = true;
}

void log_files_done(struct log_files *f)
{
    log_old_stop(&f->old);
    close_all(f);
    f->reported_ms = 0;
    report(f);
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        buf_done(&f->files[t].pending);
    free(f->dir);
    free(f->server_id);
    free(f->archive);
}
