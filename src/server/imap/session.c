/* An IMAP session's life: greeting, timeouts, notes, end. All callbacks run on the worker that owns
 * the connection. RFC 3501 sections 3 and 7.1. */
#include "server/imap/imap_priv.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/slab.h"
#include "mail/notify/notify.h"

enum { LOGIN_MAX_LINE = 8 * 1024, MAX_LINE = 64 * 1024, BAD_MAX = 20 };

_Static_assert(sizeof(struct session) <= 512, "thousands of sessions are parked");

static const char *host_name(const struct conf *cf, char *tmp, size_t n)
{
    if (cf->system.hostname[0])
        return cf->system.hostname;
    if (gethostname(tmp, n) < 0)
        return "localhost";
    tmp[n - 1] = '\0';
    return tmp;
}

static struct slab sessions = SLAB_OF(struct session);

static void *session_open(struct conn *c, void *arg)
{
    struct session *s = slab_alloc(&sessions);
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    char host[256];
    s->c = c;
    s->srv = arg;
    s->state = ST_NOT_AUTH;
    s->framer.max_line = LOGIN_MAX_LINE;
    conn_logctx(c, &s->log);
    s->active_ms = clock_mono_ms();
    session_timeout_reset(s);
    event(imap_session_start, &s->log, F_IP(local, conn_local_ip(c)));
    struct buf out;
    buf_init(&out, 8 * KiB);
    buf_add_str(&out, "* OK [CAPABILITY ");
    put_capability(s, &out);
    buf_addf(&out, "] %s Posthorn IMAP4rev1 ready\r\n", host_name(cf, host, sizeof(host)));
    session_log_out(s, buf_sv(&out));
    session_write(s, &out);
    return s;
}

static int session_frame(void *session, struct sv in, bool eof _unused_, struct frame *ret)
{
    struct session *s = session;
    struct imap_frame f;
    if (imap_framer_next(&s->framer, in, &f) == 0)
        return 0;
    *ret = (struct frame){ (int)f.kind, f.data, f.used };
    return 1;
}

static enum pool session_pool(void *session, const struct frame *f)
{
    return input_pool(session, f);
}

static void run_frame(struct session *s, const struct frame *f)
{
    if (f->kind < 0) {
        session_bye(s, "Input cannot be understood");
        return;
    }
    imap_framer_took(&s->framer, f->kind, f->used);
    if (s->state == ST_LOGOUT)
        return;
    s->active_ms = clock_mono_ms();
    input_frame(s, f);
}

static void session_run(void *session, const struct frame *f)
{
    struct session *s = session;
    const struct logctx *before = log_thread_session(&s->log);
    run_frame(s, f);
    log_thread_session(before);
}

static void session_note(void *session, const struct note *n)
{
    struct session *s = session;
    if (n->type != IMAP_NOTE_MAILBOX || !s->idling || s->state != ST_SELECTED)
        return;
    if (n->b == s->snap->folder_id)
        session_sync_now(s);
}

/* A waiting client is told "still here" again and again, up to the time after which an inactive one
 * may be logged out. */
static bool session_timeout(void *session)
{
    struct session *s = session;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (s->state == ST_LOGOUT)
        return false;
    int64_t now = clock_mono_ms(), idle_ms = now - s->active_ms;
    /* Called before its time: the server stops. */
    bool early = now + 100 < MAX(s->timer_ms, s->active_ms) + s->timeout_ms;
    if (early) {
        session_bye(s, "Server is shutting down");
        return false;
    }
    if (s->idling && idle_ms < cf->imap.timeout) {
        session_sync_now(s);
        struct sv still = SV("* OK Still here\r\n");
        conn_write(s->c, still);
        session_log_out(s, still);
        session_timeout_reset(s);
        return s->state != ST_LOGOUT;
    }
    s->timed_out = true;
    session_bye(s, "Autologout; idle for too long");
    return false;
}

static void session_secured(void *session)
{
    struct session *s = session;
    log_line(&s->log, LOG_DEBUG, "SSL: %s", conn_tls_info(s->c));
}

static void tell_summary(struct session *s, enum close_why why)
{
    event(imap_summary, &s->log, F_INT(messages, s->fetched), F_INT(appended, s->appended),
          F_STR(outcome, s->timed_out || why == CLOSE_TIMEOUT ? "TIMEOUT"
                         : s->logged_out                      ? "OK"
                                                              : "INCOMPLETE-SESSION"));
}

static void tell_totals(struct session *s, enum close_why why)
{
    uint64_t in, out;
    bool silent = s->timed_out || why == CLOSE_PEER || why == CLOSE_TIMEOUT;
    bool good = (why == CLOSE_QUIT || s->logged_out) && (s->acc || !s->auth_failures);
    conn_totals(s->c, &in, &out);
    event(session_end, &s->log,
          F_STR(outcome, good     ? "success"
                         : silent ? "disconnected"
                                  : "failed"),
          F_STR(why, close_why_names[s->timed_out ? CLOSE_TIMEOUT : why]),
          F_MS(duration, MAX(clock_wall_ms() - conn_started_ms(s->c), 0)), F_BYTES(bytes_in, in),
          F_BYTES(bytes_out, out), F_INT(commands, s->commands), F_INT(messages, s->fetched),
          F_INT(errors, s->errors), F_STR(tls, conn_is_tls(s->c) ? conn_tls_info(s->c) : NULL));
}

static void session_closed(void *session, enum close_why why)
{
    struct session *s = session;
    if (s->acc)
        tell_summary(s, why);
    tell_totals(s, why);
    idle_stop(s);
    auth_drop(s);
    append_drop(s);
    input_drop(s);
    session_unselect(s);
    if (s->mb)
        mailbox_unref(s->mb);
    if (s->acc)
        account_unref(s->acc);
    free(s->wait_tag);
    slab_free(&sessions, s);
}

const struct proto_ops imap_ops = {
    .name = "IMAP",
    .open = session_open,
    .frame = session_frame,
    .pool = session_pool,
    .run = session_run,
    .note = session_note,
    .timeout = session_timeout,
    .secured = session_secured,
    .closed = session_closed,
    .max_input = MAX_LINE + 1024,
};

void imap_refuse(struct conn *c, const char *reason)
{
    const char *text = "Too many connections, try again later";
    if (strcmp(reason, "ip") == 0)
        text = "Too many connections from your address";
    else if (strcmp(reason, "access") == 0)
        text = "Access denied";
    conn_writef(c, "* BYE [UNAVAILABLE] %s\r\n", text);
}

void imap_post(uint64_t handle, int64_t account_id, int64_t folder_id)
{
    conn_note(handle, (struct note){ IMAP_NOTE_MAILBOX, account_id, folder_id });
}

void session_timeout_reset(struct session *s)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    int64_t ms = s->state == ST_NOT_AUTH ? cf->imap.login_timeout : cf->imap.timeout;
    if (s->idling && cf->imap.idle_keepalive > 0)
        ms = MAX((int64_t)1, MIN(cf->imap.idle_keepalive, ms - (clock_mono_ms() - s->active_ms)));
    s->timer_ms = clock_mono_ms();
    s->timeout_ms = ms;
    conn_set_timeout(s->c, ms);
}

void session_login(struct session *s, const struct account *acc, struct mailbox *mb)
{
    s->acc = acc;
    s->log.account = acc->address;
    s->mb = mb;
    s->state = ST_AUTH;
    s->framer.max_line = MAX_LINE;
    s->bad_in_row = 0;
    conn_set_account(s->c, sv_c(acc->address));
    session_timeout_reset(s);
}

void session_select(struct session *s, const struct snap *snap, bool read_only)
{
    s->snap = snap;
    s->read_only = read_only;
    s->state = ST_SELECTED;
}

void session_unselect(struct session *s)
{
    if (s->snap)
        snap_unref(s->snap);
    s->snap = NULL;
    free(s->recent.r);
    s->recent = (struct recent){ 0 };
    s->retell_lo = s->retell_hi = 0;
    if (s->state == ST_SELECTED)
        s->state = ST_AUTH;
}

void session_bye(struct session *s, const char *text)
{
    if (s->state == ST_LOGOUT)
        return;
    s->state = ST_LOGOUT;
    struct buf out;
    buf_init(&out, 1 * KiB);
    buf_addf(&out, "* BYE %s\r\n", text);
    session_log_out(s, buf_sv(&out));
    session_write(s, &out);
    conn_close(s->c);
}

void session_bad(struct session *s)
{
    if (++s->bad_in_row >= BAD_MAX)
        session_bye(s, "Too many wrong commands");
}

void session_sync_now(struct session *s)
{
    struct sync y;
    struct buf out;
    if (s->state != ST_SELECTED)
        return;
    int r = sync_begin(s, true, NULL, false, &y);
    if (r == 0)
        return;
    if (r < 0) {
        session_bye(s, "The selected mailbox is not there any more");
        return;
    }
    buf_init(&out, 64 * MiB);
    bool more = sync_put(s, &y, &out, NEWS_MAX);
    session_log_out(s, buf_sv(&out));
    session_write(s, &out);
    if (more)
        job_news(s, &y, xstrdup(""), NULL);
    else
        sync_end(&y);
}

/* --- output --- */

struct slices {
    struct buf data;
    size_t off;
};

static int slices_gen(void *arg, struct buf *out)
{
    struct slices *sl = arg;
    struct sv rest = sv_take(sv_skip(buf_sv(&sl->data), sl->off), JOB_CHUNK);
    if (buf_add_sv(out, rest) < 0)
        return E_FULL;
    sl->off += rest.n;
    return sl->off < sl->data.n;
}

static void slices_done(void *arg)
{
    struct slices *sl = arg;
    buf_done(&sl->data);
    free(sl);
}

void session_write(struct session *s, struct buf *out)
{
    if (out->overflow)
        conn_close(s->c);
    if (out->n <= 2 * JOB_CHUNK) {
        if (out->n && conn_write(s->c, buf_sv(out)) < 0)
            conn_close(s->c);
        buf_done(out);
        return;
    }
    struct slices *sl = xcalloc(1, sizeof(*sl));
    sl->data = *out;
    *out = (struct buf){ 0 };
    if (conn_write_gen(s->c, slices_gen, slices_done, sl) < 0)
        conn_close(s->c);
}

/* Long output and message content stay out of the logs: the first line tells what it was. */
void session_log_out(struct session *s, struct sv out)
{
    enum { WHOLE = 400, FIRST = 160 };
    if (out.n == 0 || !log_wanted(&s->log, LOG_DEBUG))
        return;
    if (out.n <= WHOLE && sv_find_sv(out, SV("}\r\n")) < 0) {
        log_out(&s->log, out);
        return;
    }
    ssize_t eol = sv_find(out, '\r');
    struct sv first = sv_take(out, eol < 0 ? out.n : (size_t)eol);
    if (first.n > FIRST)
        first.n = FIRST;
    char line[FIRST + 40];
    int n = snprintf(line, sizeof(line), SV_FMT " ... %zu bytes", SV_ARG(first), out.n);
    log_out(&s->log, sv_n(line, MIN((size_t)n, sizeof(line) - 1)));
}
