#include "server/imap/imap_priv.h"
void cmd_search(struct cmd *c)
{
    cmd_done(c, RES_NO, "[CANNOT] not ready");
}
