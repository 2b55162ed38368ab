/* One outgoing SMTP connection: linear, blocking, with deadlines. Belongs to one delivery thread.
 */
#pragma once

#include "mail/deliver/deliver_priv.h"
#include "mail/deliver/route.h"
#include "net/client.h"

enum smtp_cap {
    CAP_PIPELINING = 1,
    CAP_SIZE = 2,
    CAP_8BITMIME = 4,
    CAP_SMTPUTF8 = 8,
    CAP_DSN = 16,
    CAP_STARTTLS = 32,
    CAP_TRANSID = 64,
    CAP_REQUIRETLS = 128,
};

struct sts;
struct conf_route;

struct reply {
    int code;        /* 0 = nothing usable */
    char text[1024]; /* "550 5.1.1 lines joined by spaces" */
};

struct smtp_client {
    struct deliver *d;
    const struct conf *cf;
    struct logctx log;
    struct outgoing out; /* id, cancel flag */
    struct client *c;    /* NULL = not connected */
    int32_t slot;        /* of the session table */
    char our_name[256];
    char host[256], ip[46];
    const struct conf_route *rule; /* of cf, for the domain that was connected for; NULL = none */
    unsigned caps;
    char auth[256];    /* mechanisms offered, with a space between them */
    uint64_t max_size; /* of SIZE; 0 = not told */
    struct sts *sts;   /* while connecting: the policy of the domain; NULL = not asked yet */
    unsigned sent;     /* transactions on this connection */
    /* Since the last "Disconnected": */
    unsigned delivered, commands;
    uint64_t bytes_in, bytes_out;
    int64_t began_ms;    /* monotonic */
    bool in_transaction; /* RSET before the next one */
    bool timed_out;      /* why the last call failed */
    bool broken;         /* no QUIT */
    bool impatient;      /* with the greeting: the peer may not be there */
    bool lenient;        /* opened without regard to policies of TLS */
    bool strict;         /* for a message with REQUIRETLS */
    bool unasked;        /* of it: some host that was not reached may know REQUIRETLS */
    bool proven;         /* TLS, and the server is the one that the domain means (RFC 8689 4.2.1) */
    bool talked;         /* something was logged since the last "Disconnected" */
    struct buf unlogged; /* commands whose answer is not read yet, a line each */
    struct buf reply_lines;
    const char *waiting_for; /* what the peer has not answered: in reasons */
};

/* Begins a session in the logs and in the list of sessions; not connected yet. */
void smtp_begin(struct smtp_client *s, struct deliver *d, const struct conf *cf);
/* Before a message: a connection that is open and not good enough for it is ended; a new one will
 * be what it asks for. */
void smtp_suit(struct smtp_client *s, const struct message *m);
/* Tries the hosts of the domain until one has greeted and answered EHLO. For REQUIRETLS until one
 * knows that; when none does, any of them (RFC 8689 4.2.1). */
int smtp_connect(struct smtp_client *s, struct sv domain, struct failure *why);
/* Goes on with a connection whose peer has become the server (ATRN): greeting and EHLO. Its TLS is
 * as it is. who: the account that asked, whose login has proven the peer. Takes c. */
int smtp_take_over(struct smtp_client *s, struct client *c, const char *who, struct failure *why);
/* QUIT, unless the connection is broken; logs Disconnected. */
void smtp_disconnect(struct smtp_client *s);
void smtp_end(struct smtp_client *s);

/* Sends m to the recipients of list (n > 0) and writes their states and answers. Negative when the
 * connection cannot be used any more (recipients are answered all the same). */
int smtp_transaction(struct smtp_client *s, struct message *m, struct rcpt **list, size_t n);

/* --- between smtp_client.c, smtp_tls.c and smtp_data.c --- */

/* Verified TLS to a server that says REQUIRETLS? Connected. */
bool smtp_knows_requiretls(const struct smtp_client *s);
/* A reply that does not let the session begin, or (r < 0) its absence: fills *why. Negative. */
int smtp_turned_away(struct smtp_client *s, int r, const struct reply *reply, struct failure *why);

void smtp_answer(struct rcpt *r, enum rcpt_state state, const char *answer, const char *mta);
int smtp_send(struct smtp_client *s, const char *fmt, ...) _printf_(2, 3);
/* The same for a secret: the log shows something else. */
int smtp_send_masked(struct smtp_client *s, struct sv text, struct sv shown);
int smtp_read_reply(struct smtp_client *s, int64_t timeout_ms, struct reply *ret);
/* The words for a broken connection. */
void smtp_lost(const struct smtp_client *s, int r, char ret[512]);
/* How the content is sent: without its Return-Path, which belongs to final delivery (RFC 5321 4.4).
 */
struct outgoing_content {
    struct sv mem;
    int fd; /* -1 = in memory */
    uint64_t at, end;
    struct buf front; /* goes before it */
};
int content_open(const struct message *m, struct outgoing_content *ret);
void content_close(struct outgoing_content *c);
/* Of a message with one_click: what makes it r's own. Negative: its URL cannot be made now. */
int one_click_open(struct smtp_client *s, const struct rcpt *r, struct outgoing_content *c);
uint64_t content_left(const struct outgoing_content *c); /* bytes, before dots are doubled */
uint64_t content_size(const struct message *m); /* as it is sent, before dots are doubled */
bool content_headers_8bit(const struct outgoing_content *c);
/* Sends it dot-stuffed with the final dot. */
int smtp_send_content(struct smtp_client *s, struct outgoing_content *c);
