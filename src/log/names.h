/* Names of log types and of their files: <dir>/[<subdir>/]<letter><server id><yyyymmdd>-<nn>.log */
#pragma once

#include "log/log.h"

extern const char *const log_type_names[LOG_TYPE_COUNT]; /* "smtp", "pop3", ... */
const char *log_letter(enum log_type t);
const char *log_subdir(enum log_type t);            /* NULL = none */
char *log_dir_of(const char *dir, enum log_type t); /* free() it */
/* Day and number of a file's name. False: another file. server_id NULL: of any server. */
bool log_name_parse(enum log_type t, const char *server_id, struct sv name, uint32_t *ret_ymd,
                    unsigned *ret_nn);
