/* events.def and fields.def as tables. */
#include "event/record.h"

enum { CTR_NONE = -1, LOG_CTX = -1 };

const char *const event_severities[SEV_COUNT] = { "info", "notice", "warning", "error" };
const char *const field_type_names[] = {
    [FT_NONE] = "",           [FT_TEXT] = "text",   [FT_ADDRESS] = "address",
    [FT_IP] = "ip",           [FT_ID] = "id",       [FT_HEX] = "key",
    [FT_INTEGER] = "integer", [FT_BYTES] = "bytes", [FT_DURATION] = "milliseconds",
    [FT_CODE] = "code",       [FT_TIME] = "time",
};

/* A number that is there twice does not compile (-Woverride-init). */
const struct event_def event_defs[EVT_END] = {
#define EVENT(number, symbol, name, sev, ctr, log, lvl, text, sentence, help)                      \
    [number] = { #symbol, name, SEV_##sev, CTR_##ctr, LOG_##log, LOG_##lvl, text, sentence, help },
#include "event/events.def"
#undef EVENT
};

const struct field_def field_defs[FIELD_END] = {
#define FIELD(number, symbol, type, key, help) [number] = { #symbol, FT_##type, KEY_##key, help },
#include "event/fields.def"
#undef FIELD
};
