/* What the files of this room share: the session, the transaction, replies. One worker at a time
 * runs a session, so nothing here is locked. */
#pragma once

#include "base/buf.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "event/event.h"
#include "mail/account/address.h"
#include "mail/account/auth.h"
#include "mail/filter/filter_run.h"
#include "mail/message/message.h"
#include "proto/smtp_args.h"
#include "proto/smtp_body.h"
#include "proto/smtp_framer.h"
#include "server/smtp/sent.h"
#include "server/smtp/smtp_server.h"

#define SMTP_PRODUCT      "Posthorn"
#define SMTP_MAX_SASL     (12 * KiB) /* RFC 4954 4 */
#define SMTP_MILTER_LATER "451 4.7.1 Service not available, try again later"
#define SMTP_INPUT        (128 * KiB)

enum smtp_state {
    ST_WAIT = 1 << 0,  /* the greeting is held back */
    ST_NEW = 1 << 1,   /* greeted, no HELO or EHLO yet */
    ST_READY = 1 << 2, /* no transaction */
    ST_MAIL = 1 << 3,
    ST_RCPT = 1 << 4,
    ST_DATA = 1 << 5,  /* content arrives by DATA */
    ST_BDAT = 1 << 6,  /* between two chunks */
    ST_CHUNK = 1 << 7, /* content arrives by BDAT, in any state before */
    ST_AUTH = 1 << 8,  /* the next line answers a challenge */
    ST_END = 1 << 9,   /* conn_close was called; nothing is run any more */
};
#define ST_IDLE (ST_NEW | ST_READY)
#define ST_TX   (ST_MAIL | ST_RCPT)
#define ST_ANY  (ST_IDLE | ST_TX | ST_BDAT)

/* What the header of the content says; zeroed = its begin. */
struct smtp_header_facts {
    unsigned received;
    bool date, message_id;
    bool done, judged; /* the header has ended; the current line is known */
    uint8_t n;
    bool tls_optional; /* TLS-Required: No */
    char start[24];    /* begin of the current line */
};

/* Content on its way in. */
struct smtp_rx {
    bool started, logged;
    int error;         /* first failure: the rest is swallowed */
    int fd;            /* spool file, -1 = content is still in mem */
    uint64_t spooled;  /* bytes written to it */
    unsigned has;      /* SMTP_HAS_ bits of all pieces */
    bool slow_filters; /* or commands */
    struct smtp_body body;
    struct smtp_header_facts header;
    struct buf mem;        /* trace headers and content */
    size_t trace;          /* bytes of trace headers in front */
    size_t prefix;         /* the same, with what a submitted message lacked */
    uint64_t limit;        /* largest content; 0 = none */
    uint64_t memory_limit; /* beyond it: spool file */
    uint64_t content, wire;
    int64_t started_us; /* monotonic */
};

struct smtp_tx { /* MAIL until the end of the content */
    struct message *m;
    unsigned n_rcpts;  /* RCPT commands accepted */
    char *first_rcpt;  /* as given; "" */
    struct map *seen;  /* recipients, once there are many */
    uint64_t declared; /* SIZE= */
    unsigned n_sms;    /* recipients that are telephone numbers */
    bool sms_hold;     /* more than one may send: an administrator decides */
    struct smtp_rx rx;
};

struct smtp_auth { /* one AUTH exchange */
    struct auth_peer peer;
    char hostname[256];
    struct buf cb;
    struct sasl *sasl;
    bool login;                 /* mechanism LOGIN */
    const struct account *done; /* success, to be told after the client's empty answer */
};

/* Indexes of smtp.etrn. */
enum { SMTP_ETRN_NO, SMTP_ETRN_TRUSTED, SMTP_ETRN_ANYONE };

enum rdns { RDNS_UNASKED, RDNS_NONE, RDNS_FOUND, RDNS_FAILED };

struct smtp_session {
    struct conn *c;
    const struct smtp_server *srv;
    const struct smtp_turned *turned; /* NULL: the peer has called us */
    const struct conf *cf;            /* pinned during a callback, else NULL */
    struct logctx log;
    struct smtp_framer framer, framer_next; /* frame() looks ahead, run() makes it so */
    uint32_t max_line;                      /* of the next line */
    enum smtp_state state, chunk_from;      /* chunk_from: the state BDAT was given in */
    bool esmtp, chunk_last, discarding;     /* discarding: the chunk belongs to no transaction */
    bool summarised;                        /* a summary line was written for this session */
    bool timed_out;
    bool auth_refused; /* the last command was AUTH, and it is over */
    uint64_t chunk_size;
    uint64_t swallowed; /* bytes of the refused line */
    unsigned errors, auth_failures, messages, commands;
    enum event_type refusal; /* what a refusing reply to this command is; 0 = no event */
    struct sv subject;       /* whom the command names; valid while it runs */
    enum rdns rdns;
    char *peer_host;               /* PTR name or NULL */
    char *helo;                    /* NULL before HELO */
    int64_t active_ms;             /* monotonic, of the last frame */
    const struct account *account; /* authenticated; counted */
    char mechanism[24];            /* of its login */
    struct smtp_auth *auth;
    bool milters_known;
    struct milters *milters; /* NULL: none is to be asked */
    struct smtp_tx *tx;
};

/* --- session.c --- */
void smtp_set_state(struct smtp_session *s, enum smtp_state to);
void smtp_idle(struct smtp_session *s); /* ST_READY, or ST_NEW without HELO */
void smtp_close(struct smtp_session *s);
bool smtp_offers_requiretls(const struct smtp_session *s);
uint64_t smtp_max_message(const struct smtp_session *s); /* smallest limit that is set; 0 = none */
bool smtp_trusted(const struct smtp_session *s);         /* may relay without login */

/* --- reply.c: every reply goes through here: logged, counted --- */
void smtp_reply(struct smtp_session *s, struct sv text); /* without CRLF */
void smtp_replyv(struct smtp_session *s, const struct sv *parts, size_t n);
#define smtp_reply_lit(s, lit) smtp_reply(s, SV(lit))
#define smtp_reply_parts(s, ...)                                                                   \
    smtp_replyv(s, (const struct sv[]){ __VA_ARGS__ },                                             \
                sizeof((const struct sv[]){ __VA_ARGS__ }) / sizeof(struct sv))
void smtp_reply_lines(struct smtp_session *s, struct buf *lines); /* complete, CRLF at each end */
/* A refusal that somebody else worded: complete lines, too. After 421 the session is closed. */
void smtp_reply_refusal(struct smtp_session *s, struct sv lines);
void smtp_reply_arg(struct smtp_session *s, enum smtp_arg r); /* the 501 of a bad argument */
void smtp_reply_421(struct smtp_session *s, struct sv enhanced, struct sv reason); /* and closes */
void smtp_greet(struct smtp_session *s);

/* --- commands.c --- */
enum {
    F_LOGIN = 1,
    F_TX = 2,
    F_MILTERS = 4
}; /* F_LOGIN: on submission only after AUTH. F_TX: needs HELO first, says so. F_MILTERS: may ask
    * them
    */
struct smtp_cmd {
    const char *verb;
    unsigned states, flags;
    enum pool pool;
    uint8_t min_args, max_args;
    void (*run)(struct smtp_session *s, struct sv args);
    enum event_type refusal;                       /* event of a 4xx or 5xx to it; 0 = none */
    bool (*enabled)(const struct smtp_session *s); /* NULL = always */
    const char *help;                              /* syntax; NULL = not in HELP */
};
extern const struct smtp_cmd smtp_cmds[];
extern const size_t smtp_cmds_count;
const struct smtp_cmd *smtp_cmd_find(struct sv verb);
void smtp_run_line(struct smtp_session *s, struct sv line);
void smtp_log_line(struct smtp_session *s, struct sv line); /* "<<< ...", secrets masked */

void smtp_cmd_helo(struct smtp_session *s, struct sv args);
void smtp_cmd_ehlo(struct smtp_session *s, struct sv args);
void smtp_cmd_mail(struct smtp_session *s, struct sv args);
void smtp_cmd_rcpt(struct smtp_session *s, struct sv args);
void smtp_cmd_data(struct smtp_session *s, struct sv args);
void smtp_cmd_bdat(struct smtp_session *s, struct sv args);
void smtp_cmd_auth(struct smtp_session *s, struct sv args);
void smtp_cmd_starttls(struct smtp_session *s, struct sv args);
void smtp_cmd_vrfy(struct smtp_session *s, struct sv args);
void smtp_cmd_expn(struct smtp_session *s, struct sv args);
void smtp_cmd_etrn(struct smtp_session *s, struct sv args);
void smtp_cmd_atrn(struct smtp_session *s, struct sv args);
bool smtp_atrn_on(const struct smtp_session *s);
void smtp_cmd_help(struct smtp_session *s, struct sv args);

/* --- cmd_rcpt.c --- */
void smtp_copy_outgoing(struct smtp_session *s);
/* What a milter wants: nobody is asked whether he may, and nobody is told. */
void smtp_add_rcpt(struct smtp_session *s, struct sv address);
/* The same on behalf of `instead`, an address of ours that the mail was for. */
void smtp_forward_rcpt(struct smtp_session *s, struct sv address, struct sv instead);
/* Takes out the recipients that gone holds for. */
void smtp_drop_rcpts(struct smtp_session *s, const bool *gone, size_t n);
void smtp_drop_all_rcpts(struct smtp_session *s);
void smtp_delete_rcpt(struct smtp_session *s,
                      struct sv address); /* as RCPT named it, or as it became */

/* --- limits.c: send limits of accounts --- */
/* Before a message gets so many recipients: may the account send it, or have it held? False:
 * refused. */
bool smtp_sent_room(struct smtp_session *s, unsigned rcpts);
/* The message is about to go into the queue: held, when it is too much. */
void smtp_sent_hold(struct smtp_session *s);
/* It is in the queue. */
void smtp_sent_count(struct smtp_session *s);
/* It will wait for an administrator, as it is over this limit. */
void smtp_hold(struct smtp_session *s, const char *limit);

/* --- sms.c: recipients that are telephone numbers --- */
/* The number that the address stands for, as "+39...@domain" in ret, when this peer may have it
 * now. False: refused. */
bool smtp_sms_rcpt(struct smtp_session *s, struct sv address, char ret[ADDR_MAX + 1]);
/* Whatever leads there: is there still room for today? False: refused. */
bool smtp_sms_room(struct smtp_session *s);
/* The message is about to go into the queue: held, when it has to be. */
void smtp_sms_hold(struct smtp_session *s);
/* It is in the queue. */
void smtp_sms_count(struct smtp_session *s);

/* --- cmd_auth.c --- */
void smtp_auth_line(struct smtp_session *s, struct sv line);
void smtp_auth_peer(struct smtp_session *s, struct smtp_auth *a);
void smtp_auth_free(struct smtp_session *s);
bool smtp_auth_fast(struct smtp_session *s,
                    struct sv line); /* line: the arguments of AUTH, or an answer */

/* --- cmd_data.c --- */
void smtp_data_piece(struct smtp_session *s, struct sv raw, unsigned has, size_t wire, bool end);
void smtp_chunk_piece(struct smtp_session *s, struct sv raw, unsigned has, bool end);

/* --- rx.c: content --- */
int smtp_rx_start(struct smtp_session *s, bool dots); /* ids and trace headers */
void smtp_rx_add(struct smtp_session *s, struct sv raw, unsigned has, size_t wire);
/* After a chunk that is not the last: false when the transaction has ended with a refusal. */
bool smtp_rx_check(struct smtp_session *s);
/* Ends the transaction with a refusal: one line without CRLF, or complete lines. */
void smtp_rx_refuse(struct smtp_session *s, struct sv reply);
int smtp_rx_trace(struct smtp_session *s, struct buf *out); /* appends the trace headers */
/* Accepts the message (blocks for the queue) or refuses it; replies; ends the transaction. */
void smtp_rx_finish(struct smtp_session *s);
void smtp_rx_log_bytes(struct smtp_session *s, struct smtp_rx *rx);

/* --- milter.c: true = go on; otherwise the client has its answer --- */
bool smtp_may_ask_milters(struct smtp_session *s); /* these commands may block then */
bool smtp_milter_helo(struct smtp_session *s, struct sv name);
bool smtp_milter_mail(struct smtp_session *s, struct sv args, struct sv sender);
bool smtp_milter_rcpt(struct smtp_session *s, struct sv args, struct sv rcpt);
bool smtp_milter_data(struct smtp_session *s); /* a refusal ends the transaction */
/* Only the milter of this name, of those that rules may ask, in the session as it is. NULL: there
 * is none. */
struct milters *smtp_milter_named(struct smtp_session *s, struct sv name);
/* --- milter_content.c: the complete content; what milters change is changed when it returns --- */
bool smtp_milter_message(struct smtp_session *s);
/* The content as fields and body. False: the client has its answer. edit_done in any case. */
bool smtp_edit_open(struct smtp_session *s, struct edit *ret);
/* The content as it was changed, with new trace headers, in place of the old. */
int smtp_edit_write(struct smtp_session *s, const struct edit *e);

/* --- command.c: commands that are run on the message --- */
bool smtp_wants_commands(const struct smtp_session *s);
/* Runs them and does what they say; true = go on, maybe without recipients; otherwise the client
 * has its answer. */
bool smtp_command_message(struct smtp_session *s);
/* Runs the one of this name, of those that rules may run. True = go on, as above. */
bool smtp_command_named(struct smtp_session *s, struct sv name);

/* --- filter.c: rules of content filters --- */
/* All recipients are known, the content is not: will the end of it look at body or attachments? */
bool smtp_filters_slow(struct smtp_session *s);
/* Asks the rules of the server and of the domains, and does what they say; true = go on, maybe
 * without recipients; otherwise the client has its answer. */
bool smtp_filter_message(struct smtp_session *s);
/* Of the session and the envelope, without recipients; the rest of ret stays. */
void smtp_filter_facts(struct smtp_session *s, struct filter_facts *ret);
/* A rule of the list was hit. */
struct filter_list;
void smtp_filter_tell(struct smtp_session *s, const struct filter_list *list,
                      const struct filter_rule *rule);
/* --- filter_rcpt.c: rules about the client alone --- */
/* False: one of them refuses, and the client has its answer. */
bool smtp_filter_rcpt(struct smtp_session *s, struct sv address);
/* --- filter_order.c: what rules have done at delivery --- */
/* False: there are too many different orders. */
bool smtp_order_folder(struct message *m, struct rcpt *r, struct sv folder);
bool smtp_order_reply(struct message *m, struct rcpt *r, const struct filter_action *a);
/* Is he somebody with a mailbox, in whose name a reply can be sent? */
bool smtp_may_reply(struct smtp_session *s, const struct rcpt *r);
/* --- filter_sender.c --- */
struct smtp_listing {
    int64_t domain; /* whose list; 0 = the server's */
    const char *owner;
    struct sv rule;
    bool allow;
};
/* Puts the sender into a list of senders, unless it says so already or the client has logged in. */
int smtp_list_sender(struct smtp_session *s, const struct smtp_listing *l, struct errinfo *ei);
/* --- filter_change.c: what rules change of the content. False: the client has its answer --- */
/* Asks the milters and runs the commands that rules name, in the order of the rules, after those
 * changes. */
bool smtp_filter_programs(struct smtp_session *s, const struct filter_action *const *actions,
                          size_t n);
bool smtp_filter_change(struct smtp_session *s, const struct filter_action *const *actions,
                        size_t n);
/* --- filter_milter.c --- */
/* Asks one milter. */
bool smtp_filter_milter(struct smtp_session *s, struct sv name);
/* A program that a rule names, and the settings have not: the client has its answer. */
void smtp_filter_unknown(struct smtp_session *s, const char *what, struct sv name);
void smtp_milter_refuse(struct smtp_session *s, enum milter_verdict v,
                        const struct milter_result *r);

/* --- tx.c --- */
void smtp_tx_begin(struct smtp_session *s, const struct smtp_mail_args *a);
/* Ends the transaction with its summary line; the session has none afterwards. */
void smtp_tx_end(struct smtp_session *s, const char *outcome);

/* --- header.c --- */
void smtp_header_feed(struct smtp_header_facts *f, struct sv in); /* content, piece by piece */
void smtp_header_end(struct smtp_header_facts *f);                /* no more content */
/* Appends the fields that a submitted message must have and lacks (RFC 6409 8.2). */
void smtp_header_missing(const struct smtp_header_facts *f, const struct message *m, struct sv host,
                         struct buf *out);

/* --- quota.c --- */
/* True when account has a quota and `more` bytes do not fit. limit: its quota. */
bool smtp_quota_full(const struct smtp_server *srv, const struct account *a, int64_t limit,
                     uint64_t more);
/* There is no room for so much more, by the account's quota or that of its domain. */
bool smtp_mailbox_full(const struct smtp_server *srv, const struct account *a, uint64_t more);
void smtp_quota_add(int64_t account_id, uint64_t bytes);

/* --- dns.c --- */
bool smtp_wants_dns(const struct smtp_session *s); /* MAIL will ask; the settings are pinned */
/* 0 = fine; E_NXDOMAIN, E_TEMP. */
int smtp_check_sender_domain(struct smtp_session *s, struct sv domain);
void smtp_find_rdns(struct smtp_session *s);
