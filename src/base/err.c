/* Error codes to text, and filling of errinfo. A sentence that is too long is cut at a character
 * boundary, and never at the cost of the reason behind it. */
#include "base/err.h"

static size_t drop_partial_char(const char *s, size_t n)
{
    size_t lead = n;
    while (lead > 0 && n - lead < 4 && ((unsigned char)s[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0 || (unsigned char)s[lead - 1] < 0xc0)
        return n;
    unsigned char c = (unsigned char)s[lead - 1];
    size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return n - (lead - 1) < want ? lead - 1 : n;
}

/* Writes "sentence" or "sentence: why". Goes through an array of its own because callers wrap: the
 * arguments may be the text that is about to be replaced. */
static void fill(struct errinfo *ei, int code, const char *why, const char *fmt, va_list ap)
{
    char text[sizeof(ei->text)];
    size_t why_n = why ? strlen(why) + 2 : 0, cap = sizeof(text) - why_n;
    int r = vsnprintf(text, cap, fmt, ap);
    size_t n = r < 0 ? 0 : (size_t)r;
    if (n >= cap)
        n = drop_partial_char(text, cap - 1);
    if (why) {
        memcpy(text + n, ": ", 2);
        memcpy(text + n + 2, why, why_n - 2);
        n += why_n;
    }
    text[n] = '\0';
    memcpy(ei->text, text, n + 1);
    ei->code = code;
}

int err_set(struct errinfo *ei, int code, const char *fmt, ...)
{
    if (!ei)
        return code;
    va_list ap;
    va_start(ap, fmt);
    fill(ei, code, NULL, fmt, ap);
    va_end(ap);
    return code;
}

int err_set_errno(struct errinfo *ei, int code, const char *fmt, ...)
{
    if (!ei)
        return code;
    va_list ap;
    va_start(ap, fmt);
    fill(ei, code, err_name(code), fmt, ap);
    va_end(ap);
    return code;
}

const char *err_name(int code)
{
    if (code >= 0)
        return "success";
    if (code > -1000) {
        const char *s = strerrordesc_np(-code);
        return s ? s : "unknown error";
    }
    switch ((enum err)code) {
    case E_OK:
        return "success";
    case E_PARSE:
        return "malformed input";
    case E_RANGE:
        return "value out of range";
    case E_NOTFOUND:
        return "not found";
    case E_EXISTS:
        return "exists already";
    case E_AUTH:
        return "authentication failed";
    case E_PERM:
        return "not permitted";
    case E_QUOTA:
        return "quota or size limit reached";
    case E_LIMIT:
        return "limit reached";
    case E_TEMP:
        return "temporary failure";
    case E_TIMEOUT:
        return "timed out";
    case E_CLOSED:
        return "connection closed";
    case E_CONFLICT:
        return "conflict";
    case E_CORRUPT:
        return "stored data is damaged";
    case E_UNSUPPORTED:
        return "not supported";
    case E_CANCELLED:
        return "cancelled";
    case E_NXDOMAIN:
        return "domain name does not exist";
    case E_NODATA:
        return "no DNS records of this type";
    case E_TLS:
        return "TLS failure";
    case E_DB:
        return "database error";
    case E_FULL:
        return "buffer or queue is full";
    }
    return "unknown error";
}
