/* Which sockets belong to which service: one table for the supervisor, who binds them, and the
 * modules, who serve. */
#pragma once

#include "conf/conf.h"
#include "net/net.h"

struct listener_def {
    const char *setting; /* LIST of addresses */
    enum module module;
    enum service service;
    bool tls;
    const char *per_ip_setting;                           /* NULL: the service counts by itself */
    const char *access_mode_setting, *access_ips_setting; /* as in struct net_listener */
    const char *certificate_setting;                      /* the same */
};
extern const struct listener_def listener_defs[];
extern const size_t listener_defs_count;

struct listener {
    unsigned def; /* index into listener_defs */
    char *addr;
    int fd;      /* -1 = not bound: fault says why */
    char *fault; /* NULL = none */
    bool given;  /* the running module has it */
};
struct listeners {
    struct listener *v;
    size_t n;
};

/* What decides about a module's sockets beside the addresses in the settings. */
struct listen_rules {
    bool tls, ipv6;     /* as the server was started */
    bool on[SVC_COUNT]; /* services that are wanted */
};

/* Makes the module's sockets those that the settings say, of the services that are wanted:
 * what is not in them any more is shut down and closed, what is new is bound. An
 * address that cannot be bound stays in the list with its fault, and is tried again by the next
 * call; ei names the first. With only == SVC_COUNT: all services. Needs the privilege to bind. */
int listeners_sync(struct listeners *l, enum module m, enum service only, const struct conf *c,
                   const struct listen_rules *rules, struct errinfo *ei);
/* Could the setting have this value (a LIST of addresses)? What has the port now and would give it
 * up is no hindrance. E_PARSE, or errno of bind; ei names setting, address and remedy. */
int listeners_try(const struct listeners *l, const char *setting, const char *value,
                  const struct listen_rules *rules, struct errinfo *ei);
void listeners_close(struct listeners *l);
