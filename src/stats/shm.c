/* The segment itself: creation, attachment, the process's current segment, counters, epochs and
 * interest. Sessions are in session.c. All calls are lock-free and may come from any thread. */
#include "base/rand.h"
#include "stats/shm_priv.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* Changes when the meaning of a field does; CTR_COUNT covers new counters. */
#define SHM_VERSION ((uint64_t)5 << 32 | CTR_COUNT)

const char *const module_names[MOD_COUNT] = { "supervisor", "smtp", "access", "control" };
const char *const service_names[SVC_COUNT] = { "smtp", "submission", "smtp-client", "pop3",
                                               "imap", "control",    "managesieve" };
const char *const counter_names[CTR_COUNT] = {
#define COUNTER(name, help) #name,
#include "stats/counters.def"
#undef COUNTER
};
const char *const counter_helps[CTR_COUNT] = {
#define COUNTER(name, help) help,
#include "stats/counters.def"
#undef COUNTER
};

/* What this process counts into. Set once at module start (shm_use), before other threads count. */
static _Atomic(struct shm *) current;
static _Atomic int self_module = MOD_SUPERVISOR;

static int map_segment(int fd, struct shm **ret, struct errinfo *ei)
{
    void *p = mmap(NULL, sizeof(struct shm_layout), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(ei, -errno, "cannot map the statistics segment");
    struct shm *s = xcalloc(1, sizeof(*s));
    s->m = p;
    *ret = s;
    return 0;
}

int shm_create(int *ret_fd, struct shm **ret, struct errinfo *ei)
{
    _cleanup_(closep) int fd = memfd_create("posthorn-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, sizeof(struct shm_layout)) < 0)
        return err_set_errno(ei, -errno, "cannot create the statistics segment");
    /* Nobody who gets the descriptor can shrink it under the others (SIGBUS). */
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_set_errno(ei, -errno, "cannot seal the statistics segment");
    struct shm *s;
    int r = map_segment(fd, &s, ei);
    if (r < 0)
        return r;
    s->m->magic = SHM_MAGIC;
    s->m->version = SHM_VERSION;
    s->m->size = sizeof(struct shm_layout);
    s->m->epochs[EPOCH_SETTINGS] = 1; /* 0 in applied[] is nobody's epoch */
    rand_bytes(s->m->failure_key, sizeof(s->m->failure_key));
    s->m->started_s = (uint64_t)clock_wall_s() & UINT32_MAX;
    *ret_fd = take_fd(&fd);
    *ret = s;
    return 0;
}

int shm_attach(int fd, struct shm **ret, struct errinfo *ei)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set_errno(ei, -errno, "cannot attach the statistics segment");
    if (st.st_size != sizeof(struct shm_layout))
        return err_set(ei, E_CORRUPT,
                       "the statistics segment has %lld bytes instead of %zu: supervisor and "
                       "module are of different versions; restart the server",
                       (long long)st.st_size, sizeof(struct shm_layout));
    struct shm *s;
    int r = map_segment(fd, &s, ei);
    if (r < 0)
        return r;
    if (s->m->magic != SHM_MAGIC || s->m->version != SHM_VERSION) {
        shm_detach(s);
        return err_set(ei, E_CORRUPT,
                       "the statistics segment is of another version; restart the server");
    }
    *ret = s;
    return 0;
}

void shm_detach(struct shm *s)
{
    if (!s)
        return;
    struct shm *mine = s;
    atomic_compare_exchange_strong(&current, &mine, NULL);
    munmap(s->m, sizeof(struct shm_layout));
    free(s);
}

void shm_use(struct shm *s, enum module self)
{
    atomic_store_explicit(&self_module, (int)self, memory_order_relaxed);
    atomic_store_explicit(&current, s, memory_order_release);
}

/* What was counted before shm_use. Kept after it, as a thread may be counting there. Volatile:
 * nobody reads it but LeakSanitizer, for which the compiler would not keep it. */
static struct shm *volatile before_use;

static struct shm *make_private(void)
{
    struct shm *s, *none = NULL;
    _cleanup_(closep) int fd = -1;
    struct errinfo ei;
    if (shm_create(&fd, &s, &ei) < 0)
        panic("%s", ei.text);
    if (atomic_compare_exchange_strong(&current, &none, s)) {
        before_use = s;
        return s;
    }
    shm_detach(s); /* another thread was first */
    return none;
}

struct shm *shm_current(void)
{
    struct shm *s = atomic_load_explicit(&current, memory_order_acquire);
    return s ? s : make_private();
}

struct shm_layout *shm_here(void)
{
    return shm_current()->m;
}

enum module shm_self(void)
{
    return (enum module)atomic_load_explicit(&self_module, memory_order_relaxed);
}

static unsigned stripe(void)
{
    static _Atomic unsigned next;
    static _Thread_local unsigned mine; /* 0 = not chosen yet */
    if (mine == 0)
        mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % CTR_STRIPES;
    return mine - 1;
}

void ctr_add(enum counter c, uint64_t n)
{
    atomic_fetch_add_explicit(&shm_here()->counters[shm_self()][stripe()].v[c], n,
                              memory_order_relaxed);
}

uint64_t ctr_get_module(struct shm *s, enum module m, enum counter c)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < CTR_STRIPES; i++)
        sum += atomic_load_explicit(&s->m->counters[m][i].v[c], memory_order_relaxed);
    return sum;
}

uint64_t ctr_get(struct shm *s, enum counter c)
{
    uint64_t sum = 0;
    for (enum module m = 0; m < MOD_COUNT; m++)
        sum += ctr_get_module(s, m, c);
    return sum;
}

uint32_t shm_sessions_open(struct shm *s, enum service svc)
{
    uint32_t n = 0;
    for (enum module m = 0; m < MOD_COUNT; m++)
        n += atomic_load_explicit(&s->m->open[m][svc], memory_order_relaxed);
    return n;
}

/* Several modules do not serve the same service at the same time but while one is replaced: the sum
 * of their peaks is the peak. */
uint32_t shm_sessions_peak(struct shm *s, enum service svc, bool take)
{
    uint32_t n = 0;
    for (enum module m = 0; m < MOD_COUNT; m++) {
        uint32_t now = atomic_load_explicit(&s->m->open[m][svc], memory_order_relaxed);
        n += take ? atomic_exchange_explicit(&s->m->peak[m][svc], now, memory_order_relaxed)
                  : atomic_load_explicit(&s->m->peak[m][svc], memory_order_relaxed);
    }
    return n;
}

uint64_t shm_started_s(struct shm *s)
{
    return s->m->started_s;
}

void service_set(enum service svc, bool on)
{
    atomic_store(&shm_here()->service_on[svc], on);
}

bool service_on(enum service svc)
{
    return atomic_load(&shm_here()->service_on[svc]);
}

void service_end_sessions(enum service svc)
{
    atomic_fetch_add(&shm_here()->service_ends[svc], 1);
}

uint32_t service_ends(enum service svc)
{
    return atomic_load(&shm_here()->service_ends[svc]);
}

/* Epochs and applied are sequentially consistent: of two processes that each write one and then
 * read the other, at least one sees the other's (shm.h). */
uint64_t epoch_get(enum epoch e)
{
    return atomic_load(&shm_here()->epochs[e]);
}

void epoch_bump(enum epoch e)
{
    atomic_fetch_add(&shm_here()->epochs[e], 1);
}

void applied_set(uint64_t epoch)
{
    atomic_store(&shm_here()->applied[shm_self()], epoch);
}

uint64_t applied_get(enum module m)
{
    return atomic_load(&shm_here()->applied[m]);
}

static unsigned bucket(int64_t account_id)
{
    return (unsigned)(((uint64_t)account_id * 0x9e3779b97f4a7c15u) >> 50);
}

_Static_assert(INTEREST_BUCKETS == 1 << (64 - 50), "bucket() takes the top 14 bits");

void interest_add(int64_t account_id)
{
    /* Sequentially consistent on both sides: a session that registers and then looks at its mailbox
     * must not miss a delivery that writes and then asks whether anybody listens. */
    atomic_fetch_add(&shm_here()->interest[shm_self()][bucket(account_id)], 1);
}

void interest_drop(int64_t account_id)
{
    atomic_fetch_sub(&shm_here()->interest[shm_self()][bucket(account_id)], 1);
}

bool interest_any(int64_t account_id)
{
    struct shm_layout *l = shm_here();
    unsigned b = bucket(account_id);
    for (enum module m = 0; m < MOD_COUNT; m++)
        if (atomic_load(&l->interest[m][b]) > 0)
            return true;
    return false;
}
