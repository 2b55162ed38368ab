/* The schemes of imported hashes, named and encoded as Dovecot does: plain text, Argon2 by
 * libargon2, crypt(3) hashes by libcrypt, salted and unsalted digests and PBKDF2 by OpenSSL. Costs
 * that would stall the server are refused at import. Any thread. */
#include "mail/account/password.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/codec.h"

#define MAX_ARGON2_KIB    (1024u * 1024u)
#define MAX_ARGON2_PASSES 100u
#define MAX_SHA_ROUNDS    5000000u
#define MAX_BCRYPT_COST   16u
#define MAX_PBKDF2_ROUNDS 5000000u
#define PBKDF2_LEN        20 /* SHA-1, as Dovecot */

static int bad(const struct password_scheme *s, const char *why, struct errinfo *ei)
{
    return err_set(ei, E_PARSE, "password: not a {%s} hash: %s", s->name, why);
}

static int too_costly(const struct password_scheme *s, const char *what, uint64_t limit,
                      struct errinfo *ei)
{
    return err_set(ei, E_RANGE, "password: this {%s} hash costs too much: %s at most %" PRIu64,
                   s->name, what, limit);
}

/* Lengths are not secret here; contents are. */
static int equal(const void *a, size_t an, const void *b, size_t bn)
{
    return an == bn && CRYPTO_memcmp(a, b, an) == 0;
}

/* --- PLAIN --- */

static int check_plain(const struct password_scheme *s, const char *hash, struct errinfo *ei)
{
    if (!*hash || strlen(hash) > PASSWORD_MAX)
        return err_set(ei, E_RANGE, "password: {%s} needs 1 to %d bytes", s->name, PASSWORD_MAX);
    return 0;
}

static int verify_plain(_unused_ const struct password_scheme *s, const char *hash,
                        struct sv password)
{
    size_t n = strlen(hash);
    return equal(hash, n, password.p, password.n);
}

/* --- Argon2 --- */

static bool field_u32(const char *text, const char *key, uint32_t *ret)
{
    const char *p = strstr(text, key);
    if (!p)
        return false;
    struct sv v = sv_c(p + strlen(key));
    size_t n = 0;
    while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9')
        n++;
    return sv_to_u32(sv_take(v, n), ret) == 0;
}

static int check_argon2(const struct password_scheme *s, const char *hash, struct errinfo *ei)
{
    uint32_t m = 0, t = 0, p = 0;
    const char *prefix = strcmp(s->name, "ARGON2ID") == 0 ? "$argon2id$" : "$argon2i$";
    if (strncmp(hash, prefix, strlen(prefix)) != 0 || strlen(hash) > 512)
        return bad(s, "it must begin with $argon2id$ or $argon2i$", ei);
    if (!field_u32(hash, "m=", &m) || !field_u32(hash, ",t=", &t) || !field_u32(hash, ",p=", &p))
        return bad(s, "m=, t= or p= is missing", ei);
    if (m > MAX_ARGON2_KIB)
        return too_costly(s, "m (KiB)", MAX_ARGON2_KIB, ei);
    if (t > MAX_ARGON2_PASSES || p > 64)
        return too_costly(s, "t", MAX_ARGON2_PASSES, ei);
    /* A verification with the cheapest input shows whether the rest parses. */
    int r = argon2_verify(hash, "", 0, strcmp(prefix, "$argon2id$") == 0 ? Argon2_id : Argon2_i);
    return r == ARGON2_OK || r == ARGON2_VERIFY_MISMATCH ? 0 : bad(s, argon2_error_message(r), ei);
}

static int verify_argon2(const struct password_scheme *s, const char *hash, struct sv password)
{
    argon2_type type = strcmp(s->name, "ARGON2ID") == 0 ? Argon2_id : Argon2_i;
    int r = argon2_verify(hash, password.p ? password.p : "", password.n, type);
    if (r == ARGON2_OK)
        return 1;
    return r == ARGON2_VERIFY_MISMATCH ? 0 : E_CORRUPT;
}

/* --- crypt(3) --- */

/* rounds=N of SHA-crypt, the cost of bcrypt. */
static int check_crypt_cost(const struct password_scheme *s, const char *hash, struct errinfo *ei)
{
    uint32_t n = 0;
    if ((strncmp(hash, "$5$", 3) == 0 || strncmp(hash, "$6$", 3) == 0) &&
        strncmp(hash + 3, "rounds=", 7) == 0 &&
        (!field_u32(hash, "rounds=", &n) || n > MAX_SHA_ROUNDS))
        return too_costly(s, "rounds", MAX_SHA_ROUNDS, ei);
    if (hash[0] == '$' && hash[1] == '2' && strlen(hash) > 6 &&
        (sv_to_u32(sv_n(hash + 4, 2), &n) < 0 || n > MAX_BCRYPT_COST))
        return too_costly(s, "cost", MAX_BCRYPT_COST, ei);
    return 0;
}

static int check_crypt(const struct password_scheme *s, const char *hash, struct errinfo *ei)
{
    static const struct {
        const char *scheme, *prefix;
    } forms[] = {
        { "SHA512-CRYPT", "$6$" },
        { "SHA256-CRYPT", "$5$" },
        { "BLF-CRYPT", "$2" },
        { "MD5-CRYPT", "$1$" },
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (strcmp(s->name, forms[i].scheme) == 0 &&
            strncmp(hash, forms[i].prefix, strlen(forms[i].prefix)) != 0)
            return err_set(ei, E_PARSE, "password: not a {%s} hash: it must begin with %s", s->name,
                           forms[i].prefix);
    }
    if (strlen(hash) >= CRYPT_OUTPUT_SIZE)
        return bad(s, "it is too long", ei);
    int salt = crypt_checksalt(hash);
    if (salt == CRYPT_SALT_INVALID || salt == CRYPT_SALT_METHOD_DISABLED)
        return bad(s, "libcrypt of this system does not know it", ei);
    return check_crypt_cost(s, hash, ei);
}

static int verify_crypt(_unused_ const struct password_scheme *s, const char *hash,
                        struct sv password)
{
    struct crypt_data *data = xcalloc(1, sizeof(*data)); /* 32 KiB: too large for workers' stacks */
    char *text = sv_dup(password);
    const char *got = crypt_r(text, hash, data);
    int r = E_CORRUPT;
    if (got && got[0] != '*')
        r = equal(got, strlen(got), hash, strlen(hash));
    OPENSSL_cleanse(text, password.n);
    free(text);
    OPENSSL_cleanse(data, sizeof(*data));
    free(data);
    return r;
}

/* --- digests: base64 or hex of digest(password + salt) + salt --- */

struct digest_hash {
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t n;
    uint8_t salt[64];
    size_t salt_n;
};

static int decode_base64(struct sv text, struct buf *out)
{
    static const char pad[] = "===";
    char padded[512];
    size_t missing = (4 - text.n % 4) % 4;
    if (text.n + missing > sizeof(padded) || missing == 3)
        return E_PARSE;
    memcpy(padded, text.p, text.n);
    memcpy(padded + text.n, pad, missing);
    return base64_dec(sv_n(padded, text.n + missing), out);
}

static int parse_digest(const struct password_scheme *s, const char *hash, struct digest_hash *ret)
{
    const EVP_MD *md = EVP_get_digestbyname(s->digest);
    struct sv text = sv_c(hash);
    struct buf b;
    int r = E_PARSE;
    if (!md || text.n == 0)
        return E_PARSE;
    ret->n = (size_t)EVP_MD_get_size(md);
    buf_init(&b, ret->n + sizeof(ret->salt));
    /* A hex digest is longer than its base64; as Dovecot, the length decides. */
    if (text.n >= 2 * ret->n)
        r = hex_dec(text, &b);
    if (r < 0) {
        buf_reset(&b);
        r = decode_base64(text, &b);
    }
    if (r == 0 && !b.overflow && b.n >= ret->n && (s->salted ? b.n > ret->n : b.n == ret->n)) {
        ret->salt_n = b.n - ret->n;
        memcpy(ret->digest, b.p, ret->n);
        memcpy(ret->salt, b.p + ret->n, ret->salt_n);
    } else {
        r = E_PARSE;
    }
    buf_done(&b);
    return r;
}

static int check_digest(const struct password_scheme *s, const char *hash, struct errinfo *ei)
{
    struct digest_hash h;
    if (parse_digest(s, hash, &h) == 0)
        return 0;
    return bad(s,
               s->salted ? "it must be base64 or hex of digest and salt"
                         : "it must be base64 or hex of the digest",
               ei);
}

static int verify_digest(const struct password_scheme *s, const char *hash, struct sv password)
{
    struct digest_hash h;
    uint8_t got[EVP_MAX_MD_SIZE];
    if (parse_digest(s, hash, &h) < 0)
        return E_CORRUPT;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_get_digestbyname(s->digest), NULL) &&
              EVP_DigestUpdate(ctx, password.p, password.n) &&
              EVP_DigestUpdate(ctx, h.salt, h.salt_n) && EVP_DigestFinal_ex(ctx, got, NULL);
    EVP_MD_CTX_free(ctx);
    return ok ? equal(got, h.n, h.digest, h.n) : E_CORRUPT;
}

/* --- PBKDF2: $1$salt$rounds$hex --- */

struct pbkdf2_hash {
    struct sv salt;
    uint32_t rounds;
    uint8_t key[PBKDF2_LEN];
};

static int parse_pbkdf2(const char *hash, struct pbkdf2_hash *ret)
{
    struct sv rest = sv_c(hash);
    struct buf b;
    if (!sv_starts(rest, SV("$1$")))
        return E_PARSE;
    rest = sv_skip(rest, 3);
    ret->salt = sv_split(&rest, '$');
    struct sv rounds = rest.p ? sv_split(&rest, '$') : SV_NULL;
    if (!rest.p || sv_to_u32(rounds, &ret->rounds) < 0 || ret->rounds == 0)
        return E_PARSE;
    buf_init(&b, PBKDF2_LEN + 1);
    int r = hex_dec(rest, &b);
    if (r == 0 && b.n == PBKDF2_LEN)
        memcpy(ret->key, b.p, PBKDF2_LEN);
    else
        r = E_PARSE;
    buf_done(&b);
    return r;
}

static int check_pbkdf2(const struct password_scheme *s, const char *hash, struct errinfo *ei)
{
    struct pbkdf2_hash h;
    if (parse_pbkdf2(hash, &h) < 0)
        return bad(s, "it must be $1$salt$rounds$hex", ei);
    return h.rounds > MAX_PBKDF2_ROUNDS ? too_costly(s, "rounds", MAX_PBKDF2_ROUNDS, ei) : 0;
}

static int verify_pbkdf2(_unused_ const struct password_scheme *s, const char *hash,
                         struct sv password)
{
    struct pbkdf2_hash h;
    uint8_t got[PBKDF2_LEN];
    if (parse_pbkdf2(hash, &h) < 0 ||
        !PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.n, (const uint8_t *)h.salt.p,
                           (int)h.salt.n, (int)h.rounds, EVP_sha1(), sizeof(got), got))
        return E_CORRUPT;
    return equal(got, sizeof(got), h.key, sizeof(h.key));
}

static const struct password_scheme schemes[] = {
    { "ARGON2ID", false, check_argon2, verify_argon2, NULL, false },
    { "ARGON2I", false, check_argon2, verify_argon2, NULL, false },
    { "SHA512-CRYPT", false, check_crypt, verify_crypt, NULL, false },
    { "SHA256-CRYPT", false, check_crypt, verify_crypt, NULL, false },
    { "BLF-CRYPT", false, check_crypt, verify_crypt, NULL, false },
    { "MD5-CRYPT", false, check_crypt, verify_crypt, NULL, false },
    { "CRYPT", false, check_crypt, verify_crypt, NULL, false },
    { "PBKDF2", false, check_pbkdf2, verify_pbkdf2, NULL, false },
    { "SSHA512", true, check_digest, verify_digest, "SHA512", true },
    { "SSHA256", true, check_digest, verify_digest, "SHA256", true },
    { "SSHA", true, check_digest, verify_digest, "SHA1", true },
    { "SMD5", true, check_digest, verify_digest, "MD5", true },
    { "SHA512", true, check_digest, verify_digest, "SHA512", false },
    { "SHA256", true, check_digest, verify_digest, "SHA256", false },
    { "SHA1", true, check_digest, verify_digest, "SHA1", false },
    { "SHA", true, check_digest, verify_digest, "SHA1", false },
    { "PLAIN", true, check_plain, verify_plain, NULL, false },
    { "CLEARTEXT", true, check_plain, verify_plain, NULL, false },
};

const struct password_scheme *password_scheme_find(struct sv name)
{
    static const char *const encodings[] = { ".B64", ".BASE64", ".HEX" };
    struct sv base = name;
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        if (sv_iends(name, sv_c(encodings[i])))
            base = sv_take(name, name.n - strlen(encodings[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (sv_ieq(base, sv_c(schemes[i].name)))
            /* An encoding only makes sense for digests. */
            return base.n == name.n || schemes[i].digest ? &schemes[i] : NULL;
    }
    return NULL;
}

void password_scheme_names(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        buf_addf(out, "%s%s", i ? " " : "", schemes[i].name);
}
