/* Sends log lines to a syslog server, as log.syslog_server, log.syslog_protocol and
 * log.syslog_verify say: RFC 5424 over UDP (RFC 5426), TCP with octet counting (RFC 6587) or TLS
 * (RFC 5425). In a process that may talk with the network, which the log sink's is not. */
#pragma once

#include "base/err.h"

struct syslog_sender;

/* A thread that takes packets from fd (log_sink_forward_fd), which stays the caller's, and sends
 * their messages in turn. While the server cannot be reached the packets wait where they are, and
 * the log says so once. What is sent by TCP or TLS when the connection breaks is sent again; what
 * is in the connection then is lost. By UDP only lines whose refusal comes back are known to be
 * lost: they are counted. */
int syslog_sender_start(int fd, struct syslog_sender **ret, struct errinfo *ei);
/* At once, in the middle of what it does. NULL is allowed. */
void syslog_sender_stop(struct syslog_sender *s);
