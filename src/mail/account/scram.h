/* The server's half of SCRAM-SHA-1 and SCRAM-SHA-256, with and without channel binding
 * (RFC 5802, 7677, 5929, 9266). Pure: bytes in, bytes out; nonces and keys are given. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256, SCRAM_HASH_COUNT };

#define SCRAM_ITERATIONS  4096
#define SCRAM_SALT_MAX    64
#define SCRAM_MESSAGE_MAX 4096 /* longest client message */

struct scram_keys {
    uint32_t iterations; /* 0 = no keys */
    uint8_t salt_n;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored[32], server[32]; /* 20 bytes used for SHA-1 */
};

size_t scram_hash_len(enum scram_hash h);
/* password: after SASLprep. About 1.5 to 3 ms for 4096 iterations. */
int scram_derive(enum scram_hash h, struct sv password, struct sv salt, uint32_t iterations,
                 struct scram_keys *ret);
/* "<iterations>:<salt>:<StoredKey>:<ServerKey>" */
int scram_keys_format(enum scram_hash h, const struct scram_keys *k, struct buf *out);
int scram_keys_parse(enum scram_hash h, struct sv text, struct scram_keys *ret); /* E_PARSE */

struct scram { /* one exchange */
    enum scram_hash hash;
    bool plus;           /* the -PLUS mechanism was chosen */
    bool plus_offered;   /* this session's list had it */
    const char *cb_type; /* the session's binding; NULL = none */
    struct sv cb_data;
    struct scram_keys keys;
    struct buf gs2;           /* gs2-header as the client sent it */
    struct buf auth;          /* client-first-bare "," server-first */
    size_t nonce_at, nonce_n; /* the whole nonce inside auth's server-first */
};

void scram_init(struct scram *s, enum scram_hash h, bool plus);
void scram_done(struct scram *s);
/* client-first: the names, unescaped, appended to user and authzid. E_PARSE; E_AUTH, with user
 * filled, when the channel binding flag does not fit ("y" although -PLUS was offered, another
 * binding type). */
int scram_client_first(struct scram *s, struct sv in, struct buf *user, struct buf *authzid,
                       struct errinfo *ei);
/* server-first. nonce: printable, no comma. keys are copied. */
int scram_server_first(struct scram *s, const struct scram_keys *k, struct sv nonce,
                       struct buf *out);
/* client-final: 0 and the server-final message in out; E_PARSE, E_AUTH. */
int scram_client_final(struct scram *s, struct sv in, struct buf *out, struct errinfo *ei);
