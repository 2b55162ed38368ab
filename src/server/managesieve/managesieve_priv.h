/* A ManageSieve session and its commands, inside the room. */
#pragma once

#include "conf/conf.h"
#include "event/event.h"
#include "mail/account/auth.h"
#include "proto/imap_framer.h"
#include "proto/managesieve.h"
#include "proto/sieve/sieve.h"
#include "server/managesieve/managesieve_server.h"

enum ms_state { MS_LOGIN = 1, MS_SASL = 2, MS_IN = 4, MS_END = 8 };

struct ms_pending; /* a command whose literals still come: ms_input.c */
struct ms_sasl;    /* AUTHENTICATE: ms_login.c */

struct ms_session {
    struct conn *c;
    const struct managesieve_server *srv;
    struct logctx log;
    enum ms_state state;
    struct imap_framer framer;
    struct ms_pending *pending;
    struct ms_sasl *sasl;
    const struct account *account; /* while MS_IN */
    unsigned failures, errors;     /* refused logins; lines that were no command */
    unsigned commands, stored;
    bool timed_out, logged_out;
};

struct ms_cmd {
    const char *name;
    unsigned states;
    const char *form; /* managesieve_args */
    bool secret;      /* arguments are not logged */
    void (*run)(struct ms_session *s, const struct managesieve_args *a);
};
const struct ms_cmd *ms_find(struct sv name);

/* ms_session.c */
/* "OK (code) "text"": code, when there is one, is written as it is. */
void ms_reply(struct ms_session *s, const char *status, const char *code, struct sv text);
void ms_ok(struct ms_session *s, const char *text);
void ms_no(struct ms_session *s, const char *code, const char *fmt, ...) _printf_(3, 4);
void ms_bye(struct ms_session *s, const char *code, const char *text);
/* What is no command at all. Too much of it ends the session: that is no mail program. */
void ms_wrong(struct ms_session *s, const char *text);
/* The session's line in the log, of one that has logged in. */
void ms_summary(struct ms_session *s, const char *outcome);

/* ms_input.c */
void ms_frame(struct ms_session *s, const struct frame *f);
enum pool ms_pool(struct ms_session *s, const struct frame *f);
void ms_pending_free(struct ms_session *s);

/* ms_login.c */
void ms_cmd_authenticate(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_unauthenticate(struct ms_session *s, const struct managesieve_args *a);
/* The client's part of an exchange, as a command in memory. */
void ms_sasl_answer(struct ms_session *s, struct sv text);
void ms_sasl_free(struct ms_session *s);
void ms_mechanisms(struct ms_session *s, struct buf *out);
void ms_leave_account(struct ms_session *s);

/* ms_commands.c: all capabilities, each a line */
void ms_put_capabilities(struct ms_session *s, struct buf *out);

/* ms_scripts.c */
void ms_cmd_havespace(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_putscript(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_checkscript(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_listscripts(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_setactive(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_getscript(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_deletescript(struct ms_session *s, const struct managesieve_args *a);
void ms_cmd_renamescript(struct ms_session *s, const struct managesieve_args *a);

/* ms_warnings.c: what will not work as its author may think, a line each; nothing for most
 * scripts. */
void ms_warnings(struct ms_session *s, const struct sieve_script *script, struct buf *out);
