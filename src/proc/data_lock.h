/* One posthorn at a time has a data directory. */
#pragma once

#include "base/err.h"

/* Locks path. A tool without a server may hold it for a moment: that is waited for, some seconds or
 * until signal_fd can be read. E_CONFLICT: a server answers at control_socket, or the wait was in
 * vain. Blocks. */
int data_lock(const char *path, const char *control_socket, int signal_fd, int *ret_fd,
              struct errinfo *ei);
