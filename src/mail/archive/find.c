/* Days, hours and names in falling order; files are opened one after the other, as far as their
 * envelope and header. */
#include "mail/archive/find.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "log/log.h"
#include "mail/archive/archive.h"
#include "proto/mime.h"

enum { HEADER_MAX = 64 * 1024, TEXT_MAX = 1024 };

/* --- one file --- */

struct loaded {
    struct archive_row row;
    struct arena arena;
    struct buf text, from, to, subject;
};

static void loaded_done(struct loaded *l)
{
    arena_done(&l->arena);
    buf_done(&l->text);
    buf_done(&l->from);
    buf_done(&l->to);
    buf_done(&l->subject);
}

/* Reads up to n bytes from the file's position on. */
static int read_more(int fd, struct buf *b, size_t n)
{
    size_t want = b->n + n;
    int r = buf_reserve(b, n);
    while (r == 0 && b->n < want) {
        ssize_t got = read(fd, b->p + b->n, want - b->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        b->n += (size_t)got;
    }
    return r;
}

static struct sv decoded(const struct mime_part *root, struct sv name, struct buf *b)
{
    const struct mime_header *h = root ? mime_header_get(root, name) : NULL;
    buf_init(b, TEXT_MAX);
    if (h)
        (void)mime_decode_header(h->value, b); /* what fits */
    return b->n ? sv_trim(buf_sv(b)) : SV("");
}

static void read_header(struct loaded *l)
{
    struct mime_part *root = NULL;
    struct sv header = sv_skip(buf_sv(&l->text), l->row.entry.length);
    (void)mime_parse(sv_take(header, mime_header_length(header)), &l->arena, &root);
    l->row.from = decoded(root, SV("From"), &l->from);
    l->row.to = decoded(root, SV("To"), &l->to);
    l->row.subject = decoded(root, SV("Subject"), &l->subject);
}

static int load(int fd, const char *name, struct loaded *l, struct errinfo *ei)
{
    struct stat st;
    *l = (struct loaded){ .row = { .name = name } };
    arena_init(&l->arena, 2 * (size_t)ENTRY_MAX);
    buf_init(&l->text, (size_t)ENTRY_MAX + HEADER_MAX + ENTRY_FIRST);
    int r = fstat(fd, &st) < 0 ? -errno : read_more(fd, &l->text, ENTRY_FIRST);
    size_t n = r == 0 ? entry_length(buf_sv(&l->text)) : 0;
    if (r == 0 && n + HEADER_MAX > l->text.n)
        r = read_more(fd, &l->text, n + HEADER_MAX - l->text.n);
    if (r < 0)
        return err_set_errno(ei, r, "cannot read %s", name);
    r = entry_read(sv_take(buf_sv(&l->text), n), &l->arena, &l->row.entry, ei);
    if (r < 0)
        return r;
    l->row.size = (uint64_t)st.st_size - MIN((uint64_t)st.st_size, n);
    read_header(l);
    return 0;
}

static int open_entry(const char *dir, const char *name)
{
    char folder[ENTRY_FOLDER];
    entry_folder(name, folder);
    _cleanup_(freep) char *path = xasprintf("%s/%s/%s.eml", dir, folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int archive_look(const char *dir, const char *name,
                 int (*fn)(const struct archive_row *, int fd, void *arg), void *arg,
                 struct errinfo *ei)
{
    if (!entry_name_parse(sv_c(name), NULL, NULL))
        return err_set(ei, E_NOTFOUND, "the archive has no message '%.60s'", name);
    _cleanup_(closep) int fd = open_entry(dir, name);
    if (fd == -ENOENT)
        return err_set(ei, E_NOTFOUND, "the archive has no message '%s'", name);
    if (fd < 0)
        return err_set_errno(ei, fd, "cannot open %s of the archive", name);
    struct loaded l;
    int r = load(fd, name, &l, ei);
    if (r == 0)
        r = fn(&l.row, fd, arg);
    loaded_done(&l);
    return r;
}

/* --- folders --- */

struct names {
    char (*v)[ENTRY_NAME];
    size_t n, cap;
};

static int falling(const void *a, const void *b)
{
    return strcmp(b, a);
}

/* Names of a folder that fit, without the suffix, in falling order. A missing folder is empty. */
static int read_names(const char *path, const char *suffix, bool (*fits)(struct sv),
                      struct names *ret, struct errinfo *ei)
{
    DIR *d = opendir(path);
    struct dirent *e;
    *ret = (struct names){ 0 };
    if (!d)
        return errno == ENOENT ? 0 : err_set_errno(ei, -errno, "cannot read %s", path);
    while ((e = readdir(d))) {
        struct sv name = sv_c(e->d_name), end = sv_c(suffix);
        if (name.n <= end.n || name.n - end.n >= ENTRY_NAME ||
            !sv_eq(sv_skip(name, name.n - end.n), end) || !fits(sv_take(name, name.n - end.n)))
            continue;
        if (ret->n == ret->cap) {
            ret->cap = ret->cap ? 2 * ret->cap : 64;
            ret->v = xrealloc(ret->v, ret->cap * sizeof(*ret->v));
        }
        (void)sv_copy(ret->v[ret->n++], ENTRY_NAME, sv_take(name, name.n - end.n));
    }
    closedir(d);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), falling);
    return 0;
}

static bool is_number(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static bool is_day(struct sv s)
{
    return s.n == 10 && is_number(sv_take(s, 4)) && s.p[4] == '-' && is_number(sv_n(s.p + 5, 2)) &&
           s.p[7] == '-' && is_number(sv_skip(s, 8));
}

static bool is_hour(struct sv s)
{
    return s.n == 2 && is_number(s);
}

static bool is_name(struct sv s)
{
    return entry_name_parse(s, NULL, NULL);
}

/* --- searching --- */

struct search {
    const struct archive_query *q;
    char from[ENTRY_NAME], to[ENTRY_NAME]; /* names with a time: from <= name < to; "" = open */
    char *next;
    char last[ENTRY_NAME];        /* row that was given */
    char second[ENTRY_STAMP + 1]; /* of the name that was looked at last */
    size_t rows, files;
    int64_t until_ms; /* monotonic */
    struct errinfo *ei;
};

static bool row_fits(const struct archive_query *q, const struct archive_row *r)
{
    return (!q->subject.p || sv_ifind_sv(r->subject, q->subject) >= 0) &&
           (!q->sees || q->sees(r, q->arg));
}

static bool name_fits(const struct search *s, const char *name)
{
    struct sv id;
    if ((*s->from && strcmp(name, s->from) < 0) || (*s->to && strcmp(name, s->to) >= 0) ||
        (s->q->before && strcmp(name, s->q->before) >= 0))
        return false;
    return !s->q->id.p || (entry_name_parse(sv_c(name), NULL, &id) && sv_ieq(id, s->q->id));
}

/* What goes on later names nothing that was not given: a row, or a time all of whose files were
 * looked at. */
static bool has_enough(struct search *s, const char *name)
{
    bool rows = s->rows == s->q->max_rows,
         files = s->files >= s->q->max_files && strncmp(name, s->second, ENTRY_STAMP) != 0;
    if (rows || files)
        (void)sv_copy(s->next, ENTRY_NAME, sv_c(rows ? s->last : s->second));
    return rows || files;
}

/* False: enough was looked at. */
static bool visit(struct search *s, const char *name)
{
    struct errinfo ei = { 0 };
    struct loaded l;
    if (has_enough(s, name))
        return false;
    (void)sv_copy(s->second, sizeof(s->second), sv_take(sv_c(name), ENTRY_STAMP));
    s->files++;
    _cleanup_(closep) int fd = open_entry(s->q->dir, name);
    if (fd < 0)
        return true; /* deleted for its age just now */
    int r = load(fd, name, &l, &ei);
    if (r < 0) {
        log_warn("The archive's file %s.eml cannot be read: %s", name, ei.text);
    } else if (row_fits(s->q, &l.row)) {
        s->rows++;
        (void)sv_copy(s->last, ENTRY_NAME, sv_c(name));
        s->q->row(&l.row, s->q->arg);
    }
    loaded_done(&l);
    return true;
}

/* May a folder hold names of the query? stamp: the digits of its time. A name of the bounds begins
 * with such digits too. */
static bool folder_fits(const struct search *s, const char *stamp)
{
    size_t n = strlen(stamp);
    return !(*s->from && strncmp(stamp, s->from, n) < 0) &&
           !(*s->to && strncmp(stamp, s->to, n) > 0) &&
           !(s->q->before && strncmp(stamp, s->q->before, n) > 0);
}

/* 1: go on, 0: enough, < 0: error. */
static int search_hour(struct search *s, const char *day, const char *hour)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s/%s", s->q->dir, day, hour);
    char stamp[ENTRY_NAME];
    struct names names;
    snprintf(stamp, sizeof(stamp), "%.4s%.2s%.2sT%.2s", day, day + 5, day + 8, hour);
    if (!folder_fits(s, stamp))
        return 1;
    int r = read_names(path, ".eml", is_name, &names, s->ei);
    bool more = r == 0;
    for (size_t i = 0; i < names.n && more; i++)
        more = !name_fits(s, names.v[i]) || visit(s, names.v[i]);
    free(names.v);
    if (r < 0 || !more)
        return r;
    if (clock_mono_ms() < s->until_ms)
        return 1;
    (void)sv_copy(s->next, ENTRY_NAME, sv_c(stamp)); /* all of this hour's are greater */
    return 0;
}

static int search_day(struct search *s, const char *day)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", s->q->dir, day);
    char stamp[ENTRY_NAME];
    struct names hours;
    snprintf(stamp, sizeof(stamp), "%.4s%.2s%.2sT", day, day + 5, day + 8);
    if (!folder_fits(s, stamp))
        return 1;
    int r = read_names(path, "", is_hour, &hours, s->ei);
    r = r < 0 ? r : 1;
    for (size_t i = 0; i < hours.n && r == 1; i++)
        r = search_hour(s, day, hours.v[i]);
    free(hours.v);
    return r;
}

/* A name that comes before all of that second. */
static void bound(int64_t ms, char ret[ENTRY_NAME])
{
    if (ms) {
        entry_name(ms, "", 0, ret);
        ret[16] = '\0';
    }
}

int archive_find(const struct archive_query *q, char ret_next[ENTRY_NAME], struct errinfo *ei)
{
    struct search s = { .q = q, .next = ret_next, .ei = ei };
    s.until_ms = clock_mono_ms() + q->budget_ms;
    struct names days;
    *ret_next = '\0';
    bound(q->from_ms, s.from);
    bound(q->to_ms, s.to);
    int r = read_names(q->dir, "", is_day, &days, ei);
    r = r < 0 ? r : 1;
    for (size_t i = 0; i < days.n && r == 1; i++)
        r = search_day(&s, days.v[i]);
    free(days.v);
    return MIN(r, 0);
}

/* --- what is there --- */

struct summing {
    struct archive_sum *sum;
    size_t max_files;
    int64_t until_ms; /* monotonic */
};

static bool sum_over(const struct summing *s)
{
    return s->sum->messages >= s->max_files || clock_mono_ms() > s->until_ms;
}

static int sum_hour(struct summing *s, const char *path, struct errinfo *ei)
{
    struct names names;
    struct stat st;
    int r = read_names(path, ".eml", is_name, &names, ei);
    for (size_t i = 0; r == 0 && i < names.n && !sum_over(s); i++) {
        _cleanup_(freep) char *file = xasprintf("%s/%s.eml", path, names.v[i]);
        if (lstat(file, &st) < 0)
            continue; /* deleted for its age just now */
        s->sum->messages++;
        s->sum->bytes += (uint64_t)st.st_size;
    }
    free(names.v);
    return r;
}

static int sum_day(struct summing *s, const char *path, struct errinfo *ei)
{
    struct names hours;
    int r = read_names(path, "", is_hour, &hours, ei);
    for (size_t i = 0; r == 0 && i < hours.n && !sum_over(s); i++) {
        _cleanup_(freep) char *hour = xasprintf("%s/%s", path, hours.v[i]);
        r = sum_hour(s, hour, ei);
    }
    free(hours.v);
    return r;
}

int archive_sum(const char *dir, size_t max_files, int64_t budget_ms, struct archive_sum *ret,
                struct errinfo *ei)
{
    struct summing s = { ret, max_files, clock_mono_ms() + budget_ms };
    struct names days;
    *ret = (struct archive_sum){ 0 };
    int r = read_names(dir, "", is_day, &days, ei);
    ret->days = days.n;
    if (r == 0 && days.n) {
        (void)sv_copy(ret->last, sizeof(ret->last), sv_c(days.v[0]));
        (void)sv_copy(ret->first, sizeof(ret->first), sv_c(days.v[days.n - 1]));
    }
    for (size_t i = 0; r == 0 && i < days.n && !sum_over(&s); i++) {
        _cleanup_(freep) char *day = xasprintf("%s/%s", dir, days.v[i]);
        r = sum_day(&s, day, ei);
    }
    free(days.v);
    ret->complete = r == 0 && !sum_over(&s);
    return r;
}
