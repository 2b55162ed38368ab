/* link: mail_queue */
/* Journal bytes: records are found inside the input only, in order, and their envelopes are
 * decoded. */
#include "mail/message/message.h"
#include "mail/queue/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv in = sv_n(data, size);
    struct seg_head h;
    struct rec r;
    uint64_t off = 0, last = 0;
    (void)seg_head_decode(in, &h);
    while (rec_next(in, 0, &off, &r)) {
        if (r.off < last || off <= r.off || r.payload.p < in.p ||
            r.payload.p + r.payload.n > in.p + in.n || r.off + REC_HEAD + r.payload.n > in.n)
            abort();
        last = r.off + REC_HEAD + r.payload.n;
        _cleanup_(message_unrefp) struct message *m = message_new();
        (void)message_envelope_decode(sv_take(r.payload, r.type == REC_MSG ? r.aux : SIZE_MAX), m,
                                      NULL);
    }
    return 0;
}
