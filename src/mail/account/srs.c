/* SRS with the installation's key: every server of one database knows the others' addresses. */
#include "mail/account/accounts_priv.h"

#include "base/clock.h"
#include "proto/srs.h"

enum { DAY = 86400 };

struct key {
    uint8_t bytes[32];
};

static void mac(void *arg, struct sv text, uint8_t ret[32])
{
    const struct key *k = arg;
    accounts_hmac(k->bytes, text, ret);
}

int account_srs_forward(struct accounts *a, struct sv sender, struct sv domain, struct buf *out,
                        struct errinfo *ei)
{
    struct key k;
    int r = accounts_key(a, "SRS", k.bytes, ei);
    return r < 0 ? r
                 : srs_forward(&(struct srs_key){ mac, &k }, sender, domain, clock_wall_s() / DAY,
                               out);
}

int account_srs_reverse(struct accounts *a, struct sv local, int64_t max_age_ms, struct buf *out,
                        struct errinfo *ei)
{
    struct key k;
    int r = accounts_key(a, "SRS", k.bytes, ei);
    return r < 0 ? r
                 : srs_reverse(&(struct srs_key){ mac, &k }, local, clock_wall_s() / DAY,
                               max_age_ms / 1000 / DAY, out);
}
