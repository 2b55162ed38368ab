/* Imitation of real accounts for names that do not exist; see docs/adr/0008. The shares of the
 * schemes are read from the database at most once a minute, and only when accounts changed. */
#include "mail/account/mimic.h"

#include <argon2.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/rand.h"
#include "mail/account/password.h"
#include "stats/shm.h"

#define MAX_SCHEMES 32
#define REFRESH_MS  60000

struct sample {
    char *scheme, *hash; /* hash "" = Argon2id with the settings of now */
    int64_t upto;        /* cumulative number of accounts */
};

struct mimic {
    pthread_mutex_t lock; /* guards all below */
    struct sample samples[MAX_SCHEMES];
    size_t n;
    bool loaded;
    uint64_t epoch;
    int64_t loaded_ms;
};

struct mimic *mimic_new(void)
{
    struct mimic *m = xcalloc(1, sizeof(*m));
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void drop_samples(struct mimic *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->samples[i].scheme);
        free(m->samples[i].hash);
    }
    m->n = 0;
}

void mimic_free(struct mimic *m)
{
    if (!m)
        return;
    drop_samples(m);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static int read_shares(struct dbc *c, struct sample *ret, size_t *ret_n)
{
    int64_t sum = 0;
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, NULL,
                     "SELECT scheme, COUNT(*) FROM password WHERE scheme <> '' GROUP BY scheme"
                     " ORDER BY scheme",
                     "");
    while (r == 0 && *ret_n < MAX_SCHEMES && (r = db_step(s, NULL)) == 1) {
        sum += db_col_int(s, 1);
        ret[(*ret_n)++] = (struct sample){ .scheme = sv_dup(db_col_text(s, 0)), .upto = sum };
        r = 0;
    }
    return r;
}

static int read_sample(struct dbc *c, struct sample *ret)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, NULL,
                     "SELECT hash FROM password WHERE scheme = ? ORDER BY account_id LIMIT 1", "s",
                     ret->scheme);
    if (r == 0)
        r = db_step(s, NULL);
    /* A plain password takes no work to imitate and need not be copied around. */
    bool plain = strcmp(ret->scheme, "PLAIN") == 0 || strcmp(ret->scheme, "CLEARTEXT") == 0;
    ret->hash = r == 1 && !plain ? sv_dup(db_col_text(s, 0)) : xstrdup(plain ? "x" : "");
    return r < 0 ? r : 0;
}

/* Outside the lock: two threads may load at the same time, one result stays. */
static void load(struct accounts *a, uint64_t epoch)
{
    struct sample fresh[MAX_SCHEMES];
    size_t n = 0;
    _cleanup_(db_putp) struct dbc *c = NULL;
    int r = db_get(a->db, &c, NULL);
    if (r == 0)
        r = read_shares(c, fresh, &n);
    for (size_t i = 0; i < n; i++) {
        if (read_sample(c, &fresh[i]) < 0)
            r = E_TEMP;
    }
    struct mimic *m = a->mimic;
    pthread_mutex_lock(&m->lock);
    if (r == 0) {
        drop_samples(m);
        memcpy(m->samples, fresh, n * sizeof(fresh[0]));
        m->n = n;
        m->loaded = true;
        m->epoch = epoch;
        m->loaded_ms = clock_mono_ms();
        n = 0;
    }
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < n; i++) {
        free(fresh[i].scheme);
        free(fresh[i].hash);
    }
}

/* Equal on every node: keyed with the installation's secret. */
static uint64_t point_of(struct accounts *a, struct sv name)
{
    uint8_t secret[32], mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    uint64_t point = 0;
    if (accounts_secret(a, secret, NULL) < 0)
        memset(secret, 0, sizeof(secret));
    if (HMAC(EVP_sha256(), secret, sizeof(secret), (const uint8_t *)name.p, name.n, mac, &n))
        memcpy(&point, mac, sizeof(point));
    return point;
}

/* Copies of the sample that name imitates; without any account, Argon2id. */
static void pick(struct accounts *a, struct sv name, char **ret_scheme, char **ret_hash)
{
    struct mimic *m = a->mimic;
    uint64_t epoch = epoch_get(EPOCH_ACCOUNTS);
    pthread_mutex_lock(&m->lock);
    bool stale = !m->loaded || (m->epoch != epoch && clock_mono_ms() - m->loaded_ms >= REFRESH_MS);
    pthread_mutex_unlock(&m->lock);
    if (stale)
        load(a, epoch);
    uint64_t point = point_of(a, name);
    pthread_mutex_lock(&m->lock);
    size_t i = 0;
    if (m->n > 0) {
        int64_t at = (int64_t)(point % (uint64_t)m->samples[m->n - 1].upto);
        while (m->samples[i].upto <= at)
            i++;
        *ret_scheme = xstrdup(m->samples[i].scheme);
        *ret_hash = xstrdup(m->samples[i].hash);
    } else {
        *ret_scheme = xstrdup("ARGON2ID");
        *ret_hash = xstrdup("");
    }
    pthread_mutex_unlock(&m->lock);
}

bool mimic_is_fast(struct accounts *a, struct sv name)
{
    _cleanup_(freep) char *scheme = NULL;
    _cleanup_(freep) char *hash = NULL;
    pick(a, name, &scheme, &hash);
    return password_is_fast(scheme);
}

static void burn_argon2id(struct sv password)
{
    uint8_t salt[16], out[32];
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    rand_bytes(salt, sizeof(salt));
    (void)argon2id_hash_raw(
        (uint32_t)cf->auth.argon2_passes, (uint32_t)(cf->auth.argon2_memory / 1024), 1, password.p,
        MIN(password.n, (size_t)PASSWORD_MAX), salt, sizeof(salt), out, sizeof(out));
}

void mimic_burn(struct accounts *a, struct sv name, struct sv password)
{
    _cleanup_(freep) char *scheme = NULL;
    _cleanup_(freep) char *hash = NULL;
    pick(a, name, &scheme, &hash);
    bool fast = password_is_fast(scheme);
    if (!fast)
        hash_enter(a);
    if (*hash)
        (void)password_verify(scheme, hash, password);
    else
        burn_argon2id(password);
    if (!fast)
        hash_leave(a);
}
