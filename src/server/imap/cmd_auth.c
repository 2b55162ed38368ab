/* LOGIN and AUTHENTICATE (RFC 4422, initial response RFC 4959). Checks may cost a slow password
 * hash: they run on POOL_SLOW unless auth says that this one is fast. RFC 3501 section 6.2. */
#include "server/imap/imap_priv.h"

#include <unistd.h>

#include "base/codec.h"

struct auth_try {
    struct auth_peer peer; /* sasl keeps a pointer to it */
    char host[256];
    struct buf cb;
    struct sasl *sasl;
    const struct account *acc; /* accepted; the client must still answer the final data */
};

static struct auth_try *try_new(struct session *s)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct auth_try *t = xcalloc(1, sizeof(*t));
    buf_init(&t->cb, 4 * KiB);
    if (cf->system.hostname[0])
        sv_copy(t->host, sizeof(t->host), sv_c(cf->system.hostname));
    else if (gethostname(t->host, sizeof(t->host) - 1) < 0)
        sv_copy(t->host, sizeof(t->host), SV("localhost"));
    t->peer = (struct auth_peer){ .service = "IMAP",
                                  .ip = conn_peer_ip(s->c),
                                  .hostname = t->host,
                                  .tls = conn_is_tls(s->c),
                                  .trusted = conn_peer_trusted(s->c) };
    const char *type = NULL;
    if (t->peer.tls && conn_channel_binding(s->c, &type, &t->cb)) {
        t->peer.cb_type = type;
        t->peer.cb_data = buf_sv(&t->cb);
    }
    return t;
}

static void try_free(struct auth_try *t)
{
    if (!t)
        return;
    if (t->sasl)
        sasl_free(t->sasl);
    if (t->acc)
        account_unref(t->acc);
    buf_done(&t->cb);
    free(t);
}

void auth_drop(struct session *s)
{
    try_free(s->auth);
    s->auth = NULL;
    s->framer.raw = false;
    if (!s->idling) {
        free(s->wait_tag);
        s->wait_tag = NULL;
    }
}

static const char *failure_text(int err)
{
    if (err == E_AUTH || err == E_PARSE)
        return "NO [AUTHENTICATIONFAILED] Authentication failed";
    if (err == E_LIMIT)
        return "NO [UNAVAILABLE] Too many failed logins, try again later";
    if (err == E_UNSUPPORTED)
        return "NO [CANNOT] Mechanism is not available";
    return "NO [UNAVAILABLE] Temporary failure, try again later";
}

static void refused(struct session *s, struct sv tag, int err)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    cmd_end_detached(s, tag, "%s", failure_text(err));
    if (err != E_AUTH && err != E_LIMIT && err != E_PARSE)
        return;
    conn_delay(s->c, cf->auth.failure_delay);
    if (++s->auth_failures >= cf->imap.max_auth_attempts)
        session_bye(s, "Too many failed logins");
}

/* Takes acc. */
static void accepted(struct session *s, struct sv tag, const struct account *acc)
{
    struct mailbox *mb;
    struct errinfo ei = { 0 };
    int r = mailbox_open(s->srv->store, acc->id, sv_c(acc->address), &mb, &ei);
    if (r < 0) {
        log_error("IMAP login of %s: %s", acc->address, ei.text);
        account_unref(acc);
        cmd_end_detached(s, tag, "%s",
                         "NO [UNAVAILABLE] Mailbox is not available, try again later");
        return;
    }
    struct buf caps;
    buf_init(&caps, 4 * KiB);
    session_login(s, acc, mb);
    put_capability(s, &caps);
    cmd_end_detached(s, tag, "OK [CAPABILITY " SV_FMT "] Logged in", SV_ARG(buf_sv(&caps)));
    buf_done(&caps);
}

void cmd_login(struct cmd *c)
{
    struct sv user, password;
    struct session *s = c->s;
    if (imap_sp(&c->in) < 0 || imap_astring(&c->in, &user) < 0 || imap_sp(&c->in) < 0 ||
        imap_astring(&c->in, &password) < 0 || !imap_end(&c->in)) {
        cmd_bad_args(c, "user name and password");
        return;
    }
    if (!session_plain_allowed(s)) {
        cmd_done(c, RES_NO, "[PRIVACYREQUIRED] Passwords in clear text are not allowed here%s",
                 conn_can_tls(s->c) && !conn_is_tls(s->c) ? ", use STARTTLS" : "");
        return;
    }
    const struct account *acc = NULL;
    struct auth_try *t = try_new(s);
    int r = auth_password(s->srv->accounts, &t->peer, user, password, &acc, NULL);
    try_free(t);
    c->detached = true;
    if (r < 0)
        refused(s, c->tag, r);
    else
        accepted(s, c->tag, acc);
}

static void send_challenge(struct session *s, struct sv data)
{
    struct buf out;
    buf_init(&out, 64 * KiB);
    buf_add(&out, "+ ", 2);
    base64_enc(data, &out);
    buf_add(&out, "\r\n", 2);
    log_out(&s->log, data.n ? SV("+ ****") : SV("+"));
    session_write(s, &out);
}

static void end_exchange(struct session *s, int err, const struct account *acc)
{
    struct sv tag = sv_c(s->wait_tag);
    char *keep = take_ptr(s->wait_tag);
    auth_drop(s);
    if (err < 0)
        refused(s, tag, err);
    else
        accepted(s, tag, acc);
    free(keep);
}

/* in.p == NULL: nothing from the client yet. */
static void exchange_step(struct session *s, struct sv in)
{
    struct auth_try *t = s->auth;
    const struct account *acc = NULL;
    struct buf out;
    buf_init(&out, 32 * KiB);
    int r = sasl_step(t->sasl, in, &out, &acc, NULL);
    if (r > 0) {
        send_challenge(s, buf_sv(&out));
    } else if (r == 0 && out.n > 0) {
        t->acc = acc;
        send_challenge(s, buf_sv(&out));
    } else {
        end_exchange(s, r, acc);
    }
    buf_done(&out);
}

static int decode(struct sv text, struct buf *out)
{
    if (sv_eq(text, SV("=")) || text.n == 0)
        return 0;
    return base64_dec(text, out);
}

/* An empty response is not the same as none. */
static struct sv response(const struct buf *b)
{
    return b->n ? buf_sv(b) : SV("");
}

void auth_line(struct session *s, struct sv line)
{
    log_in(&s->log, sv_eq(line, SV("*")) ? line : SV("****"));
    bool cancelled = sv_eq(line, SV("*"));
    struct buf in;
    buf_init(&in, 16 * KiB);
    if (cancelled || decode(line, &in) < 0) {
        char *tag = take_ptr(s->wait_tag);
        auth_drop(s);
        cmd_end_detached(s, sv_c(tag), "BAD %s",
                         cancelled ? "Authentication cancelled" : "Invalid base64");
        free(tag);
    } else if (s->auth->acc) {
        end_exchange(s, in.n ? E_AUTH : 0, in.n ? NULL : take_ptr(s->auth->acc));
    } else {
        exchange_step(s, response(&in));
    }
    buf_done(&in);
}

void cmd_authenticate(struct cmd *c)
{
    struct session *s = c->s;
    struct sv mech, initial = SV_NULL;
    if (imap_sp(&c->in) < 0 || imap_atom(&c->in, &mech) < 0) {
        cmd_bad_args(c, "mechanism");
        return;
    }
    if (imap_char(&c->in, ' '))
        initial = sv_trim(sv_n(c->in.p, (size_t)(c->in.end - c->in.p)));
    struct auth_try *t = try_new(s);
    int r = sasl_start(s->srv->accounts, &t->peer, mech, &t->sasl, NULL);
    if (r < 0) {
        try_free(t);
        cmd_done(c, RES_NO, "%s", failure_text(r) + 3);
        return;
    }
    struct buf in;
    buf_init(&in, 16 * KiB);
    /* LOGIN's server speaks first, but clients (mutt, .NET) send the user name at once. */
    bool wrong = !sasl_client_first(t->sasl) && !sv_ieq(mech, SV("LOGIN"));
    if (initial.n && (wrong || decode(initial, &in) < 0)) {
        try_free(t);
        buf_done(&in);
        cmd_done(c, RES_BAD, wrong ? "This mechanism has no initial response" : "Invalid base64");
        return;
    }
    c->detached = true;
    s->auth = t;
    s->framer.raw = true;
    s->wait_tag = sv_dup(c->tag);
    if (initial.n)
        exchange_step(s, response(&in));
    else if (sasl_client_first(t->sasl))
        send_challenge(s, SV(""));
    else
        exchange_step(s, SV_NULL);
    buf_done(&in);
}

/* --- which pool --- */

bool auth_line_is_fast(struct session *s, struct sv line)
{
    struct buf in;
    buf_init(&in, 16 * KiB);
    bool fast = decode(line, &in) < 0 || s->auth->acc || sasl_is_fast(s->auth->sasl, response(&in));
    buf_done(&in);
    return fast;
}

static bool plain_is_fast(struct session *s, struct sv initial)
{
    struct buf in;
    buf_init(&in, 16 * KiB);
    bool fast = true;
    if (decode(initial, &in) == 0) {
        struct sv rest = buf_sv(&in);
        sv_split(&rest, '\0');
        struct sv user = rest.p ? sv_split(&rest, '\0') : SV_NULL;
        fast = !rest.p || auth_is_fast_with(s->srv->accounts, user, rest);
    }
    buf_done(&in);
    return fast;
}

bool cmd_auth_is_fast(struct session *s, struct sv text)
{
    struct arena a;
    arena_init(&a, 64 * KiB);
    struct imap_in in = imap_in_sv(text, &a);
    struct sv tag, first, second;
    bool fast = true;
    if (imap_tag(&in, &tag) == 0 && imap_sp(&in) == 0) {
        if (imap_word(&in, SV("LOGIN")))
            fast = imap_sp(&in) < 0 || imap_astring(&in, &first) < 0 || imap_sp(&in) < 0 ||
                   imap_astring(&in, &second) < 0 ||
                   auth_is_fast_with(s->srv->accounts, first, second);
        else if (imap_word(&in, SV("AUTHENTICATE")) && imap_sp(&in) == 0 &&
                 imap_atom(&in, &first) == 0 && imap_sp(&in) == 0)
            fast = sv_ieq(first, SV("PLAIN")) &&
                   plain_is_fast(s, sv_trim(sv_n(in.p, (size_t)(in.end - in.p))));
    }
    arena_done(&a);
    return fast;
}
