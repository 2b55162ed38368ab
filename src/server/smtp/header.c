/* What SMTP needs to know of a message's header: hops, and the fields a submitted message must
 * have. RFC 5321 6.3 (loops), RFC 6409 8.2. */
#include "server/smtp/smtp_priv.h"

#include "base/clock.h"

void smtp_header_scan(struct sv content, struct smtp_header_facts *ret)
{
    *ret = (struct smtp_header_facts){ 0 };
    while (content.n) {
        const char *lf = memchr(content.p, '\n', content.n);
        size_t n = lf ? (size_t)(lf - content.p) + 1 : content.n;
        if (*content.p == '\r' || *content.p == '\n')
            return;
        switch (ascii_lower(*content.p)) {
        case 'r':
            ret->received += sv_istarts(content, SV("Received:"));
            break;
        case 'd':
            ret->date |= sv_istarts(content, SV("Date:"));
            break;
        case 'm':
            ret->message_id |= sv_istarts(content, SV("Message-ID:"));
            break;
        }
        content = sv_skip(content, n);
    }
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
