/* link: proto */
/* What another server answers: any lines give one text with the code in front, within its bound. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/smtp_reply.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* How many lines from the start make one reply; 0 = the peer does not speak SMTP. */
static size_t reply_bytes(struct sv in)
{
    struct sv rest = in;
    for (int first = 0, code; rest.p;) {
        struct sv line = sv_split(&rest, '\n');
        bool last;
        if (smtp_reply_line(line, &code, &last) < 0 || (first && code != first))
            return 0;
        must(code >= 0 && code <= 999);
        first = code;
        if (last)
            return (size_t)(line.p + line.n - in.p);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv in = sv_n(data, size);
    size_t n = reply_bytes(in);
    char text[200];
    if (!n)
        return 0;
    for (size_t cap = 5; cap <= sizeof(text); cap += 39) {
        memset(text, 'x', sizeof(text));
        smtp_reply_join(sv_take(in, n), text, cap);
        must(memchr(text, 0, cap) != NULL);
        must(strlen(text) < 4 || !memcmp(text, data, 3));
        must(!strchr(text, '\n'));
    }
    return 0;
}
