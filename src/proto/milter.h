/* The milter protocol, version 6, as the mail server's side speaks it: packets of a length (32 bits
 * in network order), a command and its data. Pure. There is no RFC: the protocol is what Sendmail's
 * libmilter speaks (include/libmilter/mfdef.h of its sources). */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum {
    MILTER_VERSION = 6,
    MILTER_CHUNK = 65535,           /* of a body, per packet */
    MILTER_MAX_PACKET = 256 * 1024, /* longer ones are refused unread */
    MILTER_MAX_ADDRESS = 1000,
    MILTER_MAX_REPLY_LINES = 32,
};

/* What a milter is told of, in this order. */
enum milter_step {
    MILTER_CONNECT,
    MILTER_HELO,
    MILTER_MAIL,
    MILTER_RCPT,
    MILTER_DATA,
    MILTER_HEADER,
    MILTER_EOH,
    MILTER_BODY,
    MILTER_EOM,
    MILTER_STEPS
};
extern const char *const milter_step_names[MILTER_STEPS]; /* "connect", "helo", ... */

/* What a milter may do at the end of a message: it asks for these in the negotiation. */
enum {
    MILTER_CAN_ADD_HEADER = 0x1,
    MILTER_CAN_CHANGE_BODY = 0x2,
    MILTER_CAN_ADD_RCPT = 0x4,
    MILTER_CAN_DELETE_RCPT = 0x8,
    MILTER_CAN_CHANGE_HEADER = 0x10,
    MILTER_CAN_QUARANTINE = 0x20,
    MILTER_CAN_CHANGE_FROM = 0x40,
    MILTER_CAN_ADD_RCPT_ARGS = 0x80,
    MILTER_CAN_NAME_MACROS = 0x100,
    MILTER_CAN_ALL = 0x1ff,
};

/* Which steps it does not want, which of them it does not answer, and how it wants them. */
enum {
    MILTER_NO_UNKNOWN = 0x100,
    MILTER_KNOWS_SKIP = 0x400,
    MILTER_HEADER_SPACE = 0x100000, /* values come and go with the blanks behind the colon */
    /* All that we grant: not the refused recipients (0x800), not larger chunks. */
    MILTER_PROTOCOL_ALL = 0x1ff7ff,
};
bool milter_wants(uint32_t protocol, enum milter_step s);   /* without NO...: yes */
bool milter_answers(uint32_t protocol, enum milter_step s); /* without NR_...: yes */

/* --- to the milter: each appends one packet --- */
void milter_put_negotiate(struct buf *out);
/* peer_name: of the address, "[192.0.2.1]" when it has none. ip: "" = not known, as is its family.
 */
void milter_put_connect(struct buf *out, struct sv peer_name, struct sv ip, uint16_t port);
void milter_put_helo(struct buf *out, struct sv name);
/* MAIL and RCPT: the address without brackets; args: the parameters, separated by blanks. */
void milter_put_envelope(struct buf *out, enum milter_step s, struct sv address, struct sv args);
void milter_put_header(struct buf *out, struct sv name, struct sv value); /* lines by LF */
void milter_put_body(struct buf *out, struct sv chunk);
/* DATA, EOH, EOM */
void milter_put_step(struct buf *out, enum milter_step s);
void milter_put_abort(struct buf *out);
void milter_put_quit(struct buf *out);
/* Macros for a step: begin, one pair for each, end. A packet without pairs is taken back. */
size_t milter_macros_begin(struct buf *out, enum milter_step s);
void milter_macro(struct buf *out, struct sv name, struct sv value);
void milter_macros_end(struct buf *out, size_t begin);

/* --- from the milter --- */

/* Length of the packet that `head` begins, its command included. E_RANGE: 0, or too long. */
int milter_packet_length(const char head[4], uint32_t *ret);

struct milter_terms {
    uint32_t version, actions, protocol;
    struct sv macros[MILTER_STEPS]; /* names that it asks for; p == NULL: no wish */
};
/* The answer to our offer, checked against it: E_PARSE, E_UNSUPPORTED (version, or what it needs
 * and is not granted). Slices point into packet. */
int milter_parse_terms(struct sv packet, struct milter_terms *ret, struct errinfo *ei);

enum milter_kind {
    MILTER_CONTINUE,
    MILTER_ACCEPT,
    MILTER_REJECT,
    MILTER_TEMPFAIL,
    MILTER_DISCARD,
    MILTER_REPLY,    /* text: lines with CRLF */
    MILTER_SKIP,     /* no more of this kind, of the body */
    MILTER_SHUTDOWN, /* 421 and the end of the session */
    MILTER_PROGRESS, /* still at work */
    MILTER_ADD_HEADER,
    MILTER_INSERT_HEADER,
    MILTER_CHANGE_HEADER,
    MILTER_REPLACE_BODY,
    MILTER_ADD_RCPT,
    MILTER_DELETE_RCPT,
    MILTER_CHANGE_FROM,
    MILTER_QUARANTINE,
    MILTER_KINDS
};
extern const char *const milter_kind_names[MILTER_KINDS]; /* "continue", "accept", ... */
struct milter_answer {
    enum milter_kind kind;
    uint32_t index;   /* INSERT_HEADER, CHANGE_HEADER */
    struct sv name;   /* of a header field */
    struct sv text;   /* value, address, reason, body; of REPLY the lines as they are sent */
    char lines[2048]; /* holds them */
};
/* packet: command and data. Checked are form, codes and characters; slices point into it, or into
 * ret. E_PARSE says what is wrong. */
int milter_parse_answer(struct sv packet, struct milter_answer *ret, struct errinfo *ei);
/* What must have been granted for an answer; 0 = nothing. */
uint32_t milter_needs(enum milter_kind k);
