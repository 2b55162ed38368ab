/* Opening and closing the queue. One process owns a queue directory (lock file). */
#include "conf/conf.h"
#include "log/log.h"
#include "mail/queue/queue_priv.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
}

static struct queue *queue_new(const struct queue_opts *o)
{
    struct queue *q = xcalloc(1, sizeof(*q));
    pthread_mutex_init(&q->lock, NULL);
    pthread_mutex_init(&q->pause_lock, NULL);
    q->io = queue_io_current();
    q->dir = xstrdup(o->dir);
    q->temp_dir = xstrdup(o->temp_dir);
    q->sync_path = xstrdup(o->sync_path);
    q->dir_fd = q->sync_fd = q->lock_fd = -1;
    q->save_until = INT64_MAX;
    list_init(&q->items);
    q->held = map_new();
    q->destination = o->destination;
    list_init(&q->ready);
    list_init(&q->notices);
    list_init(&q->untold);
    q->dests = dests_new();
    states_init(&q->states);
    for (int k = 0; k < KINDS; k++)
        takers_init(&q->takers[k]);
    cond_init(&q->idle);
    cond_init(&q->work);
    cond_init(&q->work_done);
    return q;
}

static void queue_free(struct queue *q)
{
    list_for_each_safe(it, tmp, &q->items) item_forget(q, container_of(it, struct item, link));
    map_free(q->held, free);
    while (q->doomed) {
        struct doomed *d = q->doomed;
        q->doomed = d->next;
        free(d);
    }
    sched_done(q);
    if (q->journal.dir)
        journal_done(&q->journal);
    states_done(&q->states);
    closep(&q->dir_fd);
    closep(&q->sync_fd);
    closep(&q->lock_fd);
    for (int k = 0; k < KINDS; k++)
        takers_done(&q->takers[k]);
    pthread_cond_destroy(&q->idle);
    pthread_cond_destroy(&q->work);
    pthread_cond_destroy(&q->work_done);
    pthread_mutex_destroy(&q->lock);
    pthread_mutex_destroy(&q->pause_lock);
    pauses_done(&q->pauses);
    free(q->dir);
    free(q->temp_dir);
    free(q->sync_path);
    free(q);
}

static int empty_dir(const char *path, struct errinfo *ei)
{
    DIR *d = opendir(path);
    if (!d)
        return err_set_errno(ei, -errno, "cannot list %s", path);
    struct dirent *e;
    while ((e = readdir(d))) {
        _cleanup_(freep) char *child = xasprintf("%s/%s", path, e->d_name);
        if (e->d_type == DT_REG)
            unlink(child);
        else if (e->d_type == DT_DIR && strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            os_remove_tree(child, NULL); /* of a module that was killed while it made one */
    }
    closedir(d);
    return 0;
}

static int open_dir(const char *path, int *ret, struct errinfo *ei)
{
    *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret < 0 ? err_set_errno(ei, -errno, "cannot open directory %s", path) : 0;
}

static int open_dirs(struct queue *q, struct errinfo *ei)
{
    char path[4096];
    struct stat a, b;
    int r = queue_io_make_dir(q->io, q->dir, ei);
    if (r >= 0)
        r = os_mkdirs(q->temp_dir, 0700, ei);
    snprintf(path, sizeof(path), "%s/lock", q->dir);
    if (r >= 0)
        r = os_lock_file(path, &q->lock_fd, ei);
    if (r >= 0)
        r = empty_dir(q->temp_dir, ei);
    if (r >= 0)
        r = open_dir(q->dir, &q->dir_fd, ei);
    if (r >= 0)
        r = open_dir(q->sync_path, &q->sync_fd, ei);
    if (r < 0)
        return r;
    q->one_fs = fstat(q->dir_fd, &a) == 0 && fstat(q->sync_fd, &b) == 0 && a.st_dev == b.st_dev;
    return 0;
}

static void need_work(void *arg)
{
    struct queue *q = arg;
    q->work_due = true;
    pthread_cond_signal(&q->work);
}

static int open_all(struct queue *q, struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char path[4096];
    int r = open_dirs(q, ei);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/journal", q->dir);
    q->journal.need_work = need_work;
    q->journal.need_arg = q;
    r = journal_open(&q->journal, path, (uint64_t)cf->queue.journal_segment, q->io, &q->lock, ei);
    if (r >= 0)
        r = pauses_load(&q->pauses, q->dir, ei);
    if (r >= 0)
        r = recover_run(q, ei);
    if (r < 0)
        return r;
    struct errinfo why;
    if (journal_make_spares(&q->journal, 2, &why) <
        0) /* the disk is full: its thread tries again */
        log_error("Queue: %s; mail is refused until this works", why.text);
    return checkpoint_start(q, ei);
}

int queue_open(const struct queue_opts *o, struct queue **ret, struct errinfo *ei)
{
    struct queue *q = queue_new(o);
    int r = open_all(q, ei);
    if (r < 0) {
        queue_free(q);
        return r;
    }
    *ret = q;
    return 0;
}

void queue_stop(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    for (int k = 0; k < KINDS; k++)
        takers_wake_all(&q->takers[k]);
    pthread_mutex_unlock(&q->lock);
}

void queue_close(struct queue *q)
{
    if (!q)
        return;
    queue_stop(q);
    checkpoint_stop(q);
    int r = checkpoint_run(q, true);
    if (r >= 0 && list_empty(&q->journal.full))
        journal_wipe(&q->journal);
    else if (r != -ETIME) /* more waits than could be saved: the next start reads the journal */
        log_error("Queue: the last checkpoint failed (%s); the journal is read at the next start",
                  err_name(r));
    queue_free(q);
}

void queue_crash(struct queue *q)
{
    queue_stop(q);
    checkpoint_stop(q);
    queue_free(q);
}
