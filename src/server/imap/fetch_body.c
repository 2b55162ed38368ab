/* Bodies of messages for FETCH: whole files are copied range by range; headers need the first
 * block; other sections are slices of the parsed message. Runs on workers. RFC 3501 section 6.4.5
 * (BODY[]). */
#include "server/imap/fetch_priv.h"

#include <sys/mman.h>
#include <unistd.h>

#define HEADER_FIRST ((size_t)(32 * KiB))
#define READ_MAX     ((uint64_t)(1 * MiB)) /* larger files are mapped: they never change */
#define PARSE_CAP    (32 * MiB)

int fetch_file_open(struct fetch_job *f, uint64_t key)
{
    struct errinfo ei = { 0 };
    int r = mailbox_open_message(f->j.s->mb, key, &f->file.fd, &f->file.size, &ei);
    if (r < 0) {
        f->file.fd = -1;
        if (r != E_NOTFOUND)
            log_error("IMAP FETCH of %s: %s", f->j.s->acc->address, ei.text);
    }
    return r;
}

static void unload(struct fetch_file *x)
{
    if (x->mapped)
        munmap(x->data, x->n);
    else
        free(x->data);
    x->data = NULL;
    x->n = 0;
    x->mapped = false;
}

void fetch_file_close(struct fetch_job *f)
{
    struct fetch_file *x = &f->file;
    if (x->fd < 0)
        return;
    unload(x);
    arena_done(&x->arena);
    buf_done(&x->fields);
    close(x->fd);
    *x = (struct fetch_file){ .fd = -1 };
    f->src = (struct source){ .fd = -1 };
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

/* Makes the first n octets (at least) available. */
static int load(struct fetch_file *x, uint64_t n)
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

static struct sv loaded(const struct fetch_file *x)
{
    return sv_n(x->data ? x->data : "", x->n);
}

static int message_header(struct fetch_file *x, struct sv *ret)
{
    int r = load(x, HEADER_FIRST);
    if (r < 0)
        return r;
    size_t len = mime_header_length(loaded(x));
    if (len >= x->n && x->n < x->size) {
        r = load(x, x->size);
        if (r < 0)
            return r;
        len = mime_header_length(loaded(x));
    }
    *ret = sv_take(loaded(x), len);
    return 0;
}

static int parsed_section(struct fetch_file *x, struct sv path, struct sv *ret)
{
    int r = load(x, x->size);
    if (r < 0)
        return r;
    if (!x->root) {
        arena_init(&x->arena, PARSE_CAP);
        r = mime_parse(loaded(x), &x->arena, &x->root);
        if (!x->root)
            return r < 0 ? r : E_CORRUPT;
    }
    return mime_section(x->root, loaded(x), path, ret);
}

static void announce(struct buf *out, uint64_t n)
{
    buf_add(out, " {", 2);
    imap_put_u64(out, n);
    buf_add(out, "}\r\n", 3);
}

static void cut(const struct imap_section *s, uint64_t *off, uint64_t *len)
{
    if (!s->partial)
        return;
    uint64_t skip = MIN(s->offset, *len);
    *off += skip;
    *len = MIN(s->length, *len - skip);
}

static int slice(struct fetch_job *f, const struct imap_section *s, struct sv *ret)
{
    struct fetch_file *x = &f->file;
    bool of_message = s->part.n == 0 && s->kind != SECTION_TEXT;
    int r = of_message ? message_header(x, ret) : parsed_section(x, s->path, ret);
    if (r < 0 || (s->kind != SECTION_FIELDS && s->kind != SECTION_FIELDS_NOT))
        return r;
    buf_done(&x->fields);
    buf_init(&x->fields, ret->n + 16);
    r = mime_header_fields(*ret, s->names, s->n_names, s->kind == SECTION_FIELDS_NOT, &x->fields);
    *ret = buf_sv(&x->fields);
    return r;
}

int fetch_section(struct fetch_job *f, const struct imap_section *s, struct buf *out)
{
    uint64_t off = 0, len = f->file.size;
    if (s->kind == SECTION_WHOLE && s->part.n == 0) {
        cut(s, &off, &len);
        announce(out, len);
        f->src = (struct source){ .fd = f->file.fd, .off = off, .left = len };
        return 0;
    }
    struct sv data;
    int r = slice(f, s, &data);
    if (r == E_NOTFOUND) {
        buf_add(out, " NIL", 4);
        return 0;
    }
    if (r < 0)
        return r;
    len = data.n;
    cut(s, &off, &len);
    announce(out, len);
    f->src = (struct source){ .fd = -1, .p = len ? data.p + off : NULL, .left = len };
    return 0;
}

int fetch_pump(struct fetch_job *f, struct buf *out, size_t room)
{
    struct source *s = &f->src;
    size_t n = (size_t)MIN((uint64_t)room, s->left);
    if (s->p) {
        int r = buf_add(out, s->p, n);
        s->p += n;
        s->left -= n;
        return r;
    }
    if (buf_reserve(out, n) < 0)
        return -ENOMEM;
    ssize_t k;
    do
        k = pread(s->fd, out->p + out->n, n, (off_t)s->off);
    while (k < 0 && errno == EINTR);
    if (k <= 0)
        return k < 0 ? -errno : E_CORRUPT;
    out->n += (size_t)k;
    s->off += (uint64_t)k;
    s->left -= (uint64_t)k;
    return 0;
}
