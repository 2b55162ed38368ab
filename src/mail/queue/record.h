/* Bytes of the intake journal and of .tm$ files. Pure.
 *
 * A segment is a header block of 4 KiB and records behind it, each on a multiple of 8 bytes. A
 * record is valid when its magic, its salt (drawn anew each time the segment is used) and its
 * checksum are right: what an earlier use left behind, what a crash tore, and what a peer wrote
 * into a message to look like a record are all skipped. A .tm$ file is one REC_STATE record with
 * salt 0. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum { REC_HEAD = 40, SEG_HEAD = 4096, REC_ALIGN = 8 };

enum rec_type {
    REC_MSG = 1,  /* accepted; payload: envelope (aux bytes), content */
    REC_MSG_FILE, /* accepted; payload: envelope; the content is in <item>.tms */
    REC_STATE,    /* aux: version of the state; payload: envelope */
    REC_DONE,     /* every recipient settled; payload: one byte of enum rcpt_state for each */
    REC_REVOKE,   /* acceptance failed after the record may have reached the disk */
    REC_MARK,     /* mail store synced; key: generation, payload: u64 offset: all before is safe */
    REC_TYPE_COUNT,
};

struct rec {
    enum rec_type type;
    uint64_t key;
    uint32_t aux;
    struct sv payload;
    uint64_t off; /* of its first byte in the segment */
};

struct seg_head {
    uint64_t gen; /* order of the segments */
    uint64_t salt;
    uint64_t size;
    char boot[40]; /* the kernel's boot id; "" = nothing was written to it since it was wiped */
};

struct sv rec_envelope(const struct rec *rec); /* of a message or a state */
size_t rec_size(size_t payload);               /* with head and padding */
/* Fills head (REC_HEAD bytes). crc: crc32c of the payload of so many bytes. */
void rec_head(char *head, uint64_t salt, enum rec_type type, uint64_t key, uint32_t aux,
              size_t length, uint32_t crc);
/* First valid record at or behind *off; *off moves behind it. False when there is none. */
bool rec_next(struct sv segment, uint64_t salt, uint64_t *off, struct rec *ret);
/* The record exactly at off. */
bool rec_at(struct sv segment, uint64_t salt, uint64_t off, struct rec *ret);

void seg_head_encode(const struct seg_head *h, char ret[SEG_HEAD]);
int seg_head_decode(struct sv in, struct seg_head *ret); /* E_CORRUPT */
