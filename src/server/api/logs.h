/* What the routes of the text logs share. */
#pragma once

#include "server/api/log_reader.h"
#include "server/api/route.h"

/* False: answered. *ret_dir: free() it. */
bool api_log_dir(struct api_call *c, char **ret_dir);
/* The log of the path's {service}. False: answered. */
bool api_log_type(struct api_call *c, enum log_type *ret);
/* The parameter date, today without it. False: answered. */
bool api_log_date(struct api_call *c, uint32_t *ret_ymd);
/* The parameters from and to as "hh:mm:ss". False: answered. */
bool api_log_times(struct api_call *c, struct log_search *s, char room[2][12]);

/* A line as an object, with its place for ?around=. New reference. */
json_t *api_log_line_json(struct sv line, const struct log_search *s);
#define LOG_LINE_FIELDS                                                                            \
    { "time",                                                                                      \
      API_TEXT,                                                                                    \
      API_REQUIRED | API_NULL,                                                                     \
      0,                                                                                           \
      0,                                                                                           \
      NULL,                                                                                        \
      NULL,                                                                                        \
      "hh:mm:ss; null: goes on from the line before." },                                           \
        { "source", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "Address, or SYSTEM." },  \
        { "session", API_TEXT, API_REQUIRED | API_NULL, 0, 0, NULL, NULL, "4 hex digits." },       \
        { "kind",                                                                                  \
          API_ENUM,                                                                                \
          API_REQUIRED,                                                                            \
          0,                                                                                       \
          0,                                                                                       \
          "in|out|summary|text",                                                                   \
          NULL,                                                                                    \
          "<<< read, >>> written, *** summary." },                                                 \
        { "text", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, NULL },                                \
    {                                                                                              \
        "at", API_TEXT, API_REQUIRED, 0, 0, NULL, NULL, "Its place, for around."                   \
    }
