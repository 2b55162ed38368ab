/* Small writes that a login causes but must not wait for: SCRAM keys of an imported password, the
 * time an app password was used. One background thread that exists only while there is work; a
 * bounded queue that drops when full (the next login brings the job again). Any thread. */
#pragma once

#include "mail/account/accounts_priv.h"

struct later *later_new(void);
void later_free(struct later *l); /* finishes the jobs at hand */
/* Derives and stores the missing keys of this version of the password. */
void later_store_scram(struct accounts *a, int64_t account_id, int64_t version, struct sv password);
void later_app_used(struct accounts *a, int64_t app_id, int64_t used_s);
/* Tests: returns when the queue is empty and nothing runs. */
void later_wait(struct accounts *a);
