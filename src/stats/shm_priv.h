/* Layout of the segment. Everything in it is a lock-free atomic: processes die at any instruction,
 * so there is no lock that could stay taken. Private to the room. */
#pragma once

#include "stats/shm.h"

enum {
    CTR_STRIPES = 16,         /* per module; threads spread over them */
    INTEREST_BUCKETS = 16384, /* per module */
    SLOT_WORDS = SHM_MAX_SESSIONS / 64,
    PEER_WORDS = 6,     /* 46 bytes */
    ACCOUNT_WORDS = 12, /* 96 bytes */
    STATE_WORDS = 3,    /* 24 bytes */
    ABOUT_WORDS = 12,   /* 96 bytes */
    FAILURE_SETS = 4096,
    FAILURE_WAYS = 8,
};

#define SHM_MAGIC 0x314d48534e524854u

struct shm_stripe {
    _Alignas(64) _Atomic uint64_t v[CTR_COUNT];
};

/* One session. The first 64 bytes are what changes with every command.
 * owner: 0 = free, else module and pid (owner_of). Claimed by compare-and-swap; only the claiming
 * process writes the rest, one thread at a time, except that shm_module_reset frees slots of the
 * dead. seq: odd = readable, even = free or being written. The numbers are atomic each by itself.
 */
struct shm_slot {
    _Alignas(64) _Atomic uint64_t owner;
    _Atomic uint64_t seq;
    _Atomic int64_t active_ms;
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t state[STATE_WORDS];
    _Atomic uint64_t head; /* id << 32 | service << 8 | tls */
    _Atomic int64_t started_ms;
    _Atomic uint64_t peer[PEER_WORDS], local[PEER_WORDS];
    _Atomic uint64_t account[ACCOUNT_WORDS];
    _Atomic uint64_t about[ABOUT_WORDS];
};

/* Failed logins of one name or address; failures.c. */
struct shm_failure {
    _Atomic uint64_t hash; /* 0 = empty */
    _Atomic uint64_t state;
};

struct shm_layout {
    /* Written before the descriptor is handed to anybody. */
    uint64_t magic, version, size;
    uint64_t failure_key[2];
    uint64_t started_s; /* wall clock */
    _Alignas(64) _Atomic uint32_t next_id;
    _Alignas(64) _Atomic uint32_t high; /* slots below were claimed at least once */
    _Alignas(64) _Atomic uint64_t epochs[EPOCH_COUNT];
    _Atomic uint64_t applied[MOD_COUNT]; /* EPOCH_SETTINGS that is in force; 0 = not serving */
    _Atomic uint32_t service_on[SVC_COUNT], service_ends[SVC_COUNT];
    struct shm_stripe counters[MOD_COUNT][CTR_STRIPES];
    _Atomic int32_t interest[MOD_COUNT][INTEREST_BUCKETS];
    /* Sessions open now, and most at once since the peak was last taken. */
    _Alignas(64) _Atomic uint32_t open[MOD_COUNT][SVC_COUNT];
    _Atomic uint32_t peak[MOD_COUNT][SVC_COUNT];
    _Atomic uint32_t top[MOD_COUNT][SVC_COUNT]; /* since the server began */
    /* Bit set: the slot is (or was a moment ago) in use. A hint that makes claiming and listing
     * fast; a wrong bit costs a failed claim, the owner word decides. */
    _Alignas(64) _Atomic uint64_t used[SLOT_WORDS];
    struct shm_slot slots[SHM_MAX_SESSIONS];
    _Alignas(64) struct shm_failure failures[FAILURE_SETS][FAILURE_WAYS];
};

struct shm {
    struct shm_layout *m;
};

/* The segment in use (made on first use) and the module of this process. */
struct shm_layout *shm_here(void);
enum module shm_self(void);
