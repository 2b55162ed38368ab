/* link: mail_command */
/* What a command writes, and packets between the processes: refused, or texts that may stand in a
 * reply and a header. */
#include <stdint.h>
#include <stdlib.h>

#include "base/codec.h"
#include "mail/command/output.h"
#include "mail/command/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_output(struct sv in)
{
    static struct command_output o;
    if (command_parse_output(in, &o, NULL) < 0)
        return;
    must(o.n_edits <= COMMAND_MAX_EDITS && o.reason.n <= in.n);
    must(o.reply.n == 0 || (o.reply.n > 4 && (*o.reply.p == '4' || *o.reply.p == '5')));
    for (size_t i = 0; i < o.reply.n; i++)
        must(o.reply.p[i] >= 32 && o.reply.p[i] < 127);
    for (size_t i = 0; i < o.n_edits; i++) {
        must(o.edits[i].name.n > 0 && sv_find(o.edits[i].name, ':') < 0);
        must(utf8_valid(o.edits[i].value) && sv_find(o.edits[i].value, '\r') < 0 &&
             sv_find(o.edits[i].value, '\0') < 0);
    }
}

static void check_packets(struct sv in)
{
    struct command_order o;
    struct command_result r;
    if (command_parse_order(in, &o) == 0) {
        must(o.name.n > 0 && (o.env.n == 0 || o.env.p[o.env.n - 1] == '\0'));
        for (struct sv rest = o.env; rest.n;)
            rest = sv_skip(rest, strlen(rest.p) + 1);
    }
    if (command_parse_result(in, &r) == 0)
        must(r.end < COMMAND_ENDS && r.output.n + r.errors.n <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_output(sv_n(data, size));
    check_packets(sv_n(data, size));
    return 0;
}
