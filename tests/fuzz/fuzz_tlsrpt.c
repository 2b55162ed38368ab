/* link: proto */
/* Records of TLS reports: what is taken is bounded and can stand in an envelope, a header field and
 * a request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool plain(const char *s)
{
    for (; *s; s++)
        if (*s <= ' ' || *s >= 127)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tlsrpt_record r;
    if (!tlsrpt_parse(sv_n(data, size), &r))
        return 0;
    if (r.n > TLSRPT_MAX_TARGETS)
        abort();
    for (size_t i = 0; i < r.n; i++) {
        const struct tlsrpt_target *t = &r.target[i];
        if (!plain(t->address) || !plain(t->host) || !plain(t->path))
            abort();
        if (t->https ? !*t->host || !t->port || t->path[0] != '/' || strpbrk(t->host, "/@:?#")
                     : !strchr(t->address, '@') || strpbrk(t->address, "<>,;\""))
            abort();
    }
    return 0;
}
