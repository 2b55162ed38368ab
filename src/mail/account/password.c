/* New passwords (Argon2id by libargon2, SCRAM keys beside) and the gate that bounds concurrent slow
 * hashes. RFC 9106, RFC 5802. Runs on slow workers, the CLI and the control module. */
#include "mail/account/password.h"

#include <argon2.h>
#include <gsasl.h>
#include <openssl/crypto.h>

#include "base/codec.h"
#include "base/rand.h"
#include "mail/account/accounts_priv.h"

static void wipe(char *s)
{
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

void password_new_done(struct password_new *p)
{
    wipe(p->hash);
    wipe(p->plain);
    wipe(p->scram_sha1);
    wipe(p->scram_sha256);
    free(p->scheme);
    *p = (struct password_new){ 0 };
}

void hash_enter(struct accounts *a)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    pthread_mutex_lock(&a->lock);
    while (a->hashes_running >= cf->auth.hash_parallel)
        pthread_cond_wait(&a->hash_free, &a->lock);
    a->hashes_running++;
    pthread_mutex_unlock(&a->lock);
}

void hash_leave(struct accounts *a)
{
    pthread_mutex_lock(&a->lock);
    a->hashes_running--;
    pthread_cond_signal(&a->hash_free);
    pthread_mutex_unlock(&a->lock);
}

void password_prep(struct sv password, struct buf *out)
{
    if (sv_has_8bit(password) && !memchr(password.p, 0, password.n)) {
        char *in = sv_dup(password);
        char *prepared = NULL;
        if (gsasl_saslprep(in, 0, &prepared, NULL) == GSASL_OK) {
            buf_add_str(out, prepared);
            OPENSSL_cleanse(prepared, strlen(prepared));
            gsasl_free(prepared);
            wipe(in);
            return;
        }
        wipe(in);
    }
    buf_add_sv(out, password);
}

bool password_is_fast(const char *scheme)
{
    const struct password_scheme *s = password_scheme_find(sv_c(scheme));
    return s && s->fast;
}

int password_verify(const char *scheme, const char *hash, struct sv password)
{
    if (!*scheme || password.n > PASSWORD_MAX)
        return 0;
    const struct password_scheme *s = password_scheme_find(sv_c(scheme));
    if (!s)
        return E_UNSUPPORTED;
    /* No scheme here can tell "a" from "a\0b" once libcrypt is involved. */
    if (password.n && memchr(password.p, 0, password.n))
        return 0;
    return s->verify(s, hash, password);
}

static int make_argon2id(struct accounts *a, const struct conf *cf, struct sv password, char **ret,
                         struct errinfo *ei)
{
    uint8_t salt[16];
    uint32_t kib = (uint32_t)(cf->auth.argon2_memory / 1024);
    uint32_t passes = (uint32_t)cf->auth.argon2_passes;
    size_t len = argon2_encodedlen(passes, kib, 1, sizeof(salt), 32, Argon2_id);
    char *text = xmalloc(len + 1);
    rand_bytes(salt, sizeof(salt));
    hash_enter(a);
    int r = argon2id_hash_encoded(passes, kib, 1, password.p, password.n, salt, sizeof(salt), 32,
                                  text, len + 1);
    hash_leave(a);
    if (r != ARGON2_OK) {
        free(text);
        return err_set(ei, -ENOMEM, "Argon2id with auth.argon2_memory=%" PRIu32 "KiB: %s", kib,
                       argon2_error_message(r));
    }
    *ret = text;
    return 0;
}

static char *make_scram(enum scram_hash h, struct sv prepared)
{
    struct scram_keys k;
    struct buf text;
    uint8_t salt[16];
    size_t n = 0;
    rand_bytes(salt, sizeof(salt));
    buf_init(&text, 1024);
    if (scram_derive(h, prepared, sv_n(salt, sizeof(salt)), SCRAM_ITERATIONS, &k) == 0)
        scram_keys_format(h, &k, &text);
    OPENSSL_cleanse(&k, sizeof(k));
    buf_terminate(&text);
    return buf_take(&text, &n);
}

static size_t characters(struct sv s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static int from_plain(struct accounts *a, struct sv plain, struct password_new *ret,
                      struct errinfo *ei)
{
    _cleanup_(conf_unrefp) const struct conf *cf = conf_pin();
    if (plain.n > PASSWORD_MAX)
        return err_set(ei, E_RANGE, "password: longer than %d bytes", PASSWORD_MAX);
    if ((int64_t)characters(plain) < cf->auth.min_password_length)
        return err_set(ei, E_RANGE,
                       "password: shorter than auth.min_password_length=%" PRId64 " characters",
                       cf->auth.min_password_length);
    char *hash = NULL;
    int r = make_argon2id(a, cf, plain, &hash, ei);
    if (r < 0)
        return r;
    struct buf prepared;
    buf_init(&prepared, 8 * PASSWORD_MAX);
    password_prep(plain, &prepared);
    *ret = (struct password_new){
        .scheme = xstrdup("ARGON2ID"),
        .hash = hash,
        .scram_sha1 = make_scram(SCRAM_SHA1, buf_sv(&prepared)),
        .scram_sha256 = make_scram(SCRAM_SHA256, buf_sv(&prepared)),
        .plain = cf->auth.keep_plain ? sv_dup(plain) : NULL,
    };
    OPENSSL_cleanse(prepared.p, prepared.n);
    buf_done(&prepared);
    return 0;
}

static int import(struct sv name, const char *hash, struct password_new *ret, struct errinfo *ei)
{
    const struct password_scheme *s = password_scheme_find(name);
    if (!s) {
        struct buf known;
        buf_init(&known, 1024);
        password_scheme_names(&known);
        buf_terminate(&known);
        int r = err_set(ei, E_UNSUPPORTED, "password: unknown scheme {" SV_FMT "}; known: %s",
                        SV_ARG(sv_take(name, 24)), known.p);
        buf_done(&known);
        return r;
    }
    int r = s->check(s, hash, ei);
    if (r < 0)
        return r;
    *ret = (struct password_new){ .scheme = sv_dup(name),
                                  .hash = xstrdup(hash),
                                  .scram_sha1 = xstrdup(""),
                                  .scram_sha256 = xstrdup("") };
    for (char *p = ret->scheme; *p; p++)
        *p = ascii_upper(*p);
    return 0;
}

/* "{NAME}": capital or small letters, digits, '-', '_', '.'. */
static bool split_scheme(struct sv text, struct sv *ret_name)
{
    ssize_t end = sv_find(text, '}');
    if (end < 2 || text.p[0] != '{')
        return false;
    *ret_name = sv_skip(sv_take(text, (size_t)end), 1);
    for (size_t i = 0; i < ret_name->n; i++) {
        char c = ascii_upper(ret_name->p[i]);
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

int password_prepare(struct accounts *a, const char *text, struct password_new *ret,
                     struct errinfo *ei)
{
    struct sv name = SV_NULL;
    if (!utf8_valid(sv_c(text)))
        return err_set(ei, E_PARSE, "password: is not valid UTF-8");
    if (!*text) {
        *ret = (struct password_new){ .scheme = xstrdup(""),
                                      .hash = xstrdup(""),
                                      .scram_sha1 = xstrdup(""),
                                      .scram_sha256 = xstrdup("") };
        return 0;
    }
    if (split_scheme(sv_c(text), &name))
        return import(name, text + name.n + 2, ret, ei);
    return from_plain(a, sv_c(text), ret, ei);
}
