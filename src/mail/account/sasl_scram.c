/* SCRAM exchanges: where the keys come from. Stored keys, or derived ones for {PLAIN} passwords, or
 * invented ones for everybody else (unknown, locked out of SCRAM by an imported hash): all look the
 * same to the client until its proof fails. RFC 5802 5.1, 9. */
#include "mail/account/sasl_priv.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/codec.h"
#include "base/rand.h"
#include "mail/account/password.h"

#define SALT_LEN 16

struct scram_obj {
    struct obj o;
    struct scram_keys keys;
    bool real;
};

static void scram_obj_free(struct obj *o)
{
    struct scram_obj *k = container_of(o, struct scram_obj, o);
    OPENSSL_cleanse(&k->keys, sizeof(k->keys));
    free(k);
}

static enum scram_hash hash_of(enum mech_id id)
{
    return id == MECH_SCRAM_SHA1 || id == MECH_SCRAM_SHA1_PLUS ? SCRAM_SHA1 : SCRAM_SHA256;
}

void sasl_scram_start(struct sasl *s)
{
    scram_init(&s->scram, hash_of(s->id), mechs[s->id].plus);
    s->scram.plus_offered = mech_offered(
        s->peer, s->scram.hash == SCRAM_SHA1 ? MECH_SCRAM_SHA1_PLUS : MECH_SCRAM_SHA256_PLUS);
    s->scram.cb_type = s->peer->cb_type;
    s->scram.cb_data = s->peer->cb_data;
}

/* The same name has the same salt on every node and after every restart, or changing salts would
 * show which names are invented. */
static int salt_of(struct accounts *a, struct sv name, enum scram_hash h, uint8_t ret[SALT_LEN],
                   struct errinfo *ei)
{
    uint8_t key[32], mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int r = accounts_secret(a, key, ei);
    if (r < 0)
        return r;
    key[0] ^= (uint8_t)(h + 1);
    if (!HMAC(EVP_sha256(), key, sizeof(key), (const uint8_t *)name.p, name.n, mac, &n))
        panic("HMAC failed");
    memcpy(ret, mac, SALT_LEN);
    return 0;
}

static int derive(struct attempt *t, enum scram_hash h, struct scram_obj *ret, struct errinfo *ei)
{
    uint8_t salt[SALT_LEN];
    const char *plain = attempt_plain(t);
    struct buf prepared;
    int r = salt_of(t->a, attempt_key(t), h, salt, ei);
    if (r < 0)
        return r;
    buf_init(&prepared, 8 * PASSWORD_MAX);
    if (plain) {
        password_prep(sv_c(plain), &prepared);
    } else {
        uint8_t random[16];
        rand_bytes(random, sizeof(random));
        buf_add(&prepared, random, sizeof(random));
    }
    ret->real = plain != NULL;
    hash_enter(t->a);
    r = scram_derive(h, buf_sv(&prepared), sv_n(salt, sizeof(salt)), SCRAM_ITERATIONS, &ret->keys);
    hash_leave(t->a);
    if (prepared.n)
        OPENSSL_cleanse(prepared.p, prepared.n);
    buf_done(&prepared);
    return r;
}

/* Everybody's first exchange costs one derivation, later ones none, whoever he is. */
static int derived_keys(struct attempt *t, enum scram_hash h, struct scram_obj **ret,
                        struct errinfo *ei)
{
    char text[1 + 512];
    struct sv name = attempt_key(t);
    size_t n = MIN(name.n, sizeof(text) - 1);
    text[0] = (char)h;
    memcpy(text + 1, name.p, n);
    struct sv key = sv_n(text, n + 1);
    struct obj *o = NULL;
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    uint64_t stamp = accounts_stamp(cf);
    struct cache *cache = t->account ? t->a->found : t->a->missing;
    if (cache_get(cache, KEY_SCRAM, key, stamp, &o)) {
        *ret = container_of(o, struct scram_obj, o);
        return 0;
    }
    struct scram_obj *k = xcalloc(1, sizeof(*k));
    obj_init(&k->o, scram_obj_free);
    int r = derive(t, h, k, ei);
    if (r < 0) {
        obj_unref(&k->o);
        return r;
    }
    cache_put(cache, KEY_SCRAM, key, stamp, &k->o);
    *ret = k;
    return 0;
}

/* Another process may have stored the keys of an imported password meanwhile, without an epoch. */
static int reload_password(struct attempt *t, struct errinfo *ei)
{
    struct password_obj *fresh = NULL;
    _cleanup_(view_done) struct view v;
    view_init(&v, t->a);
    int r = load_password_fresh(&v, t->account->acc.id, &fresh, ei);
    if (r < 0)
        return r;
    obj_unref(&t->pw->o);
    t->pw = fresh;
    return 0;
}

static int find_keys(struct sasl *s, struct scram_keys *ret, struct errinfo *ei)
{
    struct attempt *t = &s->t;
    enum scram_hash h = s->scram.hash;
    struct scram_obj *k = NULL;
    int r = 0;
    if (t->pw && *t->pw->scheme && !attempt_plain(t) && t->pw->scram[h].iterations == 0)
        r = reload_password(t, ei);
    if (r == 0)
        r = derived_keys(t, h, &k, ei);
    if (r < 0)
        return r;
    bool stored = t->pw && t->pw->scram[h].iterations > 0;
    *ret = stored ? t->pw->scram[h] : k->keys;
    s->scram_real = stored || k->real;
    obj_unref(&k->o);
    return 0;
}

static int first(struct sasl *s, struct sv in, struct buf *out, struct errinfo *ei)
{
    struct buf user, authzid, nonce;
    struct scram_keys keys;
    uint8_t random[18];
    buf_init(&user, 1024);
    buf_init(&authzid, 1024);
    buf_init(&nonce, 64);
    int r = scram_client_first(&s->scram, in, &user, &authzid, ei);
    if (r == 0)
        r = sasl_begin_attempt(s, buf_sv(&user), ei);
    else if (r == E_AUTH)
        r = sasl_refuse(s, buf_sv(&user), ei);
    if (r == 0)
        r = find_keys(s, &keys, ei);
    if (r == 0) {
        s->scram_real = s->scram_real && sasl_authzid_fits(s, buf_sv(&authzid));
        rand_bytes(random, sizeof(random));
        base64_enc(sv_n(random, sizeof(random)), &nonce);
        r = scram_server_first(&s->scram, &keys, buf_sv(&nonce), out);
        OPENSSL_cleanse(&keys, sizeof(keys));
    }
    buf_done(&user);
    buf_done(&authzid);
    buf_done(&nonce);
    return r < 0 ? r : 1;
}

int sasl_scram_step(struct sasl *s, struct sv in, struct buf *out, const struct account **ret,
                    struct errinfo *ei)
{
    if (s->step == 0)
        return first(s, in, out, ei);
    struct buf reply;
    buf_init(&reply, 256);
    int r = scram_client_final(&s->scram, in, &reply, ei);
    if (r == 0 || r == E_AUTH) {
        /* Parallel guesses: those behind the one that made the lock learn nothing. */
        if (attempt_locked(&s->t))
            r = attempt_refuse(&s->t, ei);
        else
            r = attempt_finish(&s->t, r == 0 && s->scram_real, ret, ei);
    }
    if (r == 0)
        r = buf_add_sv(out, buf_sv(&reply));
    buf_done(&reply);
    return r;
}
