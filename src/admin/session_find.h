/* Sessions by what people have of them. */
#pragma once

#include "event/reader.h"

/* 1 to 16 hex digits. */
bool session_parse(const char *text, uint64_t *ret);
/* 16 digits are the key itself; 8 the id in the list of sessions, 4 the bracket of the log: then it
 * is the latest one that ends in them. 0 = none, or not found within budget_ms (0 = no limit). */
uint64_t session_find(const char *data_dir, const char *text, int64_t budget_ms);
