/* Which looks have been recorded lately: who follows something page by page is recorded once in ten
 * minutes. Any thread. */
#pragma once

#include "base/base.h"

struct looks;
struct looks *looks_new(void);
void looks_free(struct looks *l);
bool looks_has(struct looks *l, const char *who, const char *object);
void looks_add(struct looks *l, const char *who, const char *object);
