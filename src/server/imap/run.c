/* The loop around every command: tag, name, state, run, news of the mailbox, tagged answer. Runs on
 * workers. RFC 3501 sections 2.2.1, 3 and 7.1; codes of RFC 5530. */
#include "server/imap/imap_priv.h"

#include "proto/imap_mutf7.h"

#define OUT_MAX (64 * MiB)

static void vdone(struct cmd *c, enum cmd_result r, const char *fmt, va_list ap)
{
    static const char *const names[] = { [RES_OK] = "OK", [RES_NO] = "NO", [RES_BAD] = "BAD" };
    c->result = r;
    buf_reset(&c->final);
    buf_add_sv(&c->final, c->tag);
    buf_addf(&c->final, " %s ", names[r]);
    buf_vaddf(&c->final, fmt, ap);
    buf_add(&c->final, "\r\n", 2);
}

void cmd_done(struct cmd *c, enum cmd_result r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vdone(c, r, fmt, ap);
    va_end(ap);
}

void cmd_bad_args(struct cmd *c, const char *expected)
{
    cmd_done(c, RES_BAD, "Wrong arguments of %s%s: %s expected", c->uid ? "UID " : "", c->def->name,
             expected);
}

int cmd_no_args(struct cmd *c)
{
    if (imap_end(&c->in))
        return 0;
    cmd_bad_args(c, "no more arguments");
    return E_PARSE;
}

static const struct {
    int err;
    const char *code, *text;
} err_codes[] = {
    { E_NOTFOUND, "NONEXISTENT", "No such mailbox" },
    { E_EXISTS, "ALREADYEXISTS", "Mailbox exists already" },
    { E_QUOTA, "OVERQUOTA", "Quota exceeded" },
    { E_LIMIT, "LIMIT", "Limit reached" },
    { E_FULL, "LIMIT", "Limit reached" },
    { E_PERM, "CANNOT", "Not allowed" },
    { E_RANGE, "CANNOT", "Not possible" },
    { E_PARSE, "CANNOT", "Not possible" },
    { E_CONFLICT, "INUSE", "Changed by someone else, try again" },
    { -ENOSPC, "LIMIT", "No space left" },
};

void cmd_error(struct cmd *c, int err, const struct errinfo *ei, const char *missing_code)
{
    for (size_t i = 0; i < ARRAY_LEN(err_codes); i++) {
        if (err_codes[i].err != err)
            continue;
        const char *code = err == E_NOTFOUND && missing_code ? missing_code : err_codes[i].code;
        cmd_done(c, RES_NO, "[%s] %s", code, err_codes[i].text);
        return;
    }
    log_error("IMAP %s of %s: %s", c->def->name, c->s->acc ? c->s->acc->address : "-",
              ei && ei->text[0] ? ei->text : err_name(err));
    cmd_done(c, RES_NO, "[%s] Internal error, try again later",
             err == E_TEMP || err == E_TIMEOUT ? "UNAVAILABLE" : "SERVERBUG");
}

/* --- mailbox names --- */

int cmd_mailbox_name(struct cmd *c, struct sv wire, struct sv *ret)
{
    struct buf name;
    buf_init(&name, 16 * KiB);
    int r = wire.n > 4 * KiB ? E_RANGE : imap_mutf7_to_utf8(wire, &name);
    if (r == 0) {
        *ret = arena_sv(c->a, buf_sv(&name));
        r = ret->p ? 0 : E_LIMIT;
    }
    buf_done(&name);
    if (r < 0)
        cmd_done(c, RES_NO, "[CANNOT] Mailbox name is not modified UTF-7");
    return r;
}

int cmd_mailbox(struct cmd *c, struct sv *ret)
{
    struct sv wire;
    if (imap_sp(&c->in) < 0 || imap_astring(&c->in, &wire) < 0) {
        cmd_bad_args(c, "mailbox name");
        return E_PARSE;
    }
    return cmd_mailbox_name(c, wire, ret);
}

void put_mailbox(struct buf *out, struct sv name)
{
    struct buf wire;
    buf_init(&wire, 64 * KiB);
    if (imap_utf8_to_mutf7(name, &wire) == 0)
        imap_put_astring(out, buf_sv(&wire));
    else
        imap_put_astring(out, name);
    buf_done(&wire);
}

/* --- the loop --- */

static void log_command(struct session *s, const struct cmd *c, struct sv text)
{
    if (!log_wanted(&s->log, LOG_DEBUG))
        return;
    /* Credentials stay out of the log, also those of a mistyped LOGIN. */
    if (c->def ? (c->def->flags & CMD_SLOW) != 0 : s->state == ST_NOT_AUTH) {
        char line[300];
        const char *name = c->def ? c->def->name : "";
        int n = snprintf(line, sizeof(line), SV_FMT " %s ****", SV_ARG(c->tag), name);
        log_in(&s->log, sv_n(line, MIN((size_t)n, sizeof(line) - 1)));
        return;
    }
    ssize_t eol = sv_find(text, '\r');
    struct sv first = sv_take(text, eol < 0 ? text.n : (size_t)eol);
    log_in(&s->log, sv_take(first, 1000));
}

/* The news of the mailbox behind a command's own responses. Negative: it is gone. 1: *ret holds
 * more news than should be in memory at once. */
static int put_news(struct cmd *c, struct sync *ret)
{
    struct session *s = c->s;
    bool may_expunge = c->uid || !c->def || !(c->def->flags & CMD_USES_SEQ);
    int r = sync_begin(s, may_expunge, &c->expect, c->uid, ret);
    if (r < 0)
        return r;
    if (r == 0) {
        if (c->expect.tell)
            sync_put_expected(s, &c->expect, c->uid, &c->out);
        return 0;
    }
    if (sync_put(s, ret, &c->out, c->out.n + NEWS_MAX))
        return 1;
    sync_end(ret);
    return 0;
}

static void count_bad(struct cmd *c)
{
    if (c->result != RES_BAD)
        c->s->bad_in_row = 0;
    else
        session_bad(c->s);
}

void cmd_finish(struct cmd *c)
{
    struct session *s = c->s;
    struct sync y;
    int usable = s->mb ? mailbox_check(s->mb, NULL) : 0, news = 0;
    if (usable == 0 && s->state == ST_SELECTED && !c->no_sync &&
        !(c->def && c->def->flags & CMD_NO_SYNC))
        news = put_news(c, &y);
    session_log_out(s, buf_sv(&c->out));
    session_log_out(s, buf_sv(&c->final));
    if (news <= 0)
        buf_add_sv(&c->out, buf_sv(&c->final));
    session_write(s, &c->out);
    if (news > 0)
        job_news(s, &y, buf_take(&c->final, NULL), c->a);
    else if (usable < 0 || news == -ESTALE)
        session_bye(s, "The mailbox was removed or made anew, log in again");
    else if (news < 0)
        session_bye(s, "The selected mailbox is not there any more");
    if (s->state == ST_LOGOUT)
        conn_close(s->c);
    count_bad(c);
}

static void no_command(struct cmd *c, struct sv name)
{
    char shown[40];
    bool plain = true;
    for (size_t i = 0; i < name.n; i++)
        plain = plain && name.p[i] > 0x20 && name.p[i] < 0x7f;
    sv_copy(shown, sizeof(shown), plain ? name : SV("?"));
    cmd_done(c, RES_BAD, "Unknown command %s", shown);
}

static void wrong_state(struct cmd *c)
{
    unsigned st = c->s->state;
    if (st == ST_NOT_AUTH)
        cmd_done(c, RES_BAD, "%s is not possible before login", c->def->name);
    else if (c->def->states == ST_NOT_AUTH)
        cmd_done(c, RES_BAD, "%s is not possible after login", c->def->name);
    else
        cmd_done(c, RES_BAD, "%s needs a selected mailbox", c->def->name);
}

/* Tag, name, row of the table. False: answered. */
static bool find_command(struct cmd *c)
{
    struct sv name;
    if (imap_tag(&c->in, &c->tag) < 0 || c->tag.n > 256) {
        c->tag = SV("*");
        cmd_done(c, RES_BAD, "Invalid tag");
        return false;
    }
    if (imap_sp(&c->in) < 0 || imap_atom(&c->in, &name) < 0) {
        cmd_done(c, RES_BAD, "Command expected");
        return false;
    }
    if (sv_ieq(name, SV("UID"))) {
        c->uid = true;
        if (imap_sp(&c->in) < 0 || imap_atom(&c->in, &name) < 0) {
            cmd_done(c, RES_BAD, "Command expected behind UID");
            return false;
        }
    }
    c->def = cmd_find(name, c->uid);
    if (!c->def) {
        no_command(c, name);
        return false;
    }
    if (!(c->def->states & c->s->state)) {
        wrong_state(c);
        return false;
    }
    return true;
}

void cmd_run(struct session *s, struct sv text)
{
    struct arena a;
    arena_init(&a, CMD_ARENA_CAP);
    struct cmd c = { .s = s, .a = &a, .in = imap_in_sv(text, &a) };
    buf_init(&c.out, OUT_MAX);
    buf_init(&c.final, 4 * KiB);
    bool found = find_command(&c);
    log_command(s, &c, text);
    s->commands++;
    ctr_inc(CTR_imap_commands);
    if (found) {
        conn_set_state(s->c, sv_c(c.def->name));
        if (c.def->flags & CMD_JOB) {
            size_t off = (size_t)(c.in.p - text.p), tag_off = (size_t)(c.tag.p - text.p);
            struct sv copy = arena_sv(&a, text);
            c.in.p = copy.p + off;
            c.in.end = copy.p + copy.n;
            c.tag.p = copy.p + tag_off;
        }
        c.def->run(&c);
        if (!c.detached && c.final.n == 0)
            cmd_completed(&c);
    }
    s->errors += !c.detached && c.result != RES_OK;
    if (!c.detached)
        cmd_finish(&c);
    buf_done(&c.out);
    buf_done(&c.final);
    arena_done(&a);
}

void cmd_end_detached(struct session *s, struct sv tag, const char *fmt, ...)
{
    struct arena a;
    va_list ap;
    arena_init(&a, CMD_ARENA_CAP);
    struct cmd c = { .s = s, .a = &a, .tag = tag };
    buf_init(&c.out, OUT_MAX);
    buf_init(&c.final, 4 * KiB);
    buf_add_sv(&c.final, tag);
    buf_add_c(&c.final, ' ');
    va_start(ap, fmt);
    buf_vaddf(&c.final, fmt, ap);
    va_end(ap);
    buf_add(&c.final, "\r\n", 2);
    cmd_finish(&c);
    buf_done(&c.final);
    arena_done(&a);
}
