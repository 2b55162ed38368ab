/* Items of the setting smtp.commands:
 *     spamcheck|timeout=30s|memory=1GiB|failure=accept|exit=1:hold,2:reject|services=smtp
 * Pure. */
#pragma once

#include "conf/milters.h"

/* What a command says of a message. */
enum command_verdict {
    COMMAND_FAILED, /* it has not done its work: failure= says what holds */
    COMMAND_ACCEPT,
    COMMAND_REJECT,
    COMMAND_DISCARD,
    COMMAND_DEFER,
    COMMAND_HOLD,
    COMMAND_VERDICTS
};
extern const char *const command_verdict_names[COMMAND_VERDICTS + 1]; /* ended by NULL */

struct conf_command {
    struct sv name;       /* of its file; points into the item */
    int64_t timeout_ms;   /* until its verdict, the wait for its turn included */
    int64_t memory_bytes; /* of each of its processes */
    enum milter_failure failure;
    unsigned services;         /* MILTER_FOR_* */
    struct conf_except except; /* clients whose mail it is not run on */
    uint8_t verdict[256];      /* enum command_verdict, by exit status */
};
bool conf_parse_command(struct sv item, struct conf_command *ret);
