/* One-click unsubscription (RFC 8058): each member of a list that is elsewhere has a URL of its
 * own, signed with the installation's key, which ends that membership without login. */
#pragma once

#include "mail/account/account.h"

#define UNSUBSCRIBE_PATH "/unsubscribe"

/* Can a URL be made for this address? Not for those that text lists of members cannot have. */
bool unsubscribe_possible(struct sv member);
/* Appends base, "https://mail.example.org", and what stands for list and member. E_TEMP. */
int unsubscribe_url(struct accounts *a, const char *base, struct sv list, struct sv member,
                    struct buf *out, struct errinfo *ei);
/* 1 = the key is that of the URL, 0 = not. */
int unsubscribe_check(struct accounts *a, struct sv list, struct sv member, struct sv key,
                      struct errinfo *ei);
/* After the check. 1 = is no member any more, 0 = was none, or the list is not there. */
int unsubscribe(struct accounts *a, struct sv list, struct sv member, struct errinfo *ei);
