/* Items of the setting smtp.milters:
 *     inet:8891@127.0.0.1|name=opendkim|timeout=30s|failure=accept|services=smtp|except=trusted
 * Pure. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

enum milter_failure { MILTER_FAIL_TEMPFAIL, MILTER_FAIL_ACCEPT, MILTER_FAIL_REJECT };
extern const char *const milter_failure_names[]; /* ended by NULL */

/* rules: asked only where a rule of the content filters says so */
enum { MILTER_FOR_SMTP = 1, MILTER_FOR_SUBMISSION = 2, MILTER_FOR_RULES = 4 };

struct conf_except { /* points into the item */
    bool authenticated, trusted;
    struct sv words; /* IPs among them */
};

struct conf_milter {   /* slices point into the item */
    struct sv address; /* as written: "inet:8891@127.0.0.1", "unix:/run/m.sock" */
    struct sv name;    /* for logs; the address when it has none */
    struct sv path;    /* of a unix socket; n == 0: by TCP */
    struct sv host;    /* address or name */
    bool ipv6;         /* inet6: a name is looked up so */
    uint16_t port;
    int64_t timeout_ms; /* of each step */
    int64_t total_ms;   /* of all that one command of the client waits for */
    enum milter_failure failure;
    unsigned services;         /* MILTER_FOR_* */
    struct conf_except except; /* clients that it is not asked about */
};
bool conf_parse_milter(struct sv item, struct conf_milter *ret);

/* "authenticated,trusted,10.0.0.0/8,[Office]" of milters and commands */
bool conf_parse_except(struct sv v, struct conf_except *ret);
/* Is the client at this address among those that are named by address? */
bool conf_except_has(const struct conf_except *e, const char *ip);
