/* APPEND, several messages at once too (RFC 3502), APPENDUID (RFC 4315), limits (RFC 7889). A
 * message is checked against the limits before the client is asked to send it, then kept in memory
 * or, when it is large, in a temporary file. All are added in one transaction at the end. RFC 3501
 * section 6.3.11. */
#include "server/imap/imap_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "proto/imap_mutf7.h"

#define MEMORY_MAX   (256 * KiB)
#define MESSAGES_MAX 256

struct part {
    struct part *next;
    struct mailbox_add add;
    struct buf mem;
    char *path; /* NULL = in mem */
    int fd;
    uint64_t left;
};

struct upload {
    struct arena arena; /* tag, flags */
    char *tag;
    int64_t folder_id;
    struct part *first, *last;
    size_t n;
    uint64_t total;
    struct arrival arrival;
    bool failed;      /* what comes is thrown away; answered at the end */
    char answer[160]; /* of failed: "NO [LIMIT] ..." */
};

static void part_free(struct part *p)
{
    if (p->fd >= 0)
        close(p->fd);
    if (p->path) {
        unlink(p->path);
        free(p->path);
    }
    buf_done(&p->mem);
    free(p);
}

void append_drop(struct session *s)
{
    struct upload *u = take_ptr(s->upload);
    if (!u)
        return;
    while (u->first) {
        struct part *p = u->first;
        u->first = p->next;
        part_free(p);
    }
    arena_done(&u->arena);
    free(u->tag);
    free(u);
}

static uint64_t max_size(void)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t v = cf->imap.max_append ? cf->imap.max_append : cf->smtp.max_message_size;
    return v > 0 ? (uint64_t)v : UINT32_MAX;
}

/* NULL, or why a message of this size is not wanted now. */
static const char *refusal(struct session *s, uint64_t size, uint64_t with)
{
    uint64_t used, n;
    if (size > max_size())
        return "NO [TOOBIG] Message is larger than the limit";
    if (size == 0)
        return "NO [CANNOT] Message is empty";
    const struct mailbox_quota quota = session_quota(s);
    if (quota.mailbox > 0 && mailbox_usage(s->mb, &used, &n, NULL) == 0 &&
        used + with + size > quota.mailbox)
        return "NO [OVERQUOTA] Quota exceeded";
    if (mailbox_domain_full(s->mb, quota.domain, with + size))
        return "NO [OVERQUOTA] Quota exceeded";
    return NULL;
}

/* " (flags)" and " "date"" in front of a literal's announcement. */
static int message_args(struct imap_in *in, struct flag_list *flags, int64_t *date)
{
    int r = 0;
    *flags = (struct flag_list){ 0 };
    *date = clock_wall_s();
    if (imap_peek(in) == '(') {
        r = flag_list_parse(in, false, flags);
        if (r == 0)
            r = imap_sp(in);
    }
    if (r == 0 && imap_peek(in) == '"') {
        r = imap_date_time(in, date);
        if (r == 0)
            r = imap_sp(in);
    }
    return r == 0 && imap_peek(in) != '{' ? E_PARSE : r;
}

/* Beside the store's own temporary files when the listener says where those are. */
static int open_temp(struct session *s, struct part *p)
{
    const char *dir = s->srv->temp_dir ? s->srv->temp_dir : "/tmp";
    p->path = xasprintf("%s/append-%016" PRIx64, dir, rand_u64());
    p->fd = open(p->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->fd >= 0)
        return 0;
    int err = -errno;
    log_error("IMAP APPEND: %s: %s", p->path, err_name(err));
    free(p->path);
    p->path = NULL;
    return err;
}

static void fail(struct upload *u, const char *answer)
{
    if (!u->failed)
        snprintf(u->answer, sizeof(u->answer), "%s", answer);
    u->failed = true;
}

static const char *part_add(struct session *s, struct upload *u, uint64_t size,
                            const struct flag_list *flags, int64_t date)
{
    const char *why = refusal(s, size, u->total);
    if (why)
        return why;
    if (u->n >= MESSAGES_MAX)
        return "NO [LIMIT] Too many messages in one command";
    struct part *p = xcalloc(1, sizeof(*p));
    p->fd = -1;
    p->left = size;
    buf_init(&p->mem, MEMORY_MAX);
    if (u->total + size > MEMORY_MAX && open_temp(s, p) < 0) {
        part_free(p);
        return "NO [UNAVAILABLE] No space for the message, try again later";
    }
    p->add = (struct mailbox_add){
        .size = size, .internal_date_s = date, .flags = flags->system, .keywords = flags->keywords
    };
    do
        p->add.key = rand_u64();
    while (p->add.key == 0);
    if (u->last)
        u->last->next = p;
    else
        u->first = p;
    u->last = p;
    u->n++;
    u->total += size;
    return NULL;
}

static const char *target(struct session *s, struct upload *u, struct sv wire)
{
    struct arena a;
    struct folder f = { 0 };
    struct buf name;
    arena_init(&a, 64 * KiB);
    buf_init(&name, 16 * KiB);
    int r = wire.n > 4 * KiB ? E_PARSE : imap_mutf7_to_utf8(wire, &name);
    if (r == 0)
        r = mailbox_folder(s->mb, buf_sv(&name), &a, &f, NULL);
    if (r == 0 && !f.exists)
        r = E_NOTFOUND;
    u->folder_id = f.id;
    buf_done(&name);
    arena_done(&a);
    if (r == E_NOTFOUND)
        return "NO [TRYCREATE] No such mailbox";
    if (r == E_PARSE || r == E_RANGE)
        return "NO [CANNOT] Invalid mailbox name";
    return r < 0 ? "NO [UNAVAILABLE] Mailbox is not available, try again later" : NULL;
}

/* False: not (yet) an APPEND with its message next. */
static bool parse_begin(struct imap_in *in, struct sv *tag, struct sv *mailbox,
                        struct flag_list *flags, int64_t *date)
{
    return imap_tag(in, tag) == 0 && imap_sp(in) == 0 && imap_word(in, SV("APPEND")) &&
           imap_sp(in) == 0 && imap_astring(in, mailbox) == 0 && imap_sp(in) == 0 &&
           message_args(in, flags, date) == 0;
}

static void go_on(struct session *s, uint64_t size, bool nonsync)
{
    s->framer.literal_left = size;
    if (!nonsync)
        conn_write(s->c, SV("+ OK\r\n"));
}

bool append_begin(struct session *s, struct sv text, uint64_t size, bool nonsync,
                  const char **ret_why)
{
    struct sv tag, wire;
    struct flag_list flags;
    int64_t date;
    struct upload *u = xcalloc(1, sizeof(*u));
    arena_init(&u->arena, 64 * KiB);
    u->arrival.started_us = clock_mono_us();
    struct imap_in in = imap_in_sv(text, &u->arena);
    if (!parse_begin(&in, &tag, &wire, &flags, &date)) {
        arena_done(&u->arena);
        free(u);
        return false;
    }
    log_in(&s->log, sv_take(text, 1000));
    s->commands++;
    ctr_inc(CTR_imap_commands);
    conn_set_state(s->c, SV("APPEND"));
    const char *why = target(s, u, wire);
    if (!why)
        why = part_add(s, u, size, &flags, date);
    u->tag = sv_dup(tag);
    s->upload = u;
    if (why) {
        append_drop(s);
        *ret_why = why;
    } else {
        go_on(s, size, nonsync);
    }
    return true;
}

struct arrival *append_arrival(struct session *s)
{
    return &s->upload->arrival;
}

void append_chunk(struct session *s, struct sv bytes)
{
    struct upload *u = s->upload;
    if (u->failed)
        return;
    struct part *p = u->last;
    if (!p->path) {
        buf_add_sv(&p->mem, bytes);
        return;
    }
    while (bytes.n) {
        ssize_t n = write(p->fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            log_error("IMAP APPEND: %s: %s", p->path, err_name(-errno));
            fail(u, "NO [LIMIT] No space for the message");
            return;
        }
        bytes = sv_skip(bytes, (size_t)n);
    }
}

static void answer(struct session *s, const char *text)
{
    char *tag = take_ptr(s->upload->tag);
    append_drop(s);
    cmd_end_detached(s, sv_c(tag), "%s", text);
    free(tag);
}

static void answer_failed(struct session *s)
{
    char text[sizeof(s->upload->answer)];
    memcpy(text, s->upload->answer, sizeof(text));
    answer(s, text);
}

static const char *add_error(int r)
{
    switch (r) {
    case E_QUOTA:
        return "NO [OVERQUOTA] Quota exceeded";
    case E_NOTFOUND:
        return "NO [TRYCREATE] No such mailbox";
    case E_LIMIT:
        return "NO [LIMIT] Too many keywords";
    case E_RANGE:
    case E_PARSE:
        return "NO [CANNOT] Message or flags cannot be stored";
    case -ENOSPC:
        return "NO [LIMIT] No space for the message";
    default:
        return "NO [UNAVAILABLE] Message could not be stored, try again later";
    }
}

static void put_appenduid(struct buf *out, uint32_t uidvalidity, const struct mailbox_add *adds,
                          size_t n)
{
    struct imap_set_writer w = { .out = out };
    buf_addf(out, "OK [APPENDUID %" PRIu32 " ", uidvalidity);
    for (size_t i = 0; i < n; i++)
        imap_set_add(&w, adds[i].ret_uid);
    imap_set_done(&w);
    buf_add_str(out, "] APPEND completed");
}

static void store_all(struct session *s)
{
    struct upload *u = s->upload;
    struct errinfo ei = { 0 };
    uint32_t uidvalidity = 0;
    size_t n = 0;
    struct mailbox_add *adds = xcalloc(u->n, sizeof(*adds));
    for (struct part *p = u->first; p; p = p->next) {
        adds[n] = p->add;
        if (p->path)
            adds[n].path = p->path;
        else
            adds[n].content = buf_sv(&p->mem);
        n++;
    }
    const struct mailbox_quota quota = session_quota(s);
    int r = mailbox_add(s->mb, u->folder_id, adds, n, true, &quota, NULL, &uidvalidity, &ei);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = adds[i].ret_error;
    struct buf text;
    buf_init(&text, 8 * KiB);
    if (r < 0) {
        const char *why = add_error(r);
        if (strstr(why, "UNAVAILABLE"))
            log_error("IMAP APPEND of %s: %s", s->acc->address, ei.text[0] ? ei.text : err_name(r));
        buf_add_str(&text, why);
    } else {
        ctr_add(CTR_imap_append, n);
        s->appended += (uint32_t)n;
        put_appenduid(&text, uidvalidity, adds, n);
    }
    buf_terminate(&text);
    log_line(&s->log, LOG_DEBUG, "<<< %" PRIu64 " bytes", u->total);
    answer(s, text.p);
    buf_done(&text);
    free(adds);
}

void append_line(struct session *s, struct sv line, bool literal, uint64_t size, bool nonsync)
{
    struct upload *u = s->upload;
    struct imap_in in = imap_in_sv(line, &u->arena);
    struct flag_list flags;
    int64_t date;
    closep(&u->last->fd);
    u->last->fd = -1;
    if (!literal) {
        if (!imap_end(&in))
            fail(u, "BAD Nothing is expected behind the message");
        if (u->failed)
            answer_failed(s);
        else
            store_all(s);
        return;
    }
    if (imap_sp(&in) < 0 || message_args(&in, &flags, &date) < 0)
        fail(u, "BAD Flags, date and message expected");
    const char *why = u->failed ? u->answer : part_add(s, u, size, &flags, date);
    if (!why) {
        go_on(s, size, nonsync);
        return;
    }
    if (why != u->answer)
        fail(u, why);
    if (!nonsync)
        answer_failed(s);
    else if (size > 64 * MiB)
        session_bye(s, "[TOOBIG] Literal is too large");
    else
        s->framer.literal_left = size;
}

/* Only reached when no message came: the arguments were not understood. */
void cmd_append(struct cmd *c)
{
    cmd_bad_args(c, "mailbox, flags, date and a message as literal");
}
