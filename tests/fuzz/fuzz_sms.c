/* link: proto_sms */
/* SMS out of whatever mail: numbers, texts, segments, requests. */
#include <stdlib.h>

#include "base/codec.h"
#include "proto/sms/sms.h"

static void check_cut(struct buf *text, unsigned max)
{
    struct sms_size before = sms_measure(buf_sv(text));
    bool cut = sms_cut(text, max);
    struct sms_size after = sms_measure(buf_sv(text));
    if (after.segments > max || cut != (before.segments > max))
        abort();
}

static void check_text(struct sv in, unsigned max)
{
    struct buf text, made;
    for (unsigned k = 0; k < 6; k++) {
        const struct sms_extract how = { (enum sms_content)(k / 2), k % 2, k % 2 };
        buf_init(&text, 3000);
        buf_init(&made, 64 * KiB);
        sms_extract(in, &how, &text);
        if (!utf8_valid(buf_sv(&text)))
            abort();
        check_cut(&text, max);
        const struct sms_values v = { SV("+391234567"), SV("a@b"), buf_sv(&text), SV("i"), in };
        (void)sms_fill(SV("{\"t\":\"{text}\"}{to}{digits}{x"), &v, SMS_JSON, &made);
        if (!utf8_valid(buf_sv(&made)))
            abort();
        (void)sms_fill(in, &v, SMS_PERCENT, &made);
        buf_done(&text);
        buf_done(&made);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sms_plan plans[] = { { "", "" }, { "39", "" }, { "49", "0" } };
    struct sv in = sv_n(data, size);
    char number[SMS_NUMBER_TEXT], again[SMS_NUMBER_TEXT];
    struct sms_url url;
    for (size_t i = 0; i < ARRAY_LEN(plans); i++)
        if (sms_number(in, &plans[i], number) == 0 &&
            (sms_number(sv_c(number), &plans[i], again) < 0 || strcmp(number, again) != 0))
            abort();
    if (sms_url(in, &url) == 0 && (!url.host.n || !url.port))
        abort();
    check_text(in, 1 + (unsigned)(size % 4));
    return 0;
}
