/* link: server_managesieve */
/* The ManageSieve listener for wire scripts. */
#include "wire.h"

#include "server/managesieve/managesieve_server.h"

static struct managesieve_server server;

static void *managesieve(struct wire_env *e)
{
    server = (struct managesieve_server){ .accounts = e->accounts, .store = e->store };
    return &server;
}

const struct wire_proto wire_protos[] = {
    { "managesieve", &managesieve_ops, SVC_MANAGESIEVE, 4190, false, managesieve,
      managesieve_refuse },
};
const size_t wire_protos_count = ARRAY_LEN(wire_protos);
