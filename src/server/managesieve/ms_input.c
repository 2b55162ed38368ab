/* From frames to commands: joins lines and literals, refuses what is too large before it is read,
 * stays in step with the client. RFC 5804 sections 1.2 and 4. */
#include "server/managesieve/managesieve_priv.h"

#include <stdio.h>

#include "base/clock.h"

/* Before the login nobody needs more than an answer of SASL. */
#define LOGIN_LITERAL ((uint64_t)8192)
#define LOGIN_COMMAND ((size_t)12 * 1024)
/* Beside the script: verb, name, line ends. */
#define OTHER_BYTES ((size_t)12 * 1024)
/* Literals come without asking (RFC 5804 knows no others from clients): one that is refused is
 * read to its end up to this size, and a larger one ends the session. */
#define SWALLOW_MAX ((uint64_t)16 * MiB)

struct ms_pending {
    struct buf text;
    int64_t started_us;
    uint64_t bytes;
    bool refused; /* its literals are swallowed; answered at its end */
};

void ms_pending_free(struct ms_session *s)
{
    if (!s->pending)
        return;
    buf_done(&s->pending->text);
    free(s->pending);
    s->pending = NULL;
}

static uint64_t max_literal(const struct ms_session *s)
{
    if (s->state != MS_IN)
        return LOGIN_LITERAL;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    return (uint64_t)cf->sieve.max_script_size;
}

static struct ms_pending *pending_of(struct ms_session *s)
{
    if (!s->pending) {
        s->pending = xcalloc(1, sizeof(*s->pending));
        s->pending->started_us = clock_mono_us();
        buf_init(&s->pending->text,
                 s->state == MS_IN ? (size_t)max_literal(s) + OTHER_BYTES : LOGIN_COMMAND);
    }
    return s->pending;
}

/* --- commands --- */

/* Contents of scripts stay out of the log, and so does whatever may be a password: a line that is
 * no command, before the login. */
static void log_command(struct ms_session *s, const struct ms_cmd *cmd, struct sv text)
{
    enum { FIRST = 400 };
    ssize_t eol = sv_find_sv(text, SV("\r\n"));
    char masked[FIRST + 40];

    if (cmd ? cmd->secret : s->state != MS_IN)
        snprintf(masked, sizeof(masked), "%s****", cmd ? "AUTHENTICATE " : "");
    else if (eol >= 0)
        snprintf(masked, sizeof(masked), SV_FMT " ... %zu bytes",
                 SV_ARG(sv_take(text, (size_t)MIN(eol, FIRST))), text.n);
    else
        snprintf(masked, sizeof(masked), SV_FMT, SV_ARG(sv_take(text, FIRST)));
    log_in(&s->log, sv_c(masked));
}

static const struct ms_cmd *read_verb(struct imap_in *in)
{
    struct sv verb;

    return imap_atom(in, &verb) == 0 ? ms_find(verb) : NULL;
}

static void run_command(struct ms_session *s, struct sv text)
{
    _cleanup_(arena_done) struct arena arena;
    struct managesieve_args args;

    arena_init(&arena, 64 * KiB);
    struct imap_in in = imap_in_sv(text, &arena);
    const struct ms_cmd *cmd = read_verb(&in);
    log_command(s, cmd, text);
    s->commands++;
    if (!cmd) {
        ms_wrong(s, "Unknown command");
    } else if (!(cmd->states & s->state)) {
        ms_wrong(s, s->state == MS_IN ? "Not after the login" : "Log in first");
    } else if (managesieve_args(&in, cmd->form, &args) < 0) {
        ms_wrong(s, "Wrong arguments: strings in quotes or {length+}, numbers without");
    } else {
        conn_set_state(s->c, sv_c(cmd->name));
        cmd->run(s, &args);
    }
}

static void run_text(struct ms_session *s, struct sv text)
{
    if (s->state == MS_SASL)
        ms_sasl_answer(s, text);
    else
        run_command(s, text);
}

static void full_line(struct ms_session *s, struct sv line)
{
    struct ms_pending *p = s->pending;

    if (!p) {
        run_text(s, line);
        return;
    }
    s->pending = NULL;
    if (p->refused)
        ms_no(s, "QUOTA/MAXSIZE", "More than %" PRIu64 " bytes are not taken", max_literal(s));
    else if (buf_add_sv(&p->text, line) < 0)
        ms_wrong(s, "Command is too large");
    else
        run_text(s, buf_sv(&p->text));
    buf_done(&p->text);
    free(p);
}

/* --- literals --- */

static void swallow(struct ms_session *s, uint64_t size)
{
    if (s->state == MS_IN && size <= SWALLOW_MAX)
        s->framer.literal_left = size;
    else
        ms_bye(s, "QUOTA/MAXSIZE", "Literal is too large");
}

static void log_refused(struct ms_session *s, struct sv text)
{
    struct imap_in in = imap_in_sv(text, NULL);

    log_command(s, read_verb(&in), text);
}

static void part_line(struct ms_session *s, struct sv line)
{
    struct ms_pending *p = pending_of(s);
    uint64_t size = 0;
    bool nonsync = false;

    imap_line_literal(line, &size, &nonsync);
    if (!nonsync) { /* the client waits, or does not know the protocol */
        ms_pending_free(s);
        ms_sasl_free(s);
        ms_wrong(s, "Literals are sent at once: {length+}");
        return;
    }
    if (!p->refused && (size > max_literal(s) || buf_add_sv(&p->text, line) < 0 ||
                        buf_add(&p->text, "\r\n", 2) < 0 || p->text.n + size > p->text.max)) {
        p->refused = true;
        log_refused(s, p->text.n ? buf_sv(&p->text) : line);
        buf_reset(&p->text);
    }
    if (p->refused)
        swallow(s, size);
    else
        s->framer.literal_left = size;
}

static void chunk(struct ms_session *s, struct sv bytes)
{
    if (s->pending && !s->pending->refused && buf_add_sv(&s->pending->text, bytes) < 0)
        ms_bye(s, NULL, "Command is too large"); /* cannot be: checked when it was announced */
}

/* The line could not be read: whether the client's next octets are a literal tells whether both are
 * still in step. */
static void unreadable(struct ms_session *s, struct sv tail, const char *why)
{
    uint64_t size;
    bool nonsync;

    ms_pending_free(s);
    ms_sasl_free(s);
    log_in(&s->log, SV("****"));
    ms_wrong(s, why);
    if (imap_line_literal(tail, &size, &nonsync) && size > 0)
        ms_bye(s, NULL, "Out of step with the client");
}

/* More of a command is expected, and at this pace it takes for ever. */
static bool too_slow(struct ms_session *s, const struct frame *f)
{
    struct ms_pending *p = s->pending;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (!p)
        return false;
    p->bytes += f->used;
    return f->kind != IMAP_LINE &&
           clock_trickles(p->started_us, p->bytes, cf->net.min_data_rate, cf->net.session_timeout);
}

void ms_frame(struct ms_session *s, const struct frame *f)
{
    uint64_t size;
    bool nonsync;

    if (too_slow(s, f)) {
        s->timed_out = true;
        ms_bye(s, NULL, "Data arrives too slowly, closing connection");
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
        unreadable(s, f->data, "Lines end with CRLF and hold neither NUL nor CR");
        break;
    case IMAP_LONG:
        unreadable(s, SV_NULL, "Line is too long");
        break;
    case IMAP_SKIP:
        break;
    case IMAP_LONG_END:
        if (imap_line_literal(f->data, &size, &nonsync) && size > 0)
            ms_bye(s, NULL, "Out of step with the client");
        break;
    }
}

/* Before the login a line may cost a password hash. */
enum pool ms_pool(struct ms_session *s, const struct frame *f)
{
    struct imap_in in;
    const struct ms_cmd *cmd;

    if (f->kind != IMAP_LINE || (s->state != MS_LOGIN && s->state != MS_SASL))
        return POOL_FAST;
    if (s->state == MS_SASL)
        return POOL_SLOW;
    in = imap_in_sv(s->pending ? buf_sv(&s->pending->text) : f->data, NULL);
    cmd = read_verb(&in);
    return cmd && cmd->secret ? POOL_SLOW : POOL_FAST;
}
