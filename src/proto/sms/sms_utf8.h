/* Going through UTF-8 by characters. */
#pragma once

#include "base/sv.h"

/* Takes the first character off; a byte that begins none is one of its own (U+FFFD). text->n > 0.
 */
uint32_t sms_utf8_next(struct sv *text);
