/* The certificate that a client has shown, and who vouches for it. Looked at after the handshake,
 * which takes any: what it proves is judged where it matters. Any thread. */
#pragma once

#include "base/err.h"
#include "base/sv.h"
#include "net/certificate.h"

struct conn;
struct peer_certificate;
/* NULL: it has shown none (clients are asked where net_listener.certificate_setting says so). */
struct peer_certificate *peer_certificate_of(const struct conn *c);
void peer_certificate_free(struct peer_certificate *p);
DEFINE_CLEANUP(struct peer_certificate, peer_certificate_free)
/* Does it name the host? RFC 6125, a wildcard stands for a whole label. */
bool peer_certificate_names(const struct peer_certificate *p, const char *host);
void peer_certificate_describe(const struct peer_certificate *p, struct certificate *ret);

struct peer_authorities;
/* Those of a file (PEM); "" = the system's. Reads files. */
int peer_authorities_load(const char *file, struct peer_authorities **ret, struct errinfo *ei);
void peer_authorities_free(struct peer_authorities *a);
/* NULL: one of them vouches for it, today, as that of a server or a client of TLS; else why not. */
const char *peer_certificate_doubt(const struct peer_certificate *p,
                                   const struct peer_authorities *a);
