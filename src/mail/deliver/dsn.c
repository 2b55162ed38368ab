/* Delivery status notifications: RFC 3461 (who wants which), RFC 3462/6522 (multipart/report), RFC
 * 3464 (message/delivery-status), RFC 6533 (internationalised). Reads the message, writes nothing.
 */
#include "base/clock.h"
#include "base/codec.h"
#include "mail/deliver/deliver_priv.h"
#include "proto/mime.h"
#include "proto/smtp_args.h"

#include <fcntl.h>
#include <unistd.h>

enum { MAX_HEADERS = 64 * 1024, PER_RCPT = 4096 };

struct kind {
    const char *name, *subject, *opening;
    const char *action;
    char status_class; /* first digit */
    bool returns_full; /* the whole message unless RET=HDRS or too large */
};

static const struct kind kinds[] = {
    { "failed", "Your message could not be delivered",
      "Your message could not be delivered to the recipients below. It is not tried again.",
      "failed", '5', true },
    { "delayed", "Your message is delayed",
      "Your message could not be delivered yet. You need not send it again: it is tried further.",
      "delayed", '4', false },
    { "relayed", "Your message was handed on",
      "Your message was handed on to the recipients' server, which does not report delivery.",
      "relayed", '2', false },
    { "delivered", "Your message was delivered",
      "Your message was delivered to the recipients below.", "delivered", '2', false },
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

bool dsn_wants(const struct rcpt *r, const char *kind)
{
    bool plain = r->notify == 0;
    if (strcmp(kind, "delayed") == 0)
        return r->state == RCPT_WAITING && r->kind != RCPT_DISCARD &&
               (plain || r->notify & NOTIFY_DELAY);
    if (r->told)
        return false;
    if (strcmp(kind, "failed") == 0)
        return r->state == RCPT_FAILED && (plain || r->notify & NOTIFY_FAILURE);
    if (r->state != RCPT_DELIVERED || !(r->notify & NOTIFY_SUCCESS))
        return false;
    return r->kind == (strcmp(kind, "delivered") == 0 ? RCPT_LOCAL : RCPT_REMOTE);
}

/* --- status --- */

/* "5.1.1" out of "550 5.1.1 text"; false when the answer has no enhanced code of that class. */
static bool enhanced_code(struct sv answer, char cls, char ret[12])
{
    struct sv rest = sv_skip(answer, 4);
    struct sv code = sv_split(&rest, ' ');
    size_t dots = 0;
    if (code.n < 5 || code.n > 9 || code.p[0] != cls || code.p[1] != '.')
        return false;
    for (size_t i = 0; i < code.n; i++) {
        if (code.p[i] == '.')
            dots++;
        else if (code.p[i] < '0' || code.p[i] > '9')
            return false;
    }
    return dots == 2 && sv_copy(ret, 12, code);
}

/* Our own reasons carry no enhanced code. */
static const struct {
    struct sv text;
    const char *tail;
} reasons[] = {
    { { "Connection to ", 14 }, ".4.2" },
    { { "Could not connect", 17 }, ".4.1" },
    { { "Permanent problems", 18 }, ".4.7" },
    { { "while issuing MX query", 22 }, ".4.4" },
    { { "does not exist while", 20 }, ".1.2" },
    { { "Could not resolve target DNS", 28 }, ".4.3" },
    { { "Too many hops", 13 }, ".4.6" },
    { { "Could not verify SSL", 20 }, ".7.5" },
    { { "Login at ", 9 }, ".7.8" },
};

static void status_of(const struct rcpt *r, char cls, char ret[12])
{
    struct sv a = sv_c(r->answer);
    if (enhanced_code(a, cls, ret))
        return;
    const char *tail = ".0.0";
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (sv_find_sv(a, reasons[i].text) >= 0)
            tail = reasons[i].tail;
    snprintf(ret, 12, "%c%s", cls, tail);
}

static const char *advice(const char *status, const char *kind)
{
    if (strcmp(kind, "failed") != 0)
        return NULL;
    if (strncmp(status, "5.1.", 4) == 0)
        return "check the address for mistakes, or ask the recipient for the right one.";
    if (strcmp(status, "5.2.2") == 0)
        return "the mailbox is full; try again later, or tell the recipient in another way.";
    if (strcmp(status, "5.3.4") == 0 || strcmp(status, "5.2.3") == 0)
        return "the message is too large; send it in parts, or send a link.";
    if (strncmp(status, "5.4.", 4) == 0)
        return "the recipient's server cannot be reached; try again later, or tell the recipient.";
    if (strncmp(status, "5.7.", 4) == 0)
        return "the recipient's server refuses the message; its text above may say why.";
    return "if the text above does not help, send this notice to your postmaster.";
}

/* --- parts --- */

/* Text from other servers into a header-like line: no control characters, bounded. */
static void add_line(struct buf *b, struct sv s)
{
    s = sv_take(s, 900);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        (void)buf_add_c(b, c < ' ' || c == 127 ? ' ' : (char)c);
    }
}

/* RFC 3461 6.3: ENVID and ORCPT are shown decoded. What would not be readable text stays xtext. */
static void add_xtext(struct buf *b, struct sv s)
{
    struct buf plain;
    buf_init(&plain, 1024);
    bool readable = smtp_xtext_decode(s, &plain) == 0;
    for (size_t i = 0; i < plain.n && readable; i++)
        readable = plain.p[i] >= ' ' && plain.p[i] < 127;
    add_line(b, readable ? buf_sv(&plain) : s);
    buf_done(&plain);
}

/* "type;address". An address of type utf-8 has escapes of its own that a report keeps: RFC 6533 3.
 */
static void add_orcpt(struct buf *b, struct sv orcpt)
{
    struct sv address = orcpt, type = sv_split(&address, ';');
    if (!address.p || sv_ieq(type, SV("utf-8"))) {
        add_line(b, orcpt);
        return;
    }
    add_line(b, type);
    (void)buf_add_c(b, ';');
    add_xtext(b, address);
}

static void human_rcpt(struct buf *b, const struct rcpt *r, const struct kind *k)
{
    char status[12];
    status_of(r, k->status_class, status);
    (void)buf_add_str(b, "<");
    add_line(b, sv_c(r->address));
    (void)buf_add_str(b, ">");
    if (*r->original && strcmp(r->original, r->address) != 0) {
        (void)buf_add_str(b, " (sent to <");
        add_line(b, sv_c(r->original));
        (void)buf_add_str(b, ">)");
    }
    (void)buf_add_str(b, "\r\n");
    if (*r->answer) {
        if (*r->remote_mta) {
            (void)buf_add_str(b, "    The server ");
            add_line(b, sv_c(r->remote_mta));
            (void)buf_add_str(b, " answered:\r\n");
        }
        (void)buf_add_str(b, "    ");
        add_line(b, sv_c(r->answer));
        (void)buf_add_str(b, "\r\n");
    }
    const char *what = advice(status, k->name);
    if (what)
        (void)buf_addf(b, "    What to do: %s\r\n", what);
    (void)buf_add_str(b, "\r\n");
}

static void human_part(struct buf *b, const struct message *m, const struct dsn_opts *o,
                       const struct kind *k)
{
    char date[40];
    (void)buf_addf(b, "This is the mail server %s.\r\n\r\n%s\r\n\r\n", o->hostname, k->opening);
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (dsn_wants(&m->rcpts[i], k->name))
            human_rcpt(b, &m->rcpts[i], k);
    if (strcmp(k->name, "delayed") == 0) {
        clock_rfc5322(o->retry_until_ms / 1000, date);
        (void)buf_addf(b, "It is tried until %s.\r\n", date);
    }
    clock_rfc5322(m->received_ms / 1000, date);
    (void)buf_addf(b, "The message has the id %s and was received %s.\r\n", m->id, date);
}

static void status_rcpt(struct buf *b, const struct rcpt *r, const struct dsn_opts *o,
                        const struct kind *k)
{
    char status[12], date[40];
    status_of(r, k->status_class, status);
    (void)buf_add_str(b, "\r\n");
    if (*r->orcpt) {
        (void)buf_add_str(b, "Original-Recipient: ");
        add_orcpt(b, sv_c(r->orcpt));
        (void)buf_add_str(b, "\r\n");
    }
    (void)buf_addf(b, "Final-Recipient: %s; ", sv_has_8bit(sv_c(r->address)) ? "utf-8" : "rfc822");
    add_line(b, sv_c(r->address));
    (void)buf_addf(b, "\r\nAction: %s\r\nStatus: %s\r\n", k->action, status);
    if (*r->remote_mta) {
        (void)buf_add_str(b, "Remote-MTA: dns; ");
        add_line(b, sv_c(r->remote_mta));
        (void)buf_add_str(b, "\r\n");
    }
    if (*r->answer) {
        (void)buf_add_str(b, *r->remote_mta ? "Diagnostic-Code: smtp; "
                                            : "Diagnostic-Code: x-posthorn; ");
        add_line(b, sv_c(r->answer));
        (void)buf_add_str(b, "\r\n");
    }
    clock_rfc5322(clock_wall_s(), date);
    (void)buf_addf(b, "Last-Attempt-Date: %s\r\n", date);
    if (strcmp(k->name, "delayed") == 0) {
        clock_rfc5322(o->retry_until_ms / 1000, date);
        (void)buf_addf(b, "Will-Retry-Until: %s\r\n", date);
    }
}

static void status_part(struct buf *b, const struct message *m, const struct dsn_opts *o,
                        const struct kind *k)
{
    char date[40];
    if (*m->envid) {
        (void)buf_add_str(b, "Original-Envelope-Id: ");
        add_xtext(b, sv_c(m->envid));
        (void)buf_add_str(b, "\r\n");
    }
    clock_rfc5322(m->received_ms / 1000, date);
    (void)buf_addf(b, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n", o->hostname, date);
    for (size_t i = 0; i < m->n_rcpts; i++)
        if (dsn_wants(&m->rcpts[i], k->name))
            status_rcpt(b, &m->rcpts[i], o, k);
}

/* --- the original --- */

/* Content up to max bytes, from memory or the beginning of the file. */
static struct sv read_start(const struct message *m, size_t max, struct buf *tmp)
{
    if (m->content.p)
        return sv_take(m->content, max);
    _cleanup_(closep) int fd = open(m->spool_path, O_RDONLY | O_CLOEXEC);
    buf_init(tmp, max);
    if (fd < 0 || buf_reserve(tmp, MIN(max, m->size)) < 0)
        return SV("");
    while (tmp->n < MIN(max, m->size)) {
        ssize_t r = pread(fd, tmp->p + tmp->n, MIN(max, m->size) - tmp->n, (off_t)tmp->n);
        if (r <= 0)
            break;
        tmp->n += (size_t)r;
    }
    return buf_sv(tmp);
}

struct original {
    struct sv bytes;
    bool full;
    struct buf tmp;
};

static void get_original(const struct message *m, const struct dsn_opts *o, const struct kind *k,
                         struct original *ret)
{
    bool full = m->requiretls ? false : m->ret ? m->ret == 'F' : k->returns_full; /* RFC 8689 5 */
    ret->full = full && k->returns_full && m->size <= o->max_content;
    buf_init(&ret->tmp, 0);
    struct sv start = read_start(m, ret->full ? m->size : MAX_HEADERS, &ret->tmp);
    if (ret->full) {
        ret->bytes = start;
        return;
    }
    ret->bytes = sv_take(start, mime_header_length(start));
}

/* --- together --- */

static void head_part(struct buf *b, const struct message *m, const struct message *dsn,
                      const struct dsn_opts *o, const struct kind *k, const char *boundary)
{
    char date[40];
    bool has_host = strchr(o->from, '@');
    clock_rfc5322(clock_wall_s(), date);
    (void)buf_addf(b, "Return-Path: <>\r\nDate: %s\r\nFrom: Mail Delivery System <%s%s%s>\r\nTo: <",
                   date, o->from, has_host ? "" : "@", has_host ? "" : o->hostname);
    add_line(b, sv_c(m->sender));
    (void)buf_addf(b,
                   ">\r\nSubject: %s\r\nMessage-ID: <%016" PRIx64 ".dsn@%s>\r\n"
                   "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                   "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                   "\tboundary=\"%s\"\r\n\r\n"
                   "This is a delivery report in MIME format (RFC 3464).\r\n",
                   k->subject, dsn->key, o->hostname, boundary);
}

static void begin_part(struct buf *b, const char *boundary, const char *type, bool eightbit)
{
    (void)buf_addf(b, "\r\n--%s\r\nContent-Type: %s\r\n%s\r\n", boundary, type,
                   eightbit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static void build(struct buf *b, const struct message *m, struct message *dsn,
                  const struct dsn_opts *o, const struct kind *k)
{
    char boundary[40];
    struct original orig;
    struct buf status;
    snprintf(boundary, sizeof(boundary), "dsn=_%016" PRIx64, m->key);
    get_original(m, o, k, &orig);
    buf_init(&status, (size_t)m->n_rcpts * PER_RCPT + 8192);
    status_part(&status, m, o, k);
    bool intl = sv_has_8bit(buf_sv(&status)), eightbit = sv_has_8bit(orig.bytes);
    head_part(b, m, dsn, o, k, boundary);
    begin_part(b, boundary, "text/plain; charset=utf-8", intl);
    human_part(b, m, o, k);
    begin_part(b, boundary, intl ? "message/global-delivery-status" : "message/delivery-status",
               intl);
    (void)buf_add_sv(b, buf_sv(&status));
    begin_part(b, boundary,
               orig.full     ? m->smtputf8 ? "message/global" : "message/rfc822"
               : m->smtputf8 ? "message/global-headers"
                             : "text/rfc822-headers",
               eightbit);
    (void)buf_add_sv(b, orig.bytes);
    (void)buf_addf(b, "\r\n--%s--\r\n", boundary);
    dsn->body_8bit = intl || eightbit;
    dsn->smtputf8 = intl || sv_has_8bit(sv_c(m->sender));
    buf_done(&status);
    buf_done(&orig.tmp);
}

struct message *dsn_make(const struct message *m, const struct dsn_opts *o, struct errinfo *ei)
{
    const struct kind *k = find_kind(o->kind);
    bool any = false;
    for (size_t i = 0; i < m->n_rcpts && k; i++)
        any |= dsn_wants(&m->rcpts[i], k->name);
    if (!any || !*m->sender || m->bounce) {
        err_set(ei, E_NOTFOUND, "no notice is due for message %s", m->id);
        return NULL;
    }
    struct message *dsn = message_new();
    struct buf b;
    buf_init(&b, o->max_content + MAX_HEADERS + 2 * (size_t)m->n_rcpts * PER_RCPT + 64 * KiB);
    build(&b, m, dsn, o, k);
    if (b.overflow) {
        buf_done(&b);
        message_unref(dsn);
        err_set(ei, -ENOMEM, "the notice about message %s is too large", m->id);
        return NULL;
    }
    message_take_content(dsn, &b);
    dsn->bounce = true;
    dsn->requiretls = m->requiretls;
    dsn->session_id = m->session_id;
    memcpy(dsn->original, m->id, sizeof(dsn->original));
    message_add_rcpt(dsn, sv_c(m->sender), RCPT_REMOTE)->notify = NOTIFY_NEVER;
    return dsn;
}

struct message *deliver_make_dsn(const struct message *m, const char *kind, const char *hostname,
                                 struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct dsn_opts o = {
        .kind = kind,
        .hostname = hostname,
        .from = cf->deliver.bounce_from,
        .max_content = (uint64_t)cf->deliver.bounce_max_content,
        .retry_until_ms = m->received_ms + queue_lifetime(cf, m, NULL),
    };
    return dsn_make(m, &o, ei);
}
