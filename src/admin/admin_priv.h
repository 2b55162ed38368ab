/* Shared by the operations of this room. */
#pragma once

#include "admin/admin.h"

struct admin_call {
    struct admin *a;
    const char *who;
    json_t *args; /* borrowed; never NULL */
};
typedef json_t *admin_fn(const struct admin_call *c);

struct admin_op {
    const char *name;
    const char *args; /* for help: "name [enabled] [quota]" */
    const char *help;
    admin_fn *run;
};

/* One array per file, ended by a row without name. */
extern const struct admin_op admin_account_ops[], admin_setting_ops[], admin_server_ops[];

/* A string argument, NULL when absent. Numbers and booleans are accepted and turned into text that
 * lives as long as args. */
const char *admin_arg(const struct admin_call *c, const char *name);
/* The same, or an error reply in *ret_error. */
const char *admin_need(const struct admin_call *c, const char *name, json_t **ret_error);
json_t *admin_ok(void);
json_t *admin_result(int r, const struct errinfo *ei); /* ok or error */
json_t *admin_text(const char *s); /* JSON string from text that may not be UTF-8 */
