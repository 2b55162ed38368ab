/* When the heap is trimmed. malloc_trim walks all free memory, so its price is measured and paid
 * from the CPU time that the process has used since. */
#include "os/memory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    ARENAS = 2,
    SHARE = 50,             /* one part of the CPU time at most */
    QUIET_PERCENT = 20,     /* of one processor since the last tick */
    BUSY_TICKS = 10,        /* while busy: only every so many ticks */
    LATE_TICKS = 2,         /* then once more, for what idle threads let go a little later */
    MIN_NS = 5000000,       /* CPU time below which nothing can be worth it */
    STACK_KEPT = 16 * 1024, /* near the stack's end in use: it would be needed at once */
    MMAP_BYTES = 256 * 1024,
    TRIM_BYTES = 256 * 1024,
};

/* The thread that calls os_memory_tick owns it. */
static struct {
    int64_t tick_ns, tick_cpu_ns; /* at the last tick */
    int64_t trim_cpu_ns, cost_ns; /* after the last trim; its price */
    unsigned busy, late;
} state;

static int64_t now_ns(clockid_t which)
{
    struct timespec ts;
    clock_gettime(which, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void trim(void)
{
    int64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    malloc_trim(0);
    state.cost_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    state.trim_cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    state.busy = 0;
}

/* Left alone, glibc raises both thresholds with each large block that is freed, to 32 and 64 MiB;
 * and malloc_trim does not look at the top of any arena but the first. One large message would cost
 * that much for good. */
void os_memory_init(void)
{
    mallopt(M_ARENA_MAX, ARENAS);
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
}

void os_memory_tick(void)
{
    int64_t now = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    int64_t passed = now - state.tick_ns, used = cpu - state.tick_cpu_ns;
    int64_t since = cpu - state.trim_cpu_ns;
    state.tick_ns = now;
    state.tick_cpu_ns = cpu;
    if (state.late > 0 && --state.late == 0) {
        trim();
        return;
    }
    if (since < MIN_NS || since < state.cost_ns * SHARE)
        return;
    if (used * 100 > passed * QUIET_PERCENT && ++state.busy < BUSY_TICKS)
        return;
    trim();
    state.late = LATE_TICKS;
}

void os_memory_freed(void)
{
    if (state.late == 0)
        state.late = 1;
}

void os_stack_trim(size_t stack_bytes)
{
    /* The attributes of a thread that was not given a stack tell its lowest address. */
    pthread_attr_t attr;
    void *lo;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    int r = pthread_attr_getstack(&attr, &lo, &size);
    pthread_attr_destroy(&attr);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)lo, here = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);
    if (r != 0 || size > 2 * stack_bytes || here < from + STACK_KEPT)
        return;
    madvise(lo, here - STACK_KEPT - from, MADV_DONTNEED);
}

size_t os_memory_allocated(void)
{
    struct mallinfo2 i = mallinfo2();
    return i.uordblks + i.hblkhd;
}

size_t os_memory_peak(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) < 0 ? 0 : (size_t)u.ru_maxrss * 1024;
}

size_t os_memory_resident(void)
{
    unsigned long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%lu %lu", &all, &resident) != 2)
        resident = 0;
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
