/* One look at the header of each message that is accepted, on the session's worker. */
#include "mail/queue/look.h"

#include "base/codec.h"
#include "conf/conf.h"
#include "proto/mime.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    LOOKED_AT = 64 * 1024,
    RAW_SUBJECT = 4 * 1024, /* of the field; much more than it takes to fill SUBJECT_MAX */
};

/* Value of the first field of that name ("Subject:"), raw. p == NULL: there is none. */
static struct sv find_field(struct sv header, struct sv name)
{
    struct sv rest = header;
    while (rest.n) {
        struct sv line = sv_split(&rest, '\n');
        if (!sv_istarts(line, name))
            continue;
        struct sv value = sv_skip(line, name.n);
        while (rest.n && (*rest.p == ' ' || *rest.p == '\t')) {
            line = sv_split(&rest, '\n');
            value.n = (size_t)(line.p + line.n - value.p);
        }
        return value;
    }
    return SV_NULL;
}

/* --- subject --- */

static void controls_to_spaces(struct buf *b)
{
    for (size_t i = 0; i < b->n; i++)
        if ((unsigned char)b->p[i] < ' ' || b->p[i] == 0x7f)
            b->p[i] = ' ';
}

void look_subject(struct sv header, struct buf *out)
{
    struct sv value = sv_take(find_field(header, SV("Subject:")), RAW_SUBJECT);
    _cleanup_(buf_done) struct buf text = { 0 }, safe = { 0 };
    buf_init(&text, 4 * (size_t)RAW_SUBJECT);
    buf_init(&safe, 16 * (size_t)RAW_SUBJECT);
    (void)mime_decode_header(value, &text); /* what fits */
    controls_to_spaces(&text);
    (void)escape_text(sv_trim(buf_sv(&text)), &safe);
    (void)buf_add_sv(out, sv_trim(utf8_take(buf_sv(&safe), SUBJECT_MAX)));
}

static void take_subject(struct message *m, struct sv header)
{
    _cleanup_(buf_done) struct buf text = { 0 };
    buf_init(&text, SUBJECT_MAX);
    look_subject(header, &text);
    message_set(&m->subject, buf_sv(&text));
}

/* --- priority --- */

/* Sent to many: by a list (RFC 2919), or by who says so. */
static bool is_bulk(struct sv header)
{
    static const char *const words[] = { "bulk", "list", "junk" };
    struct sv precedence = sv_trim(find_field(header, SV("Precedence:")));
    if (find_field(header, SV("List-Id:")).p)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (sv_ieq(precedence, sv_c(words[i])))
            return true;
    return false;
}

static void set_priority(struct message *m, struct sv header)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    enum { LOW = 1 }; /* of queue.list_priority */
    if (cf->queue.list_priority == LOW && m->priority == PRIORITY_NORMAL &&
        message_waiting(m, RCPT_REMOTE) && is_bulk(header))
        m->priority = PRIORITY_LOW;
}

void look_at_header(struct message *m)
{
    _cleanup_(freep) char *start = NULL;
    struct sv text = sv_take(m->content, LOOKED_AT);
    if (!text.p) {
        _cleanup_(closep) int fd = open(m->spool_path, O_RDONLY | O_CLOEXEC);
        start = xmalloc(LOOKED_AT);
        ssize_t n = fd < 0 ? -1 : pread(fd, start, LOOKED_AT, 0);
        text = sv_n(start, n > 0 ? (size_t)n : 0);
    }
    struct sv header = sv_take(text, mime_header_length(text));
    take_subject(m, header);
    set_priority(m, header);
}
