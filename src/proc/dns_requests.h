/* What the administrator asks the name servers: operations dns.lookup and dns.test, run by module
 * control with the server's own resolver. */
#pragma once

#include <jansson.h>

/* Blocks for as long as the servers take (bounded). New reference; NULL = unknown op. Any thread.
 */
json_t *dns_request(const char *op, json_t *args);
