/* Fields of a header and what is done to them. RFC 5322 2.2. */
#include "mail/milter/edit.h"

#include "base/buf.h"

#include <unistd.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void place(struct edit *e, size_t at, struct edit_field f)
{
    if (e->n_fields == e->cap_fields) {
        e->cap_fields = e->cap_fields ? e->cap_fields * 2 : 32;
        e->fields = xrealloc(e->fields, e->cap_fields * sizeof(e->fields[0]));
    }
    memmove(e->fields + at + 1, e->fields + at, (e->n_fields - at) * sizeof(e->fields[0]));
    e->fields[at] = f;
    e->n_fields++;
}

/* Length of the name that a line begins with; 0: it is no field. */
static size_t name_length(struct sv line)
{
    size_t n = 0;
    while (n < line.n && line.p[n] > 32 && line.p[n] < 127 && line.p[n] != ':')
        n++;
    size_t colon = n;
    while (colon < line.n && is_blank(line.p[colon])) /* obsolete, and seen */
        colon++;
    return colon < line.n && line.p[colon] == ':' ? n : 0;
}

/* The field that `in` begins with: up to a line that does not begin with a blank. */
static struct sv first_field(struct sv in)
{
    size_t n = 0;
    do {
        ssize_t lf = sv_find(sv_skip(in, n), '\n');
        n = lf < 0 ? in.n : n + (size_t)lf + 1;
    } while (n < in.n && is_blank(in.p[n]));
    return sv_take(in, n);
}

/* The last line of a message that came by BDAT may have no end. */
static struct edit_field keep(struct sv f)
{
    struct edit_field ret = { .n = f.n, .name_n = name_length(f) };
    ret.text = xmalloc(f.n + 3);
    memcpy(ret.text, f.p, f.n);
    memcpy(ret.text + f.n, "\r\n", 3);
    if (f.p[f.n - 1] != '\n')
        ret.n += 2;
    ret.text[ret.n] = '\0';
    return ret;
}

/* True when the whole header was in `in`. */
static bool split(struct edit *e, struct sv in, bool complete)
{
    size_t at = 0;
    while (at < in.n) {
        struct sv rest = sv_skip(in, at);
        if (sv_starts(rest, SV("\r\n")) || *rest.p == '\n') {
            e->separated = true;
            e->body_offset = at + (*rest.p == '\n' ? 1 : 2);
            return true;
        }
        if (e->n_fields == EDIT_MAX_FIELDS)
            return false;
        struct sv f = first_field(rest);
        at += f.n;
        place(e, e->n_fields, keep(f));
    }
    e->body_offset = at;
    return complete;
}

static ssize_t read_at(const struct edit *e, uint64_t at, char *p, size_t n)
{
    size_t got = 0;
    if (e->fd < 0) {
        struct sv part = sv_take(sv_skip(e->mem, (size_t)at), n);
        if (part.n)
            memcpy(p, part.p, part.n);
        return (ssize_t)part.n;
    }
    while (got < n) {
        ssize_t r = pread(e->fd, p + got, n - got, (off_t)(e->offset + at + got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

int edit_open(struct edit *e, struct errinfo *ei)
{
    size_t want = (size_t)MIN(e->size, (uint64_t)EDIT_MAX_HEADER);
    char *head = xmalloc(want + 1);
    e->body_fd = -1;
    ssize_t got = read_at(e, 0, head, want);
    bool whole = got == (ssize_t)want && split(e, sv_n(head, want), want == e->size);
    free(head);
    if (got != (ssize_t)want)
        return err_set(ei, E_TEMP, "the message cannot be read");
    if (!whole)
        return err_set(ei, E_RANGE, "the message has a header of more than %d bytes or %d fields",
                       EDIT_MAX_HEADER, EDIT_MAX_FIELDS);
    e->body_size = e->size - e->body_offset;
    return 0;
}

void edit_done(struct edit *e)
{
    for (size_t i = 0; i < e->n_fields; i++)
        free(e->fields[i].text);
    for (size_t i = 0; i < e->n_rcpts; i++)
        free(e->rcpts[i].address);
    free(e->fields);
    free(e->rcpts);
    free(e->sender);
    free(e->quarantine);
    if (e->body_fd >= 0)
        close(e->body_fd);
    e->fields = NULL;
    e->rcpts = NULL;
    e->sender = e->quarantine = NULL;
    e->n_fields = e->cap_fields = e->n_rcpts = 0;
    e->body_fd = -1;
}

ssize_t edit_read_body(const struct edit *e, uint64_t at, char *p, size_t n)
{
    n = (size_t)MIN((uint64_t)n, at < e->body_size ? e->body_size - at : 0);
    if (e->body_fd < 0)
        return read_at(e, e->body_offset + at, p, n);
    const struct edit new = { .fd = e->body_fd };
    return read_at(&new, at, p, n);
}

uint64_t edit_header_size(const struct edit *e)
{
    uint64_t n = e->separated ? 2 : 0;
    for (size_t i = 0; i < e->n_fields; i++)
        n += e->fields[i].n;
    return n;
}

void edit_put_header(const struct edit *e, struct buf *out)
{
    for (size_t i = 0; i < e->n_fields; i++)
        buf_add(out, e->fields[i].text, e->fields[i].n);
    if (e->separated)
        buf_add_str(out, "\r\n");
}

struct sv edit_value(const struct edit_field *f, bool leading, struct buf *tmp)
{
    struct sv text = sv_n(f->text, f->n);
    struct sv v = sv_skip(text, (size_t)sv_find(text, ':') + 1);
    buf_reset(tmp);
    while (v.n && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r'))
        v.n--;
    if (!leading && v.n && *v.p == ' ')
        v = sv_skip(v, 1);
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != '\r' || (i + 1 < v.n && v.p[i + 1] != '\n'))
            buf_add_c(tmp, v.p[i]);
    return buf_sv(tmp);
}

/* "Name: value\r\n"; a line of the value that does not begin with a blank would be a field of its
 * own, or end the header. */
static struct edit_field make_field(struct sv name, struct sv v, bool leading)
{
    struct buf b;
    buf_init(&b, name.n + 4 * v.n + 8);
    buf_add_sv(&b, name);
    buf_add_str(&b, leading ? ":" : ": ");
    while (v.n && (v.p[v.n - 1] == '\n' || v.p[v.n - 1] == '\r'))
        v.n--;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != '\r' && v.p[i] != '\n') {
            buf_add_c(&b, v.p[i]);
            continue;
        }
        i += v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n';
        buf_add_str(&b, i + 1 < v.n && is_blank(v.p[i + 1]) ? "\r\n" : "\r\n\t");
    }
    buf_add_str(&b, "\r\n");
    struct edit_field f = { .name_n = name.n };
    f.text = buf_take(&b, &f.n);
    return f;
}

void edit_insert(struct edit *e, size_t position, struct sv name, struct sv value, bool leading)
{
    place(e, MIN(position, e->n_fields), make_field(name, value, leading));
    e->changed = true;
}

void edit_change(struct edit *e, uint32_t nth, struct sv name, struct sv value, bool leading)
{
    uint32_t seen = 0;
    size_t i = 0;
    for (; i < e->n_fields; i++)
        if (sv_ieq(sv_n(e->fields[i].text, e->fields[i].name_n), name) && ++seen >= MAX(nth, 1))
            break;
    if (i == e->n_fields) {
        if (value.n)
            edit_insert(e, i, name, value, leading);
        return;
    }
    char *old = e->fields[i].text;
    e->changed = true;
    if (value.n) {
        e->fields[i] = make_field(sv_n(old, e->fields[i].name_n), value, leading);
        free(old);
        return;
    }
    free(old);
    e->n_fields--;
    memmove(e->fields + i, e->fields + i + 1, (e->n_fields - i) * sizeof(e->fields[0]));
}

void edit_rcpt(struct edit *e, bool add, struct sv address)
{
    e->rcpts = xrealloc(e->rcpts, (e->n_rcpts + 1) * sizeof(e->rcpts[0]));
    e->rcpts[e->n_rcpts++] = (struct edit_rcpt){ add, sv_dup(address) };
}
