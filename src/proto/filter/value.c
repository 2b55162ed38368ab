/* Values of conditions and actions: checked once, so that nothing can be wrong with them later. */
#include "proto/filter/filter_priv.h"

#include <stdio.h>

#include "base/codec.h"
#include "base/iplist.h"

static int split_number(struct sv text, int64_t *ret_whole, struct sv *ret_rest)
{
    size_t n = 0;
    uint32_t v;
    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    if (n == 0 || sv_to_u32(sv_take(text, n), &v) < 0)
        return E_PARSE;
    *ret_whole = v;
    *ret_rest = sv_skip(text, n);
    return 0;
}

int filter_parse_score(struct filter_lexer *x, struct sv text, int64_t *ret)
{
    char shown[60];
    struct sv rest = text, digits;
    bool minus = text.n && *text.p == '-';
    int64_t whole = 0, part = 0;
    if (text.n && (*text.p == '-' || *text.p == '+'))
        rest = sv_skip(text, 1);
    int r = split_number(rest, &whole, &rest);
    if (r == 0 && rest.n) {
        r = *rest.p == '.' && rest.n <= 3 ? split_number(sv_skip(rest, 1), &part, &digits)
                                          : E_PARSE;
        if (r == 0 && digits.n)
            r = E_PARSE;
        if (rest.n == 2)
            part *= 10;
    }
    if (r < 0 || whole > 10000)
        return filter_wrong(x, E_PARSE,
                            "'%s' is not a score: a number from -10000 to 10000 with up to two "
                            "digits behind the point",
                            filter_quote(text, shown));
    *ret = (whole * 100 + part) * (minus ? -1 : 1);
    return 0;
}

int filter_parse_bytes(struct filter_lexer *x, struct sv text, int64_t *ret)
{
    char shown[60];
    struct sv rest = SV_NULL;
    int r = split_number(text, ret, &rest);
    int shift = sv_ieq(rest, SV("k"))   ? 10
                : sv_ieq(rest, SV("m")) ? 20
                : sv_ieq(rest, SV("g")) ? 30
                                        : 0;
    if (r < 0 || (rest.n && !shift))
        return filter_wrong(x, E_PARSE, "'%s' is not a number; sizes may end in K, M or G",
                            filter_quote(text, shown));
    *ret *= (int64_t)1 << shift;
    return 0;
}

static bool two_digits(struct sv s, size_t at, int64_t max, int64_t *ret)
{
    uint32_t v;
    if (s.n < at + 2 || sv_to_u32(sv_n(s.p + at, 2), &v) < 0 || v > max)
        return false;
    *ret = v;
    return true;
}

int filter_parse_minutes(struct filter_lexer *x, struct sv text, int64_t *ret)
{
    char shown[60];
    int64_t h, m;
    if (text.n != 5 || text.p[2] != ':' || !two_digits(text, 0, 24, &h) ||
        !two_digits(text, 3, 59, &m) || h * 60 + m > 24 * 60)
        return filter_wrong(x, E_PARSE, "\"%s\" is not a time such as \"08:30\"",
                            filter_quote(text, shown));
    *ret = h * 60 + m;
    return 0;
}

int filter_parse_date(struct filter_lexer *x, struct sv text, int64_t *ret)
{
    char shown[60];
    int64_t century, year, month, day;
    if (text.n != 10 || text.p[4] != '-' || text.p[7] != '-' ||
        !two_digits(text, 0, 99, &century) || !two_digits(text, 2, 99, &year) ||
        !two_digits(text, 5, 12, &month) || !two_digits(text, 8, 31, &day) || !month || !day)
        return filter_wrong(x, E_PARSE, "\"%s\" is not a date such as \"2026-12-24\"",
                            filter_quote(text, shown));
    *ret = ((century * 100 + year) * 100 + month) * 100 + day;
    return 0;
}

int filter_check_header_name(struct filter_lexer *x, struct sv name)
{
    char shown[60];
    bool bad = !name.n || name.n > 76;
    for (size_t i = 0; i < name.n; i++)
        bad |= name.p[i] <= ' ' || name.p[i] >= 127 || name.p[i] == ':';
    return bad ? filter_wrong(x, E_PARSE, "\"%s\" is not the name of a header field",
                              filter_quote(name, shown))
               : 0;
}

int filter_check_address(struct filter_lexer *x, struct sv address)
{
    char shown[60];
    ssize_t at = sv_rfind(address, '@');
    bool bad = at < 1 || (size_t)at + 1 >= address.n || address.n > 254;
    for (size_t i = 0; i < address.n; i++)
        bad |= (unsigned char)address.p[i] <= ' ' || address.p[i] == 127 || address.p[i] == '<' ||
               address.p[i] == '>';
    return bad ? filter_wrong(x, E_PARSE, "\"%s\" is not an address such as \"user@example.org\"",
                              filter_quote(address, shown))
               : 0;
}

int filter_check_networks(struct filter_lexer *x, struct sv net)
{
    char shown[60];
    bool v4;
    if (ip_net_bits(net, &v4) >= 0)
        return 0;
    return filter_wrong(x, E_PARSE,
                        "\"%s\" is neither an address nor a network such as \"10.0.0.0/8\", nor a "
                        "pattern such as \"[Office]\"",
                        filter_quote(net, shown));
}

int filter_check_weekday(struct filter_lexer *x, struct sv day)
{
    static const char *const days[] = { "monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday" };
    char shown[60];
    for (size_t i = 0; i < ARRAY_LEN(days); i++)
        if (sv_ieq(day, sv_c(days[i])))
            return 0;
    return filter_wrong(x, E_PARSE, "\"%s\" is not a day: monday to sunday",
                        filter_quote(day, shown));
}

/* "550 ", "451 ": codes that refuse. */
static bool has_code(struct sv text)
{
    return text.n > 4 && (text.p[0] == '4' || text.p[0] == '5') && text.p[1] >= '0' &&
           text.p[1] <= '5' && text.p[2] >= '0' && text.p[2] <= '9' && text.p[3] == ' ';
}

/* "5.7.1 " of the class of the reply's code. */
static bool has_enhanced(struct sv text, char class)
{
    size_t at = 0;
    for (int part = 0; part < 3; part++) {
        size_t begin = at;
        while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9')
            at++;
        if (at == begin || at - begin > 3 || at >= text.n || text.p[at++] != (part < 2 ? '.' : ' '))
            return false;
    }
    return *text.p == class;
}

int filter_make_reply(struct filter_lexer *x, struct sv text, struct sv *ret)
{
    struct sv said = sv_trim(text);
    char code[8] = "550 ";
    if (has_code(said)) {
        memcpy(code, said.p, 4);
        said = sv_trim(sv_skip(said, 4));
    }
    if (said.n > 400)
        return filter_wrong(x, E_PARSE, "the text of a refusal has at most 400 bytes");
    for (size_t i = 0; i < said.n; i++)
        if ((unsigned char)said.p[i] < ' ' || (unsigned char)said.p[i] >= 127)
            return filter_wrong(x, E_PARSE,
                                "the text of a refusal is one line of ASCII: it becomes a reply of "
                                "SMTP");
    char *out = arena_alloc(x->a, said.n + 16);
    if (!out)
        return filter_wrong(x, E_LIMIT, "the rules are too long");
    size_t n = (size_t)snprintf(out, said.n + 16, "%s%s" SV_FMT, code,
                                has_enhanced(said, code[0]) ? ""
                                : code[0] == '5'            ? "5.7.1 "
                                                            : "4.7.1 ",
                                SV_ARG(said));
    *ret = sv_n(out, n);
    return 0;
}
