/* Parsing of SMTP command arguments. RFC 5321 4.1.2 (paths), RFC 3461 4 (DSN parameters and xtext).
 */
#include "proto/smtp_args.h"

#include "base/codec.h"
#include "base/err.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct sv skip_blanks(struct sv s)
{
    while (s.n && is_blank(*s.p))
        s = sv_skip(s, 1);
    return s;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

struct sv smtp_verb(struct sv line, struct sv *args)
{
    size_t n = 0;
    line = sv_trim(line);
    while (n < line.n && !is_blank(line.p[n]))
        n++;
    *args = skip_blanks(sv_skip(line, n));
    return sv_take(line, n);
}

/* Length of the first word; blanks in quotes or brackets belong to it. 0 = unbalanced or none. */
static size_t word_length(struct sv s)
{
    bool quoted = false;
    int depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quoted && c == '\\') {
            i++;
            continue;
        }
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && c == '<')
            depth++;
        else if (!quoted && c == '>')
            depth--;
        else if (!quoted && depth <= 0 && is_blank(c))
            return i;
    }
    return quoted || depth != 0 ? 0 : s.n;
}

unsigned smtp_arg_count(struct sv args)
{
    unsigned count = 0;
    for (args = skip_blanks(args); args.n; count++) {
        size_t n = word_length(args);
        args = skip_blanks(sv_skip(args, n ? n : args.n));
    }
    return count;
}

/* Cuts "<path>" or a bare path from s: *ret without brackets. */
static enum smtp_arg cut_path(struct sv s, struct sv *ret, struct sv *rest)
{
    bool quoted = false, bracket = s.n && *s.p == '<';
    size_t i = bracket ? 1 : 0;
    for (; i < s.n; i++) {
        char c = s.p[i];
        if (quoted && c == '\\') {
            i++;
            continue;
        }
        if (c == '"')
            quoted = !quoted;
        if (quoted)
            continue;
        if (c == '<')
            return SMTP_ARG_UNBALANCED;
        if (c == '>' || (!bracket && is_blank(c)))
            break;
    }
    bool closed = i < s.n && s.p[i] == '>';
    if (quoted || i > s.n || closed != bracket)
        return SMTP_ARG_UNBALANCED;
    *ret = bracket ? sv_skip(sv_take(s, i), 1) : sv_take(s, i);
    *rest = sv_skip(s, i + (bracket ? 1 : 0));
    if (rest->n && !is_blank(*rest->p))
        return SMTP_ARG_SYNTAX;
    *rest = sv_trim(*rest);
    return SMTP_ARG_OK;
}

static bool quoted_local_ok(struct sv s)
{
    if (s.n < 2 || s.p[s.n - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++) {
        bool escape = s.p[i] == '\\';
        if (escape && ++i + 1 >= s.n)
            return false;
        unsigned char c = (unsigned char)s.p[i];
        if (c < 32 || c == 127 || (c == '"' && !escape))
            return false;
    }
    return true;
}

static bool local_ok(struct sv s)
{
    if (s.n == 0 || s.n > SMTP_MAX_LOCAL)
        return false;
    if (*s.p == '"')
        return quoted_local_ok(s);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 32 || c == 127 || strchr("()<>[]:;,\\\"@", c))
            return false;
    }
    return true;
}

static bool literal_ok(struct sv s)
{
    if (s.n < 3 || s.p[s.n - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < s.n; i++)
        if (!is_alnum(s.p[i]) && sv_find(SV(".:-"), s.p[i]) < 0)
            return false;
    return true;
}

static bool domain_ok(struct sv s)
{
    if (s.n == 0 || s.n > SMTP_MAX_DOMAIN)
        return false;
    if (*s.p == '[')
        return literal_ok(s);
    while (s.p) {
        struct sv label = sv_split(&s, '.');
        if (label.n == 0 || label.n > 63)
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_' &&
                !(label.p[i] & 0x80))
                return false;
    }
    return true;
}

/* The address inside brackets. */
static enum smtp_arg parse_address(struct sv s, struct smtp_path *ret)
{
    *ret = (struct smtp_path){ .address = s };
    if (s.n && *s.p == '@') { /* source route, to be ignored: RFC 5321 appendix C */
        ssize_t colon = sv_find(s, ':');
        if (colon < 0)
            return SMTP_ARG_SYNTAX;
        ret->address = s = sv_skip(s, (size_t)colon + 1);
    }
    if (s.n == 0)
        return SMTP_ARG_OK;
    ret->utf8 = sv_has_8bit(s);
    if (ret->utf8 && !utf8_valid(s))
        return SMTP_ARG_SYNTAX;
    ssize_t at = sv_rfind(s, '@');
    if (at >= 0 && *s.p == '"' && s.p[s.n - 1] == '"')
        at = -1; /* the last @ is inside the quotes */
    ret->local = at < 0 ? s : sv_take(s, (size_t)at);
    ret->domain = at < 0 ? SV_NULL : sv_skip(s, (size_t)at + 1);
    if (!local_ok(ret->local))
        return SMTP_ARG_SYNTAX;
    if (ret->domain.n == 0)
        return SMTP_ARG_DOMAIN;
    return domain_ok(ret->domain) ? SMTP_ARG_OK : SMTP_ARG_SYNTAX;
}

enum smtp_arg smtp_parse_path(struct sv s, struct smtp_path *ret)
{
    struct sv path, rest;
    enum smtp_arg r = cut_path(skip_blanks(s), &path, &rest);
    if (r != SMTP_ARG_OK)
        return r;
    return rest.n ? SMTP_ARG_SYNTAX : parse_address(path, ret);
}

/* "FROM:" or "TO:", the path, and what follows it. */
static enum smtp_arg parse_keyword_path(struct sv args, struct sv keyword, struct smtp_path *ret,
                                        struct sv *rest)
{
    struct sv path;
    if (!sv_istarts(args, keyword))
        return SMTP_ARG_SYNTAX;
    args = skip_blanks(sv_skip(args, keyword.n));
    if (args.n == 0)
        return SMTP_ARG_SYNTAX;
    enum smtp_arg r = cut_path(args, &path, rest);
    return r == SMTP_ARG_OK ? parse_address(path, ret) : r;
}

/* Cuts "NAME" or "NAME=value" from *rest. */
static bool cut_param(struct sv *rest, struct sv *name, struct sv *value)
{
    size_t n = 0;
    while (n < rest->n && !is_blank(rest->p[n]))
        n++;
    struct sv word = sv_take(*rest, n);
    *rest = skip_blanks(sv_skip(*rest, n));
    ssize_t eq = sv_find(word, '=');
    *name = eq < 0 ? word : sv_take(word, (size_t)eq);
    *value = eq < 0 ? SV_NULL : sv_skip(word, (size_t)eq + 1);
    for (size_t i = 0; i < name->n; i++)
        if (!is_alnum(name->p[i]) && (i == 0 || name->p[i] != '-'))
            return false;
    for (size_t i = 0; i < value->n; i++)
        if ((unsigned char)value->p[i] <= 32 || value->p[i] == 127 || value->p[i] == '=')
            return false;
    return name->n && (eq < 0 || value->n);
}

static bool parse_body(struct sv v, struct smtp_mail_args *ret)
{
    ret->body = sv_ieq(v, SV("7BIT"))       ? SMTP_BODY_7BIT
                : sv_ieq(v, SV("8BITMIME")) ? SMTP_BODY_8BITMIME
                                            : SMTP_BODY_NONE;
    return ret->body != SMTP_BODY_NONE;
}

static bool parse_ret(struct sv v, struct smtp_mail_args *ret)
{
    ret->ret = sv_ieq(v, SV("FULL")) ? 'F' : sv_ieq(v, SV("HDRS")) ? 'H' : 0;
    return ret->ret != 0;
}

static bool parse_size(struct sv v, struct smtp_mail_args *ret)
{
    if (v.n == 0 || v.n > 20) /* RFC 1870 4 */
        return false;
    ret->has_size = true;
    return sv_to_u64(v, &ret->size) == 0;
}

static bool parse_envid(struct sv v, struct smtp_mail_args *ret)
{
    ret->envid = v;
    return v.n && v.n <= 100 && smtp_xtext_valid(v); /* RFC 3461 4.4 */
}

static bool parse_auth(struct sv v, struct smtp_mail_args *ret)
{
    ret->auth = v;
    return v.n && smtp_xtext_valid(v);
}

/* "<item@domain>": what our client adds, row smtp.client.transid. */
static bool parse_transid(struct sv v, struct smtp_mail_args *ret)
{
    if (v.n < 3 || v.n > 300 || v.p[0] != '<' || v.p[v.n - 1] != '>')
        return false;
    ret->transid = sv_take(sv_skip(v, 1), v.n - 2);
    for (size_t i = 0; i < ret->transid.n; i++)
        if (ret->transid.p[i] == '<' || ret->transid.p[i] == '>' || (ret->transid.p[i] & 0x80))
            return false;
    return true;
}

static bool parse_smtputf8(struct sv v, struct smtp_mail_args *ret)
{
    ret->smtputf8 = true;
    return v.p == NULL;
}

static bool parse_requiretls(struct sv v, struct smtp_mail_args *ret)
{
    ret->requiretls = true;
    return v.p == NULL;
}

enum smtp_arg smtp_parse_mail(struct sv args, struct smtp_mail_args *ret)
{
    static const struct {
        struct sv name;
        bool (*parse)(struct sv v, struct smtp_mail_args *ret);
    } params[] = {
        { SV("SIZE"), parse_size },       { SV("BODY"), parse_body },
        { SV("RET"), parse_ret },         { SV("ENVID"), parse_envid },
        { SV("AUTH"), parse_auth },       { SV("SMTPUTF8"), parse_smtputf8 },
        { SV("TRANSID"), parse_transid }, { SV("REQUIRETLS"), parse_requiretls },
    };
    unsigned seen = 0;
    struct sv rest, name, value;
    *ret = (struct smtp_mail_args){ 0 };
    enum smtp_arg r = parse_keyword_path(args, SV("FROM:"), &ret->from, &rest);
    if (r != SMTP_ARG_OK)
        return r;
    while (rest.n) {
        size_t i = 0;
        if (!cut_param(&rest, &name, &value))
            return SMTP_ARG_SYNTAX;
        while (i < ARRAY_LEN(params) && !sv_ieq(name, params[i].name))
            i++;
        if (i == ARRAY_LEN(params) || (seen & (1u << i)) || !params[i].parse(value, ret))
            return SMTP_ARG_SYNTAX;
        seen |= 1u << i;
    }
    return SMTP_ARG_OK;
}

static bool parse_notify(struct sv v, struct smtp_rcpt_args *ret)
{
    static const struct {
        struct sv name;
        unsigned bit;
    } words[] = {
        { SV("NEVER"), SMTP_NOTIFY_NEVER },
        { SV("SUCCESS"), SMTP_NOTIFY_SUCCESS },
        { SV("FAILURE"), SMTP_NOTIFY_FAILURE },
        { SV("DELAY"), SMTP_NOTIFY_DELAY },
    };
    while (v.p) {
        struct sv word = sv_split(&v, ',');
        size_t i = 0;
        while (i < ARRAY_LEN(words) && !sv_ieq(word, words[i].name))
            i++;
        if (i == ARRAY_LEN(words))
            return false;
        ret->notify |= words[i].bit;
    }
    return ret->notify == SMTP_NOTIFY_NEVER || (ret->notify && !(ret->notify & SMTP_NOTIFY_NEVER));
}

static bool parse_orcpt(struct sv v, struct smtp_rcpt_args *ret)
{
    ssize_t semi = sv_find(v, ';');
    ret->orcpt = v;
    if (semi <= 0 || v.n > 500) /* RFC 3461 4.2 */
        return false;
    for (ssize_t i = 0; i < semi; i++)
        if (!is_alnum(v.p[i]) && v.p[i] != '-')
            return false;
    struct sv address = sv_skip(v, (size_t)semi + 1);
    bool utf8_type =
        sv_ieq(sv_take(v, (size_t)semi), SV("utf-8")); /* RFC 6533 3 has its own escapes */
    return address.n && (utf8_type ? utf8_valid(address) : smtp_xtext_valid(address));
}

enum smtp_arg smtp_parse_rcpt(struct sv args, struct smtp_rcpt_args *ret)
{
    struct sv rest, name, value;
    *ret = (struct smtp_rcpt_args){ 0 };
    enum smtp_arg r = parse_keyword_path(args, SV("TO:"), &ret->to, &rest);
    if (r == SMTP_ARG_DOMAIN && sv_ieq(ret->to.address, SV("postmaster")))
        r = SMTP_ARG_OK; /* RFC 5321 4.5.1 */
    if (r != SMTP_ARG_OK)
        return r;
    if (ret->to.address.n == 0)
        return SMTP_ARG_SYNTAX;
    while (rest.n) {
        if (!cut_param(&rest, &name, &value))
            return SMTP_ARG_SYNTAX;
        bool ok = sv_ieq(name, SV("NOTIFY"))  ? !ret->notify && parse_notify(value, ret)
                  : sv_ieq(name, SV("ORCPT")) ? !ret->orcpt.p && parse_orcpt(value, ret)
                                              : false;
        if (!ok)
            return SMTP_ARG_SYNTAX;
    }
    return SMTP_ARG_OK;
}

enum smtp_arg smtp_parse_bdat(struct sv args, uint64_t *ret_size, bool *ret_last)
{
    struct sv last;
    struct sv size = smtp_verb(args, &last);
    if (size.n == 0 || size.n > 20 || sv_to_u64(size, ret_size) < 0)
        return SMTP_ARG_SYNTAX;
    *ret_last = last.n > 0;
    return last.n == 0 || sv_ieq(last, SV("LAST")) ? SMTP_ARG_OK : SMTP_ARG_SYNTAX;
}

bool smtp_helo_valid(struct sv name)
{
    if (name.n == 0 || name.n > SMTP_MAX_DOMAIN)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_alnum(name.p[i]) && !(name.p[i] & 0x80) && sv_find(SV("-._:[]"), name.p[i]) < 0)
            return false;
    return utf8_valid(name);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "+" and two upper-case hex digits, or a visible character but "+" and "=". */
static int xtext_char(struct sv *s)
{
    unsigned char c = (unsigned char)*s->p;
    if (c == '+') {
        int hi = s->n > 2 ? hex_digit(s->p[1]) : -1, lo = s->n > 2 ? hex_digit(s->p[2]) : -1;
        *s = sv_skip(*s, 3);
        return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
    }
    *s = sv_skip(*s, 1);
    return c <= 32 || c >= 127 || c == '=' ? -1 : c;
}

bool smtp_xtext_valid(struct sv s)
{
    while (s.n)
        if (xtext_char(&s) < 0)
            return false;
    return true;
}

int smtp_xtext_decode(struct sv s, struct buf *out)
{
    while (s.n) {
        int c = xtext_char(&s);
        if (c < 0)
            return E_PARSE;
        if (buf_add_c(out, (char)c) < 0)
            return -ENOMEM;
    }
    return 0;
}
