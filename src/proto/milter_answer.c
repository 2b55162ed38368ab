/* What a milter answers. It is a neighbour rather than a stranger, but it handles strangers' mail:
 * nothing of it goes into a header, an envelope or a reply unchecked. */
#include "proto/milter.h"

const char *const milter_kind_names[MILTER_KINDS] = {
    "continue",      "accept",        "reject",       "tempfail",      "discard",
    "reply",         "skip",          "shutdown",     "progress",      "add header",
    "insert header", "change header", "replace body", "add recipient", "delete recipient",
    "change sender", "quarantine",
};

uint32_t milter_needs(enum milter_kind k)
{
    switch (k) {
    case MILTER_ADD_HEADER:
        return MILTER_CAN_ADD_HEADER;
    case MILTER_INSERT_HEADER: /* as libmilter has it: either will do */
        return MILTER_CAN_ADD_HEADER | MILTER_CAN_CHANGE_HEADER;
    case MILTER_CHANGE_HEADER:
        return MILTER_CAN_CHANGE_HEADER;
    case MILTER_REPLACE_BODY:
        return MILTER_CAN_CHANGE_BODY;
    case MILTER_ADD_RCPT:
        return MILTER_CAN_ADD_RCPT | MILTER_CAN_ADD_RCPT_ARGS;
    case MILTER_DELETE_RCPT:
        return MILTER_CAN_DELETE_RCPT;
    case MILTER_CHANGE_FROM:
        return MILTER_CAN_CHANGE_FROM;
    case MILTER_QUARANTINE:
        return MILTER_CAN_QUARANTINE;
    case MILTER_CONTINUE:
    case MILTER_ACCEPT:
    case MILTER_REJECT:
    case MILTER_TEMPFAIL:
    case MILTER_DISCARD:
    case MILTER_REPLY:
    case MILTER_SKIP:
    case MILTER_SHUTDOWN:
    case MILTER_PROGRESS:
    case MILTER_KINDS:
        return 0;
    }
    return 0;
}

/* Cuts a string with its NUL. */
static bool take_string(struct sv *rest, struct sv *ret)
{
    ssize_t nul = sv_find(*rest, '\0');
    if (nul < 0)
        return false;
    *ret = sv_take(*rest, (size_t)nul);
    *rest = sv_skip(*rest, (size_t)nul + 1);
    return true;
}

static bool take_index(struct sv *rest, uint32_t *ret)
{
    if (rest->n < 4)
        return false;
    const unsigned char *p = (const unsigned char *)rest->p;
    *ret = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *rest = sv_skip(*rest, 4);
    return true;
}

static bool is_plain(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

/* RFC 5322 3.6.8: ftext. */
static bool is_field_name(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 33 || s.p[i] > 126 || s.p[i] == ':')
            return false;
    return s.n > 0 && s.n <= 500;
}

static int parse_header(struct sv rest, bool with_index, struct milter_answer *ret,
                        struct errinfo *ei)
{
    if ((with_index && !take_index(&rest, &ret->index)) || !take_string(&rest, &ret->name) ||
        !take_string(&rest, &ret->text) || rest.n)
        return err_set(ei, E_PARSE, "its header field is not complete");
    if (!is_field_name(ret->name))
        return err_set(ei, E_PARSE, "its header field has a name that is not allowed");
    return 0;
}

/* ESMTP arguments may follow; they are not used. */
static int parse_address(struct sv rest, struct milter_answer *ret, struct errinfo *ei)
{
    struct sv args;
    if (!take_string(&rest, &ret->text) || (rest.n && !take_string(&rest, &args)) || rest.n)
        return err_set(ei, E_PARSE, "its address is not complete");
    if (ret->text.n == 0 || ret->text.n > MILTER_MAX_ADDRESS || !is_plain(ret->text))
        return err_set(ei, E_PARSE, "its address is empty, too long or has control characters");
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "250 text", "250-text", "250"; the code must be that of the first line, and a refusal. */
static bool reply_line(struct sv line, const char *code)
{
    return line.n >= 3 && (line.p[0] == '4' || line.p[0] == '5') && is_digit(line.p[1]) &&
           is_digit(line.p[2]) && !memcmp(line.p, code, 3) &&
           (line.n == 3 || line.p[3] == ' ' || line.p[3] == '-') && is_plain(line);
}

/* Lines with CRLF and the right separators; "%%" is a "%" (libmilter doubles them). */
static int parse_reply(struct sv rest, struct milter_answer *ret, struct errinfo *ei)
{
    struct sv text;
    size_t n = 0, lines = 0;
    if (!take_string(&rest, &text) || rest.n)
        return err_set(ei, E_PARSE, "its reply is not complete");
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    const char *code = text.p;
    while (text.p) {
        struct sv line = sv_split(&text, '\n');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (!reply_line(line, code))
            return err_set(ei, E_PARSE, "its reply is no refusal of the form \"550 5.7.1 text\"");
        if (++lines > MILTER_MAX_REPLY_LINES || n + line.n + 4 > sizeof(ret->lines) || line.n > 510)
            return err_set(ei, E_RANGE, "its reply is too long");
        memcpy(ret->lines + n, line.p, 3);
        ret->lines[n + 3] = text.p ? '-' : ' ';
        n += 4;
        for (size_t i = 4; i < line.n; i++) {
            ret->lines[n++] = line.p[i];
            i += line.p[i] == '%' && i + 1 < line.n && line.p[i + 1] == '%';
        }
        if (n + 2 > sizeof(ret->lines))
            return err_set(ei, E_RANGE, "its reply is too long");
        memcpy(ret->lines + n, "\r\n", 2);
        n += 2;
    }
    ret->text = sv_n(ret->lines, n);
    return 0;
}

/* Kinds without data. */
static int bare(struct sv rest, enum milter_kind k, struct milter_answer *ret, struct errinfo *ei)
{
    ret->kind = k;
    return rest.n ? err_set(ei, E_PARSE, "its answer '%s' has data behind it", milter_kind_names[k])
                  : 0;
}

int milter_parse_answer(struct sv packet, struct milter_answer *ret, struct errinfo *ei)
{
    struct sv rest = sv_skip(packet, 1);
    ret->index = 0;
    ret->name = ret->text = SV_NULL;
    if (packet.n == 0)
        return err_set(ei, E_PARSE, "its answer is empty");
    switch (packet.p[0]) {
    case 'c':
        return bare(rest, MILTER_CONTINUE, ret, ei);
    case 'a':
        return bare(rest, MILTER_ACCEPT, ret, ei);
    case 'r':
        return bare(rest, MILTER_REJECT, ret, ei);
    case 't':
        return bare(rest, MILTER_TEMPFAIL, ret, ei);
    case 'd':
        return bare(rest, MILTER_DISCARD, ret, ei);
    case 's':
        return bare(rest, MILTER_SKIP, ret, ei);
    case 'p':
        return bare(rest, MILTER_PROGRESS, ret, ei);
    case '4': /* SMFIR_SHUTDOWN, SMFIR_CONN_FAIL */
    case 'f':
        return bare(rest, MILTER_SHUTDOWN, ret, ei);
    case 'y':
        ret->kind = MILTER_REPLY;
        return parse_reply(rest, ret, ei);
    case 'h':
        ret->kind = MILTER_ADD_HEADER;
        return parse_header(rest, false, ret, ei);
    case 'i':
        ret->kind = MILTER_INSERT_HEADER;
        return parse_header(rest, true, ret, ei);
    case 'm':
        ret->kind = MILTER_CHANGE_HEADER;
        return parse_header(rest, true, ret, ei);
    case 'b':
        ret->kind = MILTER_REPLACE_BODY;
        ret->text = rest;
        return 0;
    case '+':
    case '2': /* with arguments */
        ret->kind = MILTER_ADD_RCPT;
        return parse_address(rest, ret, ei);
    case '-':
        ret->kind = MILTER_DELETE_RCPT;
        return parse_address(rest, ret, ei);
    case 'e':
        ret->kind = MILTER_CHANGE_FROM;
        return parse_address(rest, ret, ei);
    case 'q':
        ret->kind = MILTER_QUARANTINE;
        if (!take_string(&rest, &ret->text) || rest.n || !is_plain(ret->text))
            return err_set(ei, E_PARSE, "its reason of a quarantine cannot be read");
        return 0;
    default:
        return err_set(ei, E_PARSE, "its answer 0x%02x is unknown", (unsigned char)packet.p[0]);
    }
}
