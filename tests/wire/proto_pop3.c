/* link: server_pop3 */
/* The POP3 listeners for wire scripts. */
#include "wire.h"

#include "server/pop3/pop3_server.h"

static struct pop3_server server;

static void *pop3(struct wire_env *e)
{
    server = (struct pop3_server){ .accounts = e->accounts, .store = e->store };
    return &server;
}

const struct wire_proto wire_protos[] = {
    { "pop3", &pop3_ops, SVC_POP3, 110, false, pop3, pop3_refuse },
    { "pop3s", &pop3_ops, SVC_POP3, 995, true, pop3, pop3_refuse },
};
const size_t wire_protos_count = ARRAY_LEN(wire_protos);
