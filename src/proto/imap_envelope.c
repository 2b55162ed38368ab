/* Reads ENVELOPE: (date subject from sender reply-to to cc bcc in-reply-to message-id). */
#include "proto/imap_envelope.h"

#include "proto/imap_parse.h"
#include "proto/mime.h"

static int nstring(struct imap_in *in, struct sv *ret)
{
    *ret = SV_NULL;
    return imap_word(in, SV("NIL")) ? 0 : imap_string(in, ret);
}

/* Appends "name <local@host>, " for each address. */
static int address_list(struct imap_in *in, struct buf *out)
{
    if (imap_word(in, SV("NIL")))
        return 0;
    if (!imap_char(in, '('))
        return E_PARSE;
    while (!imap_char(in, ')')) {
        struct sv name, route, local, host;
        if (!imap_char(in, '(') || nstring(in, &name) < 0 || imap_sp(in) < 0 ||
            nstring(in, &route) < 0 || imap_sp(in) < 0 || nstring(in, &local) < 0 ||
            imap_sp(in) < 0 || nstring(in, &host) < 0 || !imap_char(in, ')'))
            return E_PARSE;
        imap_char(in, ' ');
        if (!out)
            continue;
        if (name.p)
            mime_decode_header(name, out);
        buf_add_str(out, name.n ? " <" : "<");
        buf_add_sv(out, local);
        if (host.p) {
            buf_add_c(out, '@');
            buf_add_sv(out, host);
        }
        buf_add(out, ">, ", 3);
    }
    return 0;
}

static bool is_list(int field)
{
    return field >= ENV_FROM && field <= ENV_BCC;
}

bool imap_envelope_text(struct sv envelope, enum envelope_field field, struct arena *scratch,
                        struct buf *out)
{
    arena_reset(scratch);
    buf_reset(out);
    struct imap_in in = imap_in_sv(envelope, scratch);
    if (!imap_char(&in, '('))
        return false;
    for (int i = 0; i <= (int)field; i++) {
        struct sv s;
        if (i && imap_sp(&in) < 0)
            return false;
        if (is_list(i)) {
            if (address_list(&in, i == (int)field ? out : NULL) < 0)
                return false;
            continue;
        }
        if (nstring(&in, &s) < 0)
            return false;
        if (i != (int)field)
            continue;
        if (!s.p)
            return false;
        if (field == ENV_DATE)
            buf_add_sv(out, s);
        else
            mime_decode_header(s, out);
    }
    return true;
}
