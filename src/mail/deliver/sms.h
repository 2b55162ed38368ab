/* Delivery of messages whose recipients are telephone numbers. They wait as those for other servers
 * do, with a destination of their own, so that retries, pauses, priorities and bounces are the
 * queue's. */
#pragma once

#include "mail/deliver/sms_request.h"
#include "mail/message/message.h"

/* The destination's key (route_key): no domain has it. */
#define SMS_DESTINATION "the gateway for SMS"

/* One attempt for one recipient: writes its state and answer. A delivery that is repeated after a
 * crash sends the same id. */
void sms_deliver(const struct conf *cf, const struct message *m, struct rcpt *r,
                 const char *our_name, const atomic_bool *cancel, const struct logctx *log,
                 struct sms_result *ret);
