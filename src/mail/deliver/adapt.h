/* Secure destinations adapt (deliver.secure_adapt): a domain whose mail comes by TLS, with a
 * certificate that an authority vouches for and that names the domain or its MX host, must be
 * spoken to in the same way. A thread of its own judges certificates, as that asks name servers. */
#pragma once

#include "mail/deliver/deliver_priv.h"

struct adapt *adapt_new(struct deliver *d);
void adapt_stop(struct adapt *a); /* frees it; what was not judged yet is forgotten */
/* 1 = mail for the domain goes by verified TLS only; 0 = not. domain: as in the mail. E_TEMP. */
int adapt_holds(struct deliver *d, const struct conf *cf, const char *domain, struct errinfo *ei);
