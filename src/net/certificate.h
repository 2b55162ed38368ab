/* A certificate as people hand it in: what secure destinations may ask of one, in the forms that
 * their check compares. Any thread. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum {
    CERTIFICATE_NAME = 256,         /* of a subject or issuer, with its NUL */
    CERTIFICATE_SHA256 = 96,        /* "AB:CD:..." with its NUL */
    CERTIFICATE_PEM_MAX = 64 * 1024 /* bytes of a file */
};

struct certificate {
    char subject[CERTIFICATE_NAME], issuer[CERTIFICATE_NAME]; /* as `openssl x509` shows them */
    char sha256[CERTIFICATE_SHA256];                          /* the same */
    bool subject_cut, issuer_cut; /* it is longer than what is kept of it */
    int64_t from_s, until_s;      /* valid; wall clock */
};

/* The only certificate of a PEM text; other blocks, such as keys, are passed over. E_PARSE: there
 * is none, or there are several; E_RANGE: the text is too long. */
int certificate_read(struct sv pem, struct certificate *ret, struct errinfo *ei);
