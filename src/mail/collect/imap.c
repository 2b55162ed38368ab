/* IMAP as a client: RFC 3501, the inbox by uids. */
#include "base/codec.h"
#include "mail/collect/collect_priv.h"
#include "proto/remote_reply.h"
#include "proto/smtp_body.h"
#include "proto/smtp_framer.h"

/* Reads up to the tagged answer; fn sees each untagged text, and may read on (a literal). */
static int answer(struct attempt *x, const char *what,
                  int (*fn)(struct attempt *, struct sv text, void *arg, struct errinfo *),
                  void *arg, struct errinfo *ei)
{
    char tag[16];
    struct sv line, text;
    int r = 0;
    snprintf(tag, sizeof(tag), "a%u", x->tag);
    for (unsigned n = 0; r == 0; n++) {
        r = n < MAX_LINES ? session_line(x, MAX_LIST_LINE, &line, ei)
                          : err_set(ei, E_LIMIT, "the answer to %s has no end", what);
        if (r < 0)
            return r;
        log_in(&x->log, sv_take(line, 1000));
        switch (imap_reply(line, sv_c(tag), &text)) {
        case IMAP_OK:
            return 0;
        case IMAP_NO:
        case IMAP_BAD_REPLY:
            return session_refused(x, what, text, ei);
        case IMAP_UNTAGGED:
            if (sv_istarts(text, SV("BYE")))
                r = err_set(ei, E_CLOSED, "the server ends the session: " SV_FMT,
                            SV_ARG(sv_take(text, 120)));
            else if (fn)
                r = fn(x, text, arg, ei);
            break;
        case IMAP_CONTINUE:
        case IMAP_OTHER:
            r = err_set(ei, E_PARSE, "the answer to %s is no IMAP: " SV_FMT, what,
                        SV_ARG(sv_take(line, 80)));
            break;
        }
    }
    return r;
}

struct capabilities {
    bool plain, starttls, uidplus;
};

static int on_capability(struct attempt *x, struct sv text, void *arg, struct errinfo *ei)
{
    struct capabilities *c = arg;
    (void)x, (void)ei;
    if (sv_istarts(text, SV("CAPABILITY "))) {
        c->plain = imap_has_word(text, SV("AUTH=PLAIN"));
        c->starttls = imap_has_word(text, SV("STARTTLS"));
        c->uidplus = imap_has_word(text, SV("UIDPLUS"));
    }
    return 0;
}

static int capability(struct attempt *x, struct capabilities *ret, struct errinfo *ei)
{
    *ret = (struct capabilities){ 0 };
    int r = session_send(x, NULL, ei, "a%u CAPABILITY", ++x->tag);
    return r < 0 ? r : answer(x, "CAPABILITY", on_capability, ret, ei);
}

static int authenticate(struct attempt *x, struct errinfo *ei)
{
    struct buf plain, text;
    struct sv line, rest;
    int r = session_send(x, NULL, ei, "a%u AUTHENTICATE PLAIN", ++x->tag);
    if (r == 0)
        r = session_line(x, MAX_REPLY_LINE, &line, ei);
    if (r < 0)
        return r;
    log_in(&x->log, line);
    if (imap_reply(line, SV("-"), &rest) != IMAP_CONTINUE)
        return session_refused(x, "AUTHENTICATE PLAIN", line, ei);
    buf_init(&plain, 1 * KiB);
    buf_init(&text, 2 * KiB);
    (void)buf_add(&plain, "", 1);
    (void)buf_add_str(&plain, x->r->user);
    (void)buf_add(&plain, "", 1);
    (void)buf_add_str(&plain, x->r->password);
    r = base64_enc(buf_sv(&plain), &text);
    if (r == 0)
        r = buf_terminate(&text);
    if (r == 0)
        r = session_send(x, "****", ei, "%s", text.p);
    explicit_bzero(plain.p, plain.n);
    explicit_bzero(text.p, text.n);
    buf_done(&plain);
    buf_done(&text);
    return r < 0 ? r : answer(x, "the login", NULL, NULL, ei);
}

static void add_quoted(struct buf *b, const char *text)
{
    (void)buf_add_c(b, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            (void)buf_add_c(b, '\\');
        (void)buf_add_c(b, *text);
    }
    (void)buf_add_c(b, '"');
}

static int login(struct attempt *x, struct errinfo *ei)
{
    struct buf b;
    buf_init(&b, 2 * KiB);
    add_quoted(&b, x->r->user);
    (void)buf_add_c(&b, ' ');
    add_quoted(&b, x->r->password);
    int r = buf_terminate(&b);
    if (r == 0)
        r = session_send(x, "LOGIN ****", ei, "a%u LOGIN %s", ++x->tag, b.p);
    explicit_bzero(b.p, b.n);
    buf_done(&b);
    return r < 0 ? r : answer(x, "the login", NULL, NULL, ei);
}

static int begin(struct attempt *x, struct errinfo *ei)
{
    struct sv line, text;
    struct capabilities c;
    int r = x->r->tls == REMOTE_TLS ? session_tls(x, ei) : 0;
    if (r == 0)
        r = session_line(x, MAX_REPLY_LINE, &line, ei);
    if (r < 0)
        return r;
    log_in(&x->log, line);
    if (imap_reply(line, SV("-"), &text) != IMAP_UNTAGGED || !sv_istarts(text, SV("OK")))
        return session_refused(x, "the connection", line, ei);
    r = capability(x, &c, ei);
    if (r == 0 && x->r->tls == REMOTE_STARTTLS && !c.starttls)
        return session_insecure(x, "the server does not offer STARTTLS", ei);
    if (r == 0 && x->r->tls == REMOTE_STARTTLS) {
        r = session_send(x, NULL, ei, "a%u STARTTLS", ++x->tag);
        if (r == 0)
            r = session_starttls(x, answer(x, "STARTTLS", NULL, NULL, ei), ei);
        if (r == 0)
            r = session_tls(x, ei);
        if (r == 0)
            r = capability(x, &c, ei);
    }
    if (r < 0)
        return r;
    r = c.plain ? authenticate(x, ei) : login(x, ei);
    if (r == 0) /* a server may offer more after the login */
        r = capability(x, &c, ei);
    x->uidplus = c.uidplus;
    return r;
}

static int on_select(struct attempt *x, struct sv text, void *arg, struct errinfo *ei)
{
    (void)arg, (void)ei;
    (void)imap_uidvalidity(text, &x->uidvalidity);
    return 0;
}

static int on_search(struct attempt *x, struct sv text, void *arg, struct errinfo *ei)
{
    struct sv rest;
    uint32_t uid;
    int r = 0;
    (void)arg;
    if (!imap_search(text, &rest))
        return 0;
    while (r == 0 && imap_next_number(&rest, &uid)) {
        char name[32];
        int n = snprintf(name, sizeof(name), "%u %u", x->uidvalidity, uid);
        r = session_add(x, uid, sv_n(name, (size_t)n), ei);
    }
    return r;
}

static int list(struct attempt *x, struct errinfo *ei)
{
    bool deletes = x->r->leave_days != REMOTE_FOREVER;
    int r = session_send(x, NULL, ei, "a%u %s INBOX", ++x->tag, deletes ? "SELECT" : "EXAMINE");
    if (r == 0)
        r = answer(x, "the inbox", on_select, NULL, ei);
    if (r == 0 && !x->uidvalidity)
        r = err_set(ei, E_PARSE, "the server tells no UIDVALIDITY");
    if (r == 0)
        r = session_send(x, NULL, ei, "a%u UID SEARCH UNDELETED", ++x->tag);
    return r < 0 ? r : answer(x, "UID SEARCH", on_search, NULL, ei);
}

struct fetching {
    struct sink *to;
    bool found;
};

static int read_literal(struct attempt *x, uint64_t n, struct sink *to, struct errinfo *ei)
{
    struct smtp_body body;
    struct buf out;
    char in[16 * 1024];
    int r = 0;
    smtp_body_begin(&body, false, true);
    buf_init(&out, 2 * sizeof(in) + 2);
    while (n > 0 && r == 0) {
        int got = session_read(x, in, (size_t)MIN(n, sizeof(in)), ei);
        if (got < 0) {
            r = got;
            break;
        }
        n -= (uint64_t)got;
        buf_reset(&out);
        r = smtp_body_add(&body, sv_n(in, (size_t)got), SMTP_HAS_BARE_LF, &out);
        if (r == 0)
            r = sink_add(to, buf_sv(&out), ei);
    }
    buf_done(&out);
    return r;
}

/* "12 FETCH (UID 7 BODY[] {345}", the bytes, ")": or a NIL for what is gone. */
static int on_fetch(struct attempt *x, struct sv text, void *arg, struct errinfo *ei)
{
    struct fetching *f = arg;
    struct sv rest = text, line;
    uint64_t n = 0;
    (void)sv_split(&rest, ' ');
    if (!sv_istarts(rest, SV("FETCH ")) || !imap_literal(text, &n))
        return 0;
    if (f->found)
        return err_set(ei, E_PARSE, "the server sends more than one message");
    int r = read_literal(x, n, f->to, ei);
    f->found = r == 0;
    return r < 0 ? r : session_line(x, MAX_REPLY_LINE, &line, ei);
}

static int fetch(struct attempt *x, const struct listed *l, struct sink *to, struct errinfo *ei)
{
    struct fetching f = { .to = to };
    int r = session_send(x, NULL, ei, "a%u UID FETCH %u (BODY.PEEK[])", ++x->tag, l->number);
    if (r == 0)
        r = answer(x, "UID FETCH", on_fetch, &f, ei);
    return r == 0 && !f.found ? err_set(ei, E_NOTFOUND, "a message is gone") : r;
}

static int drop(struct attempt *x, const struct listed *l, struct errinfo *ei)
{
    int r = session_send(x, NULL, ei, "a%u UID STORE %u +FLAGS.SILENT (\\Deleted)", ++x->tag,
                         l->number);
    if (r == 0)
        r = answer(x, "UID STORE", NULL, NULL, ei);
    if (r < 0 || !x->uidplus)
        return r;
    r = session_send(x, NULL, ei, "a%u UID EXPUNGE %u", ++x->tag, l->number); /* RFC 4315 */
    return r < 0 ? r : answer(x, "UID EXPUNGE", NULL, NULL, ei);
}

static int end(struct attempt *x, struct errinfo *ei)
{
    int r = 0;
    if (x->deleted && !x->uidplus) {
        r = session_send(x, NULL, ei, "a%u EXPUNGE", ++x->tag);
        if (r == 0)
            r = answer(x, "EXPUNGE", NULL, NULL, ei);
    }
    if (r == 0)
        r = session_send(x, NULL, ei, "a%u LOGOUT", ++x->tag);
    return r;
}

const struct collect_protocol collect_imap = { begin, list, fetch, drop, end };
