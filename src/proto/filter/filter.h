/* Rules of content filters: text to a checked, compiled form (docs/filters.md). Pure.
 *
 *     # comment
 *     rule "Programs"
 *       if attachment-name matches "*.exe", "*.scr" and not authenticated
 *       then reject "Programs are not accepted here"
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/sv.h"
#include "proto/sieve/regex.h"

#define FILTER_MAX_TEXT (64 * KiB) /* of one rule */
/* Of a reject without a text. */
#define FILTER_OWN_REPLY "554 5.7.1 Message cannot be accepted, content filter rejection"

enum {
    FILTER_MAX_NAME = 100,  /* bytes */
    FILTER_MAX_RULES = 500, /* of one owner, or of one text */
    FILTER_MAX_NODES = 500,
    FILTER_MAX_DEPTH = 30,
    FILTER_MAX_VALUES = 2000, /* of all conditions of a rule */
    FILTER_MAX_ACTIONS = 20,
    FILTER_MAX_TARPIT = 60, /* seconds */
    FILTER_MAX_DAYS = 365,  /* between replies to one sender */
};

/* Who owns a rule; a bit each. */
enum filter_level { FILTER_SERVER = 1, FILTER_DOMAIN = 2, FILTER_ACCOUNT = 4 };

enum filter_fact {
    FILTER_SENDER,
    FILTER_RECIPIENT,
    FILTER_HELO,
    FILTER_HOST,
    FILTER_USER,
    FILTER_IP,
    FILTER_HEADER,
    FILTER_BODY,
    FILTER_ATTACHMENT_NAME,
    FILTER_ATTACHMENT_TYPE,
    FILTER_WEEKDAY,
    FILTER_SIZE,
    FILTER_SCORE,
    FILTER_RECIPIENTS,
    FILTER_ATTACHMENTS,
    FILTER_AUTHENTICATED,
    FILTER_TRUSTED,
    FILTER_TLS,
    FILTER_OUTGOING,
    FILTER_ENCRYPTED_ARCHIVE,
    FILTER_UNREADABLE_ARCHIVE,
    FILTER_TIME,
    FILTER_DATE,
};

enum filter_op {
    FILTER_IS,
    FILTER_CONTAINS,
    FILTER_STARTS,
    FILTER_ENDS,
    FILTER_MATCHES,
    FILTER_REGEX,
    FILTER_IN, /* addresses */
    FILTER_EXISTS,
    FILTER_OVER,
    FILTER_UNDER,
    FILTER_EQUAL,
    FILTER_RANGE, /* of time and date */
    FILTER_YES,
};

enum filter_node_kind { FILTER_AND, FILTER_OR, FILTER_NOT, FILTER_TEST };

struct filter_node {
    enum filter_node_kind kind;
    struct filter_node *a, *b; /* not: a */
    enum filter_fact fact;
    enum filter_op op;
    struct sv header;  /* name; "*" = all */
    struct sv *values; /* one that fits is enough; lower case but for patterns of regex */
    struct sieve_regex **re;
    size_t n;
    bool patterns; /* a value is the name of a pattern, [name]: the fact is asked whether it has it
                    */
    /* over, under, equal: from. Sizes in bytes, scores in hundredths. time: minutes of the day, to
     * is excluded and may come before from; date: 20261224, to is included. */
    int64_t from, to;
};

enum filter_action_kind {
    FILTER_ACCEPT, /* no further rule of any owner is asked */
    FILTER_STOP,   /* none of this owner */
    FILTER_REJECT, /* text: the reply, with its code */
    FILTER_DELETE,
    FILTER_QUARANTINE, /* text: the reason */
    FILTER_ADD_SCORE,  /* number: hundredths */
    FILTER_ADD_HEADER, /* name, text */
    FILTER_SET_HEADER,
    FILTER_REMOVE_HEADER,
    FILTER_TAG_SUBJECT, /* text */
    FILTER_PRIORITY,    /* number: enum priority of messages, 0 = high */
    FILTER_FORWARD,     /* text: address */
    FILTER_COPY,
    FILTER_MOVE,    /* text: folder */
    FILTER_RESPOND, /* text; name: subject, n == 0: made from the message's; number: days, 0: none
                     */
    FILTER_MILTER,  /* text: name of a milter */
    FILTER_COMMAND, /* text: name of a command */
    FILTER_DENY_SENDER, /* into the list of senders of the rule's owner */
    FILTER_ALLOW_SENDER,
    FILTER_TARPIT, /* number: seconds */
};
const char *filter_action_name(enum filter_action_kind k);

struct filter_action {
    enum filter_action_kind kind;
    struct sv name, text;
    int64_t number;
};

/* Immutable. All slices live as long as the rule. */
struct filter_rule {
    struct sv text; /* as written, comments in front included */
    struct sv name;
    bool off;
    bool slow; /* it needs more than the envelope and the header, or others to answer */
    struct filter_node *when; /* NULL = always */
    struct filter_action actions[FILTER_MAX_ACTIONS];
    size_t n_actions;
    /* Private: */
    struct arena arena;
    struct sieve_regex **regexes;
    size_t n_regexes;
};

struct filter_rules {
    struct filter_rule **v;
    size_t n;
};

/* Any number of rules. E_PARSE, E_LIMIT: ei says line, column and why, and ret is empty. */
int filter_parse(struct sv text, struct filter_rules *ret, struct errinfo *ei);
void filter_rules_done(struct filter_rules *r);
/* The text of the rule, asked or not (`off` behind its name), into ret. E_PARSE: it is no rule. */
struct buf;
int filter_turn(struct sv text, bool off, struct buf *ret);
/* Those that can be asked before there is a message, as they look at nothing but the client and say
 * nothing but accept, stop or reject: in order, up to the first of the others that may end the
 * asking. ret: room for all. Their number. */
size_t filter_early(const struct filter_rules *all, struct filter_rule **ret);
/* Its actions for people: "set-header X-Spam 'yes', stop"; cut to the room. */
void filter_describe(const struct filter_rule *r, char *ret, size_t cap);
/* Calls fn with each name of a pattern in its conditions, "[name]"; what is not 0 ends it and is
 * returned. */
int filter_each_pattern(const struct filter_rule *r, int (*fn)(struct sv name, void *arg),
                        void *arg);
/* May the rule be one of this level? E_CONFLICT names what is not for it. */
int filter_check_level(const struct filter_rule *r, enum filter_level level, struct errinfo *ei);
