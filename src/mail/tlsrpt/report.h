/* A report about TLS (RFC 8460 4 and 5) out of counts. Pure. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "mail/account/tls_count.h"

struct tls_report {
    const char *organisation, *contact; /* who reports */
    const char *submitter;              /* our host name */
    const char *domain;                 /* reported about */
    const char *id;                     /* looks like a Message-ID without <> */
    int64_t start_s, end_s;             /* the first and the last second, since 1970 UTC */
    const struct tls_count *v;
    size_t n;
};

/* The JSON document. Counts of the same policy come together. */
int tls_report_json(const struct tls_report *r, struct buf *out, struct errinfo *ei);
int tls_report_gzip(struct sv in, struct buf *out, struct errinfo *ei);

/* A message with the report (5.3), complete with CRLF. from, to: addresses; those of to with ", "
 * between. wall_s: its date. */
struct tls_report_mail {
    const char *from, *to;
    struct sv gzip;
    int64_t wall_s;
};
int tls_report_mail(const struct tls_report *r, const struct tls_report_mail *m, struct buf *out);
