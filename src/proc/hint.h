/* What this process changes in a mailbox is told to module access, whose sessions may wait for it.
 */
#pragma once

#include "ipc/ipc.h"

/* Once at start, before the first change; link outlives all of them. */
void hint_access_by(struct ipc *link);
