/* link: server_smtp */
/* The SMTP listeners for wire scripts. */
#include "wire.h"

#include "server/smtp/smtp_server.h"

static struct smtp_server servers[2];

static void *make(struct wire_env *e, bool submission)
{
    servers[submission] = (struct smtp_server){
        .accounts = e->accounts,
        .queue = e->queue,
        .store = e->store,
        .dns = { wire_dns_lookup, wire_dns_lookup_ptr, wire_dns_free },
        .submission = submission,
    };
    return &servers[submission];
}

static void *mx(struct wire_env *e)
{
    return make(e, false);
}

static void *submission(struct wire_env *e)
{
    return make(e, true);
}

const struct wire_proto wire_protos[] = {
    { "smtp", &smtp_ops, SVC_SMTP, 25, false, mx, smtp_refuse },
    { "submission", &smtp_ops, SVC_SUBMISSION, 587, false, submission, smtp_refuse },
    { "submissions", &smtp_ops, SVC_SUBMISSION, 465, true, submission, smtp_refuse },
};
const size_t wire_protos_count = ARRAY_LEN(wire_protos);
