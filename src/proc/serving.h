/* A module's part in services: serving sockets, those that it starts with and those that the
 * supervisor gives it later, and letting sessions go. Main thread only. */
#pragma once

#include "net/net.h"

struct module_ctx;

struct serving {
    struct net_listener l;  /* fd and tls apart; ops NULL = the module has no such service */
    uint32_t ends;          /* service_ends() that was seen */
    int64_t bye_ms, cut_ms; /* monotonic; when sessions are told to go, when they are cut; 0 = no */
};

/* Serves a socket of listener_defs[def]; takes fd. */
void serving_take(struct module_ctx *m, size_t def, int fd);
/* Ends the sessions of services that were stopped or are to start again. At each turn. */
void serving_tick(struct module_ctx *m);
