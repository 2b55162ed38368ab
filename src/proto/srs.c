#include "proto/srs.h"

#include "base/err.h"

enum { HASH = 6, STAMP = 2 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static int digit(char c)
{
    const char *p = c ? strchr(alphabet, c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) : NULL;
    return p ? (int)(p - alphabet) : -1;
}

/* Whatever case the text comes back in, its hash is the same. */
static int hash_of(const struct srs_key *k, struct sv text, char ret[HASH])
{
    struct buf lower;
    uint8_t mac[32];
    buf_init(&lower, 4 * KiB);
    for (size_t i = 0; i < text.n; i++)
        (void)buf_add_c(&lower, ascii_lower(text.p[i]));
    int r = lower.overflow ? E_PARSE : 0;
    if (r == 0) {
        k->mac(k->arg, buf_sv(&lower), mac);
        uint64_t bits = 0;
        for (size_t i = 0; i < 4; i++)
            bits = bits << 8 | mac[i];
        for (size_t i = 0; i < HASH; i++)
            ret[i] = alphabet[bits >> (27 - 5 * i) & 31];
    }
    buf_done(&lower);
    return r;
}

static bool hash_fits(const struct srs_key *k, struct sv text, struct sv hash)
{
    char want[HASH];
    unsigned differs = 0;
    if (hash.n != HASH || hash_of(k, text, want) < 0)
        return false;
    for (size_t i = 0; i < HASH; i++) /* in constant time */
        differs |= (unsigned)(ascii_lower(want[i]) ^ ascii_lower(hash.p[i]));
    return differs == 0;
}

bool srs_is(struct sv local)
{
    return (sv_istarts(local, SV("SRS0")) || sv_istarts(local, SV("SRS1"))) && local.n > 4 &&
           strchr("=+-", local.p[4]);
}

/* Tag, hash over text, text, and our domain. */
static int build(const struct srs_key *k, const char *tag, struct sv text, struct sv domain,
                 struct buf *out)
{
    char hash[HASH];
    int r = hash_of(k, text, hash);
    if (r < 0)
        return r;
    (void)buf_addf(out, "%s=%.*s=" SV_FMT "@" SV_FMT, tag, HASH, hash, SV_ARG(text),
                   SV_ARG(domain));
    return out->overflow ? -ENOMEM : 0;
}

int srs_forward(const struct srs_key *k, struct sv sender, struct sv domain, int64_t day,
                struct buf *out)
{
    ssize_t at = sv_rfind(sender, '@');
    if (at <= 0 || (size_t)at + 1 >= sender.n || sender.p[0] == '"' || sv_find(sender, '\0') >= 0)
        return E_PARSE;
    struct sv local = sv_take(sender, (size_t)at), host = sv_skip(sender, (size_t)at + 1);
    struct buf text;
    const char *tag = "SRS1";
    unsigned stamp = (unsigned)(day % SRS_DAYS);
    buf_init(&text, 2 * KiB);
    if (srs_is(local) && sv_istarts(local, SV("SRS0"))) { /* "first=" and all behind SRS0 */
        (void)buf_addf(&text, SV_FMT "=" SV_FMT, SV_ARG(host), SV_ARG(sv_skip(local, 4)));
    } else if (srs_is(local) && sv_find(sv_skip(local, 5), '=') >= 0) {
        /* The server in the middle is left out: its hash is replaced by ours. */
        struct sv rest = sv_skip(local, 5);
        (void)sv_split(&rest, '=');
        (void)buf_add_sv(&text, rest);
    } else {
        tag = "SRS0";
        (void)buf_addf(&text, "%c%c=" SV_FMT "=" SV_FMT, alphabet[stamp >> 5 & 31],
                       alphabet[stamp & 31], SV_ARG(host), SV_ARG(local));
    }
    int r = text.overflow ? E_PARSE : build(k, tag, buf_sv(&text), domain, out);
    buf_done(&text);
    return r;
}

static int reverse_first(struct sv text, int64_t day, int64_t max_days, struct buf *out)
{
    struct sv rest = text, stamp = sv_split(&rest, '='), host = sv_split(&rest, '=');
    if (stamp.n != STAMP || digit(stamp.p[0]) < 0 || digit(stamp.p[1]) < 0 || !host.n || !rest.n)
        return E_PARSE;
    int64_t made = digit(stamp.p[0]) << 5 | digit(stamp.p[1]);
    int64_t age = (day % SRS_DAYS - made + SRS_DAYS) % SRS_DAYS;
    if (age > max_days && age != SRS_DAYS - 1) /* clocks differ, also by a midnight */
        return E_TIMEOUT;
    (void)buf_addf(out, SV_FMT "@" SV_FMT, SV_ARG(rest), SV_ARG(host));
    return out->overflow ? -ENOMEM : 0;
}

static int reverse_second(struct sv text, struct buf *out)
{
    struct sv rest = text, host = sv_split(&rest, '=');
    if (!host.n || rest.n < 2 || !strchr("=+-", rest.p[0]))
        return E_PARSE;
    (void)buf_addf(out, "SRS0" SV_FMT "@" SV_FMT, SV_ARG(rest), SV_ARG(host));
    return out->overflow ? -ENOMEM : 0;
}

int srs_reverse(const struct srs_key *k, struct sv local, int64_t day, int64_t max_days,
                struct buf *out)
{
    if (!srs_is(local))
        return E_PARSE;
    struct sv rest = sv_skip(local, 5), hash = sv_split(&rest, '=');
    if (!rest.p || !hash_fits(k, rest, hash))
        return E_PERM;
    return local.p[3] == '0' ? reverse_first(rest, day, max_days, out) : reverse_second(rest, out);
}
