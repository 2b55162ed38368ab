/* The room's handle: opening, closing, the generation of the caches, the installation's secret. */
#include "mail/account/accounts_priv.h"

#include <gsasl.h>
#include <openssl/crypto.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/rand.h"
#include "mail/account/filter_hits.h"
#include "mail/account/later.h"
#include "mail/account/mimic.h"
#include "mail/account/verified.h"
#include "stats/shm.h"

int accounts_open(struct db *db, struct accounts **ret, struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    int64_t n = 0;
    int r = db_get(db, &c, ei);
    if (r == 0)
        r = db_value(c, &n, ei, "SELECT last_id FROM id_sequence WHERE name = 'account'", "");
    if (r < 0)
        return r;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    struct accounts *a = xcalloc(1, sizeof(*a));
    a->db = db;
    a->found = cache_new((size_t)cf->auth.cache_entries);
    a->missing = cache_new((size_t)cf->auth.cache_entries / 4);
    a->verified = verified_new();
    a->later = later_new();
    a->mimic = mimic_new();
    a->filter_hits = filter_hits_new(db);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->hash_free, NULL);
    *ret = a;
    return 0;
}

void accounts_close(struct accounts *a)
{
    if (!a)
        return;
    later_free(a->later); /* first: its thread uses the rest */
    filter_hits_free(a->filter_hits);
    cache_free(a->found);
    cache_free(a->missing);
    verified_free(a->verified);
    mimic_free(a->mimic);
    if (a->gsasl)
        gsasl_done(a->gsasl);
    pthread_cond_destroy(&a->hash_free);
    pthread_mutex_destroy(&a->lock);
    OPENSSL_cleanse(a->secret, sizeof(a->secret));
    free(a);
}

uint64_t accounts_stamp(const struct conf *cf)
{
    const char *sep = cf->auth.subaddress_separator;
    uint64_t shape = (uint64_t)cf->mailbox.quota % 16777213; /* what is below fits 24 bits */
    for (size_t i = 0; sep[i]; i++)
        shape = shape * 31 + (unsigned char)sep[i];
    return epoch_get(EPOCH_ACCOUNTS) ^ (shape << 40);
}

int accounts_cached(struct accounts *a, char kind, struct sv key, uint64_t stamp, struct obj **ret)
{
    return cache_get(a->found, kind, key, stamp, ret) ||
           cache_get(a->missing, kind, key, stamp, ret);
}

void accounts_remember(struct accounts *a, char kind, struct sv key, uint64_t stamp, struct obj *o)
{
    cache_put(o ? a->found : a->missing, kind, key, stamp, o);
}

static int secret_read(struct dbc *c, uint8_t ret[32], struct errinfo *ei)
{
    _cleanup_(db_resetp) struct db_stmt *s = NULL;
    int r = db_query(c, &s, ei, "SELECT value FROM auth_secret WHERE name = 'salts'", "");
    if (r < 0)
        return r;
    r = db_step(s, ei);
    if (r < 0)
        return r;
    if (r == 0)
        return E_NOTFOUND;
    struct buf b;
    buf_init(&b, 64);
    r = hex_dec(db_col_text(s, 0), &b);
    if (r == 0 && b.n == 32)
        memcpy(ret, b.p, 32);
    else
        r = err_set(ei, E_CORRUPT, "table auth_secret: row 'salts' is not 64 hex digits");
    buf_done(&b);
    return r;
}

/* Two nodes may race: the row's key lets one win, both read it back. */
static int secret_make(struct accounts *a, uint8_t ret[32], struct errinfo *ei)
{
    _cleanup_(db_putp) struct dbc *c = NULL;
    uint8_t fresh[32];
    struct buf hex;
    int r = db_get_writer(a->db, &c, ei);
    if (r < 0)
        return r;
    rand_bytes(fresh, sizeof(fresh));
    buf_init(&hex, 128);
    hex_enc(sv_n(fresh, sizeof(fresh)), &hex);
    r = db_begin(c, ei);
    if (r == 0)
        r = db_run(c, ei, "INSERT INTO auth_secret (name, value) VALUES ('salts', ?)", "v",
                   buf_sv(&hex));
    if (r == 0)
        r = db_commit(c, ei);
    else
        db_rollback(c);
    OPENSSL_cleanse(fresh, sizeof(fresh));
    OPENSSL_cleanse(hex.p, hex.n);
    buf_done(&hex);
    return r == 0 || r == E_CONFLICT ? secret_read(c, ret, ei) : r;
}

int accounts_secret(struct accounts *a, uint8_t ret[32], struct errinfo *ei)
{
    pthread_mutex_lock(&a->lock);
    bool have = a->have_secret;
    if (have)
        memcpy(ret, a->secret, 32);
    pthread_mutex_unlock(&a->lock);
    if (have)
        return 0;
    int r;
    {
        _cleanup_(db_putp) struct dbc *c = NULL;
        r = db_get(a->db, &c, ei);
        if (r == 0)
            r = secret_read(c, ret, ei);
    }
    if (r == E_NOTFOUND)
        r = secret_make(a, ret, ei);
    if (r < 0)
        return view_error(r, ei);
    pthread_mutex_lock(&a->lock);
    memcpy(a->secret, ret, 32);
    a->have_secret = true;
    pthread_mutex_unlock(&a->lock);
    return 0;
}

void account_unref(const struct account *a)
{
    if (a)
        obj_unref(&container_of((struct account *)a, struct account_obj, acc)->o);
}
