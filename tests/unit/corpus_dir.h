/* Where real and broken messages are, found from the root of the sources: below $POSTHORN_CORPUS,
 * else in ../shared/corpus beside the checkout, else the subset that is kept with the tests. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

enum { CORPUS_LEAST = 40 }; /* fewer messages are no corpus */

static inline const char *corpus_dir(void)
{
    const char *named = getenv("POSTHORN_CORPUS");
    if (named && *named)
        return named;
    return access("../shared/corpus", R_OK) == 0 ? "../shared/corpus"
                                                 : "tests/integration/data/corpus";
}
