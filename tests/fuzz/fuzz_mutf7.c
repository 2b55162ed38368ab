/* link: proto */
/* Mailbox names: what is valid on the wire is the only spelling of its UTF-8, and any UTF-8
 * survives the way to the wire and back. */
#include <stdint.h>

#include "base/codec.h"
#include "proto/imap_mutf7.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 64 * KiB)
        return 0;
    struct sv in = sv_n(data, size);
    struct buf a, b;
    buf_init(&a, 1 * MiB);
    buf_init(&b, 1 * MiB);
    if (imap_mutf7_to_utf8(in, &a) == 0) {
        must(utf8_valid(buf_sv(&a)));
        must(imap_utf8_to_mutf7(buf_sv(&a), &b) == 0 && sv_eq(in, buf_sv(&b)));
    }
    buf_reset(&a);
    buf_reset(&b);
    if (imap_utf8_to_mutf7(in, &a) == 0) {
        must(utf8_valid(in));
        must(imap_mutf7_to_utf8(buf_sv(&a), &b) == 0 && sv_eq(in, buf_sv(&b)));
    } else {
        must(!utf8_valid(in));
    }
    buf_done(&a);
    buf_done(&b);
    return 0;
}
