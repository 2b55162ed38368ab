/* The table of live sessions. A slot has one writer, the process that claimed it, which changes
 * texts under a sequence number (a seqlock of atomic words: release stores and acquire loads take
 * the place of fences, so that race detectors understand it). Readers retry, and skip a slot whose
 * writer died in the middle. Slots are claimed from the low end, so memory follows the number of
 * sessions. */
#include "stats/shm_priv.h"

#include <unistd.h>

#include "base/clock.h"

enum { READ_TRIES = 1000 };

#define OWNER_MODULE(o) ((unsigned)((o) >> 32) - 1)

static uint64_t owner_of(enum module m, pid_t pid)
{
    return (uint64_t)(m + 1) << 32 | (uint32_t)pid;
}

static uint64_t relaxed(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static struct shm_slot *slot_at(int32_t slot)
{
    return slot < 0 || slot >= SHM_MAX_SESSIONS ? NULL : &shm_here()->slots[slot];
}

/* Odd = readable. Even while a writer is at it, and in a free slot: between claim and the first
 * write_end nobody sees what the last session left. */
static void write_begin(struct shm_slot *s)
{
    uint64_t seq = relaxed(&s->seq);
    atomic_store_explicit(&s->seq, seq + (seq & 1), memory_order_relaxed);
}

static void write_end(struct shm_slot *s)
{
    atomic_store_explicit(&s->seq, relaxed(&s->seq) + 1, memory_order_release);
}

static void put_word(_Atomic uint64_t *w, uint64_t v)
{
    atomic_store_explicit(w, v, memory_order_release);
}

/* Cut to 8 * words - 1 bytes, padded with zeros. */
static void put_text(_Atomic uint64_t *w, size_t words, struct sv text)
{
    text = sv_take(text, words * 8 - 1);
    for (size_t i = 0; i < words; i++) {
        uint64_t v = 0;
        struct sv part = sv_take(sv_skip(text, i * 8), 8);
        if (part.n == 8)
            memcpy(&v, part.p, 8);
        else if (part.n > 0)
            memcpy(&v, part.p, part.n);
        put_word(&w[i], v);
    }
}

static void get_text(const _Atomic uint64_t *w, size_t words, char *ret, size_t cap)
{
    char text[ACCOUNT_WORDS * 8];
    for (size_t i = 0; i < words; i++) {
        uint64_t v = atomic_load_explicit(&w[i], memory_order_acquire);
        memcpy(text + i * 8, &v, 8);
    }
    memcpy(ret, text, cap);
    ret[cap - 1] = '\0';
}

static void raise_high(struct shm_layout *l, uint32_t slots)
{
    uint32_t high = atomic_load_explicit(&l->high, memory_order_relaxed);
    while (high < slots && !atomic_compare_exchange_weak(&l->high, &high, slots))
        ;
}

static int32_t claim(struct shm_layout *l, uint64_t owner)
{
    for (int32_t w = 0; w < SLOT_WORDS; w++) {
        uint64_t unused = ~relaxed(&l->used[w]);
        while (unused) {
            int bit = __builtin_ctzll(unused);
            struct shm_slot *s = &l->slots[w * 64 + bit];
            uint64_t none = 0;
            raise_high(l, (uint32_t)(w * 64 + bit + 1));
            if (atomic_compare_exchange_strong_explicit(
                    &s->owner, &none, owner, memory_order_acq_rel, memory_order_relaxed)) {
                atomic_fetch_or_explicit(&l->used[w], (uint64_t)1 << bit, memory_order_acq_rel);
                return w * 64 + bit;
            }
            unused &= unused - 1;
        }
    }
    return -1;
}

/* The bit goes first: who dies in between leaves a slot that shm_module_reset finds by its owner.
 */
static void unclaim(struct shm_layout *l, int32_t slot)
{
    write_begin(&l->slots[slot]);
    atomic_fetch_and_explicit(&l->used[slot / 64], ~((uint64_t)1 << slot % 64),
                              memory_order_acq_rel);
    atomic_store_explicit(&l->slots[slot].owner, 0, memory_order_release);
}

#define OF_SERVICE(svc, name)                                                                      \
    [svc] = { true, CTR_conn_##name, CTR_bytes_in_##name, CTR_bytes_out_##name }
static const struct {
    bool counted;
    enum counter connections, in, out;
} figures[SVC_COUNT] = {
    OF_SERVICE(SVC_SMTP, smtp),
    OF_SERVICE(SVC_SUBMISSION, submission),
    OF_SERVICE(SVC_SMTP_CLIENT, smtp_client),
    OF_SERVICE(SVC_POP3, pop3),
    OF_SERVICE(SVC_IMAP, imap),
    OF_SERVICE(SVC_CONTROL, control),
    OF_SERVICE(SVC_MANAGESIEVE, managesieve),
};

bool shm_service_figures(struct shm *s, enum service svc, struct shm_figures *ret)
{
    *ret = (struct shm_figures){ .active = shm_sessions_open(s, svc) };
    if (!figures[svc].counted)
        return false;
    for (enum module m = 0; m < MOD_COUNT; m++)
        ret->peak += atomic_load_explicit(&s->m->top[m][svc], memory_order_relaxed);
    ret->connections = ctr_get(s, figures[svc].connections);
    ret->bytes_in = ctr_get(s, figures[svc].in);
    ret->bytes_out = ctr_get(s, figures[svc].out);
    return true;
}

static void raise_to(_Atomic uint32_t *peak, uint32_t n)
{
    uint32_t was = atomic_load_explicit(peak, memory_order_relaxed);
    while (was < n && !atomic_compare_exchange_weak(peak, &was, n))
        ;
}

static void count_open(struct shm_layout *l, enum service svc)
{
    enum module m = shm_self();
    uint32_t n = 1 + atomic_fetch_add_explicit(&l->open[m][svc], 1, memory_order_relaxed);
    raise_to(&l->peak[m][svc], n);
    raise_to(&l->top[m][svc], n);
}

int32_t shm_session_open(enum service svc, uint32_t id, const char *peer, const char *local)
{
    struct shm_layout *l = shm_here();
    int32_t slot = claim(l, owner_of(shm_self(), getpid()));
    if (figures[svc].counted)
        ctr_inc(figures[svc].connections);
    if (slot < 0)
        return -1;
    struct shm_slot *s = &l->slots[slot];
    int64_t now = clock_wall_ms();
    write_begin(s);
    put_word(&s->head, (uint64_t)id << 32 | (uint64_t)svc << 8);
    atomic_store_explicit(&s->started_ms, now, memory_order_release);
    atomic_store_explicit(&s->active_ms, now, memory_order_release);
    put_word(&s->bytes_in, 0);
    put_word(&s->bytes_out, 0);
    put_text(s->peer, PEER_WORDS, sv_c(peer));
    put_text(s->local, PEER_WORDS, sv_c(local));
    put_text(s->account, ACCOUNT_WORDS, SV_NULL);
    put_text(s->state, STATE_WORDS, SV_NULL);
    put_text(s->about, ABOUT_WORDS, SV_NULL);
    write_end(s);
    count_open(l, svc);
    return slot;
}

void shm_session_account(int32_t slot, struct sv account)
{
    struct shm_slot *s = slot_at(slot);
    if (!s)
        return;
    write_begin(s);
    put_text(s->account, ACCOUNT_WORDS, account);
    write_end(s);
}

void shm_session_state(int32_t slot, struct sv state)
{
    struct shm_slot *s = slot_at(slot);
    if (!s)
        return;
    write_begin(s);
    put_text(s->state, STATE_WORDS, state);
    write_end(s);
    atomic_store_explicit(&s->active_ms, clock_wall_ms(), memory_order_relaxed);
}

void shm_session_request(int32_t slot, struct sv state, struct sv about)
{
    struct shm_slot *s = slot_at(slot);
    if (!s)
        return;
    write_begin(s);
    put_text(s->state, STATE_WORDS, state);
    put_text(s->about, ABOUT_WORDS, about);
    write_end(s);
    atomic_store_explicit(&s->active_ms, clock_wall_ms(), memory_order_relaxed);
}

void shm_session_tls(int32_t slot, bool on)
{
    struct shm_slot *s = slot_at(slot);
    if (!s)
        return;
    write_begin(s);
    put_word(&s->head, (relaxed(&s->head) & ~(uint64_t)1) | on);
    write_end(s);
}

void shm_session_bytes(int32_t slot, uint64_t in, uint64_t out)
{
    struct shm_slot *s = slot_at(slot);
    if (!s)
        return;
    unsigned svc = relaxed(&s->head) >> 8 & 0xff;
    bool counted = svc < SVC_COUNT && figures[svc].counted;
    if (in)
        atomic_fetch_add_explicit(&s->bytes_in, in, memory_order_relaxed);
    if (out)
        atomic_fetch_add_explicit(&s->bytes_out, out, memory_order_relaxed);
    if (in && counted)
        ctr_add(figures[svc].in, in);
    if (out && counted)
        ctr_add(figures[svc].out, out);
    atomic_store_explicit(&s->active_ms, clock_wall_ms(), memory_order_relaxed);
}

void shm_session_close(int32_t slot)
{
    struct shm_slot *s = slot_at(slot);
    if (!s)
        return;
    unsigned svc = relaxed(&s->head) >> 8 & 0xff;
    unclaim(shm_here(), slot);
    atomic_fetch_sub_explicit(&shm_here()->open[shm_self()][svc], 1, memory_order_relaxed);
}

uint32_t shm_session_new_id(void)
{
    struct shm_layout *l = shm_here();
    uint32_t id;
    do
        id = 1 + atomic_fetch_add_explicit(&l->next_id, 1, memory_order_relaxed);
    while (id == 0);
    return id;
}

uint64_t shm_session_key(uint32_t id)
{
    return shm_here()->started_s << 32 | id;
}

void shm_session_totals(int32_t slot, uint64_t *ret_in, uint64_t *ret_out)
{
    struct shm_slot *s = slot_at(slot);
    *ret_in = s ? relaxed(&s->bytes_in) : 0;
    *ret_out = s ? relaxed(&s->bytes_out) : 0;
}

/* False: the slot is free, or changes all the time (its writer died while it wrote). */
static bool read_slot(const struct shm_slot *s, struct shm_session_info *ret)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t owner = atomic_load_explicit(&s->owner, memory_order_acquire);
        if (owner == 0)
            return false;
        uint64_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
        if (!(seq & 1))
            continue;
        uint64_t head = atomic_load_explicit(&s->head, memory_order_acquire);
        *ret = (struct shm_session_info){
            .id = (uint32_t)(head >> 32),
            .module = (uint8_t)MIN(OWNER_MODULE(owner), MOD_COUNT - 1u),
            .service = (uint8_t)MIN(head >> 8 & 0xff, SVC_COUNT - 1u),
            .tls = head & 1,
            .started_ms = atomic_load_explicit(&s->started_ms, memory_order_acquire),
            .active_ms = atomic_load_explicit(&s->active_ms, memory_order_acquire),
            .bytes_in = atomic_load_explicit(&s->bytes_in, memory_order_acquire),
            .bytes_out = atomic_load_explicit(&s->bytes_out, memory_order_acquire),
        };
        get_text(s->peer, PEER_WORDS, ret->peer, sizeof(ret->peer));
        get_text(s->local, PEER_WORDS, ret->local, sizeof(ret->local));
        get_text(s->account, ACCOUNT_WORDS, ret->account, sizeof(ret->account));
        get_text(s->state, STATE_WORDS, ret->state, sizeof(ret->state));
        get_text(s->about, ABOUT_WORDS, ret->about, sizeof(ret->about));
        if (relaxed(&s->seq) == seq && relaxed(&s->owner) == owner)
            return true;
    }
    return false;
}

void shm_session_each(struct shm *s, bool (*fn)(const struct shm_session_info *, void *arg),
                      void *arg)
{
    for (int32_t w = 0; w < SLOT_WORDS; w++) {
        uint64_t used = relaxed(&s->m->used[w]);
        for (; used; used &= used - 1) {
            struct shm_session_info info;
            if (read_slot(&s->m->slots[w * 64 + __builtin_ctzll(used)], &info) && !fn(&info, arg))
                return;
        }
    }
}

void shm_module_reset(struct shm *s, enum module m)
{
    struct shm_layout *l = s->m;
    /* Not by the bits: who died between claim and bit is found too. Not beyond the highest claim:
     * reading there would allocate memory. */
    int32_t high = (int32_t)atomic_load(&l->high);
    for (int32_t i = 0; i < MIN(high, SHM_MAX_SESSIONS); i++) {
        uint64_t owner = relaxed(&l->slots[i].owner);
        if (owner != 0 && OWNER_MODULE(owner) == (unsigned)m)
            unclaim(l, i);
    }
    for (unsigned svc = 0; svc < SVC_COUNT; svc++)
        atomic_store(&l->open[m][svc], 0);
    for (unsigned b = 0; b < INTEREST_BUCKETS; b++)
        atomic_store(&l->interest[m][b], 0);
    atomic_store(&l->applied[m], 0);
}
