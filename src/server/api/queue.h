/* Shared by the routes of the queue. */
#pragma once

#include "mail/account/address.h"
#include "server/api/operations.h"

/* Asks module smtp. args: taken. New reference. */
json_t *api_ask_queue(struct admin *a, const char *op, json_t *args);

/* --- the senders of messages go into a list: queue_senders.c --- */

bool api_is_sender_action(const char *action);
/* Adds these actions to a message that has a sender, for a caller who may. */
void api_queue_sender_actions(const struct api_caller *who, json_t *message);
/* Whose list the request means ("" = the server's). wanted: it is such an action. False: the caller
 * may not, or names none, or one that is not asked for; answered. */
bool api_sender_action_owner(struct api_call *c, bool wanted, char ret[ADDR_DOMAIN_MAX + 1]);
/* work: {"action", "owner", "filter", "domains"}. */
operation_all_fn api_list_senders;
