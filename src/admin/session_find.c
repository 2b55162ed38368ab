/* The key of a session from its last digits. */
#include "admin/session_find.h"

bool session_parse(const char *text, uint64_t *ret)
{
    size_t n = strlen(text);

    if (n == 0 || n > 16 || strspn(text, "0123456789abcdefABCDEF") != n)
        return false;
    *ret = strtoull(text, NULL, 16);
    return true;
}

struct low_bits {
    uint64_t id, mask;
};

static bool has_low_bits(const struct event_view *e, void *arg)
{
    const struct low_bits *l = arg;

    return (e->record.head.session & l->mask) == l->id;
}

static bool take_session(const struct event_view *e, void *arg)
{
    *(uint64_t *)arg = e->record.head.session;
    return false;
}

uint64_t session_find(const char *data_dir, const char *text, int64_t budget_ms)
{
    struct low_bits l = { 0 };
    struct event_query q = { .name = SV("session."), /* one that never connected has an end only */
                             .match = has_low_bits,
                             .match_arg = &l,
                             .limit = 1,
                             .budget_ms = budget_ms };
    uint64_t found = 0;
    size_t n = strlen(text);

    if (!session_parse(text, &l.id) || n == 16)
        return l.id;
    l.mask = n > 4 ? UINT32_MAX : UINT16_MAX;
    event_query(data_dir, &q, NULL, take_session, &found, NULL, NULL);
    return found;
}
