/* Which nodes were asked for by ETRN lately. In memory. Any thread. */
#pragma once

struct etrn;

struct etrn *etrn_new(void);
void etrn_free(struct etrn *e); /* may be NULL */
