/* SRS with the installation's key: every server of one database knows the others' addresses. */
#include "mail/account/accounts_priv.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "proto/srs.h"

enum { DAY = 86400 };

struct key {
    uint8_t bytes[32];
};

static void mac(void *arg, struct sv text, uint8_t ret[32])
{
    const struct key *k = arg;
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), k->bytes, sizeof(k->bytes), (const uint8_t *)text.p, text.n, ret, &n))
        panic("HMAC failed");
}

/* A key of its own, so that no hash that is seen says anything about other uses of the secret. */
static int make_key(struct accounts *a, struct key *k, struct errinfo *ei)
{
    struct key base;
    int r = accounts_secret(a, base.bytes, ei);
    if (r == 0)
        mac(&base, SV("SRS"), k->bytes);
    return r;
}

int account_srs_forward(struct accounts *a, struct sv sender, struct sv domain, struct buf *out,
                        struct errinfo *ei)
{
    struct key k;
    int r = make_key(a, &k, ei);
    return r < 0 ? r
                 : srs_forward(&(struct srs_key){ mac, &k }, sender, domain, clock_wall_s() / DAY,
                               out);
}

int account_srs_reverse(struct accounts *a, struct sv local, int64_t max_age_ms, struct buf *out,
                        struct errinfo *ei)
{
    struct key k;
    int r = make_key(a, &k, ei);
    return r < 0 ? r
                 : srs_reverse(&(struct srs_key){ mac, &k }, local, clock_wall_s() / DAY,
                               max_age_ms / 1000 / DAY, out);
}
