/* Files of a day are read in order of their numbers, forward; where the filter names a text, only
 * lines that contain it are looked at one by one. */
#include "server/api/log_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/api/page.h"

#define READ_BYTES     (256 * KiB)
#define LINE_MAX_BYTES (128 * KiB)
#define BACK_BYTES     (4 * MiB)
#define MAX_FILES      10000

static int by_age(const void *a, const void *b)
{
    const struct log_file *x = a, *y = b;

    return x->ymd != y->ymd ? (x->ymd < y->ymd ? 1 : -1) : x->nn < y->nn ? -1 : x->nn > y->nn;
}

/* Newest day first, then in order of their numbers. */
static int list_files(const char *dir, enum log_type t, struct log_file **ret, size_t *ret_n)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    *ret = NULL;
    *ret_n = 0;
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    while (*ret_n < MAX_FILES && (e = readdir(d))) {
        struct log_file f = { 0 };
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

static int newest_first(const void *a, const void *b)
{
    const struct log_file *x = a, *y = b;

    return x->ymd != y->ymd ? by_age(a, b) : by_age(b, a);
}

/* Lines go to the last file of today; of days to come where the clock was set back. */
int log_list_files(const char *dir, enum log_type t, uint32_t today, struct log_file **ret,
                   size_t *ret_n)
{
    _cleanup_(freep) char *path = log_dir_of(dir, t);
    int r = list_files(path, t, ret, ret_n);

    if (*ret_n)
        qsort(*ret, *ret_n, sizeof(**ret), newest_first);
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i].current =
            (*ret)[i].ymd >= today && (i == 0 || (*ret)[i - 1].ymd != (*ret)[i].ymd);
    return r;
}

int log_days(const char *dir, enum log_type t,
             void (*fn)(void *arg, uint32_t ymd, unsigned files, uint64_t bytes), void *arg)
{
    _cleanup_(freep) char *path = log_dir_of(dir, t);
    _cleanup_(freep) struct log_file *all = NULL;
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

/* "[1A2B]" or, as the session view has it, "[00001A2B]": its length. */
static size_t bracket_len(struct sv s)
{
    return s.n > 5 && s.p[0] == '[' && s.p[5] == ']' ? 6 : s.n > 9 && s.p[9] == ']' ? 10 : 0;
}

/* "hh:mm:ss", in the authentication log with ":mmm" behind it, or "Thu, 22 Apr 2006 22:01:42
 * +0200": its length, and where the time of day is in it. */
static size_t time_len(struct sv s, size_t *ret_at)
{
    ssize_t space = sv_find(s, ' ');

    *ret_at = 0;
    if (is_time(s))
        return space < 0 ? s.n : (size_t)space;
    *ret_at = 17;
    return s.n >= 31 && s.p[3] == ',' && is_time(sv_skip(s, 17)) ? 31 : 0;
}

bool log_row_parse(struct sv line, struct log_row *ret)
{
    ssize_t open = sv_find(sv_take(line, 64), '[');
    size_t bracket, time, at;
    struct sv rest;

    *ret = (struct log_row){ .text = line };
    if (open < 0)
        return false;
    rest = sv_skip(line, (size_t)open);
    bracket = bracket_len(rest);
    if (!bracket || rest.n <= bracket || rest.p[bracket] != ' ')
        return false;
    ret->session = sv_n(rest.p + 1, bracket - 2);
    rest = sv_skip(rest, bracket + 1);
    time = time_len(rest, &at);
    if (!time) {
        ret->session = SV_NULL;
        return false;
    }
    ret->source = sv_trim(sv_take(line, (size_t)open));
    ret->time = sv_skip(sv_take(rest, time), at);
    ret->text = sv_skip(rest, time + 1);
    if (!ret->text.n)
        ret->text = SV("");
    return true;
}

static bool in_window(const struct log_search *s, const struct log_row *row)
{
    struct sv hms = sv_take(row->time, 8);

    return (!s->from.p || sv_cmp(hms, s->from) >= 0) && (!s->to.p || sv_cmp(hms, s->to) <= 0);
}

static bool fits(const struct log_search *s, struct sv line, bool *inside)
{
    struct log_row row;

    if ((s->from.p || s->to.p) && log_row_parse(line, &row))
        *inside = in_window(s, &row);
    return *inside && api_q_fits(s->filter, line);
}

/* A text that each line of the result contains; empty = none is known. */
static struct sv longest_word(const char *filter)
{
    struct sv rest = sv_c(filter ? filter : ""), best = SV("");

    while (rest.p) {
        struct sv word = sv_trim(sv_split(&rest, ';'));

        if (word.n > best.n && !(word.n > 1 && word.p[0] == '-'))
            best = word;
    }
    return best;
}

/* Lines that are passed over unread: the last one with a time says where those behind it are. */
static void pass(const struct log_search *s, struct sv lines, bool *inside)
{
    struct log_row row;

    if (!s->from.p && !s->to.p)
        return;
    while (lines.n) {
        size_t begin = (size_t)(sv_rfind(sv_take(lines, lines.n - 1), '\n') + 1);

        if (log_row_parse(sv_skip(lines, begin), &row)) {
            *inside = in_window(s, &row);
            return;
        }
        lines = sv_take(lines, begin);
    }
}

/* Bytes of whole lines in front of the first one that contains word. */
static size_t skippable(struct sv text, struct sv word)
{
    ssize_t found = word.n ? sv_ifind_sv(text, word) : 0;

    return (size_t)(sv_rfind(found < 0 ? text : sv_take(text, (size_t)found), '\n') + 1);
}

/* One file from s->offset. 1 = stopped in it, 0 = its end. */
static int search_file(struct log_search *s, int fd, size_t *left, int64_t until, char *room,
                       void (*fn)(void *, struct sv), void *arg)
{
    struct sv word = longest_word(s->filter);
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
            size_t skip = skippable(rest, word);
            ssize_t eol;

            pass(s, sv_take(rest, skip), &inside);
            s->offset += skip;
            rest = sv_skip(rest, skip);
            eol = sv_find(rest, '\n');
            if (eol < 0 && rest.n < LINE_MAX_BYTES)
                break; /* still being written, or more to read */
            struct sv line = sv_take(rest, eol < 0 ? LINE_MAX_BYTES : (size_t)eol);
            size_t whole = line.n + (eol >= 0);

            rest = sv_skip(rest, whole);
            s->at = s->offset;
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
    _cleanup_(freep) struct log_file *all = NULL;
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

/* --- back --- */

static int open_file(const char *dir, const char *name)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -errno : fd;
}

/* The begin of the line that is `lines` before the one at `at`; of fewer where the file begins.
 * *left: bytes that may be read. Returns how many lines it went back. */
static unsigned back_in_file(int fd, uint64_t *at, unsigned lines, size_t *left, char *room)
{
    uint64_t end = *at; /* of what has not been looked at */
    unsigned seen = 0;  /* line ends before *at: the first one ends the line before */

    while (end > 0 && *left > 0) {
        size_t n = MIN(MIN((uint64_t)READ_BYTES, end), *left);
        ssize_t r = pread(fd, room, n, (off_t)(end - n));

        if (r != (ssize_t)n)
            break;
        *left -= n;
        for (size_t i = n; i > 0; i--)
            if (room[i - 1] == '\n') {
                if (seen > 0)
                    *at = end - n + i;
                if (seen == lines)
                    return seen;
                seen++;
            }
        end -= n;
    }
    if (end == 0 && seen > 0)
        *at = 0;
    return end == 0 ? seen : seen - (seen > 0);
}

/* Where a file's last line ends. */
static uint64_t size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static bool begins_line(int fd, uint64_t at)
{
    char before = 0;

    return at < size_of(fd) &&
           (at == 0 || (pread(fd, &before, 1, (off_t)(at - 1)) == 1 && before == '\n'));
}

int log_back(struct log_search *s, unsigned lines)
{
    _cleanup_(freep) char *dir = log_dir_of(s->dir, s->type);
    _cleanup_(freep) struct log_file *all = NULL;
    _cleanup_(freep) char *room = xmalloc(READ_BYTES);
    size_t n, i = 0, left = BACK_BYTES;
    unsigned gone = 0;
    int r = list_files(dir, s->type, &all, &n);

    while (r == 0 && i < n && (all[i].ymd != s->ymd || all[i].nn != s->nn))
        i++;
    if (r < 0 || i == n)
        return r < 0 ? r : E_NOTFOUND;
    for (bool first = true;; first = false) {
        _cleanup_(closep) int fd = open_file(dir, all[i].name);

        if (first && (fd < 0 || !begins_line(fd, s->offset)))
            return fd < 0 && fd != -ENOENT ? fd : E_NOTFOUND;
        if (fd < 0)
            return (int)gone;
        if (!first) {
            s->nn = all[i].nn;
            s->offset = size_of(fd);
        }
        gone += back_in_file(fd, &s->offset, lines - gone, &left, room);
        if (gone == lines || s->offset > 0 || !left || i == 0 || all[i - 1].ymd != s->ymd)
            return (int)gone;
        i--;
    }
}
