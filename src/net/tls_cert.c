/* One certificate file: names, chain and key into a context; and the self-signed certificate of the
 * first start (ECDSA P-256, ten years). */
#include <ctype.h>
#include <dirent.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/tls.h"
#include "net/tls_priv.h"
#include "os/file.h"

enum { NAMES_MAX = 256, SELF_SIGNED_DAYS = 3650 };

DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(BIO, BIO_free_all)
DEFINE_CLEANUP(GENERAL_NAMES, GENERAL_NAMES_free)

const char *tls_error_text(char *buf, size_t n)
{
    unsigned long e = ERR_get_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    if (reason)
        snprintf(buf, n, "%s", reason);
    else
        snprintf(buf, n, e ? "OpenSSL error %lx" : "unknown error", e);
    ERR_clear_error();
    return buf;
}

void tls_cert_done(struct tls_cert *c)
{
    for (size_t i = 0; i < c->n_names; i++)
        free(c->names[i]);
    free(c->names);
    free(c->file);
    SSL_CTX_free(c->ctx);
    *c = (struct tls_cert){ 0 };
}

static void add_name(struct tls_cert *c, const ASN1_STRING *s)
{
    struct sv n = sv_n(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    if (n.n == 0 || n.n > 253 || sv_find(n, '\0') >= 0 || c->n_names == NAMES_MAX)
        return;
    char *name = sv_dup(n);
    for (char *p = name; *p; p++)
        *p = ascii_lower(*p);
    c->names = xrealloc(c->names, (c->n_names + 1) * sizeof(*c->names));
    c->names[c->n_names++] = name;
}

static void read_names(struct tls_cert *c, X509 *x)
{
    _cleanup_(GENERAL_NAMES_freep) GENERAL_NAMES *sans =
        X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(sans, i);
        if (g->type == GEN_DNS)
            add_name(c, g->d.dNSName);
    }
    if (c->n_names > 0)
        return;
    const X509_NAME *subject = X509_get_subject_name(x);
    int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (i >= 0)
        add_name(c, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
}

/* Never asks at the terminal; remembers that a pass phrase was wanted. */
static int no_passphrase(char *buf _unused_, int size _unused_, int rw _unused_, void *arg)
{
    *(bool *)arg = true;
    return -1;
}

static bool mentions_key(const char *path)
{
    struct buf b;
    buf_init(&b, MiB);
    bool found =
        os_read_file(path, &b, NULL) == 0 && sv_find_sv(buf_sv(&b), SV("PRIVATE KEY-----")) >= 0;
    if (b.p)
        OPENSSL_cleanse(b.p, b.n);
    buf_done(&b);
    return found;
}

static int load_key(SSL_CTX *ctx, const char *path, struct errinfo *ei)
{
    char why[128];
    bool wanted = false;
    char *key_path = xasprintf("%.*s.key", (int)strlen(path) - 4, path);
    bool separate = access(key_path, F_OK) == 0;
    const char *from = separate ? key_path : path;
    int r = 0;
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &wanted);
    ERR_clear_error();
    if (SSL_CTX_use_PrivateKey_file(ctx, from, SSL_FILETYPE_PEM) == 1) {
        if (SSL_CTX_check_private_key(ctx) != 1)
            r = err_set(ei, E_TLS, "%s: the private key does not belong to the certificate", path);
    } else if (wanted) {
        r = err_set(ei, E_TLS,
                    "%s: the private key has a pass phrase; remove it: openssl pkey -in FILE",
                    from);
    } else if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
        r = err_set(ei, E_TLS, "%s: the private key does not belong to the certificate", path);
    } else if (!separate && !mentions_key(path)) {
        r = err_set(ei, E_TLS, "%s: no private key in it; append the key, or put it into %s", path,
                    key_path);
    } else {
        r = err_set(ei, E_TLS, "%s: cannot read the private key: %s", from,
                    tls_error_text(why, sizeof(why)));
    }
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    free(key_path);
    return r;
}

int tls_cert_load(SSL_CTX *ctx, const char *path, struct tls_cert *ret, struct errinfo *ei)
{
    char why[128];
    if (access(path, R_OK) < 0)
        return err_set_errno(ei, -errno, "%s: cannot read the certificate", path);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1)
        return err_set(ei, E_TLS, "%s: cannot read the certificate: %s", path,
                       tls_error_text(why, sizeof(why)));
    int r = load_key(ctx, path, ei);
    if (r < 0)
        return r;
    X509 *x = SSL_CTX_get0_certificate(ctx);
    *ret = (struct tls_cert){ .file = xstrdup(path) };
    read_names(ret, x);
    return 0;
}

/* --- the first start --- */

static bool holds_certificate(const char *dir)
{
    DIR *d = opendir(dir);
    bool found = false;
    if (!d)
        return false;
    for (struct dirent *e; !found && (e = readdir(d));)
        found = e->d_name[0] != '.' && sv_iends(sv_c(e->d_name), SV(".pem"));
    closedir(d);
    return found;
}

/* Names go into an OpenSSL configuration value: only what a host name may hold passes. */
static bool plain_name(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!isalnum((unsigned char)s.p[i]) && !strchr(".-_*", s.p[i]))
            return false;
    }
    return s.n > 0;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool fill_certificate(X509 *x, EVP_PKEY *key, struct sv names)
{
    struct buf san;
    char cn[65] = "localhost";
    buf_init(&san, 16 * KiB);
    for (bool first = true; names.p;) {
        struct sv name = sv_trim(sv_split(&names, ';'));
        if (!plain_name(name))
            continue;
        if (first && name.n < sizeof(cn))
            (void)sv_copy(cn, sizeof(cn), name);
        (void)buf_addf(&san, "%sDNS:" SV_FMT, san.n > 0 ? "," : "", SV_ARG(name));
        first = false;
    }
    if (san.n == 0)
        (void)buf_add_str(&san, "DNS:localhost");
    (void)buf_terminate(&san);
    BIGNUM *serial = BN_new();
    X509_NAME *subject = X509_get_subject_name(x);
    bool ok =
        !san.overflow && serial && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
        BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) &&
        X509_set_version(x, X509_VERSION_3) && X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
        X509_time_adj_ex(X509_getm_notAfter(x), SELF_SIGNED_DAYS, 0, NULL) &&
        X509_set_pubkey(x, key) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)cn, -1, -1, 0) &&
        X509_set_issuer_name(x, subject) && add_extension(x, NID_subject_alt_name, san.p) &&
        add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, NID_ext_key_usage, "serverAuth") &&
        add_extension(x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256()) > 0;
    BN_free(serial);
    buf_done(&san);
    return ok;
}

int tls_ensure_default(const char *dir, const char *names, struct errinfo *ei)
{
    char why[128];
    int r = os_mkdirs(dir, 0750, ei);
    if (r < 0 || holds_certificate(dir))
        return r;
    ERR_clear_error();
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(X509_freep) X509 *x = X509_new();
    _cleanup_(BIO_free_allp) BIO *pem = BIO_new(BIO_s_mem());
    if (!key || !x || !pem || !fill_certificate(x, key, sv_c(names)) ||
        !PEM_write_bio_X509(pem, x) ||
        !PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL))
        return err_set(ei, E_TLS, "%s: cannot make a self-signed certificate: %s", dir,
                       tls_error_text(why, sizeof(why)));
    char *text;
    long n = BIO_get_mem_data(pem, &text);
    char *path = xasprintf("%s/default.pem", dir);
    r = os_write_file_atomic(path, sv_n(text, (size_t)n), 0640, ei);
    OPENSSL_cleanse(text, (size_t)n);
    free(path);
    return r;
}
