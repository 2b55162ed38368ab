/* Files of a day are read in order of their numbers, forward. */
#include "server/api/log_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/api/page.h"

#define READ_BYTES     (256 * KiB)
#define LINE_MAX_BYTES (128 * KiB)
#define MAX_FILES      10000

struct file {
    uint32_t ymd;
    unsigned nn;
    uint64_t size;
    char name[40];
};

static int by_age(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return x->ymd != y->ymd ? (x->ymd < y->ymd ? 1 : -1) : x->nn < y->nn ? -1 : x->nn > y->nn;
}

/* Newest day first, then in order of their numbers. */
static int list_files(const char *dir, enum log_type t, struct file **ret, size_t *ret_n)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    *ret = NULL;
    *ret_n = 0;
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while (*ret_n < MAX_FILES && (e = readdir(d))) {
        struct file f;
        struct stat st;

        if (!log_name_parse(t, NULL, sv_c(e->d_name), &f.ymd, &f.nn) ||
            !sv_copy(f.name, sizeof(f.name), sv_c(e->d_name)) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        f.size = (uint64_t)st.st_size;
        if (!(*ret_n & (*ret_n - 1)))
            *ret = xrealloc(*ret, (*ret_n ? 2 * *ret_n : 1) * sizeof(**ret));
        (*ret)[(*ret_n)++] = f;
    }
    closedir(d);
    if (*ret_n)
        qsort(*ret, *ret_n, sizeof(**ret), by_age);
    return 0;
}

int log_days(const char *dir, enum log_type t,
             void (*fn)(void *arg, uint32_t ymd, unsigned files, uint64_t bytes), void *arg)
{
    _cleanup_(freep) char *path = log_dir_of(dir, t);
    _cleanup_(freep) struct file *all = NULL;
    size_t n, i = 0;
    int r = list_files(path, t, &all, &n);

    while (i < n) {
        uint32_t ymd = all[i].ymd;
        unsigned files = 0;
        uint64_t bytes = 0;

        for (; i < n && all[i].ymd == ymd; i++) {
            files++;
            bytes += all[i].size;
        }
        fn(arg, ymd, files, bytes);
    }
    return r;
}

static bool is_time(struct sv s)
{
    if (s.n < 8 || s.p[2] != ':' || s.p[5] != ':')
        return false;
    for (size_t i = 0; i < 8; i++)
        if (i != 2 && i != 5 && (s.p[i] < '0' || s.p[i] > '9'))
            return false;
    return true;
}

bool log_row_parse(struct sv line, struct log_row *ret)
{
    ssize_t open = sv_find(sv_take(line, 64), '[');
    struct sv rest;

    *ret = (struct log_row){ .text = line };
    if (open < 1 || line.n < (size_t)open + 15 || line.p[open + 5] != ']')
        return false;
    rest = sv_skip(line, (size_t)open + 7);
    if (!is_time(rest))
        return false;
    ret->source = sv_trim(sv_take(line, (size_t)open));
    ret->session = sv_n(line.p + open + 1, 4);
    /* hh:mm:ss, the authentication log with .mmm behind it */
    ssize_t space = sv_find(rest, ' ');
    ret->time = space < 0 ? rest : sv_take(rest, (size_t)space);
    ret->text = space < 0 ? SV("") : sv_skip(rest, (size_t)space + 1);
    return true;
}

static bool fits(const struct log_search *s, struct sv line, bool *inside)
{
    struct log_row row;

    if (log_row_parse(line, &row))
        *inside = (!s->from.p || sv_cmp(sv_take(row.time, 8), s->from) >= 0) &&
                  (!s->to.p || sv_cmp(sv_take(row.time, 8), s->to) <= 0);
    return *inside && api_q_fits(s->filter, line);
}

/* One file from s->offset. 1 = stopped in it, 0 = its end. */
static int search_file(struct log_search *s, int fd, size_t *left, int64_t until, char *room,
                       void (*fn)(void *, struct sv), void *arg)
{
    size_t have = 0;
    bool inside = true;

    for (;;) {
        ssize_t n = pread(fd, room + have, READ_BYTES, (off_t)(s->offset + have));
        struct sv rest;

        if (n < 0)
            return -errno;
        have += (size_t)n;
        rest = sv_n(room, have);
        for (;;) {
            ssize_t eol = sv_find(rest, '\n');

            if (eol < 0 && rest.n < LINE_MAX_BYTES)
                break; /* still being written, or more to read */
            struct sv line = sv_take(rest, eol < 0 ? LINE_MAX_BYTES : (size_t)eol);
            size_t whole = line.n + (eol >= 0);

            rest = sv_skip(rest, whole);
            s->offset += whole;
            if (!fits(s, line, &inside))
                continue;
            fn(arg, line);
            if (--*left == 0)
                return 1;
        }
        have = rest.n;
        memmove(room, rest.p, have);
        if (n == 0)
            return 0;
        if (clock_mono_ms() > until)
            return 1;
    }
}

int log_search(struct log_search *s, void (*fn)(void *arg, struct sv line), void *arg)
{
    _cleanup_(freep) char *dir = log_dir_of(s->dir, s->type);
    _cleanup_(freep) struct file *all = NULL;
    _cleanup_(freep) char *room = xmalloc(READ_BYTES + LINE_MAX_BYTES);
    int64_t until = clock_mono_ms() + s->budget_ms;
    size_t n, left = s->max;
    int r = list_files(dir, s->type, &all, &n);

    for (size_t i = 0; i < n && r == 0; i++) {
        _cleanup_(closep) int fd = -1;

        if (all[i].ymd != s->ymd || all[i].nn < s->nn)
            continue;
        if (all[i].nn > s->nn) {
            s->nn = all[i].nn;
            s->offset = 0;
        }
        _cleanup_(freep) char *path = xasprintf("%s/%s", dir, all[i].name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0)
            r = search_file(s, fd, &left, until, room, fn, arg);
        else if (errno != ENOENT)
            r = -errno;
    }
    return r;
}
