/* Lists of addresses in settings: single addresses, networks (10.0.0.0/8, 2001:db8::/32), masks
 * (192.168.*.*), ranges per part (192-193.*.*.*) and of addresses (10.0.0.1-10.0.0.9), with ;
 * between them. Pure. */
#pragma once

#include "base/sv.h"

bool ip_in_list(const char *ip, struct sv list);
/* The entry that contains ip, part of list; p == NULL: none does, or ip is no address. */
struct sv ip_list_find(const char *ip, struct sv list);
/* Leading bits that are fixed by an address or a network "10.0.0.0/8": 32 or 128 for an address. -1
 * = it is neither. */
int ip_net_bits(struct sv net, bool *ret_v4);
/* An address, a network, or a mask with a range or * for a part. */
bool ip_is_network_or_mask(struct sv item);

/* A list that is asked often: read once. */
struct ip_set;
struct ip_set *ip_set_new(struct sv list);
void ip_set_free(struct ip_set *s); /* may be NULL */
bool ip_set_has(const struct ip_set *s, const char *ip);
