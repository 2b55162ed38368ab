/* The fields of an ENVELOPE (RFC 3501 7.4.2) as mime_imap_envelope writes it. Pure. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum envelope_field {
    ENV_DATE,
    ENV_SUBJECT,
    ENV_FROM,
    ENV_SENDER,
    ENV_REPLY_TO,
    ENV_TO,
    ENV_CC,
    ENV_BCC,
    ENV_IN_REPLY_TO,
    ENV_MESSAGE_ID,
    ENV_COUNT
};

/* Puts the field's text into out in place of what is there: decoded (dates as they are), addresses
 * as "name <local@host>, " each. False: NIL, or no envelope. scratch is reset. */
bool imap_envelope_text(struct sv envelope, enum envelope_field field, struct arena *scratch,
                        struct buf *out);
