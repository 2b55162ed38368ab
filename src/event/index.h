/* The index of a closed segment: hashes of keys -> offsets of records. A hash is 32 bits of a key:
 * who finds a record by it has to look at the record. Each bucket has a checksum: damage is found
 * when it is read, and the segment is read instead. */
#pragma once

#include "base/buf.h"
#include "event/segment.h"

/* Reads the segment, writes the index beside it. */
int index_build(const char *segment, int stream, const char *path, struct errinfo *ei);
struct index_info {
    int64_t first_us, last_us;
    uint32_t records;
};
int index_info(const char *path, struct index_info *ret); /* -ENOENT, E_CORRUPT, -errno */
/* Appends the offsets (in units of 8 bytes, u32 each) of the records with each of the hashes, those
 * of one hash ascending. hashes: in order. 0, -ENOENT, E_CORRUPT, -errno. */
int index_lookup(const char *path, const uint32_t *hashes, unsigned n, struct buf *out);
