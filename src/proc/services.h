/* The supervisor's part in services: which are wanted, their sockets, and what control asks for.
 * Supervisor's main thread only. */
#pragma once

#include <jansson.h>

#include "proc/child.h"

struct services {
    struct child *children;
    size_t n;
    struct listen_rules rules;
    void (*privileged)(void *arg, bool on); /* around binding */
    void *arg;
};

/* Before anything is bound: what the settings say about the server's start. */
void services_begin(struct services *s);
/* Makes sockets what settings and wanted services say; new ones go to the running modules. m: one
 * module, MOD_COUNT = those that take sockets while they run. The first fault is in ei. */
int services_sync(struct services *s, enum module m, struct errinfo *ei);
/* Sockets that a module has not taken yet: its link was full. */
void services_tick(struct services *s);
/* A request of module control: "service.start", "service.stop", "service.restart" ({"service"}),
 * "service.status", "service.try" ({"setting", "value"}). New reference. */
json_t *services_request(struct services *s, enum module from, struct sv json);
