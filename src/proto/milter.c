/* Packets to a milter, and the terms of the negotiation. */
#include "proto/milter.h"

#include <arpa/inet.h>

const char *const milter_step_names[MILTER_STEPS] = { "connect", "helo", "mail", "rcpt", "data",
                                                      "header",  "eoh",  "body", "eom" };

/* Command, and the bits by which a milter declines the step and its answer. */
static const struct {
    char command;
    uint32_t unwanted, unanswered;
} steps[MILTER_STEPS] = {
    [MILTER_CONNECT] = { 'C', 0x1, 0x1000 },
    [MILTER_HELO] = { 'H', 0x2, 0x2000 },
    [MILTER_MAIL] = { 'M', 0x4, 0x4000 },
    [MILTER_RCPT] = { 'R', 0x8, 0x8000 },
    [MILTER_DATA] = { 'T', 0x200, 0x10000 },
    [MILTER_HEADER] = { 'L', 0x20, 0x80 },
    [MILTER_EOH] = { 'N', 0x40, 0x40000 },
    [MILTER_BODY] = { 'B', 0x10, 0x80000 },
    [MILTER_EOM] = { 'E', 0, 0 },
};

bool milter_wants(uint32_t protocol, enum milter_step s)
{
    return !(protocol & steps[s].unwanted);
}

bool milter_answers(uint32_t protocol, enum milter_step s)
{
    return !(protocol & steps[s].unanswered);
}

static void add_u32(struct buf *out, uint32_t v)
{
    uint32_t net = htonl(v);
    buf_add(out, &net, sizeof(net));
}

static uint32_t get_u32(const char *p)
{
    uint32_t net;
    memcpy(&net, p, sizeof(net));
    return ntohl(net);
}

/* Room for the length; where it is. */
static size_t begin(struct buf *out, char command)
{
    size_t at = out->n;
    add_u32(out, 0);
    buf_add_c(out, command);
    return at;
}

static void end(struct buf *out, size_t at)
{
    if (out->overflow)
        return;
    uint32_t net = htonl((uint32_t)(out->n - at - sizeof(net)));
    memcpy(out->p + at, &net, sizeof(net));
}

/* A string ends at its first NUL, so one inside would forge the next. */
static void add_string(struct buf *out, struct sv s)
{
    ssize_t nul = sv_find(s, '\0');
    buf_add_sv(out, nul < 0 ? s : sv_take(s, (size_t)nul));
    buf_add_c(out, '\0');
}

void milter_put_negotiate(struct buf *out)
{
    size_t at = begin(out, 'O');
    add_u32(out, MILTER_VERSION);
    add_u32(out, MILTER_CAN_ALL);
    add_u32(out, MILTER_PROTOCOL_ALL);
    end(out, at);
}

void milter_put_connect(struct buf *out, struct sv peer_name, struct sv ip, uint16_t port)
{
    size_t at = begin(out, 'C');
    uint16_t net = htons(port);
    add_string(out, peer_name);
    buf_add_c(out, ip.n == 0 ? 'U' : sv_find(ip, ':') >= 0 ? '6' : '4');
    if (ip.n) {
        buf_add(out, &net, sizeof(net));
        add_string(out, ip);
    }
    end(out, at);
}

void milter_put_helo(struct buf *out, struct sv name)
{
    size_t at = begin(out, 'H');
    add_string(out, name);
    end(out, at);
}

void milter_put_envelope(struct buf *out, enum milter_step s, struct sv address, struct sv args)
{
    size_t at = begin(out, steps[s].command);
    buf_add_c(out, '<');
    buf_add_sv(out, address);
    add_string(out, SV(">"));
    while (args.p) {
        struct sv one = sv_trim(sv_split(&args, ' '));
        if (one.n)
            add_string(out, one);
    }
    end(out, at);
}

void milter_put_header(struct buf *out, struct sv name, struct sv value)
{
    size_t at = begin(out, 'L');
    add_string(out, name);
    add_string(out, value);
    end(out, at);
}

void milter_put_body(struct buf *out, struct sv chunk)
{
    size_t at = begin(out, 'B');
    buf_add_sv(out, chunk);
    end(out, at);
}

void milter_put_step(struct buf *out, enum milter_step s)
{
    end(out, begin(out, steps[s].command));
}

void milter_put_abort(struct buf *out)
{
    end(out, begin(out, 'A'));
}

void milter_put_quit(struct buf *out)
{
    end(out, begin(out, 'Q'));
}

size_t milter_macros_begin(struct buf *out, enum milter_step s)
{
    size_t at = begin(out, 'D');
    buf_add_c(out, steps[s].command);
    return at;
}

void milter_macro(struct buf *out, struct sv name, struct sv value)
{
    add_string(out, name);
    add_string(out, value);
}

void milter_macros_end(struct buf *out, size_t at)
{
    if (out->n <= at + sizeof(uint32_t) + 2)
        out->n = at;
    else
        end(out, at);
}

int milter_packet_length(const char head[4], uint32_t *ret)
{
    uint32_t n = get_u32(head);
    if (n == 0 || n > MILTER_MAX_PACKET)
        return E_RANGE;
    *ret = n;
    return 0;
}

/* Lists of macros that it asks for: stage (32 bits), names; any number of them. */
static int parse_macros(struct sv rest, struct milter_terms *ret)
{
    static const enum milter_step stages[] = { MILTER_CONNECT, MILTER_HELO, MILTER_MAIL,
                                               MILTER_RCPT,    MILTER_DATA, MILTER_EOM,
                                               MILTER_EOH };
    while (rest.n) {
        if (rest.n < 5)
            return E_PARSE;
        uint32_t stage = get_u32(rest.p);
        rest = sv_skip(rest, 4);
        ssize_t nul = sv_find(rest, '\0');
        if (stage >= ARRAY_LEN(stages) || nul < 0)
            return E_PARSE;
        ret->macros[stages[stage]] = sv_take(rest, (size_t)nul);
        rest = sv_skip(rest, (size_t)nul + 1);
    }
    return 0;
}

int milter_parse_terms(struct sv packet, struct milter_terms *ret, struct errinfo *ei)
{
    *ret = (struct milter_terms){ 0 };
    if (packet.n < 13 || packet.p[0] != 'O')
        return err_set(ei, E_PARSE, "it does not answer the negotiation");
    ret->version = get_u32(packet.p + 1);
    ret->actions = get_u32(packet.p + 5);
    ret->protocol = get_u32(packet.p + 9);
    if (ret->version < 2 || ret->version > MILTER_VERSION)
        return err_set(ei, E_UNSUPPORTED, "it speaks version %" PRIu32 " of the protocol",
                       ret->version);
    if (ret->actions & ~(uint32_t)MILTER_CAN_ALL)
        return err_set(ei, E_UNSUPPORTED,
                       "it asks for actions that are not offered (0x%" PRIx32 ")", ret->actions);
    if (ret->protocol & ~(uint32_t)MILTER_PROTOCOL_ALL)
        return err_set(ei, E_UNSUPPORTED,
                       "it asks for features that are not offered (0x%" PRIx32 ")", ret->protocol);
    if (parse_macros(sv_skip(packet, 13), ret) < 0)
        return err_set(ei, E_PARSE, "its list of macros cannot be read");
    return 0;
}
