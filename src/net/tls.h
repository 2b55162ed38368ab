/* Certificates and TLS contexts. Directory <data>/certs holds NAME.pem files (chain and key merged,
 * or NAME.pem with NAME.key beside). The names come from the certificates (SAN, else CN); SNI takes
 * the most specific match (server.x over *.x), else default.pem. At first start a self-signed ECDSA
 * P-256 default.pem is made. A key with a pass phrase or an unreadable file gives a clear error and
 * the previous certificates stay in use. */
#pragma once

#include "base/err.h"

/* Makes certs/default.pem when the directory holds none. Supervisor or tools. names: ;-separated.
 */
int tls_ensure_default(const char *dir, const char *names, struct errinfo *ei);
/* Loads all certificates of dir as the process's store (atomically replaces the previous one). The
 * supervisor hands the key material down when modules cannot read it; see proc/. */
int tls_load(const char *dir, struct errinfo *ei);
