/* Certificates as text. Nothing is asked at the terminal, and nothing is kept. */
#include "net/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "net/tls_priv.h"

DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(BIO, BIO_free_all)

/* As `openssl x509 -subject` shows it. False: it was cut. */
static bool name_text(const X509_NAME *name, char ret[CERTIFICATE_NAME])
{
    _cleanup_(BIO_free_allp) BIO *b = BIO_new(BIO_s_mem());
    char *p = NULL;
    long n = b && X509_NAME_print_ex(b, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0
                 ? BIO_get_mem_data(b, &p)
                 : 0;
    return sv_copy(ret, CERTIFICATE_NAME, sv_n(p ? p : "", (size_t)MAX(n, 0L)));
}

static int64_t time_of(const ASN1_TIME *t)
{
    struct tm tm;
    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void certificate_describe(X509 *x, struct certificate *ret)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    *ret = (struct certificate){ .from_s = time_of(X509_get0_notBefore(x)),
                                 .until_s = time_of(X509_get0_notAfter(x)) };
    ret->subject_cut = !name_text(X509_get_subject_name(x), ret->subject);
    ret->issuer_cut = !name_text(X509_get_issuer_name(x), ret->issuer);
    if (X509_digest(x, EVP_sha256(), digest, &n) == 1)
        for (unsigned i = 0; i < n && 3 * i + 3 <= sizeof(ret->sha256); i++)
            snprintf(ret->sha256 + (size_t)3 * i, 4, "%02X%s", digest[i], i + 1 < n ? ":" : "");
}

/* PEM may be encrypted: nobody is asked for a pass phrase. */
static int no_passphrase(char *buf _unused_, int size _unused_, int rw _unused_, void *arg _unused_)
{
    return -1;
}

int certificate_read(struct sv pem, struct certificate *ret, struct errinfo *ei)
{
    char why[128];
    if (pem.n > CERTIFICATE_PEM_MAX)
        return err_set(ei, E_RANGE, "pem: it has more than %d KiB; give the certificate alone",
                       CERTIFICATE_PEM_MAX / 1024);
    _cleanup_(BIO_free_allp) BIO *b = BIO_new_mem_buf(pem.n ? pem.p : "", (int)pem.n);
    ERR_clear_error();
    _cleanup_(X509_freep) X509 *x = b ? PEM_read_bio_X509(b, NULL, no_passphrase, NULL) : NULL;
    if (!x && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return err_set(ei, E_PARSE,
                       "pem: there is no certificate in it: no line -----BEGIN CERTIFICATE-----; "
                       "`openssl x509 -inform DER` makes PEM of other files");
    }
    if (!x)
        return err_set(ei, E_PARSE, "pem: the certificate cannot be read: %s; export it again",
                       tls_error_text(why, sizeof(why)));
    _cleanup_(X509_freep) X509 *more = PEM_read_bio_X509(b, NULL, no_passphrase, NULL);
    bool only = !more && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (!only)
        return err_set(ei, E_PARSE,
                       "pem: there are several certificates in it; give the host's own alone, "
                       "which is the first one as a rule");
    certificate_describe(x, ret);
    return 0;
}
