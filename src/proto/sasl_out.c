/* SASL, the client's half. A relay's demands are bounded: see ITERATIONS_MAX. */
#include "proto/sasl_out.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/codec.h"

enum { MESSAGE_MAX = 4096, SALT_MAX = 256, ITERATIONS_MAX = 1000000, DIGEST_MAX = 32 };

const char *const sasl_out_names[] = { "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN",
                                       "LOGIN" };

static bool is_offered(struct sv offered, const char *name)
{
    while (offered.p)
        if (sv_ieq(sv_trim(sv_split(&offered, ' ')), sv_c(name)))
            return true;
    return false;
}

int sasl_out_choose(struct sv offered, bool in_clear, struct sv user, struct sv password, int after)
{
    bool plain_only = sv_has_8bit(user) || sv_has_8bit(password);
    for (int m = after + 1; m < SASL_MECHS; m++) {
        bool shows = m == SASL_PLAIN || m == SASL_LOGIN;
        if ((shows ? in_clear : !plain_only) && is_offered(offered, sasl_out_names[m]))
            return m;
    }
    return -1;
}

void sasl_out_init(struct sasl_out *c, enum sasl_mech mech, struct sv user, struct sv password,
                   const char *nonce)
{
    bool scram = mech == SASL_SCRAM_SHA256 || mech == SASL_SCRAM_SHA1;
    *c = (struct sasl_out){ .mech = mech, .user = user, .password = password, .proven = !scram };
    sv_copy(c->nonce, sizeof(c->nonce), sv_c(nonce));
    buf_init(&c->bare, MESSAGE_MAX);
}

void sasl_out_done(struct sasl_out *c)
{
    buf_done(&c->bare);
    OPENSSL_cleanse(c->server_proof, sizeof(c->server_proof));
}

bool sasl_out_first(const struct sasl_out *c)
{
    return c->mech != SASL_CRAM_MD5 && c->mech != SASL_LOGIN;
}

/* --- PLAIN, LOGIN, CRAM-MD5 --- */

static int plain(const struct sasl_out *c, struct buf *out)
{
    (void)buf_add_c(out, '\0');
    (void)buf_add_sv(out, c->user);
    (void)buf_add_c(out, '\0');
    return buf_add_sv(out, c->password);
}

static int cram_md5(const struct sasl_out *c, struct sv challenge, struct buf *out)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!HMAC(EVP_md5(), c->password.p, (int)c->password.n, (const uint8_t *)challenge.p,
              challenge.n, digest, &n))
        return E_UNSUPPORTED; /* a library without MD5 */
    (void)buf_add_sv(out, c->user);
    (void)buf_add_c(out, ' ');
    return hex_enc(sv_n(digest, n), out);
}

/* --- SCRAM --- */

static const EVP_MD *hash_of(const struct sasl_out *c)
{
    return c->mech == SASL_SCRAM_SHA1 ? EVP_sha1() : EVP_sha256();
}

static void hmac(const struct sasl_out *c, const uint8_t *key, struct sv text,
                 uint8_t ret[DIGEST_MAX])
{
    unsigned n = 0;
    if (!HMAC(hash_of(c), key, EVP_MD_size(hash_of(c)), (const uint8_t *)text.p, text.n, ret, &n))
        panic("SCRAM: HMAC failed");
}

static int scram_first(struct sasl_out *c, struct buf *out)
{
    (void)buf_add_str(&c->bare, "n=");
    for (size_t i = 0; i < c->user.n; i++) {
        char ch = c->user.p[i];
        (void)buf_add_str(&c->bare, ch == ',' ? "=2C" : ch == '=' ? "=3D" : "");
        if (ch != ',' && ch != '=')
            (void)buf_add_c(&c->bare, ch);
    }
    (void)buf_addf(&c->bare, ",r=%s", c->nonce);
    (void)buf_add_str(out, "n,,");
    int r = buf_add_sv(out, buf_sv(&c->bare));
    return c->bare.overflow ? -ENOMEM : r;
}

struct server_first {
    struct sv nonce;
    uint8_t salt[SALT_MAX];
    size_t salt_n;
    uint32_t iterations;
};

/* "r=...,s=...,i=..." */
static int parse_server_first(const struct sasl_out *c, struct sv in, struct server_first *ret)
{
    struct sv rest = in, r = sv_split(&rest, ','), s = sv_split(&rest, ','),
              i = sv_split(&rest, ',');
    struct buf salt;
    if (!sv_starts(r, SV("r=")) || !sv_starts(s, SV("s=")) || !sv_starts(i, SV("i=")))
        return E_PARSE;
    ret->nonce = sv_skip(r, 2);
    buf_init(&salt, SALT_MAX);
    int e = base64_dec(sv_skip(s, 2), &salt);
    if (e == 0 && salt.n && !salt.overflow) {
        memcpy(ret->salt, salt.p, salt.n);
        ret->salt_n = salt.n;
    }
    buf_done(&salt);
    if (e < 0 || !ret->salt_n || sv_to_u32(sv_skip(i, 2), &ret->iterations) < 0 ||
        ret->iterations < 1 || ret->iterations > ITERATIONS_MAX)
        return E_PARSE;
    return sv_starts(ret->nonce, sv_c(c->nonce)) && ret->nonce.n > strlen(c->nonce) ? 0 : E_PARSE;
}

/* ClientProof, and the signature that the server has to answer with: RFC 5802 3. */
static int prove(struct sasl_out *c, const struct server_first *f, struct sv auth, struct buf *out)
{
    uint8_t salted[DIGEST_MAX], key[DIGEST_MAX], stored[DIGEST_MAX], signature[DIGEST_MAX];
    int n = EVP_MD_size(hash_of(c));
    struct buf b;
    if (!PKCS5_PBKDF2_HMAC(c->password.p, (int)c->password.n, f->salt, (int)f->salt_n,
                           (int)f->iterations, hash_of(c), n, salted))
        return E_UNSUPPORTED;
    hmac(c, salted, SV("Client Key"), key);
    if (!EVP_Digest(key, (size_t)n, stored, NULL, hash_of(c), NULL))
        panic("SCRAM: digest failed");
    hmac(c, stored, auth, signature);
    for (int i = 0; i < n; i++)
        key[i] ^= signature[i];
    int r = base64_enc(sv_n(key, (size_t)n), out);
    hmac(c, salted, SV("Server Key"), key);
    hmac(c, key, auth, signature);
    buf_init(&b, sizeof(c->server_proof) - 1);
    if (r == 0)
        r = base64_enc(sv_n(signature, (size_t)n), &b);
    sv_copy(c->server_proof, sizeof(c->server_proof), buf_sv(&b));
    buf_done(&b);
    OPENSSL_cleanse(salted, sizeof(salted));
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

static int scram_final(struct sasl_out *c, struct sv challenge, struct buf *out, struct errinfo *ei)
{
    struct server_first f = { .nonce = SV("") };
    struct buf auth;
    if (parse_server_first(c, challenge, &f) < 0)
        return err_set(ei, E_PARSE, "its answer is not one of %s", sasl_out_names[c->mech]);
    buf_init(&auth, 3 * MESSAGE_MAX);
    (void)buf_add_sv(&auth, buf_sv(&c->bare));
    (void)buf_addf(&auth, "," SV_FMT ",c=biws,r=" SV_FMT, SV_ARG(challenge), SV_ARG(f.nonce));
    (void)buf_addf(out, "c=biws,r=" SV_FMT ",p=", SV_ARG(f.nonce));
    int r = auth.overflow ? -ENOMEM : prove(c, &f, buf_sv(&auth), out);
    buf_done(&auth);
    return r;
}

static int scram_check(struct sasl_out *c, struct sv challenge, struct errinfo *ei)
{
    struct sv shown = sv_starts(challenge, SV("v=")) ? sv_skip(challenge, 2) : SV("");
    size_t n = strlen(c->server_proof);
    c->proven = n && shown.n == n && CRYPTO_memcmp(shown.p, c->server_proof, n) == 0;
    return c->proven ? 0 : err_set(ei, E_AUTH, "it has not shown that it knows the password");
}

/* --- all --- */

int sasl_out_step(struct sasl_out *c, struct sv challenge, struct buf *out, struct errinfo *ei)
{
    unsigned step = c->step++;
    bool scram = c->mech == SASL_SCRAM_SHA256 || c->mech == SASL_SCRAM_SHA1;
    if (scram && step <= 2)
        return step == 0   ? scram_first(c, out)
               : step == 1 ? scram_final(c, challenge, out, ei)
                           : scram_check(c, challenge, ei);
    if (c->mech == SASL_PLAIN && step == 0)
        return plain(c, out);
    if (c->mech == SASL_CRAM_MD5 && step == 0)
        return cram_md5(c, challenge, out);
    if (c->mech == SASL_LOGIN && step <= 1)
        return buf_add_sv(out, step == 0 ? c->user : c->password);
    return err_set(ei, E_PARSE, "it asks for more than %s has", sasl_out_names[c->mech]);
}
