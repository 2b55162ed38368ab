/* Telephone numbers: to E.164. */
#include "proto/sms/sms.h"

enum { SHORTEST = 5 /* digits with the country's: the shortest in use */, MAX_WRITTEN = 40 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits without what people write between them. E_PARSE: something else is there. */
static int read_digits(struct sv text, char *ret, size_t cap, bool *ret_plus)
{
    size_t n = 0;
    *ret_plus = text.n && text.p[0] == '+';
    text = sv_skip(text, *ret_plus);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (memchr(" -./()", c, 6))
            continue;
        if (!is_digit(c))
            return E_PARSE;
        if (n + 1 >= cap)
            return E_RANGE;
        ret[n++] = c;
    }
    ret[n] = '\0';
    return n ? (int)n : E_PARSE;
}

int sms_number(struct sv text, const struct sms_plan *plan, char ret[SMS_NUMBER_TEXT])
{
    char digits[MAX_WRITTEN];
    bool plus;
    const char *country = "", *d = digits;
    text = sv_trim(text);
    if (text.n > 1 && text.p[0] == '"' && text.p[text.n - 1] == '"') /* a quoted local part */
        text = sv_trim(sv_take(sv_skip(text, 1), text.n - 2));
    int n = read_digits(text, digits, sizeof(digits), &plus);
    if (n < 0)
        return n;
    if (!plus && strncmp(d, "00", 2) == 0) {
        d += 2;
    } else if (!plus && *plan->country) {
        size_t trunk = strlen(plan->trunk);
        country = plan->country;
        if (trunk && strncmp(d, plan->trunk, trunk) == 0)
            d += trunk;
    }
    size_t first = strlen(country), rest = strlen(d), all = first + rest;
    if (!*d || (!*country && *d == '0'))
        return E_PARSE;
    if (all < SHORTEST || all > SMS_NUMBER_MAX)
        return E_RANGE;
    ret[0] = '+';
    memcpy(ret + 1, country, first);
    memcpy(ret + 1 + first, d, rest + 1);
    return 0;
}
