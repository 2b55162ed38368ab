/* Addresses of clients, whole or their first half. Pure. */
#include "server/api/peer.h"

void api_shorten_peer(const char *peer, char *ret, size_t cap)
{
    bool v6 = strchr(peer, ':') != NULL;
    unsigned parts = 0;
    size_t n = 0;

    for (; peer[n] && n + 4 < cap; n++)
        if (peer[n] == (v6 ? ':' : '.') && ++parts == 2)
            break;
    snprintf(ret, cap, "%.*s%s", (int)n, peer, v6 ? "::*" : ".*.*");
}

static struct sv shorten(struct sv peer, char room[API_PEER_MAX])
{
    char text[API_PEER_MAX];

    sv_copy(text, sizeof(text), sv_take(peer, sizeof(text) - 1));
    api_shorten_peer(text, room, API_PEER_MAX);
    return sv_c(room);
}

struct sv api_shown_peer(const struct api_caller *who, struct sv peer, char room[API_PEER_MAX])
{
    return api_sees_all(who) || !peer.n ? peer : shorten(peer, room);
}

bool api_peer_is(const struct api_caller *who, struct sv peer, const char *want)
{
    char shown[API_PEER_MAX], asked[API_PEER_MAX];

    if (!want)
        return true;
    return sv_ieq(api_shown_peer(who, peer, shown), api_shown_peer(who, sv_c(want), asked));
}

void api_hide_peer(struct sv text, struct sv peer, struct buf *out)
{
    char room[API_PEER_MAX];
    ssize_t at;

    while (peer.n && (at = sv_find_sv(text, peer)) >= 0) {
        buf_add_sv(out, sv_take(text, (size_t)at));
        buf_add_sv(out, shorten(peer, room));
        text = sv_skip(text, (size_t)at + peer.n);
    }
    buf_add_sv(out, text);
}
