/* Begins a shadow, and makes the directory that a power cut leaves.
 *
 *   powercut begin ROOT SHADOW
 *   powercut restore ROOT SHADOW TARGET drop|mix SEED
 *
 * drop: nothing survives that was not synced. mix: any of it may: of each file the synced content,
 * the newest, or pages of both; of each directory the synced names or the newest. Prints what it
 * did. */
#include "powercut.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

static struct pc disk;
static bool mix;
static uint64_t seed;
static struct {
    unsigned files, dirs, empty, newer, mixed, dirs_newer, dropped_names;
} count;

/* --- live paths and restored paths by identity --- */

struct known {
    char id[PC_ID];
    char *live, *made;
};

static void *tree;

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->id, ((const struct known *)b)->id);
}

static struct known *known(const char *id)
{
    struct known *k = calloc(1, sizeof(*k));
    snprintf(k->id, sizeof(k->id), "%s", id);
    struct known **at = tsearch(k, &tree, by_id);
    if (*at != k)
        free(k);
    return *at;
}

static void learn(const char *path, const char *id)
{
    struct pc_list l;
    char sub[8300];
    known(id)->live = strdup(path);
    pc_list_live(path, &l);
    for (size_t i = 0; i < l.n; i++) {
        snprintf(sub, sizeof(sub), "%s/%s", path, l.v[i].name);
        if (l.v[i].type == 'd')
            learn(sub, l.v[i].id);
        else if (!known(l.v[i].id)->live)
            known(l.v[i].id)->live = strdup(sub);
    }
    pc_list_done(&l);
}

static unsigned chance(unsigned n) /* xorshift64* */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

/* --- contents --- */

struct bytes {
    char *p;
    size_t n;
};

static struct bytes slurp(const char *path)
{
    struct bytes b = { NULL, 0 };
    struct stat st;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return b;
    if (fstat(fd, &st) < 0 || !(b.p = malloc((size_t)st.st_size + 1)))
        pc_die("%s: %s", path, strerror(errno));
    while (b.n < (size_t)st.st_size) {
        ssize_t r = read(fd, b.p + b.n, (size_t)st.st_size - b.n);
        if (r <= 0)
            break;
        b.n += (size_t)r;
    }
    close(fd);
    return b;
}

/* Every page from one of both, the length too. */
static struct bytes blend(struct bytes old, struct bytes new)
{
    size_t n = chance(2) ? old.n : new.n;
    struct bytes out = { calloc(1, n + 1), n };
    for (size_t off = 0; off < n; off += PAGE) {
        const struct bytes *from = chance(2) ? &old : &new;
        size_t end = n < off + PAGE ? n : off + PAGE;
        if (from->n > off)
            memcpy(out.p + off, from->p + off, (from->n < end ? from->n : end) - off);
    }
    return out;
}

static struct bytes content(const struct pc_entry *e, const char *live)
{
    char obj[8300];
    snprintf(obj, sizeof(obj), "%s/objs/%s", disk.shadow, e->id);
    struct bytes old = slurp(obj), new = { NULL, 0 }, out = old;
    if (mix && live) {
        new = slurp(live);
        bool same = old.n == new.n && (!old.n || !memcmp(old.p, new.p, old.n));
        unsigned c = same ? 0 : chance(3);
        if (c == 1) {
            count.newer++;
            out = new;
        } else if (c == 2) {
            count.mixed++;
            out = blend(old, new);
        }
    }
    if (!out.p || !out.n)
        count.empty++;
    if (out.p != old.p)
        free(old.p);
    if (out.p != new.p)
        free(new.p);
    return out;
}

static void make_file(const struct pc_entry *e, const char *path)
{
    struct known *k = known(e->id);
    count.files++;
    if (k->made) {
        if (link(k->made, path) < 0)
            pc_die("%s: %s", path, strerror(errno));
        return;
    }
    struct bytes b = content(e, k->live);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || (b.n && write(fd, b.p, b.n) != (ssize_t)b.n) || fchown(fd, e->uid, e->gid) < 0 ||
        fchmod(fd, e->mode) < 0 || close(fd) < 0)
        pc_die("%s: %s", path, strerror(errno));
    free(b.p);
    k->made = strdup(path);
}

static void make_dir(const struct pc_entry *e, const char *path)
{
    struct pc_list old, new = { .n = 0 }, *use = &old;
    const char *live = known(e->id)->live;
    char sub[8300];
    count.dirs++;
    pc_list_shadow(&disk, e->id, &old);
    if (live)
        pc_list_live(live, &new);
    if (mix && chance(2)) {
        use = &new;
        count.dirs_newer++;
    }
    count.dropped_names += use == &old && new.n > old.n ? (unsigned)(new.n - old.n) : 0;
    if (mkdir(path, 0700) < 0 || chown(path, e->uid, e->gid) < 0 || chmod(path, e->mode) < 0)
        pc_die("%s: %s", path, strerror(errno));
    for (size_t i = 0; i < use->n; i++) {
        snprintf(sub, sizeof(sub), "%s/%s", path, use->v[i].name);
        if (use->v[i].type == 'd')
            make_dir(&use->v[i], sub);
        else
            make_file(&use->v[i], sub);
    }
    pc_list_done(&old);
    pc_list_done(&new);
}

static void restore(const char *target)
{
    char path[8300], id[PC_ID] = "";
    struct pc_entry root;
    snprintf(path, sizeof(path), "%s/root", disk.shadow);
    FILE *f = fopen(path, "re");
    if (!f || fscanf(f, "%39s", id) != 1 || !pc_identify(disk.root, &root))
        pc_die("%s or %s cannot be read", path, disk.root);
    fclose(f);
    if (strcmp(id, root.id) != 0)
        pc_die("%s is not the directory that the shadow was begun with", disk.root);
    learn(disk.root, root.id);
    make_dir(&root, target);
    printf("%u files, %u directories; %u files empty, %u newer than synced, %u mixed; "
           "%u directories newer than synced, %u names dropped\n",
           count.files, count.dirs, count.empty, count.newer, count.mixed, count.dirs_newer,
           count.dropped_names);
}

int main(int argc, char **argv)
{
    umask(0);
    if (argc >= 4) {
        snprintf(disk.root, sizeof(disk.root), "%s", argv[2]);
        snprintf(disk.shadow, sizeof(disk.shadow), "%s", argv[3]);
    }
    if (argc == 4 && !strcmp(argv[1], "begin")) {
        pc_begin(&disk);
        return 0;
    }
    if (argc == 7 && !strcmp(argv[1], "restore")) {
        mix = !strcmp(argv[5], "mix");
        seed = strtoull(argv[6], NULL, 10) * 2654435761u + 1;
        restore(argv[4]);
        return 0;
    }
    fprintf(stderr,
            "usage: powercut begin ROOT SHADOW | restore ROOT SHADOW TARGET drop|mix SEED\n");
    return 2;
}
