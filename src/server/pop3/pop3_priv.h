/* A POP3 session and its commands, inside the room. */
#pragma once

#include "conf/conf.h"
#include "event/event.h"
#include "mail/account/auth.h"
#include "server/pop3/pop3_server.h"

enum pop3_state { POP_AUTH = 1, POP_SASL = 2, POP_TRANS = 4, POP_END = 8 };

struct pop3_session {
    struct conn *c;
    const struct pop3_server *srv;
    struct logctx log;
    enum pop3_state state;
    unsigned failures, errors; /* refused logins; lines that were no command */
    unsigned commands;
    char *user;                    /* of USER, until PASS */
    struct pop3_sasl *sasl;        /* while POP_SASL */
    const struct account *account; /* after login */
    struct mailbox *mailbox;
    const struct snap *snap; /* the maildrop as it was at login */
    uint64_t *keys;          /* by index; NULL until a command needs them */
    uint8_t *deleted;        /* one byte a message */
    uint32_t n_deleted;
    uint64_t deleted_bytes;
    bool locked, timed_out;
    uint32_t retrieved;
    uint64_t retrieved_bytes;
};

struct pop3_cmd {
    const char *name;
    unsigned states;
    int min_args, max_args; /* -1: the rest of the line is one argument */
    bool secret;            /* arguments are not logged */
    void (*run)(struct pop3_session *s, const struct sv *args, int n);
};
const struct pop3_cmd *pop3_find(struct sv name);

/* The session's line in the log, of one that has logged in. */
void pop3_summary(struct pop3_session *s, unsigned deleted, const char *outcome);
/* Replies; text without CRLF. */
void pop3_ok(struct pop3_session *s, const char *fmt, ...) _printf_(2, 3);
void pop3_err(struct pop3_session *s, const char *fmt, ...) _printf_(2, 3);

/* pop3_login.c */
void pop3_cmd_user(struct pop3_session *s, const struct sv *args, int n);
void pop3_cmd_pass(struct pop3_session *s, const struct sv *args, int n);
void pop3_cmd_auth(struct pop3_session *s, const struct sv *args, int n);
void pop3_sasl_line(struct pop3_session *s, struct sv line);
bool pop3_login_is_fast(struct pop3_session *s, const struct pop3_cmd *cmd, struct sv args);
void pop3_sasl_free(struct pop3_session *s);
void pop3_peer(struct pop3_session *s, struct auth_peer *p);
void pop3_add_mechanisms(struct pop3_session *s, struct buf *out);

/* pop3_drop.c: the maildrop */
int pop3_drop_open(struct pop3_session *s);   /* lock and snapshot; writes the error reply itself */
void pop3_drop_close(struct pop3_session *s); /* forgets deletions, unlocks */
int pop3_drop_update(struct pop3_session *s, struct errinfo *ei); /* removes what is marked */
int pop3_drop_keys(struct pop3_session *s, struct errinfo *ei);
bool pop3_drop_message(struct pop3_session *s, struct sv number,
                       uint32_t *ret_index); /* else an error reply was sent */

/* pop3_fetch.c */
void pop3_cmd_retr(struct pop3_session *s, const struct sv *args, int n);
void pop3_cmd_top(struct pop3_session *s, const struct sv *args, int n);
void pop3_cmd_list(struct pop3_session *s, const struct sv *args, int n);
void pop3_cmd_uidl(struct pop3_session *s, const struct sv *args, int n);

/* pop3_lock.c: one session per maildrop (RFC 1939 4). 0; E_CONFLICT when locked; E_LIMIT before
 * LOGIN-DELAY is over. */
int pop3_lock(int64_t account_id, int64_t login_delay_ms);
void pop3_unlock(int64_t account_id);
