#include "proto/sms/sms_utf8.h"

#include "base/codec.h"

uint32_t sms_utf8_next(struct sv *text)
{
    static const uint8_t lead[] = { 0x7F, 0x1F, 0x0F, 0x07 };
    unsigned char c = (unsigned char)text->p[0];
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    uint32_t v = c & lead[n - 1];
    if (n > text->n || (n > 1 && !utf8_valid(sv_take(*text, n)))) {
        *text = sv_skip(*text, 1);
        return 0xFFFD;
    }
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((unsigned char)text->p[i] & 0x3F);
    *text = sv_skip(*text, n);
    return v;
}
