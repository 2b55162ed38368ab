/* Mailbox names on the wire: modified UTF-7 <-> UTF-8. Pure. RFC 3501 section 5.1.3. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/* Appends. E_PARSE: not valid modified UTF-7 (also: not its shortest form, or octets beyond ASCII).
 */
int imap_mutf7_to_utf8(struct sv in, struct buf *out);
/* in must be valid UTF-8: E_PARSE. */
int imap_utf8_to_mutf7(struct sv in, struct buf *out);
