/* What a caller is shown of a client's address: a domain admin sees from which network somebody
 * came, not from which house. What he asks for is compared with what he is shown. */
#pragma once

#include "base/buf.h"
#include "server/api/caller.h"

enum { API_PEER_MAX = 64 };

/* "192.0.2.1" to "192.0.*.*". */
void api_shorten_peer(const char *peer, char *ret, size_t cap);
/* peer itself for who sees all, else its first half in room. */
struct sv api_shown_peer(const struct api_caller *who, struct sv peer, char room[API_PEER_MAX]);
/* Is peer the address that is asked for, as far as the caller can tell? NULL: any is. */
bool api_peer_is(const struct api_caller *who, struct sv peer, const char *want);
/* Appends text; in it the first half of peer instead of peer. */
void api_hide_peer(struct sv text, struct sv peer, struct buf *out);
