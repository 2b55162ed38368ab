/* A message on its way: envelope and content, from acceptance until every recipient is settled.
 * Counted; content is immutable. */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

enum rcpt_kind { RCPT_LOCAL, RCPT_REMOTE, RCPT_DISCARD };
enum rcpt_state {
    RCPT_WAITING,
    RCPT_DELIVERED,
    RCPT_FAILED,
    RCPT_RELAYED /* delivered, DSN duty passed on */
};
/* Which of the messages for other servers go first. */
enum priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW, PRIORITIES };
/* Of a post to a list whose moderators decide about it; while it waits it goes nowhere. */
enum moderation { MODERATION_NONE, MODERATION_WAITS, MODERATION_APPROVED, MODERATION_REJECTED };
/* RFC 3461 NOTIFY; 0 = default (failure, delay). */
enum rcpt_notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

/* What rules of content filters have decided before acceptance, to be done when a recipient's mail
 * is put into his mailbox. Many recipients share one. */
struct rcpt_order {
    char *folder;         /* in place of the inbox, "" = the inbox */
    char *reply;          /* text of an automatic reply to the sender, "" = none */
    char *subject;        /* of the reply, "" = made from the message's */
    int64_t reply_period; /* seconds; one to a sender in it; -1 = as the settings have it */
};
enum { MESSAGE_MAX_ORDERS = 1000 };

/* Of these two there may be a million in the queue: fields are where they leave no holes. */
struct rcpt {
    const char *address;  /* final target "user@host" */
    char *orcpt;          /* ORCPT as given ("rfc822;x@y"), "" = none */
    const char *original; /* the RCPT TO address before aliases: message_set_original */
    enum rcpt_kind kind;
    bool told;      /* the sender was told of this state (not stored: settled states were told) */
    bool skipped;   /* the queue's, not stored: waits, but its deliverer made no attempt */
    uint16_t order; /* what is to be done at delivery: of message.orders, from 1; 0 = nothing */
    int64_t account_id; /* RCPT_LOCAL */
    unsigned notify;
    enum rcpt_state state;
    char *answer;     /* last answer or reason, "" = none yet: "550 5.1.1 User unknown" */
    char *remote_mta; /* host that gave it, "" */
    int64_t due_ms;   /* the queue's, not stored: wall clock; 0 = now */
};

struct message {
    atomic_uint refs;
    uint32_t session_id;
    uint64_t key;  /* unique per installation: names the stored file, makes delivery idempotent */
    char id[12];   /* "OSA88513": in logs, in the 250 reply */
    char item[40]; /* "[server id]YYYYMMDDhhmmssNNNN": + ".tms" is the queue item's file name */
    char original[12];   /* id of the message that this one was made from (a bounce), "" */
    int64_t received_ms; /* wall clock */
    uint64_t parent;     /* key of the message whose delivery made this one, 0 = none */
    /* Keys of what its own delivery has queued, NULL = none. The queue's: it guards them. */
    struct message_children {
        uint32_t n, cap;
        uint64_t keys[];
    } * children;
    char peer_ip[46];
    char ret; /* RFC 3461 RET: 'F', 'H' or 0 */
    bool body_8bit, smtputf8;
    bool requiretls;      /* RFC 8689: goes on by verified TLS only, to servers that know of it */
    bool tls_optional;    /* RFC 8689, TLS-Required: No: policies of TLS are not for it */
    bool bounce;          /* made by us: failure to deliver it drops it */
    bool one_click;       /* of a list: each copy gets its recipient's URL when it is sent */
    atomic_bool archived; /* the mail archive's: there is a copy (not stored) */
    uint16_t n_orders;
    char *sender;         /* reverse path without <>; "" = null sender */
    char *auth_user;      /* address of the authenticated account, "" */
    int64_t auth_account; /* its id, 0 */
    char *envid;          /* RFC 3461 ENVID, "" */
    char *transid;        /* TRANSID of the server that gave it to us, "" */
    char *subject;        /* for people: decoded, cut, "" = none. The queue takes it */
    uint32_t n_rcpts, cap_rcpts;
    struct rcpt *rcpts;
    struct rcpt_order *orders;

    /* Content in wire form (CRLF), complete with Return-Path and Received. Either in memory
     * (content.p != NULL) or in the file spool_path. */
    struct sv content; /* heap */
    char *spool_path;  /* "" = none */
    uint64_t size;

    /* The queue's own. */
    int64_t next_try_ms; /* wall clock */
    unsigned attempts;
    unsigned hops; /* Received lines at acceptance */
    enum priority priority : 8;
    bool held; /* by an administrator: no attempts */
    enum moderation moderation : 8;
    bool returning; /* by an administrator: to its sender, as undeliverable */
    bool delay_told;
    void *queue_data;
};

struct message *message_new(void); /* refs = 1, new key; strings "" */
/* The same without a key of its own: for an envelope that is read. */
struct message *message_new_without_key(void);
struct message *message_ref(struct message *m);
void message_unref(struct message *m);
DEFINE_CLEANUP(struct message, message_unref)
struct rcpt *message_add_rcpt(struct message *m, struct sv address,
                              enum rcpt_kind kind); /* valid until the next add */
/* Takes the recipients from..to-1 out again; before the message is in the queue. */
void message_remove_rcpts(struct message *m, size_t from, size_t to);
void message_set(char **field, struct sv value); /* replaces a heap string field */
/* A copy; the address itself takes no memory. value is not of r's own original. */
void message_set_original(struct rcpt *r, struct sv value);
/* What is to be done for this recipient; NULL: nothing. Valid until the next message_give_order. */
const struct rcpt_order *message_order(const struct message *m, const struct rcpt *r);
/* Copies o, in place of what was to be done for him. E_LIMIT: MESSAGE_MAX_ORDERS different ones. */
int message_give_order(struct message *m, struct rcpt *r, const struct rcpt_order *o);
/* Takes the buffer's memory as content. */
void message_take_content(struct message *m, struct buf *b);
/* Frees the content in memory; the queue's own, when it keeps the content elsewhere. */
void message_drop_content(struct message *m);
bool message_has_child(const struct message *m, uint64_t key);
void message_add_child(struct message *m, uint64_t key);
/* Recipients of a kind that are still to be delivered. */
size_t message_waiting(const struct message *m, enum rcpt_kind kind);
/* Whole content in memory: content itself, or the spool file read into `tmp`. */
int message_read(const struct message *m, struct buf *tmp, struct sv *ret, struct errinfo *ei);

/* Ids. message_ids_open reserves blocks durably in file `path`, so that no id returns within its
 * period, also after a crash. One per process that accepts mail. */
int message_ids_open(const char *path, const char *server_id, struct errinfo *ei);
void message_assign_ids(struct message *m); /* id, item, received_ms; any thread */
/* There is an item of this name: later ones get others, also when the clock went back. After
 * message_ids_open. */
void message_ids_above(const char *item);

/* Envelope <-> bytes, for the journal and the .tm$ files: versioned, with a checksum by the caller.
 * Pure. */
int message_envelope_encode(const struct message *m, struct buf *out);
int message_envelope_decode(struct sv in, struct message *m, struct errinfo *ei);

/* Received: and Return-Path: lines (RFC 5321 4.4), complete with CRLF. */
struct trace_facts {
    struct sv helo, peer_ip, peer_host; /* peer_host: PTR or "" */
    struct sv by;                       /* our host name */
    const char *protocol;               /* ESMTP, ESMTPS, ESMTPA, ESMTPSA, SMTP, UTF8SMTPS ... */
    struct sv tls_info, for_rcpt;       /* for_rcpt: only with one recipient */
    struct sv id;
    int64_t wall_s;
};
int message_trace_headers(const struct trace_facts *t, struct sv return_path, struct buf *out);
