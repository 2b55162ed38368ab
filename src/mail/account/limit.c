#include "mail/account/limit.h"

const char *const limit_level_names[] = { "none", "account", "domain", "server" };

struct limit limit_of(int64_t account, int64_t domain, int64_t server)
{
    const int64_t at[] = { 0, account, domain, server };
    struct limit ret = { 0, LIMIT_NONE };
    for (int i = LIMIT_ACCOUNT; i <= LIMIT_SERVER; i++)
        if (at[i] > 0 && (ret.max == 0 || at[i] < ret.max))
            ret = (struct limit){ at[i], (enum limit_level)i };
    return ret;
}
