/* What SMTP needs to know of a message's header: hops, and the fields a submitted message must
 * have. RFC 5321 6.3 (loops), RFC 6409 8.2, RFC 8689 3. */
#include "server/smtp/smtp_priv.h"

#include "base/clock.h"

/* The line's begin is known. */
static void judge(struct smtp_header_facts *f)
{
    struct sv start = sv_n(f->start, f->n);
    f->judged = true;
    f->received += sv_istarts(start, SV("received:"));
    f->date |= sv_istarts(start, SV("date:"));
    if (sv_istarts(start, SV("tls-required:")))
        f->tls_optional |= sv_ieq(sv_trim(sv_skip(start, 13)), SV("no"));
    f->message_id |= sv_istarts(start, SV("message-id:"));
}

void smtp_header_feed(struct smtp_header_facts *f, struct sv in)
{
    const char *p = in.p, *end = in.p + in.n;
    while (p < end && !f->done) {
        if (f->judged) {
            const char *lf = memchr(p, '\n', (size_t)(end - p));
            if (!lf)
                return;
            p = lf + 1;
            f->judged = false;
            f->n = 0;
        } else if (*p != '\n' && f->n < sizeof(f->start)) {
            f->start[f->n++] = *p++;
        } else {
            f->done = *p == '\n' && (f->n == 0 || (f->n == 1 && f->start[0] == '\r'));
            judge(f);
        }
    }
}

void smtp_header_end(struct smtp_header_facts *f)
{
    if (!f->done && !f->judged)
        judge(f);
    f->done = true;
}

void smtp_header_missing(const struct smtp_header_facts *f, const struct message *m, struct sv host,
                         struct buf *out)
{
    char date[40];
    if (!f->date) {
        clock_rfc5322(m->received_ms / 1000, date);
        buf_addf(out, "Date: %s\r\n", date);
    }
    if (!f->message_id)
        buf_addf(out, "Message-ID: <%s.%016" PRIx64 "@" SV_FMT ">\r\n", m->item, m->key,
                 SV_ARG(host));
}
