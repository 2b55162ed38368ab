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
    const char *per_ip_setting; /* NULL: the service counts by itself */
};
extern const struct listener_def listener_defs[];
extern const size_t listener_defs_count;

struct listener {
    unsigned def; /* index into listener_defs */
    char *addr;
    int fd; /* -1 = not bound */
};
struct listeners {
    struct listener *v;
    size_t n;
};
/* Binds what the settings say for a module. An address in use is an error that names it. */
int listeners_bind(enum module m, const struct conf *c, struct listeners *ret, struct errinfo *ei);
void listeners_close(struct listeners *l);
