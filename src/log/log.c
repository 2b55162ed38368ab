/* Levels, and the form of each kind of line (docs/logs.md). A line is put together in the
 * caller's thread; transport.c takes it from there. Levels are plain atomics: a change is seen with
 * the next line. */
#include "log/log_priv.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/codec.h"
#include "stats/shm.h"

enum {
    SOURCE_WIDTH = 15,
    FORGERY_WINDOW = 80,
    ENTRY_MAX = 32 * 1024,  /* continuation lines end where an entry has grown beyond this */
    WORK_MAX = 1024 * 1024, /* escaping makes up to four bytes of one before the cut */
};

/* Until settings are read: the defaults of log.def. */
static _Atomic uint8_t levels[LOG_TYPE_COUNT] = {
    [LOG_SMTP] = LOG_DEBUG,       [LOG_POP3] = LOG_DEBUG,
    [LOG_IMAP] = LOG_DEBUG,       [LOG_MANAGESIEVE] = LOG_DEBUG,
    [LOG_WEB] = LOG_SUMMARY,      [LOG_ERRORS] = LOG_EXTENDED,
    [LOG_AUTH] = LOG_SUMMARY,     [LOG_MAINTENANCE] = LOG_SUMMARY,
    [LOG_MAILFLOW] = LOG_SUMMARY, [LOG_DNS] = LOG_NONE,
    [LOG_SQL] = LOG_NONE,
};
static _Atomic size_t max_line = 8 * KiB;
static _Thread_local const struct logctx *thread_session;
static _Atomic(const struct log_hooks *) hooks;
static atomic_bool transcripts;

static enum log_level level_of(enum log_type t)
{
    return (enum log_level)atomic_load_explicit(&levels[t], memory_order_relaxed);
}

bool log_on(enum log_type t, enum log_level at_least)
{
    return level_of(t) >= at_least;
}

void log_set_hooks(const struct log_hooks *h)
{
    atomic_store(&hooks, h);
}

void log_set_transcripts(bool on)
{
    atomic_store_explicit(&transcripts, on, memory_order_relaxed);
}

static bool transcribed(const struct logctx *c, enum log_level at)
{
    return c->session && at <= LOG_DEBUG &&
           atomic_load_explicit(&transcripts, memory_order_relaxed);
}

bool log_wanted(const struct logctx *c, enum log_level at)
{
    return log_on(c->type, at) || transcribed(c, at);
}

static bool written(enum log_type t, enum log_level at)
{
    enum log_level l = level_of(t);
    return t == LOG_MAINTENANCE ? l == at || l == LOG_EXTENDED : l >= at;
}

bool log_type_wanted(const struct logctx *c, enum log_type t, enum log_level at)
{
    return written(t, at) || (t == c->type && transcribed(c, at));
}

void log_set_level(enum log_type t, enum log_level l)
{
    if (t != LOG_ERRORS)
        atomic_store_explicit(&levels[t], (uint8_t)l, memory_order_relaxed);
}

void log_configure_levels(const int64_t new_levels[LOG_TYPE_COUNT])
{
    for (enum log_type t = 0; t < LOG_TYPE_COUNT; t++) {
        bool known = new_levels[t] >= LOG_NONE && new_levels[t] <= LOG_EXTENDED;
        log_set_level(t, known ? (enum log_level)new_levels[t] : LOG_NONE);
    }
}

void log_set_max_line(size_t bytes)
{
    atomic_store_explicit(&max_line, MIN(MAX(bytes, 64), 64 * KiB), memory_order_relaxed);
}

const struct logctx *log_thread_session(const struct logctx *c)
{
    const struct logctx *old = thread_session;
    thread_session = c;
    return old;
}

const struct logctx *log_here(void)
{
    static const struct logctx nobody = { .type = LOG_ERRORS, .prefix = "" };
    return thread_session ? thread_session : &nobody;
}

uint32_t log_ymd(int64_t wall_s)
{
    char text[16];
    uint32_t ymd = 0;
    clock_ymd(wall_s, text);
    sv_to_u32(sv_c(text), &ymd);
    return ymd;
}

/* A line in the making. */
struct line {
    const struct logctx *c;
    enum log_type type;
    enum log_level at;
    int64_t wall_ms;
    size_t body; /* where the text begins, behind source, id, time and prefix */
    struct buf text;
};

static void line_begin(struct line *l, const struct logctx *c, enum log_type type,
                       enum log_level at)
{
    static const char hex[] = "0123456789ABCDEF", blanks[] = "               ";
    uint32_t id = c->id;
    l->c = c;
    l->type = type;
    l->at = at;
    l->wall_ms = clock_wall_ms();
    buf_init(&l->text, WORK_MAX);
    buf_reserve(&l->text, 400);
    struct sv src = *c->source ? sv_c(c->source) : SV("SYSTEM");
    buf_add_sv(&l->text, src);
    if (src.n < SOURCE_WIDTH)
        buf_add(&l->text, blanks, SOURCE_WIDTH - src.n);
    char in_brackets[] = {
        ' ', '[', hex[id >> 12 & 15], hex[id >> 8 & 15], hex[id >> 4 & 15], hex[id & 15], ']', ' '
    };
    buf_add(&l->text, in_brackets, sizeof(in_brackets));
    char hms[16];
    clock_hms(l->wall_ms / 1000, hms);
    buf_add_str(&l->text, hms);
    if (type == LOG_AUTH)
        buf_addf(&l->text, ":%03d", (int)(l->wall_ms % 1000));
    buf_add_c(&l->text, ' ');
    if (type == c->type && c->prefix)
        buf_add_str(&l->text, c->prefix);
    l->body = l->text.n;
}

static void tell_transcript(const struct line *l)
{
    const struct log_hooks *h = atomic_load_explicit(&hooks, memory_order_acquire);
    struct sv body = sv_skip(buf_sv(&l->text), l->body);
    enum log_direction d = sv_starts(body, SV("<<< "))   ? LOG_IN
                           : sv_starts(body, SV(">>> ")) ? LOG_OUT
                                                         : LOG_NOTE;
    if (h)
        h->transcript(l->c, d, d == LOG_NOTE ? body : sv_skip(body, 4));
}

static void line_end(struct line *l)
{
    l->text.n = MIN(l->text.n, (size_t)LOG_RECORD_MAX - 1);
    if (l->type == l->c->type && transcribed(l->c, l->at))
        tell_transcript(l);
    if (written(l->type, l->at)) {
        buf_add_c(&l->text, '\n');
        log_submit(l->type, log_ymd(l->wall_ms / 1000), buf_sv(&l->text));
        ctr_inc(CTR_log_lines);
    }
    buf_done(&l->text);
}

/* Adds text escaped, at most n bytes of it in the result, a mark in place of the rest. */
static void add_cut(struct buf *b, struct sv text, size_t n)
{
    size_t start = b->n, whole = MIN(n, text.n);
    /* Not in the middle of a character: its first half would be shown as an error of the peer. */
    while (whole > 0 && whole < text.n && n - whole < 4 &&
           ((unsigned char)text.p[whole] & 0xc0) == 0x80)
        whole--;
    escape_text(sv_take(text, whole), b);
    if (text.n <= n && b->n - start <= n)
        return;
    size_t keep = start + MIN(n, b->n - start);
    while (keep > start && keep < b->n && ((unsigned char)b->p[keep] & 0xc0) == 0x80)
        keep--;
    b->n = keep;
    buf_addf(b, "... (cut, %zu bytes)", text.n);
}

void log_add(struct buf *b, struct sv text)
{
    size_t limit = atomic_load_explicit(&max_line, memory_order_relaxed);
    add_cut(b, text, limit);
}

/* Would a continuation line pass for a line of its own? "... [1A2B] 10:47:14 ..." near its start.
 */
static ssize_t forged_bracket(struct sv s)
{
    for (size_t i = 0; i + 10 <= s.n && i < FORGERY_WINDOW; i++) {
        static const char shape[] = "[XXXX] dd:";
        size_t k = 0;
        for (; k < 10; k++) {
            char c = s.p[i + k], want = shape[k];
            bool digit = c >= '0' && c <= '9';
            if (want == 'X'   ? !digit && (ascii_upper(c) < 'A' || ascii_upper(c) > 'F')
                : want == 'd' ? !digit
                              : c != want)
                break;
        }
        if (k == 10)
            return (ssize_t)i;
    }
    return -1;
}

/* Data of the wire: the first line follows the prefix, further ones stand alone (log.multiline).
 * Only CRLF ends a line: a bare LF from a peer is shown as what it is. */
static void add_wire(struct buf *b, struct sv data)
{
    while (data.n > 0 && (data.p[data.n - 1] == '\r' || data.p[data.n - 1] == '\n'))
        data.n--;
    for (bool first = true;; first = false) {
        ssize_t end = sv_find_sv(data, SV("\r\n"));
        struct sv one = end < 0 ? data : sv_take(data, (size_t)end);
        if (!first)
            buf_add_c(b, '\n');
        ssize_t bracket = first ? -1 : forged_bracket(one);
        if (bracket >= 0) {
            log_add(b, sv_take(one, (size_t)bracket));
            buf_add_str(b, "\\x5b");
            one = sv_skip(one, (size_t)bracket + 1);
        }
        log_add(b, one);
        if (end < 0)
            return;
        data = sv_skip(data, (size_t)end + 2);
        if (b->n > ENTRY_MAX) {
            buf_addf(b, "\n... (cut, %zu bytes)", data.n);
            return;
        }
    }
}

static void add_format(struct buf *b, const char *fmt, va_list ap)
{
    char small[512];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n >= 0 && (size_t)n < sizeof(small)) {
        log_add(b, sv_n(small, (size_t)n));
    } else if (n >= 0) {
        _cleanup_(freep) char *big = xmalloc((size_t)n + 1);
        vsnprintf(big, (size_t)n + 1, fmt, again);
        log_add(b, sv_n(big, (size_t)n));
    }
    va_end(again);
}

void log_line(const struct logctx *c, enum log_level at, const char *fmt, ...)
{
    if (!log_wanted(c, at))
        return;
    struct line l;
    line_begin(&l, c, c->type, at);
    va_list ap;
    va_start(ap, fmt);
    add_format(&l.text, fmt, ap);
    va_end(ap);
    line_end(&l);
}

static void log_data(const struct logctx *c, const char *direction, struct sv data)
{
    if (!log_wanted(c, LOG_DEBUG))
        return;
    struct line l;
    line_begin(&l, c, c->type, LOG_DEBUG);
    buf_add(&l.text, direction, 4);
    add_wire(&l.text, data);
    line_end(&l);
}

void log_in(const struct logctx *c, struct sv data)
{
    log_data(c, "<<< ", data);
}

void log_out(const struct logctx *c, struct sv data)
{
    log_data(c, ">>> ", data);
}

void log_write(const struct logctx *c, enum log_type t, enum log_level at, struct sv text)
{
    struct line l;
    line_begin(&l, c, t, at);
    buf_add_sv(&l.text, text);
    line_end(&l);
}

static void log_general(bool error, const char *fmt, va_list ap)
{
    const struct log_hooks *h = atomic_load_explicit(&hooks, memory_order_acquire);
    struct line l;
    line_begin(&l, log_here(), LOG_ERRORS, LOG_SUMMARY);
    buf_add_str(&l.text, error ? "Error: " : "Warning: ");
    size_t begin = l.text.n;
    add_format(&l.text, fmt, ap);
    if (h)
        h->general(l.c, error, sv_skip(buf_sv(&l.text), begin));
    line_end(&l);
}

void log_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_general(true, fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_general(false, fmt, ap);
    va_end(ap);
}
