/* What rules change of a message's header, as milters change it. */
#pragma once

#include "mail/milter/edit.h"
#include "proto/filter/filter.h"

/* Does the action change the header? */
bool filter_is_change(const struct filter_action *a);
/* Carries out one of those; others are nothing. */
void filter_change(struct edit *e, const struct filter_action *a);
