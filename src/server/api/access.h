/* Who may connect, and that nobody shuts himself out. */
#pragma once

#include "server/api/route.h"

/* Would the caller still get to this server with these settings (names to values, null: the
 * default)? False: answered, with the setting that would shut him out; not with ?confirm=true. */
bool api_keeps_access(struct api_call *c, json_t *values);
extern const struct api_field api_confirm_params[];
