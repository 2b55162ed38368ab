#include "mail/sieve/reply.h"

#include "base/clock.h"
#include "base/codec.h"
#include "mail/sieve/text.h"

static const struct sv loop_field = { "X-Sieve-Redirected-From", 23 };

static struct sv header(const struct sieve_result *r, const char *name)
{
    const struct mime_header *h = r->root ? mime_header_get(r->root, sv_c(name)) : NULL;
    return h ? sv_trim(h->value) : SV_NULL;
}

static bool header_has(const struct sieve_result *r, const char *name, const char *const *words,
                       size_t n)
{
    struct sv v = header(r, name);
    for (size_t i = 0; i < n; i++)
        if (v.n && sv_ifind_sv(v, sv_c(words[i])) >= 0)
            return true;
    return false;
}

bool sieve_is_automatic(const struct sieve_result *r)
{
    struct sv v = header(r, "Auto-Submitted");
    return v.n && !sv_ieq(sv_trim(sv_split(&v, ';')), SV("no"));
}

static bool is_list(const struct sieve_result *r)
{
    static const char *const names[] = { "List-Id",          "List-Help", "List-Subscribe",
                                         "List-Unsubscribe", "List-Post", "List-Owner",
                                         "List-Archive" };
    static const char *const words[] = { "bulk", "list", "junk" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (header(r, names[i]).p)
            return true;
    return header_has(r, "Precedence", words, ARRAY_LEN(words));
}

/* Names of programs: RFC 5230 4.6. */
static bool is_machine(struct sv sender)
{
    static const char *const names[] = { "mailer-daemon", "postmaster", "listserv", "majordomo",
                                         "noreply",       "no-reply",   "owner" };
    ssize_t at = sv_rfind(sender, '@');
    struct sv local = at < 0 ? sender : sv_take(sender, (size_t)at);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (sv_ieq(local, sv_c(names[i])))
            return true;
    return sv_istarts(local, SV("owner-")) || sv_iends(local, SV("-request")) ||
           sv_iends(local, SV("-owner")) || sv_iends(local, SV("-bounces"));
}

static bool is_users(const struct sieve_action *a, const struct sieve_facts *f, struct sv address)
{
    for (size_t i = 0; i < a->n_addresses; i++)
        if (sv_ieq(a->addresses[i], address))
            return true;
    return sv_ieq(address, f->account) || (f->owns && f->owns(f->arg, address));
}

static bool field_names_user(const struct sieve_action *a, const struct sieve_facts *f,
                             struct sv value, struct arena *arena)
{
    struct mime_address *v = NULL;
    size_t n = 0;
    (void)mime_addresses(value, arena, &v, &n);
    for (size_t i = 0; i < n; i++) {
        char address[400];
        if (!v[i].local.p || !v[i].host.p || v[i].local.n + v[i].host.n > 390)
            continue;
        memcpy(address, v[i].local.p, v[i].local.n);
        address[v[i].local.n] = '@';
        memcpy(address + v[i].local.n + 1, v[i].host.p, v[i].host.n);
        if (is_users(a, f, sv_n(address, v[i].local.n + 1 + v[i].host.n)))
            return true;
    }
    return false;
}

/* The user is named as a recipient; else a list or a Bcc brought it: RFC 5230 4.5. */
static bool is_named(const struct sieve_result *r, const struct sieve_action *a,
                     const struct sieve_facts *f)
{
    static const char *const names[] = {
        "To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"
    };
    _cleanup_(arena_done) struct arena arena;
    bool found = false;
    arena_init(&arena, 4 * MiB);
    for (unsigned i = 0; r->root && i < r->root->n_headers && !found; i++)
        for (size_t k = 0; k < ARRAY_LEN(names) && !found; k++)
            if (sv_ieq(r->root->headers[i].name, sv_c(names[k])))
                found = field_names_user(a, f, r->root->headers[i].value, &arena);
    return found;
}

const char *sieve_vacation_refusal(const struct sieve_env *e, const struct sieve_result *r,
                                   const struct sieve_action *a, const struct sieve_facts *f)
{
    static const char *const suppress[] = { "all", "oof", "autoreply" };
    if (!e->sender.n)
        return "the message has the null sender";
    if (is_machine(e->sender))
        return "the sender is a program";
    if (is_users(a, f, e->sender))
        return "the user is the sender";
    if (sieve_is_automatic(r))
        return "the message was sent by a program (Auto-Submitted)";
    if (is_list(r))
        return "the message comes from a mailing list";
    if (header_has(r, "X-Auto-Response-Suppress", suppress, ARRAY_LEN(suppress)))
        return "the sender wants no automatic replies";
    if (!is_named(r, a, f))
        return "the user is not named as a recipient";
    return NULL;
}

void sieve_vacation_id(const struct sieve_env *e, const struct sieve_action *a, struct buf *out)
{
    for (size_t i = 0; i < e->sender.n; i++)
        (void)buf_add_c(out, ascii_lower(e->sender.p[i]));
    (void)buf_add_c(out, '\n');
    if (a->handle.p) {
        (void)buf_add_sv(out, a->handle);
        return;
    }
    (void)buf_add_sv(out, a->subject);
    (void)buf_addf(out, "\n%d\n", a->mime);
    (void)buf_add_sv(out, a->from);
    (void)buf_add_c(out, '\n');
    (void)buf_add_sv(out, a->text);
}

/* --- writing --- */

static void add_date(struct buf *out, int64_t now_s)
{
    char date[40];
    clock_rfc5322(now_s, date);
    (void)buf_addf(out, "Date: %s\r\n", date);
}

static void add_from(struct buf *out, const struct sieve_action *a, const struct sieve_facts *f)
{
    if (a->from.n) {
        sieve_add_field(out, SV("From"), a->from);
        return;
    }
    _cleanup_(buf_done) struct buf b = { 0 };
    bool plain = f->name.n && !sv_has_8bit(f->name);
    buf_init(&b, 2 * KiB);
    for (size_t i = 0; plain && i < f->name.n; i++)
        plain = (unsigned char)f->name.p[i] >= ' ' && !strchr("\"\\", f->name.p[i]);
    if (plain)
        (void)buf_addf(&b, "\"" SV_FMT "\" ", SV_ARG(f->name));
    (void)buf_addf(&b, "<" SV_FMT ">", SV_ARG(f->account));
    sieve_add_field(out, SV("From"), buf_sv(&b));
}

static void begin(struct buf *out, const struct sieve_action *a, const struct sieve_facts *f,
                  const char *automatic)
{
    (void)buf_add_str(out, "Return-Path: <>\r\n");
    add_date(out, f->now_s);
    add_from(out, a, f);
    (void)buf_addf(out, "Message-ID: <%016" PRIx64 ".sieve@" SV_FMT ">\r\nAuto-Submitted: %s\r\n",
                   f->key, SV_ARG(f->host), automatic);
}

static struct sv subject_of(const struct sieve_result *r, struct buf *tmp)
{
    struct sv v = header(r, "Subject");
    if (v.p)
        (void)mime_decode_header(v, tmp);
    return sv_take(sv_trim(buf_sv(tmp)), 500);
}

/* In-Reply-To and References of the message that is answered (RFC 3834 3.1.5). */
static void add_thread(struct buf *out, const struct sieve_result *r)
{
    struct sv id = header(r, "Message-ID"), refs = header(r, "References");
    if (!id.n || id.n > 900 || sv_has_8bit(id))
        return;
    sieve_add_field(out, SV("In-Reply-To"), id);
    if (!refs.n || refs.n > 4 * KiB || sv_has_8bit(refs)) {
        sieve_add_field(out, SV("References"), id);
        return;
    }
    _cleanup_(buf_done) struct buf b = { 0 };
    buf_init(&b, 8 * KiB);
    (void)buf_addf(&b, SV_FMT " " SV_FMT, SV_ARG(refs), SV_ARG(id));
    sieve_add_field(out, SV("References"), buf_sv(&b));
}

static void add_text(struct buf *out, struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            (void)buf_add_c(out, '\r');
        if (text.p[i] != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'))
            (void)buf_add_c(out, text.p[i]);
    }
    if (!text.n || text.p[text.n - 1] != '\n')
        (void)buf_add_str(out, "\r\n");
}

static void add_plain(struct buf *out, struct sv text)
{
    (void)buf_addf(out,
                   "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: %s\r\n\r\n",
                   sv_has_8bit(text) ? "8bit" : "7bit");
    add_text(out, text);
}

int sieve_vacation_reply(const struct sieve_env *e, const struct sieve_result *r,
                         const struct sieve_action *a, const struct sieve_facts *f, struct buf *out)
{
    _cleanup_(buf_done) struct buf tmp = { 0 }, subject = { 0 };
    buf_init(&tmp, 64 * KiB);
    buf_init(&subject, 64 * KiB);
    begin(out, a, f, "auto-replied (vacation)");
    (void)buf_addf(out, "To: <" SV_FMT ">\r\n", SV_ARG(e->sender));
    if (!a->subject.p)
        (void)buf_add_str(&subject, "Auto: ");
    (void)buf_add_sv(&subject, a->subject.p ? a->subject : subject_of(r, &tmp));
    sieve_add_field(out, SV("Subject"), buf_sv(&subject));
    add_thread(out, r);
    (void)buf_add_str(out, "X-Auto-Response-Suppress: All\r\nPrecedence: bulk\r\n");
    if (a->mime) {
        (void)buf_add_str(out, "MIME-Version: 1.0\r\n");
        add_text(out, a->text);
    } else {
        add_plain(out, a->text);
    }
    return out->overflow ? -ENOMEM : 0;
}

int sieve_notice(const struct sieve_env *e, const struct sieve_result *r,
                 const struct sieve_action *a, const struct sieve_facts *f, const struct mailto *to,
                 struct buf *out)
{
    _cleanup_(buf_done) struct buf tmp = { 0 }, text = { 0 }, owner = { 0 };
    buf_init(&tmp, 64 * KiB);
    buf_init(&text, 64 * KiB);
    buf_init(&owner, KiB);
    (void)buf_addf(&owner, "auto-notified; owner-email=\"" SV_FMT "\"", SV_ARG(f->account));
    if (buf_terminate(&owner) < 0)
        return -ENOMEM;
    begin(out, a, f, owner.p);
    for (size_t i = 0; i < to->n; i++)
        (void)buf_addf(out, "%s<%s>%s", i ? " " : "To: ", to->rcpt[i],
                       i + 1 < to->n ? ",\r\n" : "\r\n");
    struct sv subject = a->text.n       ? a->text
                        : to->subject.n ? buf_sv(&to->subject)
                                        : subject_of(r, &tmp);
    sieve_add_field(out, SV("Subject"), subject);
    if (a->importance.n)
        (void)buf_addf(out, "X-Priority: %s\r\n",
                       *a->importance.p == '1'   ? "1"
                       : *a->importance.p == '3' ? "5"
                                                 : "3");
    if (to->body.n)
        (void)buf_add_sv(&text, buf_sv(&to->body));
    else
        (void)buf_addf(&text, "Notification of new email.\r\n\r\nFrom: <" SV_FMT ">\r\n",
                       SV_ARG(e->sender));
    add_plain(out, buf_sv(&text));
    return out->overflow ? -ENOMEM : 0;
}

/* --- redirect --- */

bool sieve_redirect_loops(const struct sieve_result *r, struct sv account)
{
    for (unsigned i = 0; r->root && i < r->root->n_headers; i++) {
        const struct mime_header *h = &r->root->headers[i];
        if (sv_ieq(h->name, loop_field) && sv_ieq(sv_trim(h->value), account))
            return true;
    }
    return false;
}

int sieve_redirect_header(const struct sieve_env *e, const struct sieve_result *r,
                          const struct sieve_action *a, const struct sieve_facts *f,
                          struct buf *out)
{
    struct sv block, body;
    char date[40];
    clock_rfc5322(f->now_s, date);
    sieve_content(e, r, a, &block, &body);
    (void)buf_addf(out,
                   "Return-Path: <" SV_FMT ">\r\nReceived: by " SV_FMT
                   " (redirect of a Sieve script)\r\n\tid " SV_FMT ";\r\n\t%s\r\n" SV_FMT
                   ": " SV_FMT "\r\n",
                   SV_ARG(e->sender), SV_ARG(f->host), SV_ARG(f->id), date, SV_ARG(loop_field),
                   SV_ARG(f->account));
    (void)buf_add_sv(out, mime_without_return_path(block));
    return out->overflow ? -ENOMEM : 0;
}
