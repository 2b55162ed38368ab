/* Log files: which one a line belongs to, when it ends, when it goes. Errors never stop anybody:
 * lines are counted as lost, and stderr is told once a minute. Sink thread only. */
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
    PENDING_MAX = 512 * 1024,
    WRITE_BYTES = 128 * 1024,
    CHECK_MS = 1000,
    RETRY_MS = 1000,
    REPORT_MS = 60000,
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
    file->retry_ms = clock_mono_ms() + RETRY_MS;
}

static void lose(struct log_files *f, unsigned lines)
{
    f->lost += lines;
    ctr_add(CTR_log_lines_lost, lines);
}

static int open_number(struct log_files *f, enum log_type t, const char *dir, uint32_t ymd,
                       unsigned nn)
{
    struct log_file *file = &f->files[t];
    _cleanup_(freep) char *path =
        xasprintf("%s/%s%s%08u-%02u.log", dir, log_letter(t), f->server_id, ymd, nn);
    _cleanup_(closep) int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;
        failed(f, file, r, "open", path);
        return r;
    }
    file->fd = take_fd(&fd);
    file->ymd = ymd;
    file->nn = nn;
    file->size = (uint64_t)st.st_size;
    file->checked_ms = clock_mono_ms();
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

static void write_file(struct log_files *f, enum log_type t)
{
    struct log_file *file = &f->files[t];
    if (file->pending.n == 0)
        return;
    int r = file->fd < 0 ? -EBADF : os_write_all(file->fd, file->pending.p, file->pending.n);
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
    }
    buf_reset(&file->pending);
    file->pending_lines = 0;
}

/* A file deleted by hand must not swallow what follows. */
static void check_exists(struct log_file *file)
{
    int64_t now = clock_mono_ms();
    if (file->fd < 0 || now - file->checked_ms < CHECK_MS)
        return;
    file->checked_ms = now;
    struct stat st;
    if (fstat(file->fd, &st) == 0 && st.st_nlink == 0)
        close_file(file);
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
    buf_add_sv(&file->pending, text);
    file->pending_lines++;
    file->size += text.n;
    if (file->pending.n >= WRITE_BYTES)
        write_file(f, t);
}

void log_files_write(struct log_files *f)
{
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        write_file(f, t);
        check_exists(&f->files[t]);
    }
}

/* The first day that is kept: delete_days before today. */
static uint32_t oldest_kept(const struct log_files *f)
{
    char text[16];
    clock_ymd(clock_wall_s(), text);
    struct tm tm = { .tm_isdst = -1, .tm_hour = 12 }; /* noon: no change of the clocks near */
    uint32_t ymd = 0;
    sv_to_u32(sv_c(text), &ymd);
    tm.tm_year = (int)(ymd / 10000) - 1900;
    tm.tm_mon = (int)(ymd / 100 % 100) - 1;
    tm.tm_mday = (int)(ymd % 100) - (int)f->delete_days;
    return log_ymd(mktime(&tm));
}

static void delete_old(struct log_files *f)
{
    if (f->delete_days == 0)
        return;
    uint32_t keep = oldest_kept(f);
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        _cleanup_(freep) char *dir = log_dir_of(f->dir, t);
        DIR *d = opendir(dir);
        if (!d)
            continue; /* nothing of this type was ever written */
        for (struct dirent *e; (e = readdir(d));) {
            uint32_t ymd;
            unsigned nn;
            if (!log_name_parse(t, f->server_id, sv_c(e->d_name), &ymd, &nn) || ymd >= keep)
                continue;
            if (unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT)
                fprintf(stderr, "posthorn: cannot delete the old log %s/%s: %s\n", dir, e->d_name,
                        err_name(-errno));
        }
        closedir(d);
    }
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

void log_files_tick(struct log_files *f)
{
    report(f);
    uint32_t today = log_ymd(clock_wall_s());
    if (today == f->day)
        return;
    f->day = today;
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        if (f->files[t].fd >= 0 && f->files[t].ymd < today) {
            write_file(f, t);
            close_file(&f->files[t]);
        }
    delete_old(f);
}

void log_files_init(struct log_files *f)
{
    *f = (struct log_files){ .dir = xstrdup("."), .server_id = xstrdup("") };
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        f->files[t].fd = -1;
        buf_init(&f->files[t].pending, PENDING_MAX);
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
    delete_old(f);
}

void log_files_done(struct log_files *f)
{
    close_all(f);
    f->reported_ms = 0;
    report(f);
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++)
        buf_done(&f->files[t].pending);
    free(f->dir);
    free(f->server_id);
}
