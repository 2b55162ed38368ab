/* Signatures with the installation's key: every server of one database makes the same ones. */
#include "mail/account/accounts_priv.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

void accounts_hmac(const uint8_t key[32], struct sv text, uint8_t ret[32])
{
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), key, 32, (const uint8_t *)text.p, text.n, ret, &n))
        panic("HMAC failed");
}

int accounts_key(struct accounts *a, const char *purpose, uint8_t ret[32], struct errinfo *ei)
{
    uint8_t base[32];
    int r = accounts_secret(a, base, ei);
    if (r == 0)
        accounts_hmac(base, sv_c(purpose), ret);
    return r;
}

int account_sign(struct accounts *a, const char *purpose, struct sv text, char ret[SIGNATURE + 1],
                 struct errinfo *ei)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t key[32], mac[32];
    int r = accounts_key(a, purpose, key, ei);
    if (r < 0)
        return r;
    accounts_hmac(key, text, mac);
    for (size_t i = 0; i < SIGNATURE; i++) { /* 5 bits each */
        size_t bit = i * 5, at = bit / 8;
        ret[i] = letters[(mac[at] << 8 | mac[at + 1]) >> (11 - bit % 8) & 31];
    }
    ret[SIGNATURE] = '\0';
    return 0;
}

int account_signed(struct accounts *a, const char *purpose, struct sv text, struct sv signature,
                   struct errinfo *ei)
{
    char want[SIGNATURE + 1], got[SIGNATURE];
    int r = account_sign(a, purpose, text, want, ei);
    if (r < 0)
        return r;
    if (signature.n != SIGNATURE)
        return 0;
    for (size_t i = 0; i < SIGNATURE; i++)
        got[i] = ascii_lower(signature.p[i]);
    return CRYPTO_memcmp(want, got, SIGNATURE) == 0;
}
