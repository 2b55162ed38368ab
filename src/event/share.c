/* Shares: a table in sets, in which the entry with the fewest bytes makes place. */
#include "event/share.h"

#include <arpa/inet.h>

#include "base/hash.h"

uint64_t share_limit(uint64_t max_bytes, unsigned days, unsigned percent)
{
    uint64_t limit = max_bytes / 100 * percent / (days ? days : 30);
    return percent == 0 || max_bytes == 0 ? 0 : limit ? limit : 1;
}

bool share_is_stranger(const struct logctx *c)
{
    return c->source[0] && strncmp(c->source, "127.", 4) != 0 && strcmp(c->source, "::1") != 0 &&
           (!c->account || !*c->account) && (!c->prefix || strcmp(c->prefix, LOG_CLIENT) != 0);
}

static uint64_t key_of_address(const char *ip)
{
    uint8_t b[16];
    if (inet_pton(AF_INET6, ip, b) == 1)
        return fnv1a64(b, 8) | 1;
    return fnv1a64(ip, strlen(ip)) | 1;
}

/* Even, so that no session is an address. */
static uint64_t key_of_session(uint64_t session)
{
    return (fnv1a64(&session, sizeof(session)) | 2) & ~UINT64_C(1);
}

/* Bytes of key on that day, with these n. */
static uint64_t add(struct share *s, uint64_t key, size_t n, uint32_t day)
{
    size_t set = (key >> 3) % SHARE_SETS, least = 0;
    for (size_t i = 0; i < SHARE_WAYS; i++) {
        if (s->v[set][i].key == key && s->v[set][i].day == day)
            return s->v[set][i].bytes += n;
        if (s->v[set][i].day != day)
            s->v[set][i].bytes = 0;
        if (s->v[set][i].bytes < s->v[set][least].bytes)
            least = i;
    }
    s->v[set][least].key = key;
    s->v[set][least].bytes = n;
    s->v[set][least].day = day;
    return n;
}

static bool take(struct share *s, uint64_t key, size_t n, uint32_t day, uint64_t limit,
                 bool *ret_first)
{
    uint64_t bytes = add(s, key, n, day);
    if (bytes <= limit)
        return true;
    *ret_first |= bytes - n <= limit;
    return false;
}

bool share_take(struct share *s, const struct logctx *c, size_t n, uint32_t day, bool *ret_first)
{
    *ret_first = false;
    if (!s->limit || !share_is_stranger(c))
        return true;
    return (!c->session || take(s, key_of_session(c->session), n, day,
                                MAX(s->limit / SHARE_OF_SESSION, 1), ret_first)) &&
           take(s, key_of_address(c->source), n, day, s->limit, ret_first);
}
