/* The console and the API in module control. */
#pragma once

#include "admin/admin.h"
#include "proc/module.h"
#include "server/api/api.h"

struct web;

/* Serves the module's sockets of SVC_CONTROL. admin lives until web_stop. */
int web_start(struct module_ctx *m, struct admin *admin, struct web **ret, struct errinfo *ei);
void web_reload(struct web *w);
/* Ends the connection that is this session. False: there is none. Any thread, until web_free. */
bool web_end_session(struct web *w, uint32_t id);
/* For requests that come in other ways, until web_free. */
struct api *web_api(struct web *w);
/* Ends HTTP; the API works on. NULL is fine for both. */
void web_stop(struct web *w);
void web_free(struct web *w);
