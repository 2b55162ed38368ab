/* The hot side of app passwords. */
#pragma once

#include "mail/account/accounts_priv.h"

/* The app password that was typed, or NULL. Costs one SHA-256 each, nothing when the text cannot be
 * one. */
struct app_password *app_password_match(const struct password_obj *p, struct sv password);
