/* RETR, TOP, LIST, UIDL: replies of several lines. Short messages are read and written at once,
 * long ones by a generator that holds 64 KiB. */
#include "server/pop3/pop3_priv.h"

#include <stdio.h>
#include <unistd.h>

#include "proto/pop3_stuff.h"

#define AT_ONCE (256 * KiB)
#define PIECE   (48 * KiB)

/* --- messages --- */

struct sending {
    int fd;
    uint64_t left;
    struct pop3_stuff stuff;
};

static int send_piece(void *arg, struct buf *out)
{
    struct sending *sg = arg;
    char piece[16 * KiB];
    size_t total = 0;

    while (sg->left && !sg->stuff.done && total < PIECE) {
        ssize_t n = read(sg->fd, piece, MIN(sizeof(piece), sg->left));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return E_CORRUPT; /* shorter than announced: the client must not take it as whole */
        if (pop3_stuff_feed(&sg->stuff, sv_n(piece, (size_t)n), out) < 0)
            return -ENOMEM;
        sg->left -= (uint64_t)n;
        total += (size_t)n;
    }
    if (sg->left && !sg->stuff.done)
        return 1;
    return pop3_stuff_end(&sg->stuff, out) < 0 ? -ENOMEM : 0;
}

static void send_done(void *arg)
{
    struct sending *sg = arg;

    close(sg->fd);
    free(sg);
}

/* Reads and writes the message in one go; false = not done, use the generator. */
static bool send_at_once(struct pop3_session *s, int fd, uint64_t size, struct pop3_stuff *stuff)
{
    _cleanup_(freep) char *text = xmalloc(size ? size : 1);
    struct buf out;
    size_t have = 0;
    bool ok;

    while (have < size) {
        ssize_t n = pread(fd, text + have, size - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    buf_init(&out, 2 * AT_ONCE + 16);
    ok = buf_reserve(&out, size + size / 64 + 16) == 0 &&
         pop3_stuff_feed(stuff, sv_n(text, have), &out) == 0 && pop3_stuff_end(stuff, &out) == 0 &&
         conn_write(s->c, buf_sv(&out)) == 0;
    buf_done(&out);
    return ok;
}

static void send_message(struct pop3_session *s, uint32_t i, const struct pop3_stuff *stuff,
                         bool whole)
{
    struct errinfo ei = { 0 };
    struct pop3_stuff once = *stuff;
    struct sending *sg;
    uint64_t size;
    int fd = -1, r = pop3_drop_keys(s, &ei);

    if (r == 0)
        r = s->keys[i] ? mailbox_open_message(s->mailbox, s->keys[i], &fd, &size, &ei) : E_NOTFOUND;
    if (r < 0) {
        if (r != E_NOTFOUND)
            log_error("POP3: %s: %s", s->account->address, ei.text);
        pop3_err(s, r == E_NOTFOUND ? "Message is gone: another session has deleted it"
                                    : "[SYS/TEMP] Message cannot be read now");
        return;
    }
    if (size != s->snap->m[i].size) {
        log_error("POP3: message %016" PRIx64 " of %s has %" PRIu64 " bytes instead of %u; "
                  "`posthorn tool verify mailbox` tells more",
                  s->keys[i], s->account->address, size, s->snap->m[i].size);
        pop3_err(s, "[SYS/PERM] Message is damaged");
        close(fd);
        return;
    }
    if (whole) {
        pop3_ok(s, "%" PRIu64 " octets", size);
        ctr_inc(CTR_pop3_retr);
        s->retrieved++;
        s->retrieved_bytes += size;
    } else {
        pop3_ok(s, "top of message follows");
    }
    if (whole && size <= AT_ONCE && send_at_once(s, fd, size, &once)) {
        close(fd);
        return;
    }
    sg = xcalloc(1, sizeof(*sg));
    sg->fd = fd;
    sg->left = size;
    sg->stuff = *stuff;
    conn_write_gen(s->c, send_piece, send_done, sg);
}

void pop3_cmd_retr(struct pop3_session *s, const struct sv *args, int n _unused_)
{
    struct pop3_stuff stuff;
    uint32_t i;

    pop3_stuff_init(&stuff);
    if (pop3_drop_message(s, args[0], &i))
        send_message(s, i, &stuff, true);
}

void pop3_cmd_top(struct pop3_session *s, const struct sv *args, int n _unused_)
{
    struct pop3_stuff stuff;
    uint64_t lines;
    uint32_t i;

    if (sv_to_u64(args[1], &lines) < 0) {
        pop3_err(s, "Number of lines expected");
        return;
    }
    pop3_stuff_top(&stuff, lines);
    if (pop3_drop_message(s, args[0], &i))
        send_message(s, i, &stuff, false);
}

/* --- lists --- */

#define UID_TEXT 24

/* The message's key; it survives a new index. A message that another session has deleted since the
 * login has none any more, and its number must not look like another one's. */
static const char *unique_id(const struct pop3_session *s, uint32_t i, char text[UID_TEXT])
{
    if (s->keys[i])
        snprintf(text, UID_TEXT, "%016" PRIx64, s->keys[i]);
    else
        snprintf(text, UID_TEXT, "gone.%08x", s->snap->m[i].uid);
    return text;
}

struct listing {
    struct pop3_session *s;
    uint32_t i;
    bool uidl;
};

static void add_line(const struct listing *l, struct buf *out)
{
    char id[UID_TEXT];

    if (l->uidl)
        buf_addf(out, "%u %s\r\n", l->i + 1, unique_id(l->s, l->i, id));
    else
        buf_addf(out, "%u %u\r\n", l->i + 1, l->s->snap->m[l->i].size);
}

/* Uses the session, which may be gone when `done` runs, but not while the generator does: net/
 * calls no generator after closed(). The deletions cannot change meanwhile: no frame runs. */
static int list_piece(void *arg, struct buf *out)
{
    struct listing *l = arg;
    size_t before = out->n;

    for (; l->i < l->s->snap->n && out->n - before < PIECE && !out->overflow; l->i++)
        if (!l->s->deleted[l->i])
            add_line(l, out);
    if (l->i < l->s->snap->n)
        return 1;
    return buf_add_str(out, ".\r\n") < 0 ? -ENOMEM : 0;
}

static void list_all(struct pop3_session *s, bool uidl)
{
    struct listing *l = xcalloc(1, sizeof(*l));

    l->s = s;
    l->uidl = uidl;
    conn_write_gen(s->c, list_piece, free, l);
}

void pop3_cmd_list(struct pop3_session *s, const struct sv *args, int n)
{
    uint32_t i;

    if (n == 0) {
        pop3_ok(s, "%u messages", s->snap->n - s->n_deleted);
        list_all(s, false);
    } else if (pop3_drop_message(s, args[0], &i)) {
        pop3_ok(s, "%u %u", i + 1, s->snap->m[i].size);
    }
}

void pop3_cmd_uidl(struct pop3_session *s, const struct sv *args, int n)
{
    struct errinfo ei = { 0 };
    char id[UID_TEXT];
    uint32_t i;

    if (pop3_drop_keys(s, &ei) < 0) {
        log_error("POP3: %s: %s", s->account->address, ei.text);
        pop3_err(s, "[SYS/TEMP] The mailbox cannot be read now");
    } else if (n == 0) {
        pop3_ok(s, "unique-id listing follows");
        list_all(s, true);
    } else if (pop3_drop_message(s, args[0], &i)) {
        pop3_ok(s, "%u %s", i + 1, unique_id(s, i, id));
    }
}
