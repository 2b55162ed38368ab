/* The cache of verified passwords: four ways, one entry an account, truncated MACs of 128 bits. */
#include "mail/account/verified.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/rand.h"

#define SETS 4096
#define WAYS 4
#define MAC  16

struct entry {
    int64_t account_id, version, expires_ms; /* expires 0 = empty */
    uint8_t mac[MAC];
};

struct verified {
    uint8_t key[32];      /* constant */
    pthread_mutex_t lock; /* guards sets; MACs are computed outside */
    struct entry (*sets)[WAYS];
};

struct verified *verified_new(void)
{
    struct verified *v = xcalloc(1, sizeof(*v));
    v->sets = xcalloc(SETS, sizeof(*v->sets));
    rand_bytes(v->key, sizeof(v->key));
    pthread_mutex_init(&v->lock, NULL);
    return v;
}

void verified_free(struct verified *v)
{
    if (!v)
        return;
    OPENSSL_cleanse(v->key, sizeof(v->key));
    pthread_mutex_destroy(&v->lock);
    free(v->sets);
    free(v);
}

static void make_mac(struct verified *v, int64_t id, int64_t version, struct sv password,
                     uint8_t ret[MAC])
{
    uint8_t text[16 + 1024], full[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    size_t pn = MIN(password.n, sizeof(text) - 16); /* longer ones were refused before */
    memcpy(text, &id, 8);
    memcpy(text + 8, &version, 8);
    if (pn)
        memcpy(text + 16, password.p, pn);
    if (!HMAC(EVP_sha256(), v->key, sizeof(v->key), text, 16 + pn, full, &n))
        panic("HMAC failed");
    memcpy(ret, full, MAC);
    OPENSSL_cleanse(text, 16 + pn);
}

static struct entry *set_of(struct verified *v, int64_t id)
{
    return v->sets[hash_bytes(&id, sizeof(id)) % SETS];
}

static struct entry *find(struct verified *v, int64_t id, int64_t version)
{
    struct entry *set = set_of(v, id);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].expires_ms && set[i].account_id == id && set[i].version == version &&
            set[i].expires_ms > clock_mono_ms())
            return &set[i];
    }
    return NULL;
}

void verified_put(struct verified *v, int64_t account_id, int64_t version, struct sv password)
{
    struct entry e = { account_id, version, clock_mono_ms() + VERIFIED_MS, { 0 } };
    make_mac(v, account_id, version, password, e.mac);
    pthread_mutex_lock(&v->lock);
    struct entry *set = set_of(v, account_id);
    struct entry *best = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].expires_ms && set[i].account_id == account_id) {
            best = &set[i];
            break;
        }
        if (set[i].expires_ms < best->expires_ms)
            best = &set[i];
    }
    *best = e;
    pthread_mutex_unlock(&v->lock);
}

bool verified_is(struct verified *v, int64_t account_id, int64_t version, struct sv password)
{
    uint8_t mac[MAC];
    make_mac(v, account_id, version, password, mac);
    pthread_mutex_lock(&v->lock);
    struct entry *e = find(v, account_id, version);
    bool same = e && CRYPTO_memcmp(e->mac, mac, MAC) == 0;
    pthread_mutex_unlock(&v->lock);
    return same;
}

bool verified_has(struct verified *v, int64_t account_id, int64_t version)
{
    pthread_mutex_lock(&v->lock);
    bool has = find(v, account_id, version) != NULL;
    pthread_mutex_unlock(&v->lock);
    return has;
}
