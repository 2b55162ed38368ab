/* Modules' own words about themselves. */
#pragma once

#include "server/api/api.h"

/* {"started_ms", "memory"}; new reference, NULL when the module does not answer. */
json_t *api_module_status(struct api *a, enum module m);
