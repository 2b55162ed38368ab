/* The console and the API in module control. */
#pragma once

#include "admin/admin.h"
#include "proc/module.h"

struct web;

/* Serves the module's sockets of SVC_CONTROL. admin lives until web_stop. */
int web_start(struct module_ctx *m, struct admin *admin, struct web **ret, struct errinfo *ei);
void web_reload(struct web *w);
void web_stop(struct web *w); /* NULL is fine */
