/* Listening sockets from address texts. In the supervisor, before privileges drop. */
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "net/net_priv.h"

enum { BACKLOG = 4096 };

static int parse_addr(const char *addr, struct sockaddr_storage *ret, socklen_t *ret_n)
{
    struct sv s = sv_trim(sv_c(addr)), ip = s;
    char text[64];
    uint32_t port;
    ssize_t colon = sv_rfind(s, ':');
    if (colon < 0 || sv_to_u32(sv_skip(s, (size_t)colon + 1), &port) < 0 || port > 65535)
        return E_PARSE;
    ip = sv_take(s, (size_t)colon);
    bool brackets = ip.n >= 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']';
    if (brackets)
        ip = sv_take(sv_skip(ip, 1), ip.n - 2);
    if (ip.n == 0 || !sv_copy(text, sizeof(text), ip) ||
        sockaddr_parse(text, (uint16_t)port, ret, ret_n) < 0)
        return E_PARSE;
    return (ret->ss_family == AF_INET6) == brackets ? 0 : E_PARSE;
}

static const char *remedy(int err)
{
    switch (err) {
    case EADDRINUSE:
        return "another program has this port (see: ss -ltnp); stop it or change the setting";
    case EACCES:
    case EPERM:
        return "ports below 1024 need root or CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "no interface has this address (see: ip addr)";
    case EAFNOSUPPORT:
        return "the system has no such address family; set net.ipv6 to no";
    default:
        return NULL;
    }
}

int net_bind(const char *addr, int *ret_fd, struct errinfo *ei)
{
    struct sockaddr_storage ss;
    socklen_t n;
    int on = 1;
    if (parse_addr(addr, &ss, &n) < 0)
        return err_set(ei, E_PARSE,
                       "'%s' is not an address to listen on; write 0.0.0.0:25 or [::]:25", addr);
    _cleanup_(closep) int fd =
        socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (ok && ss.ss_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    /* Accepted sockets inherit it. */
    if (ok)
        ok = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
    if (ok)
        ok = bind(fd, (const struct sockaddr *)&ss, n) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        int e = errno;
        const char *help = remedy(e);
        return err_set_errno(ei, -e, help ? "cannot listen on %s (%s)" : "cannot listen on %s%s",
                             addr, help ? help : "");
    }
    *ret_fd = take_fd(&fd);
    return 0;
}
