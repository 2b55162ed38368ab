/* Sessions as the API shows them; shared by the list and the event stream. */
#pragma once

#include "server/api/caller.h"
#include "stats/shm.h"

#include <jansson.h>

/* 64 bits that name a session; the low 16 are those of the log lines. */
uint64_t api_session_key(const struct shm_session_info *s);
bool api_sees_session(const struct api_caller *who, const struct shm_session_info *s);
json_t *api_session_json(const struct api_caller *who, const struct shm_session_info *s);
