/* Base64 (RFC 4648 4), hex, quoted text escapes, UTF-8 check. Pure. */
#pragma once

#include "base/buf.h"

int base64_enc(struct sv in, struct buf *out);
int base64_dec(struct sv in, struct buf *out); /* strict: no white space; E_PARSE */
int hex_enc(struct sv in, struct buf *out);    /* lower case */
int hex_dec(struct sv in, struct buf *out);
bool utf8_valid(struct sv s);
/* The first bytes of valid UTF-8, at most n: no half character. */
struct sv utf8_take(struct sv s, size_t n);
bool sv_has_8bit(struct sv s);
/* For logs and terminals: control characters and invalid UTF-8 become \xHH. */
int escape_text(struct sv in, struct buf *out);
