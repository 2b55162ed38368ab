/* Named patterns in settings: [Name] stands for the pattern's IP addresses, networks and masks in
 * lists of addresses and |except=, and [Name]:port for its IP addresses where services listen. They
 * are rows of the system database (mail/account/pattern.h) and part of the snapshot, as routes are.
 * What is in other patterns is resolved once, when the snapshot is made: readers of a setting see
 * addresses only. */
#pragma once

#include "conf/conf.h"

enum { CONF_PATTERN_BINDINGS_MAX = 16 }; /* addresses that one [Name]:port may stand for */

enum conf_pattern_use {
    CONF_PATTERN_NONE,
    CONF_PATTERN_IPS,
    CONF_PATTERN_BINDS,
    CONF_PATTERN_EXCEPT, /* among the words of |except= of milters and commands */
};
/* May patterns stand in the setting, and for what? */
enum conf_pattern_use conf_pattern_use(const struct setting *s);

struct conf_patterns;
struct conf_patterns *conf_patterns_new(void);
void conf_patterns_free(struct conf_patterns *l); /* may be NULL */
DEFINE_CLEANUP(struct conf_patterns, conf_patterns_free)
/* name: without brackets, small letters; all items of one name one after the other. Items that are
 * neither IP addresses nor patterns are passed over; item SV_NULL: the name alone. */
void conf_patterns_add(struct conf_patterns *l, struct sv name, struct sv item);
/* After the last one: resolves patterns in patterns. A loop is cut. */
void conf_patterns_finish(struct conf_patterns *l);

/* Are the patterns that stand in the value there, and is there something in them that the setting
 * can use? E_PARSE, E_RANGE; ei names setting, value and remedy. */
int conf_patterns_check(const struct conf_patterns *l, const struct setting *s, struct sv value,
                        struct errinfo *ei);
/* Does the value name the pattern? */
bool conf_patterns_used(const struct setting *s, struct sv value, struct sv name);

/* Makes the list, finished, part of a snapshot that is not published yet; takes it. */
void conf_set_patterns(struct conf *c, struct conf_patterns *l);
/* The IPs of a pattern as base/iplist.h takes them; "" = none, or no such pattern. Lives as long as
 * the snapshot. name: without brackets, any case. */
const char *conf_pattern_ips(const struct conf *c, struct sv name);
bool conf_pattern_has_ip(const struct conf *c, struct sv name, const char *ip);
/* Does the setting, a list of IPs, have this one? For what is asked at each connection. */
bool conf_lists_ip(const struct conf *c, const struct setting *s, const char *ip);
bool conf_trusts_ip(const struct conf *c, const char *ip); /* net.trusted_ips */
/* A value of the setting with addresses in place of patterns. free() it. */
char *conf_resolve(const struct conf *c, const struct setting *s, struct sv value);
/* What holds of a STRING or LIST: conf_resolve of its value. Lives as long as the snapshot. */
const char *conf_in_force(const struct conf *c, const struct setting *s);
