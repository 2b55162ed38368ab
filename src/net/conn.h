/* Connections as protocol handlers see them. A protocol gives struct proto_ops; net/ reads, frames,
 * calls, writes. Handlers never see sockets, TLS or threads.
 *
 * Ownership: a connection is owned either by its reactor (parked: waiting to read, to write, or for
 * a timer) or by exactly one worker, never by both. All callbacks of one connection run one at a
 * time, in order. `frame` is pure and must not block; the others may block on disk, database or
 * DNS, never on a peer.
 *
 * The same handlers run without sockets on the test driver (net/conn_test.h), which implements
 * every function below. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"
#include "stats/shm.h"

struct conn;

enum pool { POOL_FAST, POOL_SLOW, POOL_BULK, POOL_COUNT };

struct frame {
    int kind;       /* the protocol's own: line, literal, chunk ... */
    struct sv data; /* points into the input; valid during run() */
    size_t used;    /* bytes of input that this frame takes away, > 0 */
};

enum close_why {
    CLOSE_QUIT,
    CLOSE_PEER,
    CLOSE_TIMEOUT,
    CLOSE_ERROR,
    CLOSE_KILLED,
    CLOSE_SHUTDOWN,
    CLOSE_LIMIT
};
extern const char *const close_why_names[];

struct note {
    int type; /* the protocol's own */
    int64_t a, b;
};

struct proto_ops {
    const char *name; /* "SMTP", "IMAP": in logs */
    /* First call on a new connection (after the handshake when TLS is implicit): makes the session,
     * usually writes the greeting. NULL = refuse (after flushing what was written). arg is the
     * listener's. The session must be small while idle: thousands are parked. */
    void *(*open)(struct conn *c, void *arg);
    /* Finds the next frame in the input. 1 = *ret filled, 0 = more input needed, negative = the
     * input can never become a frame: run is called with kind -1 and the input, then the connection
     * closes, unless frame() has set ret->used: then so much is skipped and the session goes on.
     * Input that fills max_input without a frame counts as negative. eof: the peer has finished
     * sending; not called for empty input. *ret is zeroed before the call. May be called again for
     * the same input (when the frame moves to another pool), so it must not count. */
    int (*frame)(void *session, struct sv in, bool eof, struct frame *ret);
    /* Which workers run this frame; NULL = always POOL_FAST. A frame for POOL_FAST that follows
     * one for POOL_SLOW in the same batch may run there too. */
    enum pool (*pool)(void *session, const struct frame *f);
    void (*run)(void *session, const struct frame *f);
    void (*note)(void *session, const struct note *n); /* may be NULL */
    /* The idle timeout passed: no frame was completed and no output was taken for so long. May
     * write a last reply. The connection closes afterwards unless the handler sets a new timeout
     * and returns true. Called too when the server stops (conn_shutting_down): then it closes in
     * any case. NULL = just close. */
    bool (*timeout)(void *session);
    /* After STARTTLS's handshake has completed. May be NULL. */
    void (*secured)(void *session);
    /* Last call: frees the session. Output is not sent any more. */
    void (*closed)(void *session, enum close_why why);
    size_t max_input; /* input buffer bound; a frame never needs more */
};

/* --- during callbacks only, by the worker that runs them --- */

/* Output is buffered and sent when the callback returns. E_FULL beyond 1 MiB of plain bytes: use
 * files or generators for more. */
int conn_write(struct conn *c, struct sv bytes);
int conn_writef(struct conn *c, const char *fmt, ...) _printf_(2, 3);
/* Sends a file range later; takes fd (closes it when sent or dropped). */
int conn_write_file(struct conn *c, int fd, uint64_t off, uint64_t len);
/* Large computed output: gen is called on a worker whenever the output buffer has drained, and
 * appends up to about 64 KiB to out. 1 = more to come, 0 = finished, negative = close the
 * connection. It runs in the order of writes: what is written after it is sent after it, and no
 * further frame is run before it has finished. done (may be NULL) frees arg in every case. */
int conn_write_gen(struct conn *c, int (*gen)(void *arg, struct buf *out), void (*done)(void *arg),
                   void *arg);

void conn_close(struct conn *c); /* after flushing what has been written */
void conn_starttls(
    struct conn *c); /* after flushing; input that came before the handshake is refused:
                        the connection closes (command injection, CVE-2011-0411) */
struct client;
/* The connection leaves its session after flushing, with its TLS: closed() with CLOSE_QUIT, then
 * take() gets it as an outbound connection (net/client.h) that is its own to close. Not a byte is
 * lost: nothing is read from now on. Input that is there already came before our answer and is
 * refused as with conn_starttls. take() is called in every case, on a worker, and must not block;
 * c NULL: the connection ended before. */
void conn_hand_over(struct conn *c, void (*take)(void *arg, struct client *client), void *arg);
void conn_set_timeout(struct conn *c, int64_t ms); /* idle timeout of this state from now on */
void conn_delay(
    struct conn *c,
    int64_t ms); /* the output of this callback is held back, the next frame waits (tarpit) */
/* True when the peer has sent bytes that no frame has taken, read or unread. For early talkers. */
bool conn_has_input(struct conn *c);
/* Room for a literal or body chunk: the framer may return partial frames of what is there. */

/* --- facts; any callback --- */
uint32_t conn_id(const struct conn *c); /* session id: shown in logs and by the CLI */
const char *
conn_peer_ip(const struct conn *c); /* text, without port; IPv4-mapped is shown as IPv4 */
const char *conn_local_ip(const struct conn *c);
uint16_t conn_peer_port(const struct conn *c);
uint16_t conn_local_port(const struct conn *c);
enum service conn_service(const struct conn *c);
bool conn_is_tls(const struct conn *c);
const char *conn_tls_info(const struct conn *c); /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" without */
/* Channel binding data for SCRAM-PLUS: tls-exporter (RFC 9266) with TLS 1.3, else tls-unique. false
 * = none. */
bool conn_channel_binding(struct conn *c, const char **ret_type, struct buf *ret);
bool conn_peer_trusted(const struct conn *c);  /* in net.trusted_ips */
int64_t conn_started_ms(const struct conn *c); /* wall clock */
/* Bytes read and written so far, TLS removed. */
void conn_totals(const struct conn *c, uint64_t *ret_in, uint64_t *ret_out);
/* A context for the lines and events of its session. */
struct logctx;
void conn_logctx(const struct conn *c, struct logctx *ret);
bool conn_can_tls(const struct conn *c); /* a certificate is there and net.tls is on */
bool conn_shutting_down(
    const struct conn *c); /* in timeout(): the server stops, the peer is not to blame */

/* What the session table shows. */
void conn_set_account(struct conn *c, struct sv account);
void conn_set_state(struct conn *c, struct sv state); /* "FETCH", "IDLE" */

/* --- any thread --- */

/* Names a connection safely: stale handles are dropped. */
typedef uint64_t conn_handle;
conn_handle conn_handle_of(const struct conn *c);
/* Queues note() for the session; one that equals a waiting note is merged with it. E_CLOSED when
 * the session is gone (or going), E_FULL when 256 different notes wait. */
int conn_note(conn_handle h, struct note n);
int conn_kill_id(uint32_t session_id); /* by session id: closes at once. E_NOTFOUND */
