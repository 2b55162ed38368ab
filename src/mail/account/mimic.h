/* What a login of an unknown user costs: the same as that of some real account. The name decides
 * which scheme of the installation it imitates, in proportion to how many accounts use each, and
 * always the same one (also on other nodes and after a restart). Any thread. */
#pragma once

#include "mail/account/accounts_priv.h"

struct mimic *mimic_new(void);
void mimic_free(struct mimic *m);
/* Does the imitated scheme verify without a slow hash? */
bool mimic_is_fast(struct accounts *a, struct sv name);
/* Verifies password against a sample of the imitated scheme and forgets the result. */
void mimic_burn(struct accounts *a, struct sv name, struct sv password);
