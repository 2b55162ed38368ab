/* link: proto */
/* Lines of POP3 and IMAP servers: what is taken from them lies within them, and is what the
 * protocol allows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/remote_reply.h"

static void within(struct sv part, struct sv whole)
{
    if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv rest = sv_n(data, size);
    while (rest.n) {
        struct sv line = sv_split(&rest, '\n'), text, uid, numbers;
        uint32_t n;
        uint64_t bytes;
        (void)pop3_reply(line, &text);
        within(text, line);
        if (pop3_uidl(line, &n, &uid)) {
            within(uid, line);
            if (!n || !uid.n || uid.n > POP3_MAX_UID || memchr(uid.p, ' ', uid.n))
                abort();
        }
        (void)imap_reply(line, SV("a1"), &text);
        within(text, line);
        (void)imap_uidvalidity(text, &n);
        (void)imap_literal(text, &bytes);
        (void)imap_has_word(text, SV("STARTTLS"));
        if (imap_search(text, &numbers))
            while (imap_next_number(&numbers, &n)) {
                within(numbers, line);
                if (!n)
                    abort();
            }
    }
    return 0;
}
