/* The command table: everything the loop must know about a command stands in its row. */
#include "server/imap/imap_priv.h"

const struct cmd_def imap_cmds[] = {
    /* name          states           flags                                    run */
    { "CAPABILITY", ST_ANY, CMD_NO_SYNC, cmd_capability },
    { "NOOP", ST_ANY, 0, cmd_noop },
    { "LOGOUT", ST_ANY, CMD_NO_SYNC, cmd_logout },
    { "ID", ST_ANY, CMD_NO_SYNC, cmd_id },

    { "STARTTLS", ST_NOT_AUTH, 0, cmd_starttls },
    { "AUTHENTICATE", ST_NOT_AUTH, CMD_SLOW, cmd_authenticate },
    { "LOGIN", ST_NOT_AUTH, CMD_SLOW, cmd_login },

    { "ENABLE", ST_LOGGED_IN, 0, cmd_enable },
    { "NAMESPACE", ST_LOGGED_IN, 0, cmd_namespace },
    { "SELECT", ST_LOGGED_IN, CMD_NO_SYNC, cmd_select },
    { "EXAMINE", ST_LOGGED_IN, CMD_NO_SYNC, cmd_select },
    { "CREATE", ST_LOGGED_IN, 0, cmd_create },
    { "DELETE", ST_LOGGED_IN, 0, cmd_delete },
    { "RENAME", ST_LOGGED_IN, 0, cmd_rename },
    { "SUBSCRIBE", ST_LOGGED_IN, 0, cmd_subscribe },
    { "UNSUBSCRIBE", ST_LOGGED_IN, 0, cmd_subscribe },
    { "LIST", ST_LOGGED_IN, 0, cmd_list },
    { "LSUB", ST_LOGGED_IN, 0, cmd_lsub },
    { "STATUS", ST_LOGGED_IN, 0, cmd_status },
    { "APPEND", ST_LOGGED_IN, 0, cmd_append },
    { "IDLE", ST_LOGGED_IN, 0, cmd_idle },
    { "GETQUOTA", ST_LOGGED_IN, 0, cmd_getquota },
    { "GETQUOTAROOT", ST_LOGGED_IN, 0, cmd_getquotaroot },
    { "SETQUOTA", ST_LOGGED_IN, 0, cmd_setquota },

    { "CHECK", ST_SELECTED, 0, cmd_noop },
    { "CLOSE", ST_SELECTED, CMD_NO_SYNC, cmd_close },
    { "UNSELECT", ST_SELECTED, CMD_NO_SYNC, cmd_unselect },
    { "EXPUNGE", ST_SELECTED, CMD_UID, cmd_expunge },
    { "SEARCH", ST_SELECTED, CMD_UID | CMD_USES_SEQ | CMD_JOB, cmd_search },
    { "FETCH", ST_SELECTED, CMD_UID | CMD_USES_SEQ | CMD_JOB, cmd_fetch },
    { "STORE", ST_SELECTED, CMD_UID | CMD_USES_SEQ, cmd_store },
    { "COPY", ST_SELECTED, CMD_UID, cmd_copy },
    { "MOVE", ST_SELECTED, CMD_UID, cmd_copy },
};
const size_t imap_cmds_count = ARRAY_LEN(imap_cmds);

const struct cmd_def *cmd_find(struct sv name, bool uid)
{
    for (size_t i = 0; i < imap_cmds_count; i++) {
        if (sv_ieq(name, sv_c(imap_cmds[i].name)))
            return uid && !(imap_cmds[i].flags & CMD_UID) ? NULL : &imap_cmds[i];
    }
    return NULL;
}
