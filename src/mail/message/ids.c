/* Message ids ("OSA88513") and queue item names. Blocks of numbers are reserved in a file before
 * they are used, so that no id returns within its period (1,757,600,000 messages), also after a
 * crash. The process owns one reservation; `lock` guards it. */
#include "mail/message/message.h"

#include "base/clock.h"
#include "base/rand.h"
#include "os/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define A_YEAR UINT64_C(10000000000) /* of local_second */
enum {
    BLOCK = 50000,       /* one durable write for so many ids */
    PERIOD = 1757600000, /* 26^3 * 10^5 */
    SPREAD = 1234567891, /* coprime to PERIOD: neighbours differ in their letters, volume does not
                            show */
    RETRY_AFTER = 1000,  /* ids until a failed reservation is tried again */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char *path; /* NULL: not opened, numbers start at 0 (unit tests) */
    char server_id[8];
    uint64_t next, end; /* numbers that may be used */
    uint64_t second;    /* local time as the number yyyymmddhhmmss; never goes back */
    uint64_t n_in_second;
    int64_t wall_s; /* of the second looked at last */
} ids;

static uint64_t local_second(int64_t wall_s)
{
    char text[24];
    uint64_t v = 0;
    clock_ymdhms(wall_s, text);
    sv_to_u64(sv_c(text), &v);
    return v;
}

/* On a full disk: the same length in the same place needs no space, and so few bytes are not torn.
 */
static int write_in_place(struct sv text)
{
    _cleanup_(closep) int fd = open(ids.path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size != (off_t)text.n)
        return -ENOSPC;
    int r = os_pwrite_all(fd, text.p, text.n, 0);
    return r < 0 ? r : fdatasync(fd) < 0 ? -errno : 0;
}

/* The file holds "<next free number> <second no item has>" and always the same number of bytes. */
static int reserve(uint64_t from, struct errinfo *ei)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "%020" PRIu64 " %020" PRIu64 "\n", from + BLOCK,
                     ids.second + 1);
    int r = os_write_file_atomic(ids.path, sv_n(text, (size_t)n), 0600, ei);
    if (r == -ENOSPC || r == -EDQUOT)
        r = write_in_place(sv_n(text, (size_t)n)) < 0 ? r : 0;
    if (r < 0)
        return r;
    ids.next = from;
    ids.end = from + BLOCK;
    return 0;
}

static int load(const char *path, uint64_t *ret_next, uint64_t *ret_second, struct errinfo *ei)
{
    struct buf b;
    buf_init(&b, 256);
    int r = os_read_file(path, &b, NULL);
    if (r == -ENOENT || r == E_NOTFOUND) {
        buf_done(&b);
        return 0;
    }
    struct sv rest = sv_trim(buf_sv(&b));
    struct sv first = sv_split(&rest, ' ');
    if (r < 0 || sv_to_u64(first, ret_next) < 0 || sv_to_u64(rest, ret_second) < 0)
        r = err_set(ei, r < 0 ? r : E_CORRUPT,
                    "%s: cannot be read as '<number> <second>'; restore it, or remove it when no "
                    "message of the last weeks is of interest",
                    path);
    buf_done(&b);
    return r;
}

int message_ids_open(const char *path, const char *server_id, struct errinfo *ei)
{
    /* Without a file anywhere: servers, and one whose file is gone, do not all begin with AAA00000.
     */
    uint64_t next = rand_u64() % PERIOD, second = 0;
    int r = load(path, &next, &second, ei);
    if (r < 0)
        return r;
    pthread_mutex_lock(&lock);
    free(ids.path);
    ids.path = xstrdup(path);
    sv_copy(ids.server_id, sizeof(ids.server_id), sv_c(server_id));
    /* A process that ended within this second may have used it: items begin with the next one. */
    ids.second = MAX(second, local_second(clock_wall_s() + 1));
    ids.n_in_second = 0;
    ids.wall_s = 0;
    r = reserve(next, ei);
    pthread_mutex_unlock(&lock);
    return r < 0 ? r : 0;
}

void message_ids_above(const char *item)
{
    struct sv s = sv_c(item);
    uint64_t second;
    pthread_mutex_lock(&lock);
    if (sv_starts(s, sv_c(ids.server_id))) {
        s = sv_take(sv_skip(s, strlen(ids.server_id)), 14);
        /* What is years ahead is no time: another server's id was in front. */
        if (sv_to_u64(s, &second) == 0 && second >= ids.second && second - ids.second < A_YEAR) {
            ids.second = second + 1;
            ids.n_in_second = 0;
        }
    }
    pthread_mutex_unlock(&lock);
}

static uint64_t next_number(void)
{
    if (ids.path && ids.next >= ids.end && ids.next % RETRY_AFTER == 0)
        reserve(ids.next,
                NULL); /* on failure go on: the full disk that caused it refuses the mail */
    return ids.next++;
}

void message_assign_ids(struct message *m)
{
    m->received_ms = clock_wall_ms();
    pthread_mutex_lock(&lock);
    uint64_t v = next_number() % PERIOD * SPREAD % PERIOD;
    if (m->received_ms / 1000 != ids.wall_s) {
        ids.wall_s = m->received_ms / 1000;
        uint64_t now = local_second(ids.wall_s);
        if (now > ids.second) { /* not when the clock was set back or summer time ended */
            ids.second = now;
            ids.n_in_second = 0;
        }
    }
    snprintf(m->item, sizeof(m->item), "%s%014" PRIu64 "%04" PRIu64, ids.server_id, ids.second,
             ids.n_in_second++);
    pthread_mutex_unlock(&lock);
    unsigned letters = (unsigned)(v / 100000);
    snprintf(m->id, sizeof(m->id), "%c%c%c%05u", 'A' + letters / 676 % 26, 'A' + letters / 26 % 26,
             'A' + letters % 26, (unsigned)(v % 100000));
}
