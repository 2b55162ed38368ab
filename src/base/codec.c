/* Base64, hex, UTF-8 validation and escaping for logs. Decoders leave the output as it was when the
 * input is malformed. Input must not lie in the output buffer. */
#include "base/codec.h"
#include "base/err.h"

static const char b64_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_chars[] = "0123456789abcdef";

/* Value of the character plus one, so that 0 stands for all others. */
static const uint8_t b64_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

int base64_enc(struct sv in, struct buf *out)
{
    size_t groups = in.n / 3 + (in.n % 3 != 0);
    int r = buf_reserve(out, groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4);
    if (r < 0 || in.n == 0)
        return r;
    const unsigned char *s = (const unsigned char *)in.p;
    char *d = out->p + out->n;
    size_t n = in.n;
    for (; n >= 3; n -= 3, s += 3, d += 4) {
        uint32_t v = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];
        d[0] = b64_chars[v >> 18];
        d[1] = b64_chars[v >> 12 & 63];
        d[2] = b64_chars[v >> 6 & 63];
        d[3] = b64_chars[v & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)s[0] << 16 | (n == 2 ? (uint32_t)s[1] << 8 : 0);
        d[0] = b64_chars[v >> 18];
        d[1] = b64_chars[v >> 12 & 63];
        d[2] = n == 2 ? b64_chars[v >> 6 & 63] : '=';
        d[3] = '=';
    }
    out->n += groups * 4;
    return 0;
}

int base64_dec(struct sv in, struct buf *out)
{
    if (in.n % 4)
        return E_PARSE;
    int r = buf_reserve(out, in.n / 4 * 3 - (in.n && in.p[in.n - 1] == '=') -
                                 (in.n && in.p[in.n - 2] == '=' && in.p[in.n - 1] == '='));
    if (r < 0 || in.n == 0)
        return r;
    const unsigned char *s = (const unsigned char *)in.p;
    const unsigned char *end = s + in.n - (in.p[in.n - 1] == '=' ? 4 : 0);
    unsigned char *d = (unsigned char *)out->p + out->n;
    for (; s < end; s += 4, d += 3) {
        uint32_t a = b64_values[s[0]], b = b64_values[s[1]], c = b64_values[s[2]],
                 e = b64_values[s[3]];
        if (!a || !b || !c || !e)
            return E_PARSE;
        uint32_t v = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (e - 1);
        d[0] = (unsigned char)(v >> 16);
        d[1] = (unsigned char)(v >> 8);
        d[2] = (unsigned char)v;
    }
    if (end != (const unsigned char *)in.p + in.n) {
        uint32_t a = b64_values[s[0]], b = b64_values[s[1]], c = b64_values[s[2]];
        bool one = s[2] == '=';
        if (!a || !b || (!one && !c))
            return E_PARSE;
        uint32_t v = (a - 1) << 18 | (b - 1) << 12 | (one ? 0 : (c - 1) << 6);
        /* Bits that no byte uses must be zero, or one value would have several encodings. */
        if (v & (one ? 0xffffu : 0xffu))
            return E_PARSE;
        *d++ = (unsigned char)(v >> 16);
        if (!one)
            *d++ = (unsigned char)(v >> 8);
    }
    out->n = (size_t)((char *)d - out->p);
    return 0;
}

int hex_enc(struct sv in, struct buf *out)
{
    int r = buf_reserve(out, in.n > SIZE_MAX / 2 ? SIZE_MAX : in.n * 2);
    if (r < 0 || in.n == 0)
        return r;
    char *d = out->p + out->n;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        *d++ = hex_chars[c >> 4];
        *d++ = hex_chars[c & 15];
    }
    out->n += in.n * 2;
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_dec(struct sv in, struct buf *out)
{
    if (in.n % 2)
        return E_PARSE;
    int r = buf_reserve(out, in.n / 2);
    if (r < 0 || in.n == 0)
        return r;
    for (size_t i = 0; i < in.n / 2; i++) {
        int hi = hex_value(in.p[2 * i]), lo = hex_value(in.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return E_PARSE;
        out->p[out->n + i] = (char)(hi << 4 | lo);
    }
    out->n += in.n / 2;
    return 0;
}

/* Length of the valid multi-byte sequence at p, or 0. The second byte's range is what excludes
 * overlong forms, surrogates and values above U+10FFFF (Unicode, table 3-7). */
static size_t utf8_seq(const unsigned char *p, size_t n)
{
    unsigned char lo = 0x80, hi = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        if (p[0] == 0xe0)
            lo = 0xa0;
        if (p[0] == 0xed)
            hi = 0x9f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        if (p[0] == 0xf0)
            lo = 0x90;
        if (p[0] == 0xf4)
            hi = 0x8f;
    } else {
        return 0;
    }
    if (n < len || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static bool word_has_8bit(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w & 0x8080808080808080u;
}

bool utf8_valid(struct sv s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;
    while (i < s.n) {
        if (s.n - i >= 8 && !word_has_8bit(p + i)) {
            i += 8;
            continue;
        }
        size_t len = p[i] < 0x80 ? 1 : utf8_seq(p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

struct sv utf8_take(struct sv s, size_t n)
{
    n = MIN(n, s.n);
    while (n && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return sv_take(s, n);
}

bool sv_has_8bit(struct sv s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;
    for (; s.n - i >= 8; i += 8) {
        if (word_has_8bit(p + i))
            return true;
    }
    for (; i < s.n; i++) {
        if (p[i] & 0x80)
            return true;
    }
    return false;
}

/* Length of the character at p that may be shown as it is, or 0. */
static size_t printable(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return p[0] >= 0x20 && p[0] != 0x7f;
    /* U+0080..U+009F: terminals take U+009B for the start of a control sequence. */
    if (p[0] == 0xc2 && n > 1 && p[1] <= 0x9f)
        return 0;
    return utf8_seq(p, n);
}

int escape_text(struct sv in, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t start = 0, i = 0;
    while (i < in.n) {
        size_t len = printable(p + i, in.n - i);
        if (len) {
            i += len;
            continue;
        }
        buf_add(out, p + start, i - start);
        char esc[4] = { '\\', 'x', hex_chars[p[i] >> 4], hex_chars[p[i] & 15] };
        buf_add(out, esc, sizeof(esc));
        start = ++i;
    }
    return in.n ? buf_add(out, p + start, i - start) : 0;
}
