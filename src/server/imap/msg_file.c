/* Reading a message file: small ones by one read, large ones mapped (stored files never change).
 * Runs on workers. */
#include "server/imap/msg_file.h"

#include <sys/mman.h>
#include <unistd.h>

#define HEADER_FIRST ((uint64_t)(32 * KiB))
#define READ_MAX     ((uint64_t)(1 * MiB))
#define PARSE_CAP    (32 * MiB)

int msg_file_open(struct msg_file *x, struct session *s, uint64_t key)
{
    struct errinfo ei = { 0 };
    *x = MSG_FILE_INIT;
    int r = mailbox_open_message(s->mb, key, &x->fd, &x->size, &ei);
    if (r < 0) {
        x->fd = -1;
        if (r != E_NOTFOUND)
            log_error("IMAP: message of %s: %s", s->acc->address, ei.text);
    }
    return r;
}

static void unload(struct msg_file *x)
{
    if (x->mapped)
        munmap(x->data, x->n);
    else
        free(x->data);
    x->data = NULL;
    x->n = 0;
    x->mapped = false;
}

void msg_file_close(struct msg_file *x)
{
    if (x->fd < 0)
        return;
    unload(x);
    arena_done(&x->arena);
    close(x->fd);
    *x = MSG_FILE_INIT;
}

static int read_all(int fd, char *p, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t k = pread(fd, p + have, n - have, (off_t)have);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return k < 0 ? -errno : E_CORRUPT;
        have += (size_t)k;
    }
    return 0;
}

int msg_file_load(struct msg_file *x, uint64_t n)
{
    n = MIN(n, x->size);
    if (n <= x->n)
        return 0;
    unload(x);
    if (n > READ_MAX) {
        void *p = mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE, x->fd, 0);
        if (p == MAP_FAILED)
            return -errno;
        x->data = p;
        x->mapped = true;
        x->n = (size_t)n;
        return 0;
    }
    x->data = xmalloc((size_t)n);
    int r = read_all(x->fd, x->data, (size_t)n);
    x->n = r < 0 ? 0 : (size_t)n;
    return r;
}

int msg_file_header(struct msg_file *x, struct sv *ret)
{
    int r = msg_file_load(x, HEADER_FIRST);
    if (r < 0)
        return r;
    size_t len = mime_header_length(msg_file_loaded(x));
    if (len >= x->n && x->n < x->size) {
        r = msg_file_load(x, x->size);
        if (r < 0)
            return r;
        len = mime_header_length(msg_file_loaded(x));
    }
    *ret = sv_take(msg_file_loaded(x), len);
    return 0;
}

int msg_file_parse(struct msg_file *x)
{
    if (x->root)
        return 0;
    int r = msg_file_load(x, x->size);
    if (r < 0)
        return r;
    arena_init(&x->arena, PARSE_CAP);
    r = mime_parse(msg_file_loaded(x), &x->arena, &x->root);
    return x->root ? 0 : r < 0 ? r : E_CORRUPT;
}
