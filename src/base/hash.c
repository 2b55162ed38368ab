/* SipHash-1-3 under a per-process key, CRC-32C (SSE4.2 where the CPU has it, else eight tables),
 * FNV-1a, and the string map: open addressing with linear probing, where deletion shifts later
 * entries back instead of leaving tombstones. */
#include "base/hash.h"
#include "base/rand.h"

#include <endian.h>
#include <pthread.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static uint64_t load_le64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* ---- SipHash ---- */

static uint64_t sip_key[2];
static pthread_once_t sip_once = PTHREAD_ONCE_INIT;

static void sip_draw_key(void)
{
    rand_bytes(sip_key, sizeof(sip_key));
}

static inline uint64_t rotl(uint64_t v, int bits)
{
    return (v << bits) | (v >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* Eight characters at once: bit 7 of each byte of `upper` says that the byte is in A..Z. */
static inline uint64_t fold8(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low7 = x & 0x7f * ones;
    uint64_t ge_a = low7 + (0x80 - 'A') * ones;
    uint64_t gt_z = low7 + (0x7f - 'Z') * ones;
    uint64_t upper = ~x & (ge_a ^ gt_z) & 0x80 * ones;
    return x | upper >> 2;
}

static inline uint64_t siphash13(const uint64_t key[2], const unsigned char *p, size_t n, bool fold)
{
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575u,
        key[1] ^ 0x646f72616e646f6du,
        key[0] ^ 0x6c7967656e657261u,
        key[1] ^ 0x7465646279746573u,
    };
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t m = load_le64(p + i);
        if (fold)
            m = fold8(m);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    uint64_t tail = 0;
    for (size_t k = 0; i + k < n; k++)
        tail |= (uint64_t)p[i + k] << (8 * k);
    if (fold)
        tail = fold8(tail);
    tail |= (uint64_t)n << 56; /* after folding: the length is no letter */
    v[3] ^= tail;
    sip_round(v);
    v[0] ^= tail;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_bytes(const void *p, size_t n)
{
    pthread_once(&sip_once, sip_draw_key);
    return siphash13(sip_key, p, n, false);
}

uint64_t hash_isv(struct sv s)
{
    pthread_once(&sip_once, sip_draw_key);
    return siphash13(sip_key, (const unsigned char *)s.p, s.n, true);
}

uint64_t hash_isv_with(const uint64_t key[2], struct sv s)
{
    return siphash13(key, (const unsigned char *)s.p, s.n, true);
}

/* ---- CRC-32C ---- */

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            uint32_t c = crc_table[k - 1][i];
            crc_table[k][i] = c >> 8 ^ crc_table[0][c & 0xff];
        }
    }
}

/* Not static, and declared here only, for the unit test: on CPUs with SSE4.2 nothing else gets to
 * it. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n)
{
    pthread_once(&crc_once, crc_make_tables);
    const unsigned char *p = data;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x = load_le64(p) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++)
            crc ^= crc_table[7 - k][x >> (8 * k) & 0xff];
    }
    for (; n; n--, p++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t n)
{
    const unsigned char *p = data;
    uint64_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8)
        c = _mm_crc32_u64(c, load_le64(p));
    uint32_t c32 = (uint32_t)c;
    for (; n; n--, p++)
        c32 = _mm_crc32_u8(c32, *p);
    return ~c32;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, p, n);
#endif
    return crc32c_portable(crc, p, n);
}

uint64_t fnv1a64(const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ s[i]) * 0x100000001b3u;
    return h;
}

/* ---- map ---- */

enum { MIN_SLOTS = 16 };

struct slot {
    uint64_t hash;
    char *key; /* NULL: free slot */
    size_t n;
    void *value;
};

struct map {
    struct slot *slots;
    size_t n_slots; /* power of two, or 0 */
    size_t count;
    bool over; /* the keys are the caller's */
};

struct map *map_new(void)
{
    return xcalloc(1, sizeof(struct map));
}

struct map *map_new_over(void)
{
    struct map *m = map_new();
    m->over = true;
    return m;
}

static char *take_key(const struct map *m, struct sv key)
{
    return m->over ? (char *)(uintptr_t)key.p : sv_dup(key);
}

static void free_key(const struct map *m, char *key)
{
    if (!m->over)
        free(key);
}

void map_free(struct map *m, void (*free_value)(void *))
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_slots; i++) {
        if (!m->slots[i].key)
            continue;
        if (free_value && m->slots[i].value)
            free_value(m->slots[i].value);
        free_key(m, m->slots[i].key);
    }
    free(m->slots);
    free(m);
}

/* The slot that holds key, or the free one where it belongs. There is always a free slot. */
static struct slot *find_slot(const struct map *m, struct sv key, uint64_t hash)
{
    size_t mask = m->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct slot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && sv_eq(sv_n(s->key, s->n), key)))
            return s;
    }
}

static void resize(struct map *m, size_t n_slots)
{
    struct slot *old = m->slots;
    size_t n_old = m->n_slots, mask = n_slots - 1;
    m->slots = xcalloc(n_slots, sizeof(*m->slots));
    m->n_slots = n_slots;
    for (size_t k = 0; k < n_old; k++) {
        if (!old[k].key)
            continue;
        size_t i = old[k].hash & mask;
        while (m->slots[i].key)
            i = (i + 1) & mask;
        m->slots[i] = old[k];
    }
    free(old);
}

void *map_get(const struct map *m, struct sv key)
{
    if (m->count == 0)
        return NULL;
    const struct slot *s = find_slot(m, key, hash_bytes(key.p, key.n));
    return s->key ? s->value : NULL;
}

void *map_put(struct map *m, struct sv key, void *value)
{
    if (m->n_slots == 0)
        resize(m, MIN_SLOTS);
    uint64_t hash = hash_bytes(key.p, key.n);
    struct slot *s = find_slot(m, key, hash);
    if (s->key) {
        void *old = s->value;
        s->value = value;
        if (m->over)
            s->key = take_key(m, key);
        return old;
    }
    if (m->count + 1 > m->n_slots / 4 * 3) {
        resize(m, m->n_slots * 2);
        s = find_slot(m, key, hash);
    }
    *s = (struct slot){ .hash = hash, .key = take_key(m, key), .n = key.n, .value = value };
    m->count++;
    return NULL;
}

void *map_del(struct map *m, struct sv key)
{
    if (m->count == 0)
        return NULL;
    struct slot *s = find_slot(m, key, hash_bytes(key.p, key.n));
    if (!s->key)
        return NULL;
    void *value = s->value;
    free_key(m, s->key);

    size_t mask = m->n_slots - 1, hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        /* An entry may move back into the hole unless its home lies behind the hole. */
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole] = (struct slot){ 0 };
    m->count--;
    if (m->n_slots > MIN_SLOTS && m->count < m->n_slots / 8)
        resize(m, m->n_slots / 2);
    return value;
}

size_t map_count(const struct map *m)
{
    return m->count;
}

void map_each(const struct map *m, bool (*fn)(struct sv key, void *value, void *arg), void *arg)
{
    for (size_t i = 0; i < m->n_slots; i++) {
        const struct slot *s = &m->slots[i];
        if (s->key && !fn(sv_n(s->key, s->n), s->value, arg))
            return;
    }
}
