/* From frames to commands: joins lines and literals, asks for synchronising literals, refuses what
 * is too large or malformed and stays in step with the client. Runs on workers. RFC 3501
 * sections 2.2 and 4.3, RFC 7888. */
#include "server/imap/imap_priv.h"

#include "base/clock.h"
#include "proto/imap_parse.h"

struct pending {
    struct buf text;
    struct arrival arrival;
    bool refused;     /* its literals are swallowed; answered at its end */
    char answer[160]; /* "BAD Command is too large": without tag */
};

/* A non-synchronising literal up to this size is read to its end when it is refused. */
#define SWALLOW_MAX   (64 * MiB)
#define SMALL_LITERAL ((uint64_t)4096) /* of LITERAL- */
#define LOGIN_LITERAL ((uint64_t)4096)
#define LOGIN_COMMAND ((size_t)8192)

void input_drop(struct session *s)
{
    if (!s->pending)
        return;
    buf_done(&s->pending->text);
    free(s->pending);
    s->pending = NULL;
}

static struct sv tag_of(struct sv text)
{
    struct imap_in in = imap_in_sv(text, NULL);
    struct sv tag;
    return imap_tag(&in, &tag) == 0 && tag.n <= 256 ? tag : SV("*");
}

static void answer(struct session *s, struct sv text, const char *what)
{
    struct sv tag = tag_of(text);
    struct buf out;
    buf_init(&out, 1 * KiB);
    buf_addf(&out, SV_FMT " %s\r\n", SV_ARG(tag), what);
    log_in(&s->log, tag);
    session_log_out(s, buf_sv(&out));
    session_write(s, &out);
    if (sv_starts(sv_c(what), SV("BAD")))
        session_bad(s);
}

static struct pending *pending_of(struct session *s, size_t max)
{
    if (!s->pending) {
        s->pending = xcalloc(1, sizeof(*s->pending));
        s->pending->arrival.started_us = clock_mono_us();
        buf_init(&s->pending->text, max);
    }
    return s->pending;
}

static size_t max_command(const struct session *s)
{
    if (s->state == ST_NOT_AUTH)
        return LOGIN_COMMAND;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return (size_t)cf->imap.max_command;
}

static uint64_t max_literal(const struct session *s)
{
    if (s->state == ST_NOT_AUTH)
        return LOGIN_LITERAL;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return (uint64_t)cf->imap.max_literal;
}

static bool only_small(void)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return cf->imap.literals == 1;
}

/* A literal that comes without asking is taken and thrown away, unless that costs too much. */
static void swallow(struct session *s, uint64_t size)
{
    if (size > SWALLOW_MAX)
        session_bye(s, "[TOOBIG] Literal is too large");
    else
        s->framer.literal_left = size;
}

static void refuse(struct session *s, struct sv text, uint64_t size, bool nonsync, const char *why)
{
    if (!nonsync) {
        answer(s, text, why);
        input_drop(s);
        return;
    }
    struct pending *p = pending_of(s, max_command(s));
    if (!p->refused) {
        struct sv tag = tag_of(text);
        char first[258];
        sv_copy(first, sizeof(first), tag);
        p->refused = true;
        snprintf(p->answer, sizeof(p->answer), "%s", why);
        buf_reset(&p->text);
        buf_add_str(&p->text, first);
        buf_add_c(&p->text, ' ');
    }
    swallow(s, size);
}

static void part_line(struct session *s, struct sv line)
{
    uint64_t size = 0;
    bool nonsync = false;
    const char *why = NULL;
    imap_line_literal(line, &size, &nonsync);
    if (s->upload) {
        append_line(s, line, true, size, nonsync);
        return;
    }
    struct pending *p = s->pending;
    if (p && p->refused) {
        if (nonsync)
            swallow(s, size);
        else
            refuse(s, buf_sv(&p->text), size, false, p->answer);
        return;
    }
    p = pending_of(s, max_command(s));
    if (buf_add_sv(&p->text, line) < 0 || buf_add(&p->text, "\r\n", 2) < 0 ||
        (size != UINT64_MAX && p->text.n + size > p->text.max && size <= max_literal(s))) {
        refuse(s, buf_sv(&p->text), size, nonsync, "BAD [TOOBIG] Command is too large");
        return;
    }
    struct sv text = sv_take(buf_sv(&p->text), p->text.n - 2);
    if (nonsync && size > SMALL_LITERAL && only_small()) {
        refuse(s, text, size, nonsync, "BAD [TOOBIG] Literal+ is limited to 4096 octets here");
        return;
    }
    if (s->state != ST_NOT_AUTH && append_begin(s, text, size, nonsync, &why)) {
        if (why)
            refuse(s, text, size, nonsync, why);
        else
            input_drop(s);
        return;
    }
    if (size > max_literal(s)) {
        refuse(s, text, size, nonsync, "BAD [TOOBIG] Literal is too large");
        return;
    }
    s->framer.literal_left = size;
    if (!nonsync)
        conn_write(s->c, SV("+ OK\r\n"));
}

static void full_line(struct session *s, struct sv line)
{
    if (s->idling) {
        idle_line(s, line);
        return;
    }
    if (s->auth) {
        auth_line(s, line);
        return;
    }
    if (s->upload) {
        append_line(s, line, false, 0, false);
        return;
    }
    struct pending *p = s->pending;
    if (!p) {
        cmd_run(s, line);
        return;
    }
    s->pending = NULL;
    if (p->refused)
        answer(s, buf_sv(&p->text), p->answer);
    else if (buf_add_sv(&p->text, line) < 0)
        answer(s, buf_sv(&p->text), "BAD [TOOBIG] Command is too large");
    else
        cmd_run(s, buf_sv(&p->text));
    buf_done(&p->text);
    free(p);
}

static void chunk(struct session *s, struct sv bytes)
{
    if (s->upload)
        append_chunk(s, bytes);
    else if (s->pending && !s->pending->refused && buf_add_sv(&s->pending->text, bytes) < 0)
        session_bye(s, "Command is too large"); /* cannot be: checked when it was announced */
}

/* The line could not be read: whether the client's next octets are a literal tells whether both are
 * still in step. */
static void unreadable(struct session *s, struct sv line, struct sv tail, const char *why)
{
    uint64_t size;
    bool nonsync;
    char tag[260];
    struct sv text = s->pending ? buf_sv(&s->pending->text) : line;
    sv_copy(tag, sizeof(tag), s->wait_tag ? sv_c(s->wait_tag) : tag_of(text));
    idle_stop(s);
    auth_drop(s);
    append_drop(s);
    input_drop(s);
    answer(s, sv_c(tag), why);
    if (imap_line_literal(tail, &size, &nonsync) && nonsync && size > 0)
        session_bye(s, "Out of step with the client");
}

/* More of a command is expected, and at this pace it takes for ever. */
static bool too_slow(struct session *s, const struct frame *f)
{
    struct arrival *a = s->upload ? append_arrival(s) : s->pending ? &s->pending->arrival : NULL;
    if (!a)
        return false;
    a->bytes += f->used;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return f->kind != IMAP_LINE &&
           clock_trickles(a->started_us, a->bytes, cf->net.min_data_rate, cf->net.session_timeout);
}

void input_frame(struct session *s, const struct frame *f)
{
    if (too_slow(s, f)) {
        s->timed_out = true;
        session_bye(s, "Data arrives too slowly, closing connection");
        return;
    }
    switch ((enum imap_frame_kind)f->kind) {
    case IMAP_LINE:
        full_line(s, f->data);
        break;
    case IMAP_PART:
        part_line(s, f->data);
        break;
    case IMAP_CHUNK:
        chunk(s, f->data);
        break;
    case IMAP_BAD_LINE:
        unreadable(s, f->data, f->data, "BAD Lines end with CRLF and hold neither NUL nor CR");
        break;
    case IMAP_LONG:
        unreadable(s, f->data, SV_NULL, "BAD [TOOBIG] Line is too long");
        break;
    case IMAP_SKIP:
        break;
    case IMAP_LONG_END: {
        uint64_t size;
        bool nonsync;
        if (imap_line_literal(f->data, &size, &nonsync) && nonsync && size > 0)
            session_bye(s, "Out of step with the client");
        break;
    }
    }
}

struct sv input_text(struct session *s, const struct frame *f, struct buf *tmp)
{
    if (!s->pending)
        return f->data;
    buf_add_sv(tmp, buf_sv(&s->pending->text));
    buf_add_sv(tmp, f->data);
    return buf_sv(tmp);
}

enum pool input_pool(struct session *s, const struct frame *f)
{
    if (f->kind != IMAP_LINE || s->state != ST_NOT_AUTH)
        return POOL_FAST;
    if (s->auth)
        return auth_line_is_fast(s, f->data) ? POOL_FAST : POOL_SLOW;
    struct buf tmp;
    buf_init(&tmp, 2 * LOGIN_COMMAND);
    struct sv text = input_text(s, f, &tmp);
    enum pool p = cmd_auth_is_fast(s, text) ? POOL_FAST : POOL_SLOW;
    buf_done(&tmp);
    return p;
}
