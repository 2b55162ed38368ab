/* Secure destinations: which one is meant, and whether a certificate fits. */
#include "net/secure.h"

#include "conf/conf.h"
#include "conf/routes.h"

bool secure_parse(struct sv item, struct secure_destination *ret)
{
    static const char *const names[] = { "sha256=", "subject=", "issuer=" };
    struct sv *const where[] = { &ret->sha256, &ret->subject, &ret->issuer };
    *ret = (struct secure_destination){ .pattern = sv_trim(sv_split(&item, '|')) };
    while (item.p) {
        struct sv field = sv_trim(sv_split(&item, '|'));
        size_t i = 0;
        while (i < ARRAY_LEN(names) && !sv_istarts(field, sv_c(names[i])))
            i++;
        if (i == ARRAY_LEN(names))
            return false;
        *where[i] = sv_trim(sv_skip(field, strlen(names[i])));
        if (!where[i]->n)
            return false;
    }
    return ret->pattern.n > 0;
}

bool secure_find(struct sv list, struct sv host, struct sv domain, struct secure_destination *ret)
{
    struct sv item;
    while (conf_list_next(&list, &item))
        if (secure_parse(item, ret) &&
            (conf_pattern_fits(ret->pattern, host) || conf_pattern_fits(ret->pattern, domain)))
            return true;
    return false;
}

static bool is_space_or_colon(char c)
{
    return c == ' ' || c == ':';
}

/* Fingerprints with and without colons, names with and without spaces around "=" and ",": people
 * copy them from several programs. */
static bool same(struct sv a, struct sv b, bool (*skipped)(char))
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.n && skipped(a.p[i]))
            i++;
        while (k < b.n && skipped(b.p[k]))
            k++;
        if (i == a.n || k == b.n)
            return i == a.n && k == b.n;
        if (ascii_lower(a.p[i++]) != ascii_lower(b.p[k++]))
            return false;
    }
}

static bool is_space(char c)
{
    return c == ' ';
}

const char *secure_check(const struct secure_destination *d, const struct client_tls_result *found)
{
    if (!d->sha256.n && !d->subject.n && !d->issuer.n)
        return found->verify ? client_verify_text(found->verify) : NULL;
    if (d->sha256.n && !same(d->sha256, sv_c(found->peer.sha256), is_space_or_colon))
        return "the certificate has another fingerprint";
    if (d->subject.n && !same(d->subject, sv_c(found->peer.subject), is_space))
        return "the certificate has another subject";
    if (d->issuer.n && !same(d->issuer, sv_c(found->peer.issuer), is_space))
        return "the certificate has another issuer";
    return NULL;
}
