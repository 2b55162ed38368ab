/* Charsets to UTF-8. Only names that are known reach iconv: glibc remembers every name it is asked
 * for, for ever, and names come from peers. Pure. */
#include "proto/mime_priv.h"

#include <iconv.h>

#include "base/codec.h"

/* Name in messages -> name for iconv; sorted. NULL: the same. */
static const struct charset {
    const char *name, *iconv;
} charsets[] = {
    { "866", "CP866" },
    { "ansi_x3.4-1968", "CP1252" },
    { "armscii-8", NULL },
    { "ascii", "CP1252" },
    { "big5", "BIG5-HKSCS" },
    { "big5-hkscs", NULL },
    { "cn-big5", "BIG5-HKSCS" },
    { "cn-gb", "GB18030" },
    { "cp1250", NULL },
    { "cp1251", NULL },
    { "cp1252", NULL },
    { "cp1253", NULL },
    { "cp1254", NULL },
    { "cp1255", NULL },
    { "cp1256", NULL },
    { "cp1257", NULL },
    { "cp1258", NULL },
    { "cp437", NULL },
    { "cp850", NULL },
    { "cp852", NULL },
    { "cp866", NULL },
    { "cp874", NULL },
    { "cp932", NULL },
    { "cp936", NULL },
    { "cp949", "UHC" },
    { "cp950", "BIG5" },
    { "euc-cn", "GB18030" },
    { "euc-jp", NULL },
    { "euc-kr", "UHC" },
    { "euc-tw", NULL },
    { "gb18030", NULL },
    { "gb2312", "GB18030" },
    { "gb_2312-80", "GB18030" },
    { "gbk", "GB18030" },
    { "georgian-ps", NULL },
    { "ibm437", NULL },
    { "ibm850", NULL },
    { "ibm852", NULL },
    { "ibm866", NULL },
    { "iso-2022-cn", NULL },
    { "iso-2022-jp", NULL },
    { "iso-2022-jp-1", "ISO-2022-JP-2" },
    { "iso-2022-jp-2", NULL },
    { "iso-2022-jp-3", NULL },
    { "iso-2022-kr", NULL },
    { "iso-8859-1", "CP1252" },
    { "iso-8859-10", NULL },
    { "iso-8859-11", NULL },
    { "iso-8859-13", NULL },
    { "iso-8859-14", NULL },
    { "iso-8859-15", NULL },
    { "iso-8859-16", NULL },
    { "iso-8859-2", NULL },
    { "iso-8859-3", NULL },
    { "iso-8859-4", NULL },
    { "iso-8859-5", NULL },
    { "iso-8859-6", NULL },
    { "iso-8859-7", NULL },
    { "iso-8859-8", NULL },
    { "iso-8859-8-i", "ISO-8859-8" },
    { "iso-8859-9", NULL },
    { "iso8859-1", "CP1252" },
    { "iso8859-15", "ISO-8859-15" },
    { "iso8859-2", "ISO-8859-2" },
    { "iso_8859-1", "CP1252" },
    { "koi8-r", NULL },
    { "koi8-t", NULL },
    { "koi8-u", NULL },
    { "ks_c_5601-1987", "UHC" },
    { "ksc5601", "UHC" },
    { "latin1", "CP1252" },
    { "latin2", "ISO-8859-2" },
    { "mac", "MACINTOSH" },
    { "macintosh", NULL },
    { "ms_kanji", "CP932" },
    { "shift-jis", "CP932" },
    { "shift_jis", "CP932" },
    { "sjis", "CP932" },
    { "tcvn", NULL },
    { "tis-620", NULL },
    { "unicode-1-1-utf-7", "UTF-7" },
    { "utf-16", NULL },
    { "utf-16be", NULL },
    { "utf-16le", NULL },
    { "utf-32", NULL },
    { "utf-32be", NULL },
    { "utf-32le", NULL },
    { "utf-7", NULL },
    { "viscii", NULL },
    { "windows-1250", "CP1250" },
    { "windows-1251", "CP1251" },
    { "windows-1252", "CP1252" },
    { "windows-1253", "CP1253" },
    { "windows-1254", "CP1254" },
    { "windows-1255", "CP1255" },
    { "windows-1256", "CP1256" },
    { "windows-1257", "CP1257" },
    { "windows-1258", "CP1258" },
    { "windows-31j", "CP932" },
    { "windows-874", "CP874" },
    { "windows-936", "GB18030" },
    { "windows-949", "UHC" },
    { "x-euc-jp", "EUC-JP" },
    { "x-gbk", "GB18030" },
    { "x-mac-roman", "MACINTOSH" },
    { "x-sjis", "CP932" },
    { "x-windows-949", "UHC" },
};

static const char *find_charset(struct sv name)
{
    size_t lo = 0, hi = ARRAY_LEN(charsets);

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int r = sv_icmp(name, sv_c(charsets[mid].name));

        if (r == 0)
            return charsets[mid].iconv ? charsets[mid].iconv : charsets[mid].name;
        if (r < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

bool mime_charset_known(struct sv name)
{
    return find_charset(name) != NULL;
}

static void latin1_to_utf8(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if (c < 0x80) {
            buf_add_c(out, (char)c);
        } else {
            buf_add_c(out, (char)(0xc0 | (c >> 6)));
            buf_add_c(out, (char)(0x80 | (c & 0x3f)));
        }
    }
}

/* Invalid input bytes become '?'. */
static void convert(iconv_t cd, struct sv in, struct buf *out)
{
    char *src = (char *)in.p;
    size_t left = in.n;

    for (bool more = true; more;) {
        char chunk[4096], *dst = chunk;
        size_t room = sizeof(chunk), r;

        more = left > 0; /* at the end once more: some charsets hold a character back */
        r = iconv(cd, more ? &src : NULL, &left, &dst, &room);

        if (buf_add(out, chunk, sizeof(chunk) - room) < 0)
            return;
        if (r != (size_t)-1 || errno == E2BIG)
            continue;
        if (left) {
            src++;
            left--;
            buf_add_c(out, '?');
        }
    }
}

int mime_to_utf8(struct sv charset, struct sv in, struct buf *out)
{
    const char *name = find_charset(charset);
    iconv_t cd = name ? iconv_open("UTF-8", name) : (iconv_t)-1;

    if (cd != (iconv_t)-1) {
        convert(cd, in, out);
        iconv_close(cd);
    } else if (utf8_valid(in)) {
        buf_add_sv(out, in);
    } else {
        latin1_to_utf8(in, out);
    }
    return out->overflow ? -ENOMEM : 0;
}
