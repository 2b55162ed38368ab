/* Outbound connections: linear blocking code with deadlines, for delivery threads. Never on workers
 * of POOL_FAST. One struct client belongs to one thread. */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"
#include "net/certificate.h"

struct client;

struct client_opts {
    const char *unix_path; /* a socket of this machine; NULL = ip and port */
    const char *ip;        /* literal address to connect to */
    uint16_t port;
    const char *source_ip; /* NULL or "" = any */
    int64_t connect_timeout_ms;
    const atomic_bool *cancel; /* checked while waiting; may be NULL */
};
int client_connect(const struct client_opts *o, struct client **ret, struct errinfo *ei);
void client_close(struct client *c);
DEFINE_CLEANUP(struct client, client_close)
void client_set_timeout(struct client *c, int64_t ms); /* of each following call as a whole */
/* One line without its CRLF (a bare LF ends it too); E_RANGE beyond max. Valid until the next read.
 */
int client_read_line(struct client *c, size_t max, struct sv *ret, struct errinfo *ei);
int client_read(struct client *c, void *p, size_t n,
                struct errinfo *ei); /* > 0, or E_CLOSED, E_TIMEOUT */
int client_write(struct client *c, struct sv bytes, struct errinfo *ei); /* buffered up to 16 KiB */
int client_flush(struct client *c, struct errinfo *ei);
/* A TLSA record (RFC 6698). */
struct tlsa {
    uint8_t usage, selector, matching;
    uint16_t n;
    uint8_t data[2048]; /* enough for a whole certificate (matching type 0) */
};

struct client_tls_opts {
    const char *server_name; /* SNI and name to verify; NULL or "" = none */
    const char *other_name;  /* another name that the certificate may have; NULL = none */
    /* DANE for SMTP (RFC 7672): with at least one usable record these decide, not the CAs. Of usage
     * 3 name and dates do not count; records of other usages than 2 and 3 are unusable. */
    const struct tlsa *tlsa;
    size_t n_tlsa;
    const char *ca_file; /* authorities instead of the system's; NULL or "" = those */
    const char
        *cert_file; /* our certificate with its key (PEM), if the peer asks for one; or none */
    bool describe;  /* the result tells of the peer's certificate */
};
struct client_tls_result {
    long verify;        /* X509_V_* code: 0 = verified, 62 = name mismatch, 65 = no TLSA matches */
    size_t usable_tlsa; /* records that could have matched */
    char how[24];       /* "DANE 3 1 1": the record that matched; "" = the CAs decided */
    struct certificate peer; /* where `describe` asks for it */
};
/* TLS from here on, whatever is found out about the certificate; E_TLS: the handshake failed. */
int client_tls_start(struct client *c, const struct client_tls_opts *o,
                     struct client_tls_result *ret, struct errinfo *ei);
/* The text of an X509_V_* code. */
const char *client_verify_text(long verify);
/* The same without DANE. server_name: SNI and name to verify. ret_verify gets the X509_V_* code:
 * 0 when the certificate chains to the system's CAs and the name matches (62 = name mismatch). */
int client_starttls(struct client *c, const char *server_name, long *ret_verify,
                    struct errinfo *ei);
bool client_is_tls(const struct client *c);
const char *client_tls_info(const struct client *c);
const char *client_local_ip(const struct client *c);
const char *client_peer_ip(const struct client *c); /* of a connection that was taken over */
/* Of a connection that was taken over: checked while waiting from now on. */
void client_set_cancel(struct client *c, const atomic_bool *cancel);
bool client_has_input(struct client *c); /* buffered plaintext: refuse STARTTLS then */
