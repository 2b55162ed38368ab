/* Test driver: implements conn.h without sockets, on the calling thread (conn_note and
 * conn_handle_of excepted: any thread). Link net_test instead of net. The order of things is that
 * of the real driver: output is expanded after the callback that wrote it, a delay holds it back
 * until the clock has moved, closed() comes as soon as a close was asked for and the output is out.
 */
#pragma once

#include "net/conn.h"

struct conn_test {
    const char *peer_ip, *local_ip;
    uint16_t peer_port, local_port;
    enum service service;
    bool tls, can_tls, trusted;
};
/* Opens a session; the greeting is in the output. */
struct conn *conn_test_open(const struct proto_ops *ops, void *arg, const struct conn_test *facts);
/* Feeds bytes as if the peer had sent them; runs all frames that are complete. */
void conn_test_input(struct conn *c, struct sv bytes);
/* Input that waits before open() (early talker): call before conn_test_open. */
void conn_test_early(struct sv bytes);
struct sv conn_test_output(
    struct conn *c); /* all output since the last take, files and generators expanded */
void conn_test_take(struct conn *c);   /* forgets the output so far */
bool conn_test_closed(struct conn *c); /* the handler asked for close, or open refused */
bool conn_test_starttls(
    struct conn *c); /* asked for; the next call of conn_test_secure completes it */
void conn_test_secure(struct conn *c);
/* Advances the clock (clock_test_advance) and fires the idle timeout when it has passed. */
void conn_test_advance(struct conn *c, int64_t ms);
void conn_test_eof(struct conn *c);
void conn_test_run_notes(struct conn *c);
void conn_test_shutdown(struct conn *c);       /* what net_stop does to a parked session */
enum close_why conn_test_why(struct conn *c);  /* valid when conn_test_closed */
int64_t conn_test_timeout(struct conn *c);     /* current idle timeout in ms */
const char *conn_test_account(struct conn *c); /* what the session table would show */
const char *conn_test_state(struct conn *c);
void conn_test_free(struct conn *c, enum close_why why); /* calls closed() if not yet done */
