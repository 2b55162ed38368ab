/* Text into header fields that we write: encoded (RFC 2047) and folded. Pure. */
#pragma once

#include "base/buf.h"

/* "Name: value\r\n". Line ends and other control characters in value become spaces. */
void sieve_add_field(struct buf *b, struct sv name, struct sv value);
