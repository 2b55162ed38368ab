/* Canonical addresses. Called by every lookup in any thread: the ASCII path allocates nothing.
 * RFC 5321 4.1.2 (Mailbox), RFC 6531 3.3 (UTF-8 local parts), RFC 5891 (A-labels). */
#include "mail/account/address.h"

#include <idn2.h>

#include "base/codec.h"

/* atext of RFC 5322 3.2.3 and RFC 6532 3.2. */
static bool is_atext(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80)
        return true;
    return c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c);
}

static bool is_dot_atom(struct sv s)
{
    if (s.n == 0 || s.p[0] == '.' || s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? s.p[i - 1] == '.' : !is_atext((unsigned char)s.p[i]))
            return false;
    }
    return true;
}

/* Content of a quoted string -> canonical local part. */
static int put_unquoted(struct sv content, struct addr *ret, struct errinfo *ei)
{
    if (content.n == 0)
        return err_set(ei, E_PARSE, "address: the local part is empty");
    if (is_dot_atom(content)) {
        memcpy(ret->text, content.p, content.n);
        ret->n = content.n;
        return 0;
    }
    size_t n = 0;
    ret->text[n++] = '"';
    for (size_t i = 0; i < content.n; i++) {
        if (n + 3 > ADDR_LOCAL_MAX)
            return err_set(ei, E_RANGE, "address: the local part is longer than %d bytes",
                           ADDR_LOCAL_MAX);
        if (content.p[i] == '"' || content.p[i] == '\\')
            ret->text[n++] = '\\';
        ret->text[n++] = content.p[i];
    }
    ret->text[n++] = '"';
    ret->n = n;
    return 0;
}

/* Quoted local part; in starts at the opening quote. *ret_used = its length with both quotes. */
static int parse_quoted(struct sv in, struct addr *ret, size_t *ret_used, struct errinfo *ei)
{
    char content[ADDR_LOCAL_MAX];
    size_t n = 0;
    size_t i = 1;
    for (; i < in.n && in.p[i] != '"'; i++) {
        if (in.p[i] == '\\' && ++i == in.n)
            break;
        unsigned char c = (unsigned char)in.p[i];
        if (c < 0x20 || c == 0x7f)
            return err_set(ei, E_PARSE, "address: control character in the local part");
        if (n == sizeof(content))
            return err_set(ei, E_RANGE, "address: the local part is longer than %d bytes",
                           ADDR_LOCAL_MAX);
        content[n++] = ascii_lower((char)c);
    }
    if (i >= in.n)
        return err_set(ei, E_PARSE, "address: the quoted local part has no closing quote");
    *ret_used = i + 1;
    return put_unquoted(sv_n(content, n), ret, ei);
}

static int parse_bare(struct sv local, struct addr *ret, struct errinfo *ei)
{
    if (local.n == 0)
        return err_set(ei, E_PARSE, "address: the local part is empty");
    if (local.n > ADDR_LOCAL_MAX)
        return err_set(ei, E_RANGE, "address: the local part is longer than %d bytes",
                       ADDR_LOCAL_MAX);
    for (size_t i = 0; i < local.n; i++) {
        unsigned char c = (unsigned char)local.p[i];
        /* Other specials are let through to be not found: peers send them, nobody owns them. */
        if (c <= 0x20 || c == 0x7f || c == '"' || c == '@' || c == '<' || c == '>' || c == '\\')
            return err_set(ei, E_PARSE, "address: character 0x%02x is not allowed there", c);
        ret->text[i] = ascii_lower((char)c);
    }
    ret->n = local.n;
    return 0;
}

static int domain_from_ascii(struct sv in, char *ret, size_t *ret_n, struct errinfo *ei)
{
    if (in.n > 1 && in.p[in.n - 1] == '.')
        in.n--;
    bool literal = in.p[0] == '[';
    if (in.p[in.n - 1] == '.')
        return err_set(ei, E_PARSE, "domain: an empty label");
    if (in.n > ADDR_DOMAIN_MAX)
        return err_set(ei, E_RANGE, "domain: longer than %d bytes", ADDR_DOMAIN_MAX);
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];
        bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || (c == '.' && i > 0 && in.p[i - 1] != '.');
        if (!name && !(literal && (c == '[' || c == ']' || c == ':' || c == '.')))
            return err_set(ei, E_PARSE, "domain: character 0x%02x is not allowed there", c);
        ret[i] = ascii_lower((char)c);
    }
    ret[in.n] = '\0';
    *ret_n = in.n;
    return 0;
}

/* The library converts labels with 8-bit characters and lets anything pass in the others. */
static int domain_from_utf8(struct sv in, char *ret, size_t *ret_n, struct errinfo *ei)
{
    char u8[4 * ADDR_DOMAIN_MAX + 1];
    uint8_t *alabel = NULL;
    if (in.n >= sizeof(u8) || memchr(in.p, 0, in.n))
        return err_set(ei, E_PARSE, "domain: has a NUL or is longer than %d bytes",
                       ADDR_DOMAIN_MAX);
    memcpy(u8, in.p, in.n);
    u8[in.n] = '\0';
    int r = idn2_lookup_u8((const uint8_t *)u8, &alabel, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (r != IDN2_OK)
        return err_set(ei, E_PARSE, "domain '" SV_FMT "': %s", SV_ARG(sv_take(in, 100)),
                       idn2_strerror(r));
    struct sv out = sv_c((const char *)alabel);
    r = out.n ? domain_from_ascii(out, ret, ret_n, ei) : err_set(ei, E_PARSE, "domain: is empty");
    idn2_free(alabel);
    return r;
}

int addr_parse_domain(struct sv in, char *ret, size_t *ret_n, struct errinfo *ei)
{
    if (in.n == 0)
        return err_set(ei, E_PARSE, "address: the domain is empty");
    return sv_has_8bit(in) ? domain_from_utf8(in, ret, ret_n, ei)
                           : domain_from_ascii(in, ret, ret_n, ei);
}

int addr_parse(struct sv in, struct addr *ret, struct errinfo *ei)
{
    ssize_t at;
    int r;
    if (in.n > 0 && in.p[0] == '"') {
        size_t used = 0;
        r = parse_quoted(in, ret, &used, ei);
        if (r == 0 && used < in.n && in.p[used] != '@')
            r = err_set(ei, E_PARSE, "address: text behind the quoted local part");
        at = used < in.n ? (ssize_t)used : -1;
    } else {
        at = sv_rfind(in, '@');
        r = parse_bare(at < 0 ? in : sv_take(in, (size_t)at), ret, ei);
    }
    if (r < 0)
        return r;
    if (sv_has_8bit(sv_n(ret->text, ret->n)) && !utf8_valid(sv_n(ret->text, ret->n)))
        return err_set(ei, E_PARSE, "address: the local part is not valid UTF-8");
    ret->at = ret->n;
    if (at >= 0) {
        size_t dn = 0;
        r = addr_parse_domain(sv_skip(in, (size_t)at + 1), ret->text + ret->n + 1, &dn, ei);
        if (r < 0)
            return r;
        ret->text[ret->at] = '@';
        ret->n += 1 + dn;
    }
    ret->text[ret->n] = '\0';
    return 0;
}

int addr_set_domain(struct addr *a, struct sv domain)
{
    if (domain.n > ADDR_DOMAIN_MAX)
        return E_RANGE;
    a->text[a->at] = '@';
    memcpy(a->text + a->at + 1, domain.p, domain.n);
    a->n = a->at + 1 + domain.n;
    a->text[a->n] = '\0';
    return 0;
}

int addr_check_new_domain(struct sv domain, struct errinfo *ei)
{
    struct sv rest = domain;
    if (domain.n == 0 || domain.n > ADDR_DOMAIN_MAX)
        return err_set(ei, E_RANGE, "domain: the name must have 1 to %d characters",
                       ADDR_DOMAIN_MAX);
    bool numeric = false;
    while (rest.p) {
        struct sv label = sv_split(&rest, '.');
        bool ok = label.n >= 1 && label.n <= 63 && label.p[0] != '-' && label.p[label.n - 1] != '-';
        numeric = true;
        for (size_t i = 0; i < label.n; i++) {
            ok = ok && label.p[i] != '_' && label.p[i] != '[' && label.p[i] != ':';
            numeric = numeric && label.p[i] >= '0' && label.p[i] <= '9';
        }
        if (!ok)
            return err_set(ei, E_PARSE,
                           "domain '" SV_FMT "': label '" SV_FMT
                           "' is not a host name label (1 to 63 letters, digits, inner hyphens)",
                           SV_ARG(sv_take(domain, 80)), SV_ARG(sv_take(label, 64)));
    }
    if (numeric)
        return err_set(ei, E_PARSE, "domain '" SV_FMT "': looks like an address, not a name",
                       SV_ARG(sv_take(domain, 80)));
    return 0;
}

int addr_check_new(const struct addr *a, struct errinfo *ei)
{
    if (a->at == a->n)
        return err_set(ei, E_PARSE, "address '%s': has no domain; write user@domain", a->text);
    struct sv local = addr_local(a);
    if (local.n > 64)
        return err_set(ei, E_RANGE, "address '%.100s': the part before @ is longer than 64 bytes",
                       a->text);
    if (a->n > 254) /* RFC 5321 4.5.3.1.3: a path is 256 with its brackets */
        return err_set(ei, E_RANGE, "address '%.100s...': longer than 254 bytes", a->text);
    if (local.p[0] != '"' && !is_dot_atom(local))
        return err_set(ei, E_PARSE,
                       "address '%.120s': the part before @ may hold letters, digits and "
                       "!#$%%&'*+-/=?^_`{|}~ and single inner dots",
                       a->text);
    return addr_check_new_domain(addr_domain(a), ei);
}
