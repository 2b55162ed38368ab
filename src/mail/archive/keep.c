/* Copying messages into the archive. The messages of a batch are written and synced together: all
 * contents, then all names, so that a file with its final name is complete, also after a power cut.
 */
#include "mail/archive/archive_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "event/event.h"
#include "os/file.h"

enum {
    FEW = 3, /* files synced one by one; more: the file system at once */
    CHUNK = 256 * 1024,
};

struct copy {
    struct message *m;
    bool *wait;
    char name[ENTRY_NAME];
    char *folder, *path, *temp;
    int fd; /* of temp; -1 = there is no such file */
    bool present;
    struct errinfo ei; /* code != 0: failed */
};

static struct copy begin(struct message *m, bool *wait, const char *dir)
{
    struct copy c = { .m = m, .wait = wait, .fd = -1 };
    char folder[ENTRY_FOLDER];
    entry_name(m->received_ms, m->id, m->key, c.name);
    entry_folder(c.name, folder);
    c.folder = xasprintf("%s/%s", dir, folder);
    c.path = xasprintf("%s/%s.eml", c.folder, c.name);
    /* The threads of local and of remote delivery may be at the same message. */
    c.temp = xasprintf("%s/" NEW_FOLDER "/%s-%ld", dir, c.name, (long)gettid());
    c.present = access(c.path, F_OK) == 0;
    return c;
}

static void end(struct copy *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->folder);
    free(c->path);
    free(c->temp);
}

/* --- contents --- */

static int write_envelope(const struct message *m, int fd)
{
    struct entry e = { .id = sv_c(m->id),
                       .sender = sv_c(m->sender),
                       .login = sv_c(m->auth_user),
                       .peer = sv_c(m->peer_ip),
                       .parent = sv_c(m->original),
                       .received_s = m->received_ms / 1000 };
    struct buf b;
    buf_init(&b, ENTRY_MAX);
    e.rcpts = xcalloc(m->n_rcpts + 1, sizeof(*e.rcpts));
    for (size_t i = 0; i < m->n_rcpts; i++)
        e.rcpts[e.n_rcpts++] = (struct entry_rcpt){ .address = sv_c(m->rcpts[i].address),
                                                    .original = sv_c(m->rcpts[i].original),
                                                    .local = m->rcpts[i].kind == RCPT_LOCAL };
    int r = entry_write(&e, &b);
    if (r == 0)
        r = os_write_all(fd, b.p, b.n);
    free(e.rcpts);
    buf_done(&b);
    return r;
}

static int copy_file(const char *from, int fd)
{
    _cleanup_(closep) int in = open(from, O_RDONLY | O_CLOEXEC);
    _cleanup_(freep) char *chunk = xmalloc(CHUNK);
    if (in < 0)
        return -errno;
    for (;;) {
        ssize_t n = read(in, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int r = os_write_all(fd, chunk, (size_t)n);
        if (r < 0)
            return r;
    }
}

static void failed(struct copy *c, int r, const char *what)
{
    err_set_errno(&c->ei, r, "%s", what);
    c->ei.code = r; /* also of our own codes */
}

/* NEW_FOLDER is made when it is missing. */
static int open_temp(const struct copy *c, const char *dir)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    int fd = open(c->temp, flags, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd < 0 ? -errno : fd;
    _cleanup_(freep) char *folder = xasprintf("%s/" NEW_FOLDER, dir);
    int r = os_mkdirs(folder, 0700, NULL);
    if (r < 0)
        return r;
    fd = open(c->temp, flags, 0600);
    return fd < 0 ? -errno : fd;
}

static void write_content(struct copy *c, const char *dir)
{
    int r = open_temp(c, dir);
    if (r >= 0) {
        c->fd = r;
        r = write_envelope(c->m, c->fd);
    }
    if (r >= 0)
        r = c->m->content.p ? os_write_all(c->fd, c->m->content.p, c->m->content.n)
                            : copy_file(c->m->spool_path, c->fd);
    if (r < 0)
        failed(c, r, "cannot write into the archive");
}

static bool is_written(const struct copy *c)
{
    return c->fd >= 0 && !c->ei.code;
}

static void sync_contents(struct copy *v, size_t n)
{
    size_t files = 0;
    bool all_synced = false;
    for (size_t i = 0; i < n; i++)
        files += is_written(&v[i]);
    for (size_t i = 0; i < n; i++) {
        if (!is_written(&v[i]) || all_synced)
            continue;
        if ((files > FEW ? syncfs(v[i].fd) : fdatasync(v[i].fd)) < 0)
            failed(&v[i], -errno, "cannot sync the archive");
        else
            all_synced = files > FEW;
    }
}

/* --- names --- */

/* The folders of a day and an hour; each is durable in the one above it. */
static int make_folder(const char *dir, const char *folder)
{
    _cleanup_(freep) char *day = xstrdup(folder);
    int r = os_mkdirs(folder, 0700, NULL);
    *strrchr(day, '/') = '\0';
    if (r == 0)
        r = os_fsync_dir(day);
    if (r == 0)
        r = os_fsync_dir(dir);
    if (r < 0)
        return r;
    r = os_fsync_parent(dir);
    return r == -EACCES ? 0 : r; /* it was there before us: we could not have made anything there */
}

static int give_name_once(const struct copy *c)
{
    return link(c->temp, c->path) < 0 ? -errno : 0;
}

static void give_name(struct copy *c, const char *dir)
{
    int r = give_name_once(c);
    if (r == -ENOENT) {
        r = make_folder(dir, c->folder);
        if (r == 0)
            r = give_name_once(c);
    }
    c->present = r == -EEXIST; /* by another thread just now */
    if (r < 0 && !c->present)
        failed(c, r, "cannot file into the archive");
}

static bool has_name(const struct copy *c)
{
    return (c->present || c->fd >= 0) && !c->ei.code;
}

/* Names that were there already too: whoever made them may have been killed before the sync. */
static void sync_names(struct copy *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool done = false;
        if (!has_name(&v[i]))
            continue;
        for (size_t k = 0; k < i && !done; k++)
            done = has_name(&v[k]) && strcmp(v[k].folder, v[i].folder) == 0;
        int r = done ? 0 : os_fsync_dir(v[i].folder);
        if (r < 0)
            failed(&v[i], r, "cannot sync the archive");
    }
}

/* --- results --- */

static void tell(const struct conf *cf, struct copy *c)
{
    struct logctx x = { .type = LOG_MAILFLOW,
                        .id = c->m->session_id,
                        .prefix = "",
                        .message = c->m->key,
                        .message_id = c->m->id };
    if (c->fd >= 0)
        (void)unlink(c->temp);
    if (!c->ei.code) {
        atomic_store(&c->m->archived, true);
        if (!c->present)
            event(archive_stored, &x, F_STR(object, c->name));
        return;
    }
    *c->wait = cf->archive.on_failure == 0;
    event(archive_failed, &x, F_STR(reason, c->ei.text),
          F_STR(outcome, *c->wait ? "waits" : "goes on without a copy"));
}

static void keep(const struct conf *cf, const char *dir, struct copy *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!v[i].present)
            write_content(&v[i], dir);
    sync_contents(v, n);
    for (size_t i = 0; i < n; i++)
        if (is_written(&v[i]))
            give_name(&v[i], dir);
    sync_names(v, n);
    for (size_t i = 0; i < n; i++) {
        tell(cf, &v[i]);
        end(&v[i]);
    }
}

void archive_keep(struct archive *a, struct message *const *m, size_t n, bool *ret_wait)
{
    memset(ret_wait, 0, n * sizeof(*ret_wait));
    if (!a)
        return;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (!cf->archive.enabled)
        return;
    const char *dir = archive_dir(cf, a->dflt_dir);
    struct copy *v = xcalloc(n, sizeof(*v));
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (!atomic_load(&m[i]->archived) && archive_wants(cf, m[i]))
            v[k++] = begin(m[i], &ret_wait[i], dir);
    keep(cf, dir, v, k);
    free(v);
}
