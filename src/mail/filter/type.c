/* Files by their first bytes. */
#include "mail/filter/filter_run_priv.h"

struct sv filter_signature(struct sv begin)
{
    static const struct {
        struct sv magic, type;
    } known[] = {
        { { "MZ", 2 }, { "application/x-dosexec", 21 } },
        { { "\177ELF", 4 }, { "application/x-executable", 24 } },
        { { "#!", 2 }, { "text/x-script", 13 } },
        { { "L\0\0\0\1\24\2\0", 8 }, { "application/x-ms-shortcut", 25 } },
        { { "\320\317\21\340\241\261\32\341", 8 }, { "application/x-ole-storage", 25 } },
        { { "{\\rtf", 5 }, { "application/rtf", 15 } },
        { { "%PDF-", 5 }, { "application/pdf", 15 } },
        { { "PK\3\4", 4 }, { "application/zip", 15 } },
        { { "PK\5\6", 4 }, { "application/zip", 15 } },
        { { "Rar!\32\7", 6 }, { "application/vnd.rar", 19 } },
        { { "7z\274\257\47\34", 6 }, { "application/x-7z-compressed", 27 } },
        { { "\37\213", 2 }, { "application/gzip", 16 } },
        { { "BZh", 3 }, { "application/x-bzip2", 19 } },
        { { "\3757zXZ\0", 6 }, { "application/x-xz", 16 } },
        { { "\50\265\57\375", 4 }, { "application/zstd", 16 } },
        { { "MSCF", 4 }, { "application/vnd.ms-cab-compressed", 33 } },
        { { "\x89PNG\r\n\32\n", 8 }, { "image/png", 9 } },
        { { "\377\330\377", 3 }, { "image/jpeg", 10 } },
        { { "GIF8", 4 }, { "image/gif", 9 } },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (sv_starts(begin, known[i].magic))
            return known[i].type;
    return SV_NULL;
}

bool filter_is_closed_archive(struct sv type)
{
    static const char *const closed[] = {
        "application/vnd.rar",
        "application/x-7z-compressed",
        "application/gzip",
        "application/x-bzip2",
        "application/x-xz",
        "application/zstd",
        "application/vnd.ms-cab-compressed",
    };
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        if (sv_eq(type, sv_c(closed[i])))
            return true;
    return false;
}
