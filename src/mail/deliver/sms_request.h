/* The provider of SMS: the request that hands a text over, as the settings make it (sms.*), and
 * what its answer means. Blocking; delivery threads. */
#pragma once

#include "conf/conf.h"
#include "log/log.h"
#include "mail/deliver/route.h"
#include "proto/sms/sms.h"

#include <stdatomic.h>

enum { SMS_MAX_TEXT = 16 * 1024 /* bytes, before it is cut to segments */ };

struct sms_parcel {
    char to[SMS_NUMBER_TEXT];
    char from[256];
    struct buf text;
    struct sms_size size;
    bool cut;
    char id[40]; /* the same for each attempt */
};
/* The text is there (bounded by SMS_MAX_TEXT): cuts and measures it. Negative: *why says why it is
 * not sent. */
int sms_parcel_fit(const struct conf *cf, struct sms_parcel *p, struct failure *why);
void sms_parcel_done(struct sms_parcel *p);

struct sms_request {
    char host[256];
    uint16_t port;
    bool tls;
    int64_t timeout_ms;
    struct buf path, body;
    char *headers[64]; /* "Name: value" */
    size_t n_headers;
};
/* hidden: the secret is shown as ***, for people. Negative: the settings do not make a request. */
int sms_request_make(const struct conf *cf, const struct sms_parcel *p, bool hidden,
                     struct sms_request *ret, struct failure *why);
void sms_request_done(struct sms_request *r);

enum sms_outcome {
    SMS_TAKEN,
    SMS_REFUSED,   /* the provider works, and has something against this one */
    SMS_NO_ANSWER, /* nor would others get one now */
    SMS_CANCELLED,
};
struct sms_result {
    enum sms_outcome outcome;
    long status;        /* of HTTP; 0 = none */
    struct failure why; /* of SMS_TAKEN, too: the answer; mta: the provider, then only */
};
/* One attempt. Logs it. */
void sms_request_send(const struct conf *cf, const struct sms_parcel *p,
                      const struct sms_request *r, const atomic_bool *cancel,
                      const struct logctx *log, struct sms_result *ret);
