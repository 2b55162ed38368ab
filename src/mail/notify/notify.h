/* "This mailbox has changed": from whoever changes it to the sessions that wait (IDLE), in this
 * process and, as a hint that may be lost, in others. Any thread. */
#pragma once

#include "base/base.h"

struct notify_hooks {
    /* Tells a waiting session; handle as given to notify_subscribe. Must not block. Called without
     * locks, so a handle that another thread unsubscribes at the same time may be told once more.
     */
    void (*post)(uint64_t handle, int64_t account_id, int64_t folder_id);
    /* Tells other processes (only called when interest_any says that somebody waits). Must not
     * block. */
    void (*hint)(int64_t account_id, int64_t folder_id);
};
void notify_set_hooks(
    const struct notify_hooks *h); /* once at start, before other threads; copies; NULL = none */

void notify_subscribe(int64_t account_id, uint64_t handle);
void notify_unsubscribe(int64_t account_id, uint64_t handle);
/* After a change was committed. except: the session that made it (0 = none). */
void notify_changed(int64_t account_id, int64_t folder_id, uint64_t except);
void notify_received(int64_t account_id, int64_t folder_id); /* a hint from another process */
