/* link: event */
/* The decoder of events and of transcript lines, and the reading of what it lets through. */
#include "event/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_key(void *arg, uint32_t hash)
{
    *(uint32_t *)arg += hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv in = sv_n(data, size), text;
    struct record r;
    struct event_head h;
    struct event_value v;
    uint32_t keys = 0;
    size_t total = 0, read = 0;
    struct buf out;
    if (record_decode_transcript(in, &h, &text) == 1)
        for (size_t i = 0; i < text.n; i++)
            read += (unsigned char)text.p[i];
    if (record_decode(in, &r) != 1)
        return read == SIZE_MAX;
    for (struct sv rest = r.fields; record_next(&rest, &v);)
        total += v.text.n;
    record_keys(&r, count_key, &keys);
    (void)record_has(&r, KEY_ADDRESS, SV("a@example.org"), 0);
    (void)record_has(&r, KEY_MESSAGE, SV_NULL, 7);
    buf_init(&out, 64 * KiB);
    text_sentence(&out, &r);
    buf_done(&out);
    if (total > r.head.size)
        __builtin_trap();
    return read == SIZE_MAX;
}
