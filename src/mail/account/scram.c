/* SCRAM, the server's half: RFC 5802 (messages, computation), RFC 7677 (SHA-256), RFC 5929 and 9266
 * (channel bindings: the type is compared by name, its data comes from the session). Runs on a
 * worker of the session. GNU SASL's server is not used for SCRAM: see docs/adr/0008. */
#include "mail/account/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/codec.h"

static const EVP_MD *md_of(enum scram_hash h)
{
    return h == SCRAM_SHA1 ? EVP_sha1() : EVP_sha256();
}

size_t scram_hash_len(enum scram_hash h)
{
    return h == SCRAM_SHA1 ? SHA_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
}

static void digest(enum scram_hash h, const uint8_t *in, size_t n, uint8_t ret[32])
{
    if (!EVP_Digest(in, n, ret, NULL, md_of(h), NULL))
        panic("SCRAM: digest failed");
}

static void hmac(enum scram_hash h, const uint8_t *key, struct sv text, uint8_t ret[32])
{
    unsigned n = 0;
    if (!HMAC(md_of(h), key, (int)scram_hash_len(h), (const uint8_t *)text.p, text.n, ret, &n))
        panic("SCRAM: HMAC failed");
}

int scram_derive(enum scram_hash h, struct sv password, struct sv salt, uint32_t iterations,
                 struct scram_keys *ret)
{
    uint8_t salted[32], client[32];
    size_t n = scram_hash_len(h);
    if (salt.n == 0 || salt.n > SCRAM_SALT_MAX || password.n > 4096)
        return E_RANGE;
    if (!PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.n, (const uint8_t *)salt.p,
                           (int)salt.n, (int)iterations, md_of(h), (int)n, salted))
        return E_RANGE;
    memset(ret, 0, sizeof(*ret));
    ret->iterations = iterations;
    ret->salt_n = (uint8_t)salt.n;
    memcpy(ret->salt, salt.p, salt.n);
    hmac(h, salted, SV("Client Key"), client);
    digest(h, client, n, ret->stored);
    hmac(h, salted, SV("Server Key"), ret->server);
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(client, sizeof(client));
    return 0;
}

int scram_keys_format(enum scram_hash h, const struct scram_keys *k, struct buf *out)
{
    size_t n = scram_hash_len(h);
    buf_addf(out, "%" PRIu32 ":", k->iterations);
    base64_enc(sv_n(k->salt, k->salt_n), out);
    buf_add_c(out, ':');
    base64_enc(sv_n(k->stored, n), out);
    buf_add_c(out, ':');
    base64_enc(sv_n(k->server, n), out);
    return out->overflow ? -ENOMEM : 0;
}

/* Exactly want bytes, or with want 0 any number from 1 up to max; returns the length or E_PARSE. */
static int decode(struct sv text, uint8_t *ret, size_t want, size_t max)
{
    struct buf b;
    buf_init(&b, max);
    int r = base64_dec(text, &b);
    if (r == 0 && !b.overflow && b.n > 0 && (want == 0 || b.n == want)) {
        memcpy(ret, b.p, b.n);
        r = (int)b.n;
    } else {
        r = E_PARSE;
    }
    buf_done(&b);
    return r;
}

int scram_keys_parse(enum scram_hash h, struct sv text, struct scram_keys *ret)
{
    struct scram_keys k = { 0 };
    size_t n = scram_hash_len(h);
    struct sv rest = text;
    struct sv iterations = sv_split(&rest, ':');
    struct sv salt = sv_split(&rest, ':');
    struct sv stored = sv_split(&rest, ':');
    int salt_n = decode(salt, k.salt, 0, sizeof(k.salt));
    if (sv_to_u32(iterations, &k.iterations) < 0 || k.iterations == 0 || salt_n < 0 ||
        decode(stored, k.stored, n, n) < 0 || decode(rest, k.server, n, n) < 0)
        return E_PARSE;
    k.salt_n = (uint8_t)salt_n;
    *ret = k;
    return 0;
}

void scram_init(struct scram *s, enum scram_hash h, bool plus)
{
    memset(s, 0, sizeof(*s));
    s->hash = h;
    s->plus = plus;
    buf_init(&s->gs2, SCRAM_MESSAGE_MAX);
    buf_init(&s->auth, 3 * SCRAM_MESSAGE_MAX);
}

void scram_done(struct scram *s)
{
    buf_done(&s->gs2);
    buf_done(&s->auth);
    OPENSSL_cleanse(&s->keys, sizeof(s->keys));
}

/* saslname: "=2C" and "=3D" stand for , and = (RFC 5802 5.1). */
static int unescape(struct sv in, struct buf *out)
{
    if (in.n == 0 || !utf8_valid(in) || memchr(in.p, 0, in.n))
        return E_PARSE;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '=') {
            buf_add_c(out, in.p[i]);
            continue;
        }
        struct sv code = sv_take(sv_skip(in, i), 3);
        if (sv_eq(code, SV("=2C")))
            buf_add_c(out, ',');
        else if (sv_eq(code, SV("=3D")))
            buf_add_c(out, '=');
        else
            return E_PARSE;
        i += 2;
    }
    return out->overflow ? E_PARSE : 0;
}

static int check_binding_flag(const struct scram *s, struct sv flag, struct errinfo *ei)
{
    if (sv_eq(flag, SV("n")) || sv_eq(flag, SV("y"))) {
        if (s->plus)
            return err_set(ei, E_AUTH, "SCRAM: a -PLUS mechanism without channel binding");
        /* "y" says: I can bind, you cannot. We can, so somebody took -PLUS out of our list. */
        if (flag.p[0] == 'y' && s->plus_offered)
            return err_set(ei, E_AUTH, "SCRAM: the list of mechanisms was changed on its way");
        return 0;
    }
    if (!sv_starts(flag, SV("p=")) || flag.n == 2)
        return err_set(ei, E_PARSE, "SCRAM: bad channel binding flag");
    if (!s->plus || !s->cb_type || !sv_eq(sv_skip(flag, 2), sv_c(s->cb_type)))
        return err_set(ei, E_AUTH, "SCRAM: channel binding '" SV_FMT "' is not offered here",
                       SV_ARG(sv_take(sv_skip(flag, 2), 40)));
    return 0;
}

static bool nonce_ok(struct sv v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] <= 0x20 || v.p[i] > 0x7e || v.p[i] == ',')
            return false;
    }
    return v.n > 0;
}

int scram_client_first(struct scram *s, struct sv in, struct buf *user, struct buf *authzid,
                       struct errinfo *ei)
{
    if (in.n > SCRAM_MESSAGE_MAX)
        return err_set(ei, E_PARSE, "SCRAM: the first message is longer than %d bytes",
                       SCRAM_MESSAGE_MAX);
    struct sv rest = in;
    struct sv flag = sv_split(&rest, ',');
    if (!rest.p)
        return err_set(ei, E_PARSE, "SCRAM: bad first message");
    struct sv zid = sv_split(&rest, ',');
    if (!rest.p || (zid.n > 0 && !sv_starts(zid, SV("a="))))
        return err_set(ei, E_PARSE, "SCRAM: bad authorization name in the first message");
    struct sv bare = rest;
    /* "m=" (mandatory extension) in front of the name must be refused: it is not "n=". */
    struct sv name = sv_split(&rest, ',');
    struct sv nonce = rest.p ? sv_split(&rest, ',') : SV_NULL;
    if (!sv_starts(name, SV("n=")) || !sv_starts(nonce, SV("r=")) || !nonce_ok(sv_skip(nonce, 2)) ||
        nonce.n > 512)
        return err_set(ei, E_PARSE, "SCRAM: bad name or nonce in the first message");
    if (unescape(sv_skip(name, 2), user) < 0 ||
        (zid.n > 0 && unescape(sv_skip(zid, 2), authzid) < 0))
        return err_set(ei, E_PARSE, "SCRAM: bad name in the first message");
    int r = check_binding_flag(s, flag, ei);
    if (r < 0)
        return r;
    buf_add(&s->gs2, in.p, in.n - bare.n);
    buf_add_sv(&s->auth, bare);
    s->nonce_at = s->auth.n + 3; /* behind ",r=" */
    buf_add(&s->auth, ",r=", 3);
    buf_add_sv(&s->auth, sv_skip(nonce, 2));
    return 0;
}

int scram_server_first(struct scram *s, const struct scram_keys *k, struct sv nonce,
                       struct buf *out)
{
    s->keys = *k;
    buf_add_sv(&s->auth, nonce);
    s->nonce_n = s->auth.n - s->nonce_at;
    buf_add(&s->auth, ",s=", 3);
    base64_enc(sv_n(k->salt, k->salt_n), &s->auth);
    buf_addf(&s->auth, ",i=%" PRIu32, k->iterations);
    if (s->auth.overflow)
        return -ENOMEM;
    return buf_add_sv(out, sv_skip(buf_sv(&s->auth), s->nonce_at - 2));
}

/* "c=" must be the gs2-header of the first message and, with -PLUS, this session's binding. */
static int check_binding(const struct scram *s, struct sv c)
{
    struct buf got;
    buf_init(&got, SCRAM_MESSAGE_MAX);
    size_t bound = s->plus ? s->cb_data.n : 0;
    int r = base64_dec(c, &got);
    if (r < 0 || got.overflow)
        r = E_PARSE;
    else if (got.n != s->gs2.n + bound || CRYPTO_memcmp(got.p, s->gs2.p, s->gs2.n) != 0 ||
             (bound && CRYPTO_memcmp(got.p + s->gs2.n, s->cb_data.p, bound) != 0))
        r = E_AUTH;
    buf_done(&got);
    return r;
}

/* The proof is ClientKey xor HMAC(StoredKey, AuthMessage); its key must hash to StoredKey. */
static bool proof_ok(struct scram *s, const uint8_t *proof)
{
    uint8_t sig[32], key[32], hashed[32];
    size_t n = scram_hash_len(s->hash);
    hmac(s->hash, s->keys.stored, buf_sv(&s->auth), sig);
    for (size_t i = 0; i < n; i++)
        key[i] = proof[i] ^ sig[i];
    digest(s->hash, key, n, hashed);
    OPENSSL_cleanse(key, sizeof(key));
    return CRYPTO_memcmp(hashed, s->keys.stored, n) == 0;
}

int scram_client_final(struct scram *s, struct sv in, struct buf *out, struct errinfo *ei)
{
    uint8_t proof[32], sig[32];
    if (in.n > SCRAM_MESSAGE_MAX)
        return err_set(ei, E_PARSE, "SCRAM: the final message is longer than %d bytes",
                       SCRAM_MESSAGE_MAX);
    ssize_t comma = sv_rfind(in, ',');
    struct sv without = sv_take(in, comma < 0 ? 0 : (size_t)comma);
    struct sv p = comma < 0 ? SV_NULL : sv_skip(in, (size_t)comma + 1);
    struct sv rest = without;
    struct sv c = sv_split(&rest, ',');
    struct sv r = rest.p ? sv_split(&rest, ',') : SV_NULL;
    size_t n = scram_hash_len(s->hash);
    if (!sv_starts(c, SV("c=")) || !sv_starts(r, SV("r=")) || !sv_starts(p, SV("p=")) ||
        decode(sv_skip(p, 2), proof, n, n) < 0)
        return err_set(ei, E_PARSE, "SCRAM: bad final message");
    int rc = check_binding(s, sv_skip(c, 2));
    if (rc < 0)
        return err_set(ei, rc, "SCRAM: the channel binding differs");
    struct sv nonce = sv_n(s->auth.p + s->nonce_at, s->nonce_n);
    if (!sv_eq(sv_skip(r, 2), nonce))
        return err_set(ei, E_AUTH, "SCRAM: the nonce differs");
    buf_add_c(&s->auth, ',');
    if (buf_add_sv(&s->auth, without) < 0 || s->auth.overflow)
        return err_set(ei, E_PARSE, "SCRAM: the messages are too long");
    if (!proof_ok(s, proof))
        return err_set(ei, E_AUTH, "SCRAM: wrong proof");
    hmac(s->hash, s->keys.server, buf_sv(&s->auth), sig);
    buf_add(out, "v=", 2);
    return base64_enc(sv_n(sig, n), out);
}
