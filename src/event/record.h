/* The record of an event, in memory and on disk, and its keys. Pure; the decoder trusts nothing.
 *
 * Head of 32 bytes, then fields: a byte (number << 1 | 1 for texts), a varint (value, or length of
 * the text that follows); a zero byte ends them and pads the record to a multiple of 8. Records of
 * transcripts have the type of a direction and, behind the head, a u32 length and the text.
 * Little-endian: no other machine is served. */
#pragma once

#include "base/buf.h"
#include "event/event.h"

struct event_head {
    uint32_t size;   /* of the whole record */
    uint16_t type;   /* enum event_type; enum transcript_type */
    uint8_t service; /* 1 + enum service; 0 = none */
    uint8_t unused;
    int64_t time_us; /* wall clock; does not go back within a module unless the clock was set */
    uint64_t session, message; /* keys, 0 = none */
};

enum transcript_type { TRANSCRIPT_IN = 1, TRANSCRIPT_OUT, TRANSCRIPT_NOTE };

enum {
    RECORD_TEXT_MAX = 512,
    RECORD_LINE_MAX = 16 * 1024, /* text of a transcript's record */
    RECORD_EVENT_MAX = 4096,
    RECORD_MAX = RECORD_LINE_MAX + 64,
};

_Static_assert(sizeof(struct event_head) == 32, "written to disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written as they are");

/* Returns the record's size. out has RECORD_EVENT_MAX bytes; fields that do not fit are left out.
 * The time is set later. */
size_t record_encode(enum event_type t, const struct logctx *c, const struct event_arg *args,
                     size_t n, unsigned char *out);
/* The head of a transcript's record and its length word; the text follows, then zeros up to
 * head->size. line is cut to RECORD_LINE_MAX. */
void record_transcript(enum transcript_type t, const struct logctx *c, struct sv line,
                       struct event_head *ret_head, uint32_t *ret_n);

struct record {
    struct event_head head;
    struct sv fields; /* points into the input */
};
/* 1 = *ret filled; 0 = in ends within the record; E_CORRUPT. Field numbers that this program does
 * not know are allowed. */
int record_decode(struct sv in, struct record *ret);
int record_decode_transcript(struct sv in, struct event_head *ret_head, struct sv *ret_text);

struct event_value {
    uint8_t field;
    bool number;
    uint64_t n;
    struct sv text;
};
/* The next field of a decoded record; false at the end. *rest begins as record.fields. */
bool record_next(struct sv *rest, struct event_value *ret);
bool record_field(const struct record *r, enum event_field f, struct event_value *ret);
struct sv record_text(const struct record *r, enum event_field f);  /* SV_NULL when absent */
uint64_t record_number(const struct record *r, enum event_field f); /* 0 when absent */

/* Kinds of keys that indexes know. */
enum event_key { KEY_NONE, KEY_TYPE, KEY_SESSION, KEY_MESSAGE, KEY_MSGID, KEY_ADDRESS, KEY_IP };
uint32_t key_hash(enum event_key kind, struct sv text); /* case is folded */
uint32_t key_hash_number(enum event_key kind, uint64_t n);
/* All keys of a record, some maybe twice. */
void record_keys(const struct record *r, void (*fn)(void *arg, uint32_t hash), void *arg);
/* Does the record have the key? text for MSGID, ADDRESS, IP; n for the others. */
bool record_has(const struct record *r, enum event_key kind, struct sv text, uint64_t n);
