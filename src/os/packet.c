#include "os/packet.h"

#include <sys/socket.h>
#include <unistd.h>

union fd_space {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int os_send_packet(int sock, struct iovec *parts, size_t n, int pass_fd)
{
    struct msghdr msg = { .msg_iov = parts, .msg_iovlen = n };
    union fd_space space;
    if (pass_fd >= 0) {
        memset(&space, 0, sizeof(space));
        msg.msg_control = space.bytes;
        msg.msg_controllen = sizeof(space.bytes);
        struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cm), &pass_fd, sizeof(int));
    }
    ssize_t r;
    do
        r = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == ENOBUFS || errno == ETOOMANYREFS ? -EAGAIN : -errno;
    return 0;
}

ssize_t os_recv_packet(int sock, void *p, size_t cap, int *ret_fd)
{
    union fd_space space;
    struct iovec iov = { p, cap };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = space.bytes,
                          .msg_controllen = sizeof(space.bytes) };
    ssize_t n;
    *ret_fd = -1;
    do
        n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    const struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
    if (cm && cm->cmsg_type == SCM_RIGHTS && cm->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(cm), sizeof(int));
    return n;
}

int os_packet_pair(int ret[2], struct errinfo *ei)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0
               ? err_set_errno(ei, -errno, "socketpair")
               : 0;
}
