/* The clocks, with the offsets that tests put on them, and the date formats. Formats are written by
 * hand: strftime would follow the locale. localtime_r takes a process-wide lock, so each thread
 * keeps the broken-down time of the last second it formatted. */
#include "base/clock.h"

#include <stdatomic.h>

/* Time shown = base + test_offset_us; base is the kernel's clock, or the frozen one. Advances stay
 * in the offset when the clocks run again, as otherwise the monotonic one would go back. */
static _Atomic int64_t test_offset_us;
static _Atomic int64_t frozen_wall_us, frozen_mono_us;
static _Atomic bool frozen;

static int64_t kernel_us(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) < 0)
        panic("clock_gettime: %m");
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t shown_us(clockid_t id, const _Atomic int64_t *frozen_us)
{
    int64_t off = atomic_load_explicit(&test_offset_us, memory_order_relaxed);
    if (atomic_load_explicit(&frozen, memory_order_acquire))
        return atomic_load_explicit(frozen_us, memory_order_relaxed) + off;
    return kernel_us(id) + off;
}

int64_t clock_mono_us(void)
{
    return shown_us(CLOCK_MONOTONIC, &frozen_mono_us);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
    return shown_us(CLOCK_REALTIME, &frozen_wall_us);
}

int64_t clock_thread_cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int clock_zone_minutes(int64_t wall_s)
{
    time_t t = (time_t)wall_s;
    struct tm tm;
    return localtime_r(&t, &tm) ? (int)(tm.tm_gmtoff / 60) : 0;
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

int64_t clock_wall_s(void)
{
    return clock_wall_ms() / 1000;
}

bool clock_trickles(int64_t started_us, uint64_t bytes, int64_t rate, int64_t grace_ms)
{
    int64_t over_ms = (clock_mono_us() - started_us) / 1000 - grace_ms;
    return rate > 0 && over_ms > 0 && bytes / (uint64_t)rate < (uint64_t)over_ms / 1000;
}

void clock_test_advance(int64_t ms)
{
    atomic_fetch_add(&test_offset_us, ms * 1000);
}

void clock_test_freeze(int64_t wall_ms)
{
    if (wall_ms == 0) {
        atomic_store(&frozen, false);
        return;
    }
    /* Frozen again at another date: the monotonic clock keeps standing where it stands. */
    if (!atomic_load(&frozen))
        atomic_store(&frozen_mono_us, kernel_us(CLOCK_MONOTONIC));
    atomic_store(&frozen_wall_us, wall_ms * 1000 - atomic_load(&test_offset_us));
    atomic_store(&frozen, true);
}

static const struct tm *local_tm(int64_t wall_s)
{
    static _Thread_local struct tm tm;
    static _Thread_local int64_t tm_s;
    static _Thread_local bool valid;
    if (valid && tm_s == wall_s)
        return &tm;
    time_t t = (time_t)wall_s;
    if (!localtime_r(&t, &tm))
        tm = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 }; /* year beyond int */
    /* All formats have four digits for it. */
    tm.tm_year = MIN(MAX(tm.tm_year, -1900), 9999 - 1900);
    tm_s = wall_s;
    valid = true;
    return &tm;
}

static char *put2(char *p, int v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

static char *put_name(char *p, const char *names, int i)
{
    memcpy(p, names + 3 * i, 3);
    return p + 3;
}

static char *put_year(char *p, const struct tm *tm)
{
    int y = tm->tm_year + 1900;
    return put2(put2(p, y / 100), y % 100);
}

static char *put_hms(char *p, const struct tm *tm, bool colons)
{
    p = put2(p, tm->tm_hour);
    if (colons)
        *p++ = ':';
    p = put2(p, tm->tm_min);
    if (colons)
        *p++ = ':';
    return put2(p, tm->tm_sec);
}

static char *put_zone(char *p, const struct tm *tm)
{
    long min = tm->tm_gmtoff / 60;
    *p++ = min < 0 ? '-' : '+';
    min = labs(min);
    return put2(put2(p, (int)(min / 60)), (int)(min % 60));
}

static char *put_month(char *p, const struct tm *tm)
{
    return put_name(p, "JanFebMarAprMayJunJulAugSepOctNovDec", tm->tm_mon);
}

void clock_rfc5322(int64_t wall_s, char ret[40])
{
    const struct tm *tm = local_tm(wall_s);
    char *p = put_name(ret, "SunMonTueWedThuFriSat", tm->tm_wday);
    *p++ = ',';
    *p++ = ' ';
    p = put2(p, tm->tm_mday);
    *p++ = ' ';
    p = put_month(p, tm);
    *p++ = ' ';
    p = put_year(p, tm);
    *p++ = ' ';
    p = put_hms(p, tm, true);
    *p++ = ' ';
    p = put_zone(p, tm);
    *p = '\0';
}

void clock_imap(int64_t wall_s, char ret[40])
{
    const struct tm *tm = local_tm(wall_s);
    char *p = put2(ret, tm->tm_mday);
    if (ret[0] == '0')
        ret[0] = ' ';
    *p++ = '-';
    p = put_month(p, tm);
    *p++ = '-';
    p = put_year(p, tm);
    *p++ = ' ';
    p = put_hms(p, tm, true);
    *p++ = ' ';
    p = put_zone(p, tm);
    *p = '\0';
}

void clock_hms(int64_t wall_s, char ret[16])
{
    *put_hms(ret, local_tm(wall_s), true) = '\0';
}

static char *put_ymd(char *p, const struct tm *tm)
{
    return put2(put2(put_year(p, tm), tm->tm_mon + 1), tm->tm_mday);
}

void clock_ymd(int64_t wall_s, char ret[16])
{
    *put_ymd(ret, local_tm(wall_s)) = '\0';
}

void clock_ymdhms(int64_t wall_s, char ret[24])
{
    const struct tm *tm = local_tm(wall_s);
    *put_hms(put_ymd(ret, tm), tm, false) = '\0';
}
