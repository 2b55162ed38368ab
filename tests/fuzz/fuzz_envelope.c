/* link: mail_message */
/* Envelope bytes: what decodes must encode to something that decodes to the same. */
#include "mail/message/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(message_unrefp) struct message *m = message_new(), *back = message_new();
    if (message_envelope_decode(sv_n(data, size), m, NULL) < 0)
        return 0;
    struct buf a, b;
    buf_init(&a, 64 * MiB);
    buf_init(&b, 64 * MiB);
    if (message_envelope_encode(m, &a) < 0 || message_envelope_decode(buf_sv(&a), back, NULL) < 0 ||
        message_envelope_encode(back, &b) < 0 || !sv_eq(buf_sv(&a), buf_sv(&b)))
        abort();
    buf_done(&a);
    buf_done(&b);
    return 0;
}
