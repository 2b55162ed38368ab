/* Old logs go: into the archive first, when there is one. The work may take minutes, so it has a
 * thread of its own, which ends with it; the sink's thread starts and joins it. */
#include "log/sink_priv.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/archive.h"
#include "log/log_priv.h"
#include "log/names.h"
#include "os/proc.h"

enum { BATCH = 256, AGAIN_MS = 3600 * 1000 };

/* The first day that is kept: `days` before today. */
static uint32_t oldest_kept(unsigned days)
{
    char text[16];
    clock_ymd(clock_wall_s(), text);
    struct tm tm = { .tm_isdst = -1, .tm_hour = 12 }; /* noon: no change of the clocks near */
    uint32_t ymd = 0;
    sv_to_u32(sv_c(text), &ymd);
    tm.tm_year = (int)(ymd / 10000) - 1900;
    tm.tm_mon = (int)(ymd / 100 % 100) - 1;
    tm.tm_mday = (int)(ymd % 100) - (int)days;
    return log_ymd(mktime(&tm));
}

/* Paths below the log directory, BATCH at most. */
static size_t collect(const struct log_old *o, char *names[BATCH])
{
    size_t n = 0;
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        _cleanup_(freep) char *dir = log_dir_of(o->dir, t);
        const char *sub = log_subdir(t);
        DIR *d = opendir(dir);
        if (!d)
            continue; /* nothing of this type was ever written */
        for (struct dirent *e; n < BATCH && (e = readdir(d));) {
            uint32_t ymd;
            unsigned nn;
            if (log_name_parse(t, o->server_id, sv_c(e->d_name), &ymd, &nn) && ymd < o->keep)
                names[n++] = xasprintf("%s%s%s", sub ? sub : "", sub ? "/" : "", e->d_name);
        }
        closedir(d);
    }
    return n;
}

static bool delete_files(const struct log_old *o, char *const *names, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        _cleanup_(freep) char *path = xasprintf("%s/%s", o->dir, names[i]);
        if (unlink(path) == 0 || errno == ENOENT)
            continue;
        log_error("cannot delete the old log %s: %s", path, err_name(-errno));
        all = false;
    }
    return all;
}

/* Up to BATCH files. False: nothing more can be done now. */
static bool work(struct log_old *o)
{
    char *names[BATCH];
    struct errinfo ei = { 0 };
    size_t n = collect(o, names);
    int r =
        n > 0 && *o->archive ? log_archive_add(o->archive, o->dir, names, n, &o->cancel, &ei) : 0;
    if (r < 0 && r != E_CANCELLED)
        log_error("old logs are not archived and not deleted: %s", ei.text);
    o->failed = r < 0 || !delete_files(o, names, n);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    return n == BATCH && !o->failed;
}

static void *run(void *arg)
{
    struct log_old *o = arg;
    uint64_t one = 1;
    os_thread_name("log-old");
    while (!atomic_load(&o->cancel) && work(o))
        ;
    atomic_store(&o->ended, true);
    (void)!write(o->wake, &one, sizeof(one));
    return NULL;
}

static void forget(struct log_old *o)
{
    o->started = false;
    o->again_ms = o->failed ? clock_mono_ms() + AGAIN_MS : 0;
    free(o->dir);
    free(o->server_id);
    free(o->archive);
}

static void join(struct log_old *o)
{
    if (!o->started)
        return;
    pthread_join(o->thread, NULL);
    forget(o);
}

void log_old_tick(struct log_old *o, const struct log_files *f)
{
    if (o->started && !atomic_load(&o->ended))
        return;
    join(o);
    if (o->again_ms > 0 && clock_mono_ms() >= o->again_ms)
        o->due = true;
    if (!o->due)
        return;
    o->due = false;
    if (f->delete_days == 0)
        return;
    o->dir = xstrdup(f->dir);
    o->server_id = xstrdup(f->server_id);
    o->archive = xstrdup(f->archive);
    o->keep = oldest_kept(f->delete_days);
    o->failed = false;
    atomic_store(&o->ended, false);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int e = pthread_create(&o->thread, NULL, run, o);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    o->started = e == 0;
    if (e) {
        o->failed = true;
        forget(o);
    }
}

void log_old_stop(struct log_old *o)
{
    atomic_store(&o->cancel, true);
    join(o);
}
