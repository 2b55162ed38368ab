/* Milters: programs beside the server that judge and change mail while its client waits
 * (docs/milters.md). One struct milters belongs to one SMTP session; its calls block for as long as
 * the milters take, up to the times that smtp.milters says: on POOL_SLOW only. */
#pragma once

#include "conf/milters.h"
#include "log/log.h"
#include "mail/milter/edit.h"
#include "net/client.h"
#include "proto/milter.h"

/* How to reach them: the client of net/, or a test's. */
struct milter_net {
    int (*connect)(const struct client_opts *o, struct client **ret, struct errinfo *ei);
    void (*close)(struct client *c);
    void (*set_timeout)(struct client *c, int64_t ms);
    int (*read)(struct client *c, void *p, size_t n, struct errinfo *ei);
    int (*write)(struct client *c, struct sv bytes, struct errinfo *ei);
    int (*flush)(struct client *c, struct errinfo *ei);
};

struct milters;
struct milters_opts {
    const struct milter_net *net;
    struct sv list;   /* smtp.milters; copied */
    unsigned service; /* one of MILTER_FOR_* */
    struct sv name;   /* n > 0: only the one of this name */
    bool trusted;     /* the client is in net.trusted_ips */
    const atomic_bool
        *cancel;              /* set: waits end, what they were about is refused for now; or NULL */
    const struct logctx *log; /* of the session; outlives the milters, like arg */
    /* Value of a macro, p == NULL: it has none now. May use tmp. */
    struct sv (*macro)(void *arg, struct sv name, char tmp[512]);
    /* Address of a host; NULL = names are not looked up. */
    int (*resolve)(void *arg, const char *name, bool ipv6, char ret[46], struct errinfo *ei);
    void *arg;
    const char *peer_ip;
    uint16_t peer_port;
};
/* NULL: there is none to ask. */
struct milters *milters_new(const struct milters_opts *o);
/* Says good-bye without waiting. May be NULL. */
void milters_free(struct milters *ms);

enum milter_verdict {
    MILTERS_PASS,
    MILTERS_REFUSE, /* what the step was about */
    MILTERS_CLOSE,  /* and the session, with 421 */
};
struct milter_result {
    bool temporary;  /* which reply is due when the milter gave none */
    struct sv reply; /* lines with CRLF, checked; n == 0: the server's own. Points into lines */
    char lines[2048];
};

/* The first HELO also connects: what a milter has against the connection is answered there;
 * *ret_connect tells. A milter that cannot be reached shows at MAIL. */
enum milter_verdict milters_helo(struct milters *ms, struct sv name, bool *ret_connect,
                                 struct milter_result *ret);
/* args: the ESMTP parameters as given. authenticated: the client has logged in. */
enum milter_verdict milters_mail(struct milters *ms, struct sv sender, struct sv args,
                                 bool authenticated, struct milter_result *ret);
enum milter_verdict milters_rcpt(struct milters *ms, struct sv rcpt, struct sv args,
                                 struct milter_result *ret);
enum milter_verdict milters_data(struct milters *ms, struct milter_result *ret);
/* Header, body and the end of the message, one milter after the other: each sees what the ones
 * before made of it. Changes are in e when it returns MILTERS_PASS. */
enum milter_verdict milters_message(struct milters *ms, struct edit *e, struct milter_result *ret);
/* Some milter wants the message accepted and dropped. */
bool milters_discard(const struct milters *ms);
/* The transaction is over. Does not block. */
void milters_reset(struct milters *ms);
/* Some milter may be asked: commands of this session may block. */
bool milters_may_block(const struct milters *ms);
