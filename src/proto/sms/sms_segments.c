/* Characters of the default alphabet, segments, cutting. 3GPP TS 23.038 6.2.1: those of the
 * extension table take two septets. A character is never split between two segments. */
#include "proto/sms/sms.h"
#include "proto/sms/sms_utf8.h"

enum {
    GSM7_ONE = 160,
    GSM7_MANY = 153, /* of several segments: their header takes seven septets */
    UCS2_ONE = 70,
    UCS2_MANY = 67,
};

const char *const sms_encoding_names[] = { [SMS_GSM7] = "GSM-7", [SMS_UCS2] = "UCS-2" };

/* Beyond ASCII, ascending. */
static const uint16_t gsm7_more[] = {
    0xA1, 0xA3, 0xA4, 0xA5,  0xA7,  0xBF,  0xC4,  0xC5,  0xC6,  0xC7,  0xC9,  0xD1,  0xD6,
    0xD8, 0xDC, 0xDF, 0xE0,  0xE4,  0xE5,  0xE6,  0xE8,  0xE9,  0xEC,  0xF1,  0xF2,  0xF6,
    0xF8, 0xF9, 0xFC, 0x393, 0x394, 0x398, 0x39B, 0x39E, 0x3A0, 0x3A3, 0x3A6, 0x3A8, 0x3A9,
};

/* Septets of a character; 0 = the alphabet does not have it. */
static unsigned gsm7_units(uint32_t c)
{
    if (c == 0x20AC || c == '\f' || (c < 0x80 && c && strchr("^{}\\[~]|", (int)c)))
        return 2;
    if (c < 0x80)
        return c == '\n' || c == '\r' || (c >= 0x20 && c != '`' && c != 0x7F);
    for (size_t i = 0; i < ARRAY_LEN(gsm7_more); i++)
        if (gsm7_more[i] == c)
            return 1;
    return 0;
}

static enum sms_encoding encoding_of(struct sv text)
{
    while (text.n)
        if (!gsm7_units(sms_utf8_next(&text)))
            return SMS_UCS2;
    return SMS_GSM7;
}

static unsigned units_of(uint32_t c, enum sms_encoding e)
{
    return e == SMS_GSM7 ? gsm7_units(c) : c > 0xFFFF ? 2 : 1;
}

/* What goes into segments of that size. ret_cut (or NULL): bytes that fit into max of them. */
static unsigned fill(struct sv text, enum sms_encoding e, unsigned room, unsigned max,
                     size_t *ret_cut)
{
    struct sv rest = text;
    unsigned segments = text.n > 0, used = 0;
    while (rest.n) {
        size_t at = text.n - rest.n;
        unsigned n = units_of(sms_utf8_next(&rest), e);
        if (used + n > room) {
            if (segments == max && ret_cut) {
                *ret_cut = at;
                return segments;
            }
            segments++;
            used = 0;
        }
        used += n;
    }
    if (ret_cut)
        *ret_cut = text.n;
    return segments;
}

struct sms_size sms_measure(struct sv text)
{
    struct sms_size s = { .encoding = encoding_of(text) };
    bool gsm7 = s.encoding == SMS_GSM7;
    for (struct sv rest = text; rest.n;)
        s.units += units_of(sms_utf8_next(&rest), s.encoding);
    if (s.units <= (gsm7 ? (unsigned)GSM7_ONE : (unsigned)UCS2_ONE))
        s.segments = s.units > 0;
    else
        s.segments = fill(text, s.encoding, gsm7 ? GSM7_MANY : UCS2_MANY, 0, NULL);
    return s;
}

/* The encoding of a part of it may be another one, with more room: the whole one's decides, so that
 * the result is never too long. */
static size_t fits(struct sv text, enum sms_encoding e, unsigned max)
{
    unsigned one = e == SMS_GSM7 ? GSM7_ONE : UCS2_ONE,
             many = e == SMS_GSM7 ? GSM7_MANY : UCS2_MANY;
    size_t cut;
    (void)fill(text, e, max == 1 ? one : many, max, &cut);
    return cut;
}

static struct sv without_last(struct sv s)
{
    size_t n = s.n;
    while (n && ((unsigned char)s.p[--n] & 0xC0) == 0x80)
        ;
    return sv_take(s, n);
}

bool sms_cut(struct buf *text, unsigned max)
{
    static const char dots[] = "...";
    struct sms_size size = sms_measure(buf_sv(text));
    unsigned free_units = 0;
    if (!max || size.segments <= max)
        return false;
    struct sv kept = sv_take(buf_sv(text), fits(buf_sv(text), size.encoding, max));
    while (kept.n && free_units < sizeof(dots) - 1) {
        struct sv shorter = without_last(kept), last = sv_skip(kept, shorter.n);
        free_units += units_of(sms_utf8_next(&last), size.encoding);
        kept = shorter;
    }
    text->n = kept.n;
    (void)buf_add(text, dots, sizeof(dots) - 1); /* instead of at least as many bytes */
    return true;
}

/* --- typography --- */

static const struct {
    uint32_t c;
    const char *instead;
} signs[] = {
    { 0xA0, " " },    { 0xAB, "\"" },  { 0xAD, "" },      { 0xB4, "'" },    { 0xBB, "\"" },
    { 0x2009, " " },  { 0x200B, "" },  { 0x200E, "" },    { 0x200F, "" },   { 0x2010, "-" },
    { 0x2011, "-" },  { 0x2012, "-" }, { 0x2013, "-" },   { 0x2014, "-" },  { 0x2015, "-" },
    { 0x2018, "'" },  { 0x2019, "'" }, { 0x201A, "'" },   { 0x201C, "\"" }, { 0x201D, "\"" },
    { 0x201E, "\"" }, { 0x2022, "-" }, { 0x2026, "..." }, { 0x202F, " " },  { 0x2039, "'" },
    { 0x203A, "'" },  { 0x2212, "-" }, { 0xFEFF, "" },    { '`', "'" },     { '\t', " " },
};

int sms_plain_signs(struct sv text, struct buf *out)
{
    while (text.n) {
        struct sv before = text;
        uint32_t c = sms_utf8_next(&text);
        const char *instead = NULL;
        for (size_t i = 0; i < ARRAY_LEN(signs) && !instead; i++)
            if (signs[i].c == c)
                instead = signs[i].instead;
        if (instead)
            (void)buf_add_str(out, instead);
        else
            (void)buf_add(out, before.p, before.n - text.n);
    }
    return out->overflow ? -ENOMEM : 0;
}
