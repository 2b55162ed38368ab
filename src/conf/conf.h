/* Settings. One definition each, in src/conf/defs/<room>.def; everything else (parser, CLI, API
 * schema, docs/settings.md) is derived from these rows. Values that differ from the default are
 * rows of table `setting` in the system database; conf knows nothing of the database: it is given
 * name/value pairs and makes an immutable, counted snapshot. */
#pragma once

#include "base/err.h"
#include "base/sv.h"

/* SETTING(room, name, TYPE, default, min, max, unit, apply, ui group, help, API variable or NULL)
 */
#define SET_CTYPE_BOOL     bool
#define SET_CTYPE_INT      int64_t
#define SET_CTYPE_SIZE     int64_t      /* bytes; text "50MiB", "10MB", "4096" */
#define SET_CTYPE_DURATION int64_t      /* milliseconds; text "300s", "5m", "2h", "4d", "250ms" */
#define SET_CTYPE_STRING   const char * /* never NULL */
#define SET_CTYPE_ENUM     int64_t      /* index into the choices; unit holds "a|b|c" */
#define SET_CTYPE_LIST     const char * /* items separated by ; */
#define SET_CTYPE_SECRET   const char *

enum set_type {
    SET_BOOL,
    SET_INT,
    SET_SIZE,
    SET_DURATION,
    SET_STRING,
    SET_ENUM,
    SET_LIST,
    SET_SECRET
};
enum set_apply { APPLY_LIVE, APPLY_RESTART };

struct setting {
    const char *name; /* "smtp.max_message_size" */
    const char *room;
    enum set_type type;
    const char *dflt;
    int64_t min, max; /* INT, SIZE (bytes), DURATION (ms); both 0 = unchecked */
    const char *unit;
    enum set_apply apply;
    const char *group, *help;
    size_t offset;       /* in struct conf */
    const char *api_var; /* name in the administrators' API or NULL; lookups ignore case */
};

#define CONF_ROOMS(X)                                                                              \
    X(system)                                                                                      \
    X(net)                                                                                         \
    X(log)                                                                                         \
    X(events)                                                                                      \
    X(auth)                                                                                        \
    X(smtp)                                                                                        \
    X(archive)                                                                                     \
    X(sms)                                                                                         \
    X(queue) X(deliver) X(mailbox) X(sieve) X(managesieve) X(pop3) X(imap) X(dns) X(web)
/* conf_structs.h declares struct conf_<room> from each .def, and: */
#include "conf/conf_structs.h"

struct conf; /* = { struct conf_system system; struct conf_net net; ... }, in conf_structs.h */

const struct setting *conf_settings(size_t *ret_n); /* all rows, sorted by name */
const struct setting *conf_find(struct sv name);    /* by name or API variable; NULL */
extern const char *const conf_type_names[];         /* by enum set_type: "BOOL", "INT", ... */
/* "1 to 10000 replies", "yes, no": what a value may be. For people; free() it. */
char *conf_allowed(const struct setting *s);
/* Checks and normalises one value. Error text: "<name>: '<value>' is not ...; allowed: <range>". */
int conf_check(const struct setting *s, struct sv value, char **ret_canonical, struct errinfo *ei);

struct conf_pair {
    const char *name, *value;
};
/* Builds a snapshot from defaults and pairs. Unknown names and bad values are errors. */
int conf_build(const struct conf_pair *pairs, size_t n, struct conf **ret, struct errinfo *ei);
void conf_unref(const struct conf *c);
/* Text of a setting in a snapshot (canonical form, with the names of patterns; the fields of struct
 * conf have their addresses in place of them); free() it. SECRET gives "(set)" or "". */
char *conf_text(const struct conf *c, const struct setting *s);

/* The parsers of SIZE and DURATION, for items of lists. E_PARSE, E_RANGE (does not fit). */
int conf_parse_size(struct sv text, int64_t *ret_bytes);
int conf_parse_duration(struct sv text, int64_t *ret_ms); /* a plain number is seconds */
/* Next item of a LIST value; false at the end. *rest starts as sv_c(value). */
bool conf_list_next(struct sv *rest, struct sv *ret_item);

/* The process's current snapshot. conf_pin returns it counted: read it for one job, then
 * conf_unref. Before conf_publish it holds the defaults. Any thread. */
const struct conf *conf_pin(void);
void conf_publish(struct conf *c); /* takes the reference */
DEFINE_CLEANUP(const struct conf, conf_unref)
