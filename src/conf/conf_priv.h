/* Shared by the files of the room. */
#pragma once

#include "conf/conf.h"

/* Checks that hold for one setting only (addresses, names). Called with the canonical text after
 * the check of the type; 0 or an error that names setting, value and remedy. */
int conf_check_extra(const struct setting *s, struct sv value, struct errinfo *ei);

bool conf_is_relay(struct sv v); /* host, host:port, address or [IPv6]:port */
const char *conf_allowed_extra(const struct setting *s); /* in words; NULL without such a check */

/* "<name>: '<value>' <fault>; allowed: <allowed>": the value escaped and cut. Returns code. */
int conf_bad_value(const struct setting *s, struct sv value, int code, const char *fault,
                   const char *allowed, struct errinfo *ei);

/* As numbers and canonical texts. Types with a number: BOOL INT SIZE DURATION ENUM. */
int conf_parse_number(const struct setting *s, struct sv value, int64_t *ret, struct errinfo *ei);
char *conf_format_number(const struct setting *s, int64_t v);

/* "unknown setting 'smtp.max_error'; did you mean ...?"; returns E_NOTFOUND. */
int conf_unknown_name(struct sv name, struct errinfo *ei);

/* --- parts of items of lists (milters.c) --- */
/* "a,b": a bit for each name; names end with NULL. */
bool conf_parse_words(struct sv list, const char *const *names, unsigned *ret);
bool conf_parse_wait(struct sv v, int64_t *ret_ms); /* 100 ms to 1 h */
