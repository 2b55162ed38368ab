/* Files of a store: segments of blocks of records, <dir>/NNNNNNNN.ev for events and .tr for
 * transcripts. A file begins with a header of 64 bytes; a block is a header of 48 bytes with
 * checksums of itself and of its records, and the records. A block that is not complete is the end
 * of the file. Segments are written by one process; reading needs no lock. */
#pragma once

#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"

enum { SEGMENT_HEAD = 64, BLOCK_HEAD = 48, BLOCK_MAX = 1024 * 1024, SEGMENT_PATH = 4096 };

extern const char *const stream_suffixes[]; /* by enum stream: "ev", "tr" */

struct block {
    uint64_t at; /* offset of its records in the file */
    uint32_t bytes, records;
    int64_t first_us, last_us;
    uint32_t crc;
};

/* "<dir>/00000017.ev"; index: "<dir>/00000017.evx". */
void segment_path(char ret[SEGMENT_PATH], const char *dir, int stream, uint32_t number, bool index);
/* Numbers of the segments of a directory, ascending; free() them. A directory that is not there has
 * none. */
size_t segment_list(const char *dir, int stream, uint32_t **ret);
/* Writes the header of a new file; 0 or -errno. */
int segment_begin(int fd, int stream, uint32_t number);
int segment_check(int fd, int stream); /* E_CORRUPT: not a segment */
/* Appends a block at offset: the records are in piece[0..1]. 0 or -errno; what was written of it is
 * cut off again. */
int segment_append(int fd, uint64_t offset, const struct block *b, const struct iovec piece[2]);
/* The header of the block at offset: 1, 0 = the end, or not complete. */
int segment_block(int fd, uint64_t offset, uint64_t file_size, struct block *ret);
/* Its records, checked. E_CORRUPT, -errno. */
int segment_read(int fd, const struct block *b, struct buf *out);
static inline uint64_t block_end(const struct block *b)
{
    return b->at + b->bytes;
}
/* Offset behind the last complete block: what a writer goes on from. */
uint64_t segment_end(int fd, uint64_t file_size);
