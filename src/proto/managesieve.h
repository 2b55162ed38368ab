/* Commands and answers of ManageSieve (RFC 5804). Lines and literals are IMAP's: cut by
 * imap_framer.h, a command stands in memory as imap_parse.h reads it. Pure. */
#pragma once

#include "base/buf.h"
#include "proto/imap_parse.h"

struct managesieve_args {
    struct sv string[2];
    uint64_t number;
    size_t n; /* how many arguments are there */
};

/* Arguments behind the verb, up to the end of the command. form: 's' a string, 'n' a number, '?'
 * before one that may be missing ("s?s"). 0; E_PARSE: others than those. */
int managesieve_args(struct imap_in *in, const char *form, struct managesieve_args *ret);
/* Quoted, or a literal when it cannot be. */
void managesieve_put_string(struct buf *out, struct sv s);
