/* What /messages takes and gives. */
#include "server/api/message.h"
#include "server/api/route.h"

#define STATUSES "accepted|waiting|delivered|mixed|bounced|refused|incomplete|timeout|lost|deleted"

const struct api_field api_message_params[] = {
    { "address", API_TEXT, 0, 1, 320, NULL, NULL,
      "Whole address: sender, recipient, before or behind an alias, account." },
    { "sender", API_TEXT, 0, 1, 320, NULL, NULL, "Whole address." },
    { "recipient", API_TEXT, 0, 1, 320, NULL, NULL, "Whole address." },
    { "ip", API_TEXT, 0, 1, 64, NULL, NULL, "Of the client, or of the server that was called." },
    { "session", API_TEXT, 0, 16, 16, NULL, NULL, "16 hex digits." },
    { "status", API_ENUM, 0, 0, 0, STATUSES, NULL, NULL },
    { "direction", API_ENUM, 0, 0, 0, "in|out|local", NULL, NULL },
    { "from", API_TIME, 0, 0, 0, NULL, NULL, "Not before; of the event that fits." },
    { "to", API_TIME, 0, 0, 0, NULL, NULL, "Before." },
    { 0 },
};

#define MESSAGE_FIELDS                                                                             \
    { "id",                                                                                        \
      API_TEXT,                                                                                    \
      API_REQUIRED | API_NULL,                                                                     \
      0,                                                                                           \
      0,                                                                                           \
      NULL,                                                                                        \
      NULL,                                                                                        \
      "As the logs show it: OSA88513; null: refused before it had one." },                         \
        { "key", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "16 hex digits." },                     \
        { "time", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, "When it was accepted or refused." },  \
        { "sender", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Empty: a notice." },                \
        { "recipients",                                                                            \
          API_TEXTS,                                                                               \
          API_REQUIRED,                                                                            \
          0,                                                                                       \
          0,                                                                                       \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "The first 20 that the caller sees." },                                                  \
        { "recipients_total", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },                     \
        { "direction",                                                                             \
          API_ENUM,                                                                                \
          API_REQUIRED,                                                                            \
          0,                                                                                       \
          0,                                                                                       \
          "in|out|local",                                                                          \
          NULL,                                                                                    \
          "out: to another server; local: from an account, or made here." },                       \
        { "peer",                                                                                  \
          API_TEXT,                                                                                \
          API_REQUIRED,                                                                            \
          0,                                                                                       \
          0,                                                                                       \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "Address of the client, its first half for a domain admin; empty: made here." },         \
        { "session",                                                                               \
          API_TEXT,                                                                                \
          API_REQUIRED | API_NULL,                                                                 \
          0,                                                                                       \
          0,                                                                                       \
          NULL,                                                                                    \
          NULL,                                                                                    \
          "That brought it, when the caller may see it." },                                        \
        { "account", API_TEXT, API_REQUIRED, 0,                                                    \
          0,         NULL,     NULL,         "That had logged in, when the caller may see it." },  \
        { "size", API_INT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Bytes." },                  \
        { "status", API_ENUM, API_REQUIRED, 0, 0, STATUSES, NULL, NULL },                          \
    {                                                                                              \
        "answer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The line that decided."               \
    }

static const struct api_field message_fields[] = { MESSAGE_FIELDS, { 0 } };
const struct api_schema api_message_schema = { "Message", "A message and what became of it.",
                                               message_fields };

#define EXPLANATION_FIELDS                                                                         \
    { "cause", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },                        \
        { "remedy", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },                   \
        { "setting", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "That decides." },       \
    {                                                                                              \
        "explanation", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,                        \
            "Row of /reference/reply-codes."                                                       \
    }

static const struct api_field verdict_fields[] = {
    { "status", API_ENUM, API_REQUIRED, 0, 0, STATUSES, NULL, NULL },
    { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "In words." },
    { "line", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The line that decided." },
    EXPLANATION_FIELDS,
    { "next_try_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { 0 },
};
static const struct api_schema verdict_schema = { "Verdict", "What became of a message, and why.",
                                                  verdict_fields };

static const struct api_field event_fields[] = {
    { "time", API_TIME, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "name", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "docs/events.md has them all." },
    { "severity", API_ENUM, API_REQUIRED, 0, 0, "info|notice|warning|error", NULL, NULL },
    { "module", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "service", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "session", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "16 hex digits." },
    { "message", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL,
      "Key: of the message, or of a notice about it." },
    { "sentence", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "For people." },
    { "fields", API_MAP, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { 0 },
};
const struct api_schema api_event_schema = { "Event", "What happened.", event_fields };

static const struct api_field lane_fields[] = {
    { "recipient", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "original", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Before an alias." },
    { "status", API_ENUM, API_REQUIRED, 0, 0, "accepted|refused|waiting|delivered|bounced|deleted",
      NULL, NULL },
    { "answer", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "The last." },
    { "host", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "That gave it; empty: we." },
    { "attempts", API_INT, API_REQUIRED, 0, 0, NULL, NULL, NULL },
    { "next_try_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "ended_at", API_TIME, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    EXPLANATION_FIELDS,
    { 0 },
};
static const struct api_schema lane_schema = { "MessageLane", "What became of a recipient.",
                                               lane_fields };

static const struct api_field related_fields[] = {
    { "id", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "key", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, NULL },
    { "relation", API_ENUM, API_REQUIRED, 0, 0, "notice|parent", NULL,
      "notice: tells the sender about this message; parent: this message tells about it." },
    { 0 },
};
static const struct api_schema related_schema = { "RelatedMessage",
                                                  "A message that belongs to this one.",
                                                  related_fields };

static const struct api_field detail_fields[] = {
    MESSAGE_FIELDS,
    { "verdict", API_OBJECT, API_REQUIRED, 0, 0, NULL, &verdict_schema, NULL },
    { "events", API_LIST, API_REQUIRED, 0, 0, NULL, &api_event_schema, "The oldest first." },
    { "lanes", API_LIST, API_REQUIRED, 0, 0, NULL, &lane_schema, NULL },
    { "related", API_LIST, API_REQUIRED, 0, 0, NULL, &related_schema, NULL },
    { "missing", API_TEXTS, API_REQUIRED, 0, 0, NULL, NULL, "What is not kept any more." },
    { 0 },
};
const struct api_schema api_message_detail_schema = { "MessageDetail",
                                                      "A message with its timeline.",
                                                      detail_fields };
