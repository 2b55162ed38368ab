/* Packets over unix sockets, each with one descriptor at most. Any thread. */
#pragma once

#include <sys/uio.h>

#include "base/err.h"

/* One packet, and pass_fd with it unless it is -1. Does not wait. -EAGAIN: the socket is full;
 * other -errno: the other end is gone. */
int os_send_packet(int sock, struct iovec *parts, size_t n, int pass_fd);
/* The next packet, cut at cap. Bytes, 0 = the other end is closed, -EAGAIN = there is none. *ret_fd
 * (close-on-exec) is the receiver's, -1 = none came. */
ssize_t os_recv_packet(int sock, void *p, size_t cap, int *ret_fd);
/* Two ends of a connection of packets, close-on-exec. */
int os_packet_pair(int ret[2], struct errinfo *ei);
