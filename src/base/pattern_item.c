#include "base/pattern_item.h"

#include "base/iplist.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    c = ascii_lower(c);
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_' || c == '.';
}

struct sv pattern_inner(struct sv name)
{
    return sv_n(name.p + 1, name.n - 2);
}

bool pattern_is_name(struct sv text)
{
    if (text.n < 3 || text.n > PATTERN_NAME_MAX + 2 || text.p[0] != '[' ||
        text.p[text.n - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < text.n; i++)
        if (!is_name_char(text.p[i]))
            return false;
    bool v4;
    return ip_net_bits(pattern_inner(text), &v4) < 0; /* [192.0.2.1]: an address in brackets */
}

static bool is_made_of(struct sv s, const char *chars)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(chars, s.p[i]))
            return false;
    return true;
}

/* "7", "*" or "192-193", whatever the numbers are. */
static bool looks_like_part(struct sv s)
{
    return s.n > 0 && is_made_of(s, "0123456789-*");
}

static bool looks_like_v4(struct sv s)
{
    unsigned parts = 0;
    if (sv_find(s, '/') > 0 && is_made_of(s, "0123456789./"))
        return true;
    for (struct sv rest = s; rest.p; parts++)
        if (!looks_like_part(sv_split(&rest, '.')))
            return false;
    return parts == 4;
}

/* A colon stands in addresses behind @ or in quotation marks only. */
static bool looks_like_v6(struct sv s)
{
    return sv_find(s, ':') >= 0 && is_made_of(s, "0123456789abcdefABCDEF:./");
}

enum pattern_item pattern_item_kind(struct sv item)
{
    if (item.n && item.p[0] == '[')
        return pattern_is_name(item) ? PATTERN_ITEM_NAME : PATTERN_ITEM_BAD_NAME;
    if (!is_made_of(item, "0123456789abcdefABCDEF:./*-")) /* nearly all of a long list */
        return PATTERN_ITEM_ADDRESS;
    if (ip_is_network_or_mask(item))
        return PATTERN_ITEM_IP;
    return looks_like_v4(item) || looks_like_v6(item) ? PATTERN_ITEM_BAD_IP : PATTERN_ITEM_ADDRESS;
}
