/* Processes, descriptors over unix sockets, limits, systemd notification. */
#pragma once

#include <pthread.h>

#include "base/err.h"

int os_raise_nofile(void); /* soft limit to hard limit; returns the limit */
int os_set_cloexec(int fd, bool on);
int os_set_nonblock(int fd, bool on);
/* A thread with so many bytes of stack, and what a sanitizer takes besides. 0 or an errno. */
int os_thread_start(pthread_t *ret, size_t stack, void *(*run)(void *arg), void *arg);
void os_thread_name(const char *name); /* 15 bytes are kept */
void os_thread_yields(void); /* the calling thread: others come first when there is much to do */
void os_sd_notify(const char *state); /* no-op without NOTIFY_SOCKET */
