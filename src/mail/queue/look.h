/* What the queue wants to know of a message's header when it accepts it. */
#pragma once

#include "mail/message/message.h"

enum { SUBJECT_MAX = 100 }; /* bytes */

/* Subject, and the priority of what was sent to many. The content is in memory or in its file. */
void look_at_header(struct message *m);
/* The first Subject of a header as people read it: decoded, in one line, without controls, valid
 * UTF-8, at most SUBJECT_MAX bytes. Pure. */
void look_subject(struct sv header, struct buf *out);
