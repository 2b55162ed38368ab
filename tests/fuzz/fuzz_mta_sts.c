/* link: proto */
/* Policies and records of MTA-STS: what is taken is complete, bounded and of the allowed form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mta_sts_policy p;
    char id[33];
    struct sv text = sv_n(data, size);
    if (mta_sts_parse(text, &p, NULL) == 0) {
        if (p.n > MTA_STS_MAX_MX || p.max_age_s < 0 || p.max_age_s > MTA_STS_MAX_AGE_S ||
            (p.mode != MTA_STS_NONE && !p.n))
            abort();
        for (size_t i = 0; i < p.n; i++)
            if (!*p.mx[i] || (p.mx[i][0] != '*' && !mta_sts_names(&p, sv_c(p.mx[i]))))
                abort();
    }
    if (mta_sts_record(text, id) && (!*id || strlen(id) > 32))
        abort();
    return 0;
}
