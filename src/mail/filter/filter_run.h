/* Asks rules about a message. Touches nothing: who asks carries the actions out. A message is taken
 * apart once for all rules, and only as far as their conditions look. Bounded in time and memory.
 * One thread at a time. */
#pragma once

#include "proto/filter/filter.h"

#define FILTER_MAX_STEPS   (512u << 20) /* bytes looked at, about */
#define FILTER_MAX_CPU_US  20000000     /* of the thread, for all rules of a message */
#define FILTER_MAX_BODY    (16 * MiB)   /* decoded text that is looked at */
#define FILTER_MAX_TREE    (32 * MiB)   /* structure, names, decoded header fields */
#define FILTER_MAX_DECODED (64 * MiB)   /* of one attachment */

struct filter_facts {
    struct sv message; /* as it came: without our trace headers */
    struct sv sender;  /* reverse path */
    struct sv *rcpts;  /* that the rules' owner may see */
    size_t n_rcpts;
    struct sv helo, host, user;
    const char *ip;
    bool authenticated, trusted, tls;
    bool outgoing; /* who sends it is one of the owner's */
    int64_t now_s;
    /* Does the pattern, "[name]" in small letters, have the address, or with is_ip the IP? 1 = yes;
     * E_TEMP. NULL: there are no patterns. */
    int (*in_pattern)(void *arg, struct sv name, struct sv text, bool is_ip);
    void *in_pattern_arg;
};

enum filter_end { FILTER_END_NONE, FILTER_END_ACCEPT, FILTER_END_REJECT, FILTER_END_DELETE };

struct filter_result {
    const struct filter_rule **hits; /* in order; their actions are to be carried out */
    size_t n;
    enum filter_end end; /* what the last of them says of the message */
    struct sv reply;     /* of a reject */
};
void filter_result_done(struct filter_result *r);

struct filter_view;
/* facts: lives and may change as long as the view; the message must not. */
struct filter_view *filter_view_new(const struct filter_facts *facts);
void filter_view_free(struct filter_view *v);
/* In hundredths: what all rules that were asked have added. */
int64_t filter_view_score(const struct filter_view *v);

/* Asks the rules in order. E_LIMIT: a rule takes too much; E_RANGE: the message is too complex;
 * E_TEMP: patterns cannot be read now. ei
 * names the rule; ret holds the hits before it. */
int filter_run(struct filter_view *v, const struct filter_rules *rules, struct filter_result *ret,
               struct errinfo *ei);
