/* link: proto */
/* Any bytes as a message. Every octet belongs to a part, IMAP's texts are well formed, what decodes
 * stays within its bounds. */
#include "proto/mime.h"

#include "imap_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(const struct mime_part *p, const char *from, const char *to)
{
    const char *at = p->body.p;
    unsigned n = 0;
    imap_need(p->header.p >= from && p->header.p + p->header.n <= at && at + p->body.n <= to);
    for (const struct mime_part *c = p->children; c; c = c->next, n++) {
        check_part(c, at, p->body.p + p->body.n);
        at = c->body.p + c->body.n;
    }
    imap_need(n == p->n_children);
}

static void decode(const struct mime_part *p, struct buf *out)
{
    for (unsigned i = 0; i < p->n_headers; i++) {
        struct sv v = p->headers[i].value;
        int64_t t;
        int zone;
        buf_reset(out);
        mime_decode_header(v, out);
        mime_param(v, SV("name"), out);
        mime_param(v, SV("filename"), out);
        mime_date(v, &t, &zone);
    }
    buf_reset(out);
    mime_decode_body(p, out);
    imap_need(out->n <= out->max);
    for (const struct mime_part *c = p->children; c; c = c->next)
        decode(c, out);
}

static void sections(const struct mime_part *root, struct sv msg, struct buf *out)
{
    static const char *const names[] = {
        "", "HEADER", "TEXT", "1", "1.MIME", "1.TEXT", "2.1", "1.1.1.HEADER", "3.2", "1.2.3.4.MIME",
    };
    static const struct sv fields[] = { { "To", 2 }, { "Subject", 7 }, { "Content-Type", 12 } };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sv s;
        if (mime_section(root, msg, sv_c(names[i]), &s) == 0)
            imap_need(s.n == 0 || (s.p >= msg.p && s.p + s.n <= msg.p + msg.n));
    }
    buf_reset(out);
    mime_header_fields(root->header, fields, ARRAY_LEN(fields), false, out);
    imap_need(sv_iends(buf_sv(out), SV("\r\n")));
    mime_header_fields(root->header, fields, ARRAY_LEN(fields), true, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv msg = sv_n(data, size);
    struct arena a;
    struct buf out;
    struct mime_part *root = NULL;
    arena_init(&a, 16 * MiB);
    buf_init(&out, 16 * MiB);
    imap_need(mime_parse(msg, &a, &root) == 0);
    imap_need(root->header.n + root->body.n == size);
    imap_need(mime_header_length(msg) == root->header.n);
    if (size)
        check_part(root, msg.p, msg.p + msg.n);
    imap_need(mime_imap_envelope(root, &out) == 0);
    imap_check(buf_sv(&out));
    buf_reset(&out);
    imap_need(mime_imap_bodystructure(root, true, &out) == 0);
    imap_check(buf_sv(&out));
    buf_reset(&out);
    imap_need(mime_imap_bodystructure(root, false, &out) == 0);
    imap_check(buf_sv(&out));
    sections(root, msg, &out);
    decode(root, &out);
    buf_done(&out);
    arena_done(&a);
    return 0;
}
