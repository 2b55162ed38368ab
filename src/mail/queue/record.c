/* Codec of journal records and segment headers: little-endian, CRC-32C. Pure. */
#include "mail/queue/record.h"

#include "base/hash.h"

static const char rec_magic[4] = "PJR1";
static const char seg_magic[8] = "POSTQSG1";

static void put(char *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * i));
}

static uint64_t get(const char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

struct sv rec_envelope(const struct rec *rec)
{
    return rec->type == REC_STATE ? rec->payload : sv_take(rec->payload, rec->aux);
}

size_t rec_size(size_t payload)
{
    return (REC_HEAD + payload + REC_ALIGN - 1) / REC_ALIGN * REC_ALIGN;
}

/* Head: 0 magic, 4 crc of payload and 8..40, 8 salt, 16 type, 20 length, 24 key, 32 aux, 36 zero.
 */
void rec_head(char *head, uint64_t salt, enum rec_type type, uint64_t key, uint32_t aux,
              size_t length, uint32_t crc)
{
    memcpy(head, rec_magic, 4);
    put(head + 8, salt, 8);
    put(head + 16, type, 4);
    put(head + 20, length, 4);
    put(head + 24, key, 8);
    put(head + 32, aux, 4);
    put(head + 36, 0, 4);
    put(head + 4, crc32c(crc, head + 8, REC_HEAD - 8), 4);
}

bool rec_at(struct sv segment, uint64_t salt, uint64_t off, struct rec *ret)
{
    if (off > segment.n || segment.n - off < REC_HEAD)
        return false;
    const char *p = segment.p + off;
    uint64_t type = get(p + 16, 4), length = get(p + 20, 4), aux = get(p + 32, 4);
    if (memcmp(p, rec_magic, 4) != 0 || get(p + 8, 8) != salt || type == 0 ||
        type >= REC_TYPE_COUNT || length > segment.n - off - REC_HEAD)
        return false;
    if (type == REC_MSG && aux > length)
        return false;
    uint32_t crc = crc32c(0, p + REC_HEAD, length);
    if (crc32c(crc, p + 8, REC_HEAD - 8) != get(p + 4, 4))
        return false;
    *ret = (struct rec){ (enum rec_type)type, get(p + 24, 8), (uint32_t)aux,
                         sv_n(p + REC_HEAD, length), off };
    return true;
}

bool rec_next(struct sv segment, uint64_t salt, uint64_t *off, struct rec *ret)
{
    uint64_t at = (*off + REC_ALIGN - 1) / REC_ALIGN * REC_ALIGN;
    for (; at + REC_HEAD <= segment.n; at += REC_ALIGN) {
        if (rec_at(segment, salt, at, ret)) {
            *off = at + rec_size(ret->payload.n);
            return true;
        }
    }
    *off = segment.n;
    return false;
}

/* Header: 0 magic, 8 crc of 12..SEG_HEAD, 12 version, 16 gen, 24 salt, 32 size, 40 boot id. */
void seg_head_encode(const struct seg_head *h, char ret[SEG_HEAD])
{
    memset(ret, 0, SEG_HEAD);
    memcpy(ret, seg_magic, 8);
    put(ret + 12, 1, 4);
    put(ret + 16, h->gen, 8);
    put(ret + 24, h->salt, 8);
    put(ret + 32, h->size, 8);
    memcpy(ret + 40, h->boot, sizeof(h->boot));
    put(ret + 8, crc32c(0, ret + 12, SEG_HEAD - 12), 4);
}

int seg_head_decode(struct sv in, struct seg_head *ret)
{
    if (in.n < SEG_HEAD || memcmp(in.p, seg_magic, 8) != 0 ||
        get(in.p + 8, 4) != crc32c(0, in.p + 12, SEG_HEAD - 12) || get(in.p + 12, 4) != 1)
        return E_CORRUPT;
    ret->gen = get(in.p + 16, 8);
    ret->salt = get(in.p + 24, 8);
    ret->size = get(in.p + 32, 8);
    memcpy(ret->boot, in.p + 40, sizeof(ret->boot));
    ret->boot[sizeof(ret->boot) - 1] = '\0';
    return 0;
}
