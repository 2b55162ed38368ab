/* Writing and reading the shadow of a simulated disk; see powercut.h. Objects are changed in place,
 * page by page, only where they differ: a kill in the middle leaves some pages old and some new, as
 * a disk does whose power goes during a sync that nobody was told the end of. */
#include "powercut.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, CHUNK = 64 * PAGE };
#define RACY_NS 50000000LL /* times of files are as coarse as the kernel's tick */

void pc_die(const char *fmt, ...)
{
    char text[8400];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
    va_end(ap);
    n = n < (int)sizeof(text) - 1 ? n : (int)sizeof(text) - 2;
    text[n++] = '\n';
    if (write(2, "powercut: ", 10) < 0 || write(2, text, (size_t)n) < 0)
        _exit(98);
    _exit(99);
}

static const char *join(char ret[8300], const char *a, const char *b)
{
    snprintf(ret, 8300, "%s/%s", a, b);
    return ret;
}

static int lock(const struct pc *p)
{
    char path[8300];
    int fd = open(join(path, p->shadow, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        pc_die("%s: %s", path, strerror(errno));
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR)
            pc_die("flock: %s", strerror(errno));
    }
    return fd;
}

bool pc_inside(const struct pc *p, const char *path)
{
    size_t n = strlen(p->root);
    return !strncmp(path, p->root, n) && (path[n] == '/' || !path[n]);
}

bool pc_identify(const char *path, struct pc_entry *ret)
{
    struct statx x;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
        return false;
    if (!(x.stx_mask & STATX_BTIME))
        pc_die("%s: this file system keeps no birth times", path);
    if (!S_ISREG(x.stx_mode) && !S_ISDIR(x.stx_mode))
        return false; /* sockets: nothing that survives */
    ret->type = S_ISDIR(x.stx_mode) ? 'd' : 'f';
    snprintf(ret->id, sizeof(ret->id), "%llx-%llx", (unsigned long long)x.stx_ino,
             (unsigned long long)x.stx_btime.tv_sec * 1000000000ULL + x.stx_btime.tv_nsec);
    ret->mode = x.stx_mode & 07777;
    ret->uid = x.stx_uid;
    ret->gid = x.stx_gid;
    return true;
}

/* --- lists of names --- */

static void list_add(struct pc_list *l, const struct pc_entry *e)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = realloc(l->v, l->cap * sizeof(*l->v));
        if (!l->v)
            pc_die("out of memory");
    }
    l->v[l->n++] = *e;
}

void pc_list_done(struct pc_list *l)
{
    free(l->v);
    *l = (struct pc_list){ .n = 0 };
}

void pc_list_live(const char *path, struct pc_list *ret)
{
    DIR *d = opendir(path);
    struct pc_entry e;
    char full[8300];
    *ret = (struct pc_list){ .n = 0 };
    if (!d)
        return; /* it went meanwhile */
    for (struct dirent *de; (de = readdir(d));) {
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
            continue;
        if (!pc_identify(join(full, path, de->d_name), &e))
            continue;
        snprintf(e.name, sizeof(e.name), "%s", de->d_name);
        list_add(ret, &e);
    }
    closedir(d);
}

bool pc_list_shadow(const struct pc *p, const char *id, struct pc_list *ret)
{
    char path[8300], line[512];
    *ret = (struct pc_list){ .n = 0 };
    snprintf(path, sizeof(path), "%s/dirs/%s", p->shadow, id);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (fgets(line, sizeof(line), f)) {
        struct pc_entry e;
        if (sscanf(line, "%c %39s %o %u %u %255[^\n]", &e.type, e.id, &e.mode, &e.uid, &e.gid,
                   e.name) != 6)
            pc_die("%s: bad line %s", path, line);
        list_add(ret, &e);
    }
    fclose(f);
    return true;
}

static void list_write(const struct pc *p, const char *id, const struct pc_list *l)
{
    char path[8300], tmp[8300];
    snprintf(path, sizeof(path), "%s/dirs/%s", p->shadow, id);
    snprintf(tmp, sizeof(tmp), "%s/new-dir", p->shadow);
    unlink(tmp);
    FILE *f = fopen(tmp, "we");
    for (size_t i = 0; f && i < l->n; i++) {
        const struct pc_entry *e = &l->v[i];
        fprintf(f, "%c %s %o %u %u %s\n", e->type, e->id, e->mode, e->uid, e->gid, e->name);
    }
    if (!f || fclose(f) != 0 || rename(tmp, path) < 0)
        pc_die("%s: %s", path, strerror(errno));
}

static void write_dir(const struct pc *p, const char *path)
{
    struct pc_entry self;
    struct pc_list l;
    if (!pc_identify(path, &self))
        return;
    pc_list_live(path, &l);
    list_write(p, self.id, &l);
    pc_list_done(&l);
}

/* One name of a directory becomes durable, and the way to it. */
static void write_name(const struct pc *p, const char *path)
{
    char dir[4096];
    struct pc_entry parent, e;
    struct pc_list l;
    snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash || !pc_inside(p, dir) || !strcmp(dir, p->root))
        return;
    snprintf(e.name, sizeof(e.name), "%s", slash + 1);
    *slash = '\0';
    if (!pc_identify(path, &e) || !pc_identify(dir, &parent))
        return;
    pc_list_shadow(p, parent.id, &l);
    size_t i = 0;
    while (i < l.n && strcmp(l.v[i].name, e.name) != 0)
        i++;
    bool known = i < l.n && !strcmp(l.v[i].id, e.id);
    if (!known) {
        if (i < l.n)
            l.v[i] = e;
        else
            list_add(&l, &e);
        list_write(p, parent.id, &l);
    }
    pc_list_done(&l);
    write_name(p, dir);
}

/* --- contents --- */

static size_t read_some(int fd, char *to, size_t n, off_t off)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = pread(fd, to + got, n - got, off + (off_t)got);
        if (r < 0 && errno != EINTR)
            pc_die("pread: %s", strerror(errno));
        if (r == 0)
            break;
        got += r > 0 ? (size_t)r : 0;
    }
    return got;
}

static void write_page(int fd, const char *from, size_t n, off_t off)
{
    if (pwrite(fd, from, n, off) != (ssize_t)n)
        pc_die("writing the shadow: %s", strerror(errno));
}

static void copy_changed(int from, int to)
{
    char *a = malloc(2 * CHUNK), *b = a + CHUNK;
    off_t off = 0;
    if (!a)
        pc_die("out of memory");
    for (;;) {
        size_t n = read_some(from, a, CHUNK, off), have = read_some(to, b, CHUNK, off);
        for (size_t i = 0; i < n; i += PAGE) {
            size_t k = n - i < PAGE ? n - i : PAGE;
            if (have < i + k || memcmp(a + i, b + i, k) != 0)
                write_page(to, a + i, k, off + (off_t)i);
        }
        off += (off_t)n;
        if (n < CHUNK)
            break;
    }
    free(a);
    if (ftruncate(to, off) < 0)
        pc_die("ftruncate: %s", strerror(errno));
}

static long long ns(struct timespec t)
{
    return (long long)t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The object has the file's time of change, and when it was copied as time of access. */
static bool unchanged(const struct stat *file, const struct stat *obj)
{
    return file->st_size == obj->st_size && ns(file->st_mtim) == ns(obj->st_mtim) &&
           ns(file->st_mtim) + RACY_NS < ns(obj->st_atim);
}

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && !strcmp(path + n - m, end);
}

/* Locks of SQLite are POSIX locks: they end when the process closes any descriptor of the file, and
 * others would then take it to be unused and cut its -shm file under our feet. What SQLite locks is
 * opened once and stays open. With the shadow's lock. */
static int open_content(const char *name, const char *path, bool *ret_stays)
{
    static struct {
        dev_t dev;
        ino_t ino;
        int fd;
    } * kept;
    static size_t n_kept;
    struct stat st;
    *ret_stays = ends_with(name, ".db") || ends_with(name, "-shm");
    if (*ret_stays && stat(path, &st) < 0)
        return -1;
    for (size_t i = 0; *ret_stays && i < n_kept; i++)
        if (kept[i].dev == st.st_dev && kept[i].ino == st.st_ino)
            return kept[i].fd;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !*ret_stays)
        return fd;
    if (fstat(fd, &st) < 0)
        pc_die("fstat: %s", strerror(errno));
    kept = realloc(kept, (n_kept + 1) * sizeof(*kept));
    if (!kept)
        pc_die("no memory");
    kept[n_kept].dev = st.st_dev;
    kept[n_kept].ino = st.st_ino;
    kept[n_kept++].fd = fd;
    return fd;
}

/* path: of the file `name`, maybe below /proc/self/fd. maybe: only when it looks changed. */
static void write_content(const struct pc *p, const char *name, const char *path, const char *id,
                          bool maybe)
{
    bool stays;
    char obj[8300];
    struct stat sf, so;
    struct timespec now;
    snprintf(obj, sizeof(obj), "%s/objs/%s", p->shadow, id);
    int from = open_content(name, path, &stays);
    if (from < 0 && errno == ENOENT)
        return;
    int to = open(obj, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (from < 0 || to < 0)
        pc_die("%s, %s: %s", path, obj, strerror(errno));
    clock_gettime(CLOCK_REALTIME, &now);
    if (fstat(from, &sf) < 0 || fstat(to, &so) < 0)
        pc_die("fstat: %s", strerror(errno));
    if (!maybe || !unchanged(&sf, &so) || sf.st_size <= PAGE) {
        struct timespec t[2] = { now, sf.st_mtim };
        copy_changed(from, to);
        futimens(to, t);
    }
    if (!stays)
        close(from);
    close(to);
}

void pc_sync_fd(const struct pc *p, int fd)
{
    char link[64], path[4096];
    struct pc_entry e;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        return;
    path[n] = '\0';
    if (!pc_inside(p, path))
        return;
    int l = lock(p);
    if (pc_identify(path, &e)) { /* else it was removed: nothing to find after a cut */
        if (e.type == 'd')
            write_dir(p, path);
        else
            write_content(p, path, link, e.id, false);
        if (p->names_follow)
            write_name(p, path);
    }
    close(l);
}

static void sync_tree(const struct pc *p, const char *path)
{
    struct pc_entry self;
    struct pc_list l;
    char sub[8300];
    if (!pc_identify(path, &self))
        return;
    pc_list_live(path, &l);
    for (size_t i = 0; i < l.n; i++) {
        join(sub, path, l.v[i].name);
        if (l.v[i].type == 'd')
            sync_tree(p, sub);
        else
            write_content(p, sub, sub, l.v[i].id, true);
    }
    list_write(p, self.id, &l);
    pc_list_done(&l);
}

void pc_sync_all(const struct pc *p)
{
    int l = lock(p);
    sync_tree(p, p->root);
    close(l);
}

static void make_dir(const char *path)
{
    if ((mkdir(path, 0777) < 0 && errno != EEXIST) || chmod(path, 0777) < 0)
        pc_die("%s: %s", path, strerror(errno));
}

void pc_begin(const struct pc *p)
{
    char path[8300];
    struct pc_entry e;
    make_dir(p->shadow);
    make_dir(join(path, p->shadow, "objs"));
    make_dir(join(path, p->shadow, "dirs"));
    if (!pc_identify(p->root, &e))
        pc_die("%s: %s", p->root, strerror(errno));
    FILE *f = fopen(join(path, p->shadow, "root"), "we");
    if (!f || fprintf(f, "%s\n", e.id) < 0 || fclose(f) != 0)
        pc_die("%s: %s", path, strerror(errno));
    pc_sync_all(p);
}
