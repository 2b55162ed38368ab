/* link: proto */
/* SRS addresses of peers: whatever is reversed was made here; what is made comes back. */
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "proto/srs.h"

static void mac(void *arg, struct sv text, uint8_t ret[32])
{
    (void)arg;
    for (size_t i = 0; i < 4; i++) {
        uint64_t part = fnv1a64(text.p, text.n) + i;
        memcpy(ret + 8 * i, &part, 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct srs_key key = { mac, NULL };
    struct sv in = sv_n(data, size);
    struct buf a, b;
    buf_init(&a, 16 * KiB);
    buf_init(&b, 16 * KiB);
    (void)srs_reverse(&key, in, 20000, 21, &a);
    buf_reset(&a);
    if (srs_forward(&key, in, SV("home.test"), 20000, &a) == 0) {
        struct sv made = buf_sv(&a);
        int r = srs_reverse(&key, sv_take(made, (size_t)sv_rfind(made, '@')), 20000, 21, &b);
        if (r < 0 && r != E_PARSE && r != -ENOMEM)
            abort();
    }
    buf_done(&a);
    buf_done(&b);
    return 0;
}
