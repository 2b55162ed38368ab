#include "mail/sieve/text.h"

#include "base/codec.h"

enum { LINE = 76, MAX_LINE = 990 };

/* Folds at spaces; a word that is longer than a line stays whole, unless no server would take it.
 */
static void add_folded(struct buf *b, struct sv value, size_t column)
{
    size_t run = 0;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == ' ') {
            size_t word = 1;
            while (i + word < value.n && value.p[i + word] != ' ')
                word++;
            if (column + word > LINE && run && i + 1 < value.n && value.p[i + 1] != ' ') {
                (void)buf_add_str(b, "\r\n");
                column = 0;
            }
        } else if (column >= MAX_LINE) {
            (void)buf_add_str(b, "\r\n ");
            column = 1;
        }
        run += c != ' ';
        (void)buf_add_c(b, c);
        column++;
    }
}

static size_t character_length(struct sv s)
{
    size_t n = 1;
    while (n < s.n && n < 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static void add_encoded(struct buf *b, struct sv value)
{
    static const char plain[] = "!*+-/";
    size_t room = 0;
    while (value.n) {
        size_t n = character_length(value);
        if (room < 3 * n) { /* a word has at most 75 characters, and no character is cut */
            (void)buf_add_str(b, room ? "?=\r\n =?utf-8?q?" : "=?utf-8?q?");
            room = 60;
        }
        for (size_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)value.p[i], l = (unsigned char)ascii_lower((char)c);
            bool safe = (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c && strchr(plain, c));
            if (c == ' ')
                (void)buf_add_c(b, '_');
            else if (safe)
                (void)buf_add_c(b, (char)c);
            else
                (void)buf_addf(b, "=%02X", c);
            room -= safe || c == ' ' ? 1 : 3;
        }
        room = MAX(room, 1); /* 0 would begin without ending the last one */
        value = sv_skip(value, n);
    }
    (void)buf_add_str(b, "?=");
}

void sieve_add_field(struct buf *b, struct sv name, struct sv value)
{
    _cleanup_(buf_done) struct buf clean = { 0 };
    buf_init(&clean, value.n + 1);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n')
            continue;
        (void)buf_add_c(&clean, c < ' ' || c == 127 ? ' ' : (char)c);
    }
    struct sv v = sv_trim(buf_sv(&clean));
    (void)buf_add_sv(b, name);
    (void)buf_add_str(b, ": ");
    if (sv_has_8bit(v))
        add_encoded(b, v);
    else
        add_folded(b, v, name.n + 2);
    (void)buf_add_str(b, "\r\n");
}
