/* Passwords that a slow hash has found right within the last minutes, as HMAC-SHA256 under a key of
 * this process: a mail client that polls does not pay for Argon2 each time. Fixed size, any thread.
 */
#pragma once

#include "base/sv.h"

#define VERIFIED_MS (5 * 60 * 1000)

struct verified;

struct verified *verified_new(void);
void verified_free(struct verified *v);
/* version: that of the password row, so that a changed password is not taken from here. */
void verified_put(struct verified *v, int64_t account_id, int64_t version, struct sv password);
bool verified_is(struct verified *v, int64_t account_id, int64_t version, struct sv password);
bool verified_has(struct verified *v, int64_t account_id, int64_t version); /* any password */
