/* Messages of the mail archive that are sent once more: to the accounts that have lost them, or to
 * others who shall have them. */
#pragma once

#include "mail/deliver/deliver.h"

struct restore {
    const char *dir;   /* the archive */
    const char *name;  /* of the entry, without .eml */
    const char *to;    /* addresses, with ; between them */
    const char *admin; /* who wants it; where it is an address, reports of trouble go there */
};
/* Durable in the queue when it returns; each call is another message. ret_id: of the new one.
 * E_NOTFOUND: no such entry or address, E_PARSE: an address is none; text begins with the field.
 * Any thread; blocks on the disk and the database. */
int deliver_restore(struct deliver *d, const struct restore *o, char ret_id[12],
                    struct errinfo *ei);
