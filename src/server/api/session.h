/* Sessions as the API shows them; shared by the list and the event stream. */
#pragma once

#include "server/api/route.h"
#include "stats/shm.h"

#include <jansson.h>

/* 64 bits that name a session, the same as in events; the low 16 are those of the log lines. */
uint64_t api_session_key(const struct shm_session_info *s);
bool api_sees_session(const struct api_caller *who, const struct shm_session_info *s);
json_t *api_session_json(const struct api_caller *who, const struct shm_session_info *s);
extern const struct api_schema api_session_schema;
/* The live session with this key, when the caller may see it. */
bool api_session_live(struct api_call *c, uint64_t key, struct shm_session_info *ret);
/* Ends it, with a row in the audit, and answers. */
void api_session_end(struct api_call *c, const struct shm_session_info *s);
/* Of the path: the key; 0 = no such session. 4 and 8 digits mean the latest session. */
uint64_t api_session_param(struct api_call *c);

/* --- those that have ended, session_history.c --- */

void api_session_history(struct api_call *c);                /* answers with the list */
json_t *api_session_ended(struct api_call *c, uint64_t key); /* NULL: none that the caller sees */
