/* The API behind the HTTP server: from headers to a caller, from a response to headers. */
#pragma once

#include "server/api/api.h"
#include "server/http/http.h"

/* a is the handler's arg. */
struct http_handler api_web_handler(struct api *a);

/* Is the Origin header of a request to this Host one of this server's own pages? Absent headers
 * are not there to say no. Pure. */
bool api_origin_is_own(const char *origin, const char *fetch_site, const char *host, bool tls);
/* Value of a cookie; p == NULL = absent. Pure. */
struct sv api_cookie(const char *header, const char *name);
