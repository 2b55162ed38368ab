#include "mail/command/wire.h"

struct order_head {
    int64_t deadline_ms, memory_bytes;
    uint32_t name_n, env_n;
};

struct result_head {
    uint32_t end, output_n, errors_n;
    int32_t code;
};

int command_put_order(const struct command_order *o, struct buf *out)
{
    const struct order_head h = {
        .deadline_ms = o->deadline_ms,
        .memory_bytes = o->memory_bytes,
        .name_n = (uint32_t)o->name.n,
        .env_n = (uint32_t)o->env.n,
    };
    buf_add(out, &h, sizeof(h));
    buf_add_sv(out, o->name);
    buf_add_sv(out, o->env);
    return out->overflow || out->n > COMMAND_MAX_ORDER ? -ENOMEM : 0;
}

int command_parse_order(struct sv packet, struct command_order *ret)
{
    struct order_head h;
    if (packet.n < sizeof(h))
        return E_PARSE;
    memcpy(&h, packet.p, sizeof(h));
    struct sv rest = sv_skip(packet, sizeof(h));
    if ((uint64_t)h.name_n + h.env_n != rest.n || h.name_n == 0)
        return E_PARSE;
    *ret = (struct command_order){
        .deadline_ms = h.deadline_ms,
        .memory_bytes = h.memory_bytes,
        .name = sv_take(rest, h.name_n),
        .env = sv_skip(rest, h.name_n),
    };
    bool ended = ret->env.n == 0 || ret->env.p[ret->env.n - 1] == '\0';
    return ended && sv_find(ret->name, '\0') < 0 ? 0 : E_PARSE;
}

void command_put_result(const struct command_result *r, struct buf *out)
{
    const struct result_head h = {
        .end = (uint32_t)r->end,
        .code = r->code,
        .output_n = (uint32_t)r->output.n,
        .errors_n = (uint32_t)r->errors.n,
    };
    buf_add(out, &h, sizeof(h));
    buf_add_sv(out, r->output);
    buf_add_sv(out, r->errors);
}

int command_parse_result(struct sv packet, struct command_result *ret)
{
    struct result_head h;
    if (packet.n < sizeof(h))
        return E_PARSE;
    memcpy(&h, packet.p, sizeof(h));
    struct sv rest = sv_skip(packet, sizeof(h));
    if (h.end >= COMMAND_ENDS || (uint64_t)h.output_n + h.errors_n != rest.n)
        return E_PARSE;
    *ret = (struct command_result){
        .end = (enum command_end)h.end,
        .code = h.code,
        .output = sv_take(rest, h.output_n),
        .errors = sv_skip(rest, h.output_n),
    };
    return 0;
}
