#include "proto/remote_reply.h"

#include "base/base.h"

bool pop3_reply(struct sv line, struct sv *ret_text)
{
    bool ok = sv_istarts(line, SV("+OK")) && (line.n == 3 || line.p[3] == ' ');
    *ret_text = ok ? sv_trim(sv_skip(line, 3)) : line;
    return ok;
}

bool pop3_uidl(struct sv line, uint32_t *ret_number, struct sv *ret_uid)
{
    struct sv rest = line, number = sv_split(&rest, ' ');
    rest = sv_trim(rest);
    if (sv_to_u32(number, ret_number) < 0 || *ret_number == 0 || rest.n == 0 ||
        rest.n > POP3_MAX_UID)
        return false;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] < 0x21 || rest.p[i] > 0x7e)
            return false;
    *ret_uid = rest;
    return true;
}

enum imap_line imap_reply(struct sv line, struct sv tag, struct sv *ret_text)
{
    struct sv rest = line, first = sv_split(&rest, ' ');
    *ret_text = rest.p ? rest : SV("");
    if (sv_eq(first, SV("*")))
        return IMAP_UNTAGGED;
    if (sv_eq(first, SV("+")))
        return IMAP_CONTINUE;
    if (!sv_eq(first, tag))
        return IMAP_OTHER;
    struct sv status = sv_split(&rest, ' ');
    *ret_text = rest.p ? rest : SV("");
    return sv_ieq(status, SV("OK"))    ? IMAP_OK
           : sv_ieq(status, SV("NO"))  ? IMAP_NO
           : sv_ieq(status, SV("BAD")) ? IMAP_BAD_REPLY
                                       : IMAP_OTHER;
}

bool imap_uidvalidity(struct sv text, uint32_t *ret)
{
    static const struct sv start = { "OK [UIDVALIDITY ", 16 };
    if (!sv_istarts(text, start))
        return false;
    struct sv rest = sv_skip(text, start.n);
    return sv_to_u32(sv_split(&rest, ']'), ret) == 0 && *ret != 0;
}

bool imap_search(struct sv text, struct sv *ret_rest)
{
    struct sv rest = text, word = sv_split(&rest, ' ');
    *ret_rest = rest.p ? rest : SV("");
    return sv_ieq(word, SV("SEARCH"));
}

bool imap_next_number(struct sv *rest, uint32_t *ret)
{
    struct sv word = { 0 };
    while (rest->n && !word.n)
        word = sv_split(rest, ' ');
    return word.n && sv_to_u32(word, ret) == 0 && *ret != 0;
}

bool imap_literal(struct sv line, uint64_t *ret_bytes)
{
    ssize_t open = sv_rfind(line, '{');
    if (open < 0 || line.n < 3 || line.p[line.n - 1] != '}')
        return false;
    struct sv digits = sv_n(line.p + open + 1, line.n - (size_t)open - 2);
    return sv_to_u64(digits, ret_bytes) == 0;
}

bool imap_has_word(struct sv words, struct sv word)
{
    while (words.p) {
        if (sv_ieq(sv_split(&words, ' '), word))
            return true;
    }
    return false;
}
