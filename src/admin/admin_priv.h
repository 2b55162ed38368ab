/* Shared by the operations of this room. */
#pragma once

#include "admin/admin.h"

struct admin_call {
    struct admin *a;
    const char *who;
    json_t *args; /* texts only, checked against the operation's row */
};
typedef json_t *admin_fn(const struct admin_call *c);

struct admin_op {
    const char *name;
    const char *args; /* "name [enabled] [quota]": what it takes, optional ones in brackets */
    const char *help;
    admin_fn *run;
};

/* One array per file, ended by a row without name. */
extern const struct admin_op admin_domain_ops[], admin_account_ops[], admin_alias_ops[],
    admin_mailbox_ops[], admin_setting_ops[], admin_server_ops[], admin_token_ops[],
    admin_event_ops[], admin_service_ops[], admin_dns_ops[], admin_sieve_ops[], admin_queue_ops[],
    admin_route_ops[], admin_member_ops[], admin_tlsrpt_ops[], admin_filter_ops[],
    admin_remote_ops[], admin_archive_ops[], admin_sender_ops[], admin_sms_ops[],
    admin_queue_mailbox_ops[], admin_secure_ops[], admin_adapted_ops[];

/* queue_ops.c: asks module smtp. args: taken. New reference; an error when no server runs. */
json_t *admin_ask_smtp(const struct admin_call *c, const char *op, json_t *args);

/* queue_ops.c: which messages of the queue are meant. NULL: *ret_error says why. level: `priority`
 * is what they shall have, not what they have. New reference. */
json_t *admin_queue_filter(const struct admin_call *c, bool level, json_t **ret_error);

/* The settings as they are stored, and the defaults (not with ret_defaults NULL). */
struct conf;
int admin_settings(const struct admin *a, struct conf **ret, struct conf **ret_defaults,
                   struct errinfo *ei);
json_t *admin_no_setting(const char *name); /* an error that suggests what may have been meant */

/* Is the setting a list of addresses that a service listens on? */
bool admin_is_binding(const char *setting);
/* Can the running server bind these addresses? NULL = yes, or no server runs; else the error. */
json_t *admin_try_binding(const struct admin_call *c, const char *setting, const char *value);
/* Why an address of the setting is not bound now. NULL = all are. free() it. */
char *admin_binding_fault(const struct admin_call *c, const char *setting);

/* Adds what a dry run would have changed to list. old_value, new_value: NULL = none. */
void admin_effect(json_t *list, const char *object, const char *field, const char *old_value,
                  const char *new_value);

/* An argument; NULL when it is optional and absent. */
const char *admin_arg(const struct admin_call *c, const char *name);
/* yes or no, absent = no. False: *ret_error says what is wrong. */
bool admin_switch(const struct admin_call *c, const char *name, bool *ret, json_t **ret_error);
/* {"ok", "rows"}, or the error; takes rows. */
json_t *admin_rows(int r, json_t *rows, const struct errinfo *ei);
/* args.c: arguments that several operations take. An error, or NULL. */
json_t *admin_bad_arg(const char *name, const char *value, const char *allowed);
json_t *admin_take_limit(const struct admin_call *c, size_t *ret); /* 100 without it */
json_t *admin_take_offset(const struct admin_call *c, uint64_t *ret);
/* {"ok", "size", "offset", "encoding", "content"}: up to 4 MiB of a message that lies in fd from
 * begin on. NULL: it cannot be read. */
json_t *admin_piece(int fd, uint64_t begin, uint64_t size, uint64_t offset);

/* Collects the addresses that account_each gives: a list of lines. */
bool admin_add_address(const struct account *acc, void *buf);
json_t *admin_ok(void);
json_t *admin_result(int r, const struct errinfo *ei); /* ok or error */
/* The same for a change of what is part of the snapshot of settings: this process takes it over at
 * once, and the others are waited for. */
json_t *admin_took_over(const struct admin_call *c, int r, const struct errinfo *ei);
