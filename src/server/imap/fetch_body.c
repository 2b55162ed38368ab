/* Bodies of messages for FETCH: whole files are copied range by range; headers need the first
 * block; other sections are slices of the parsed message. Runs on workers. RFC 3501 section 6.4.5
 * (BODY[]). */
#include "server/imap/fetch_priv.h"

#include <unistd.h>

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
    struct msg_file *x = &f->file;
    bool of_message = s->part.n == 0 && s->kind != SECTION_TEXT;
    int r = of_message ? msg_file_header(x, ret) : msg_file_parse(x);
    if (r == 0 && !of_message)
        r = mime_section(x->root, msg_file_loaded(x), s->path, ret);
    if (r < 0 || (s->kind != SECTION_FIELDS && s->kind != SECTION_FIELDS_NOT))
        return r;
    buf_done(&f->fields);
    buf_init(&f->fields, ret->n + 16);
    r = mime_header_fields(*ret, s->names, s->n_names, s->kind == SECTION_FIELDS_NOT, &f->fields);
    *ret = buf_sv(&f->fields);
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
