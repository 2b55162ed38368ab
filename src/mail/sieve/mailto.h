/* mailto: addresses as a method of notification: RFC 5436, RFC 6068. Pure. */
#pragma once

#include "base/buf.h"

enum { MAILTO_MAX_RCPTS = 4 };

struct mailto {
    size_t n;
    char rcpt[MAILTO_MAX_RCPTS][320];
    struct buf subject, body; /* what the method asks for; p == NULL = nothing */
};
/* False: no mailto:, no or a bad address, or too many of them. */
bool mailto_parse(struct sv method, struct mailto *ret);
void mailto_done(struct mailto *m);
bool mailto_valid(struct sv method);
