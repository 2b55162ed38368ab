/* The end of what is archived: days go when they are older than archive.keep, in a thread that
 * looks once an hour. */
#include "mail/archive/archive_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "event/event.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/proc.h"

enum { STACK = 256 * 1024, LOOK_S = 3600, UNFINISHED_S = 3600, DAY_MS = 86400 * 1000 };

/* The end of the day that a folder holds. */
static bool day_end(const char *name, int64_t *ret_ms)
{
    char stamp[ENTRY_NAME];
    int64_t s;
    if (strlen(name) != 10 || name[4] != '-' || name[7] != '-')
        return false;
    snprintf(stamp, sizeof(stamp), "%.4s%.2s%.2sT000000-A-0000000000000000", name, name + 5,
             name + 8);
    if (!entry_name_parse(sv_c(stamp), &s, NULL))
        return false;
    *ret_ms = s * 1000 + DAY_MS;
    return true;
}

/* Left by a process that was killed. */
static void remove_unfinished(const char *dir)
{
    _cleanup_(freep) char *folder = xasprintf("%s/" NEW_FOLDER, dir);
    DIR *d = opendir(folder);
    struct dirent *e;
    struct stat st;
    while (d && (e = readdir(d)))
        if (*e->d_name != '.' && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_mtime + UNFINISHED_S < clock_wall_s())
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

static bool remove_day(const char *dir, const char *day)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, day);
    struct errinfo ei = { 0 };
    if (os_remove_tree(path, &ei) < 0) {
        log_error("The archive's day %s cannot be deleted: %s", day, ei.text);
        return false;
    }
    event(archive_expired, log_here(), F_STR(object, day));
    return true;
}

unsigned archive_expire(const char *dir, int64_t before_ms)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned n = 0;
    int64_t end_ms;
    remove_unfinished(dir);
    while (d && (e = readdir(d)))
        if (day_end(e->d_name, &end_ms) && end_ms <= before_ms)
            n += remove_day(dir, e->d_name);
    if (d)
        closedir(d);
    return n;
}

static void look(struct archive *a)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    (void)archive_expire(archive_dir(cf, a->dflt_dir),
                         cf->archive.keep ? clock_wall_ms() - cf->archive.keep : 0);
}

static void *run(void *arg)
{
    struct archive *a = arg;
    os_thread_name("archive");
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        struct timespec until;
        pthread_mutex_unlock(&a->lock);
        look(a);
        os_stack_trim(STACK);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_S;
        pthread_mutex_lock(&a->lock);
        while (!a->stop && pthread_cond_timedwait(&a->changed, &a->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

int upkeep_begin(struct archive *a, struct errinfo *ei)
{
    pthread_condattr_t c;
    pthread_mutex_init(&a->lock, NULL);
    pthread_condattr_init(&c);
    pthread_condattr_setclock(&c, CLOCK_MONOTONIC);
    pthread_cond_init(&a->changed, &c);
    pthread_condattr_destroy(&c);
    int r = os_thread_start(&a->thread, STACK, run, a);
    if (r == 0)
        return 0;
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    return err_set_errno(ei, -r, "cannot start the archive's thread");
}

void upkeep_end(struct archive *a)
{
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
}

int archive_open(const char *dflt_dir, struct archive **ret, struct errinfo *ei)
{
    struct archive *a = xcalloc(1, sizeof(*a));
    a->dflt_dir = xstrdup(dflt_dir);
    int r = upkeep_begin(a, ei);
    if (r == 0) {
        *ret = a;
        return 0;
    }
    free(a->dflt_dir);
    free(a);
    return r;
}

void archive_close(struct archive *a)
{
    if (!a)
        return;
    upkeep_end(a);
    free(a->dflt_dir);
    free(a);
}
