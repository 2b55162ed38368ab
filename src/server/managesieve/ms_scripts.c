/* The commands that read and change scripts (RFC 5804 2.5 to 2.12). Changes are audited in the name
 * of the account, and durable before the OK. */
#include "server/managesieve/managesieve_priv.h"

#include "mail/account/script.h"

static struct sv owner(const struct ms_session *s)
{
    return sv_c(s->account->address);
}

/* One place for what errors of the store mean to a client. */
static void failed(struct ms_session *s, int error, const struct errinfo *ei)
{
    const char *code = error == E_NOTFOUND   ? "NONEXISTENT"
                       : error == E_EXISTS   ? "ALREADYEXISTS"
                       : error == E_CONFLICT ? "ACTIVE"
                       : error == E_QUOTA    ? "QUOTA/MAXSCRIPTS"
                                             : NULL;

    if (code || error == E_RANGE || error == E_PARSE) {
        ms_no(s, code, "%s", ei->text);
        return;
    }
    log_error("ManageSieve: scripts of %s: %s", s->account->address, ei->text);
    ms_no(s, "TRYLATER", "Scripts cannot be changed or read now");
}

static void answer(struct ms_session *s, int r, const struct errinfo *ei, const char *text)
{
    if (r < 0)
        failed(s, r, ei);
    else
        ms_ok(s, text);
}

static bool fits(struct ms_session *s, uint64_t size)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();

    if (size <= (uint64_t)cf->sieve.max_script_size)
        return true;
    ms_no(s, "QUOTA/MAXSIZE", "A script has at most %" PRId64 " bytes", cf->sieve.max_script_size);
    return false;
}

/* All faults at once, each with its line; and what the script's author should know. */
static bool check(struct ms_session *s, struct sv content, struct buf *ret_warnings)
{
    _cleanup_(arena_done) struct arena arena;
    _cleanup_(buf_done) struct buf text = { 0 };
    struct sieve_script script;
    struct sieve_problems problems;

    arena_init(&arena, SIEVE_ARENA);
    buf_init(&text, 16 * KiB);
    if (!fits(s, content.n))
        return false;
    if (sieve_parse(content, &arena, &script, &problems) == 0) {
        ms_warnings(s, &script, ret_warnings);
        return true;
    }
    sieve_problems_text(&problems, &text);
    ms_reply(s, "NO", NULL, buf_sv(&text));
    return false;
}

static void stored(struct ms_session *s, const struct buf *warnings, const char *text)
{
    if (warnings->n)
        ms_reply(s, "OK", "WARNINGS", buf_sv(warnings));
    else
        ms_ok(s, text);
}

void ms_cmd_checkscript(struct ms_session *s, const struct managesieve_args *a)
{
    _cleanup_(buf_done) struct buf warnings = { 0 };

    buf_init(&warnings, 4 * KiB);
    if (check(s, a->string[0], &warnings))
        stored(s, &warnings, "The script is correct");
}

void ms_cmd_putscript(struct ms_session *s, const struct managesieve_args *a)
{
    _cleanup_(buf_done) struct buf warnings = { 0 };
    struct errinfo ei = { 0 };
    int r;

    buf_init(&warnings, 4 * KiB);
    if (!check(s, a->string[1], &warnings))
        return;
    r = account_script_put(s->srv->accounts, s->account->address, owner(s), a->string[0],
                           a->string[1], &ei);
    if (r < 0) {
        failed(s, r, &ei);
        return;
    }
    s->stored++;
    ctr_inc(CTR_managesieve_stored);
    stored(s, &warnings, "Stored");
}

void ms_cmd_havespace(struct ms_session *s, const struct managesieve_args *a)
{
    struct errinfo ei = { 0 };

    if (fits(s, a->number))
        answer(s, account_script_room(s->srv->accounts, owner(s), a->string[0], &ei), &ei,
               "There is room");
}

static bool add_line(const struct script_info *i, void *out)
{
    managesieve_put_string(out, sv_c(i->name));
    buf_add_str(out, i->active ? " ACTIVE\r\n" : "\r\n");
    return true;
}

void ms_cmd_listscripts(struct ms_session *s, const struct managesieve_args *a _unused_)
{
    _cleanup_(buf_done) struct buf out = { 0 };
    struct errinfo ei = { 0 };
    int r;

    buf_init(&out, 512 * KiB);
    r = account_script_each(s->srv->accounts, owner(s), add_line, &out, &ei);
    if (r == 0 && out.n && conn_write(s->c, buf_sv(&out)) < 0)
        conn_close(s->c);
    answer(s, r, &ei, "");
}

/* The account's script may be as large as what a connection buffers: it goes out in pieces. */
struct sending {
    struct buf text;
    size_t sent;
};

static int send_piece(void *arg, struct buf *out)
{
    struct sending *x = arg;
    struct sv piece = sv_take(sv_skip(buf_sv(&x->text), x->sent), 48 * KiB);

    if (buf_add_sv(out, piece) < 0)
        return -ENOMEM;
    x->sent += piece.n;
    return x->sent < x->text.n;
}

static void sending_free(void *arg)
{
    struct sending *x = arg;

    buf_done(&x->text);
    free(x);
}

void ms_cmd_getscript(struct ms_session *s, const struct managesieve_args *a)
{
    struct sending *x = xcalloc(1, sizeof(*x));
    struct errinfo ei = { 0 };
    int r;

    buf_init(&x->text, SIEVE_MAX_SCRIPT);
    r = account_script_get(s->srv->accounts, owner(s), a->string[0], &x->text, &ei);
    if (r < 0) {
        sending_free(x);
        failed(s, r, &ei);
        return;
    }
    conn_writef(s->c, "{%zu}\r\n", x->text.n);
    conn_write_gen(s->c, send_piece, sending_free, x);
    conn_write(s->c, SV("\r\n"));
    ms_ok(s, "");
}

void ms_cmd_setactive(struct ms_session *s, const struct managesieve_args *a)
{
    struct errinfo ei = { 0 };
    int r =
        account_script_activate(s->srv->accounts, s->account->address, owner(s), a->string[0], &ei);

    answer(s, r, &ei, a->string[0].n ? "The script is active" : "No script is active");
}

void ms_cmd_deletescript(struct ms_session *s, const struct managesieve_args *a)
{
    struct errinfo ei = { 0 };
    int r =
        account_script_delete(s->srv->accounts, s->account->address, owner(s), a->string[0], &ei);

    answer(s, r, &ei, "Deleted");
}

void ms_cmd_renamescript(struct ms_session *s, const struct managesieve_args *a)
{
    struct errinfo ei = { 0 };
    int r = account_script_rename(s->srv->accounts, s->account->address, owner(s), a->string[0],
                                  a->string[1], &ei);

    answer(s, r, &ei, "Renamed");
}
