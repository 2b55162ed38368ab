/* The page of a list member's URL (RFC 8058): GET asks, POST ends the membership. No login, no
 * cookies, no scripts: the signature in the URL is the right to do it. */
#pragma once

#include "server/api/api_priv.h"
#include "server/http/http.h"

bool unsubscribe_is_page(const struct http_request *h);
/* On a worker. */
void unsubscribe_page(struct api *a, const struct http_request *h, struct http_response *out);
