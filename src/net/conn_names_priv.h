/* The words for enum close_why. A definition in a header because both implementations of conn.h
 * (the sockets and the test driver) need it and share no library: each includes it once. */
#pragma once

#include "net/conn.h"

const char *const close_why_names[] = {
    [CLOSE_QUIT] = "quit",   [CLOSE_PEER] = "peer",   [CLOSE_TIMEOUT] = "timeout",
    [CLOSE_ERROR] = "error", [CLOSE_KILLED] = "kill", [CLOSE_SHUTDOWN] = "shutdown",
    [CLOSE_LIMIT] = "limit",
};
