/* Socket addresses as bytes and as text. Pure. */
#include <arpa/inet.h>
#include <net/if.h>

#include "net/net_priv.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool sockaddr_bytes(const struct sockaddr_storage *ss, uint8_t ret[16])
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)ss;
        memcpy(ret, mapped, sizeof(mapped));
        memcpy(ret + 12, &a->sin_addr, 4);
        return true;
    }
    if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)ss;
        memcpy(ret, &a->sin6_addr, 16);
        return true;
    }
    memset(ret, 0, 16);
    return false;
}

uint16_t sockaddr_text(const struct sockaddr_storage *ss, char ret[ADDR_TEXT_MAX])
{
    uint8_t b[16];
    ret[0] = '\0';
    if (!sockaddr_bytes(ss, b))
        return 0;
    if (memcmp(b, mapped, sizeof(mapped)) == 0)
        inet_ntop(AF_INET, b + 12, ret, ADDR_TEXT_MAX);
    else
        inet_ntop(AF_INET6, b, ret, ADDR_TEXT_MAX);
    if (ss->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)ss)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)ss)->sin6_port);
}

/* "fe80::1%eth0": a link-local address needs its interface. */
static int parse_v6(const char *ip, uint16_t port, struct sockaddr_in6 *a)
{
    char text[INET6_ADDRSTRLEN];
    const char *zone = strchr(ip, '%');
    size_t n = zone ? (size_t)(zone - ip) : strlen(ip);
    if (n >= sizeof(text))
        return E_PARSE;
    memcpy(text, ip, n);
    text[n] = '\0';
    *a = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
    if (inet_pton(AF_INET6, text, &a->sin6_addr) != 1)
        return E_PARSE;
    if (zone) {
        uint32_t nr = if_nametoindex(zone + 1);
        if (nr == 0 && sv_to_u32(sv_c(zone + 1), &nr) < 0)
            return E_PARSE;
        a->sin6_scope_id = nr;
    }
    return 0;
}

int sockaddr_parse(const char *ip, uint16_t port, struct sockaddr_storage *ret, socklen_t *ret_n)
{
    memset(ret, 0, sizeof(*ret));
    struct sockaddr_in *a4 = (struct sockaddr_in *)ret;
    if (inet_pton(AF_INET, ip, &a4->sin_addr) == 1) {
        a4->sin_family = AF_INET;
        a4->sin_port = htons(port);
        *ret_n = sizeof(*a4);
        return 0;
    }
    *ret_n = sizeof(struct sockaddr_in6);
    return parse_v6(ip, port, (struct sockaddr_in6 *)ret);
}
