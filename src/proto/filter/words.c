/* The words of conditions and actions, and whose rules may use them. */
#include "proto/filter/filter_priv.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/pattern_item.h"

#define EARLY (FILTER_SERVER | FILTER_DOMAIN) /* known or possible before acceptance only */
#define ALL   (EARLY | FILTER_ACCOUNT)

static const struct filter_fact_word facts[] = {
    { "sender", FILTER_SENDER, FACT_TEXT, false, ALL },
    { "recipient", FILTER_RECIPIENT, FACT_TEXT, false, ALL },
    { "helo", FILTER_HELO, FACT_TEXT, false, EARLY },
    { "host", FILTER_HOST, FACT_TEXT, false, EARLY },
    { "user", FILTER_USER, FACT_TEXT, false, ALL },
    { "ip", FILTER_IP, FACT_TEXT, false, ALL },
    { "header", FILTER_HEADER, FACT_TEXT, false, ALL },
    { "body", FILTER_BODY, FACT_TEXT, true, ALL },
    { "attachment-name", FILTER_ATTACHMENT_NAME, FACT_TEXT, true, ALL },
    { "attachment-type", FILTER_ATTACHMENT_TYPE, FACT_TEXT, true, ALL },
    { "weekday", FILTER_WEEKDAY, FACT_TEXT, false, ALL },
    { "size", FILTER_SIZE, FACT_NUMBER, false, ALL },
    { "score", FILTER_SCORE, FACT_NUMBER, false, ALL },
    { "recipients", FILTER_RECIPIENTS, FACT_NUMBER, false, EARLY },
    { "attachments", FILTER_ATTACHMENTS, FACT_NUMBER, true, ALL },
    { "authenticated", FILTER_AUTHENTICATED, FACT_FLAG, false, ALL },
    { "trusted", FILTER_TRUSTED, FACT_FLAG, false, EARLY },
    { "tls", FILTER_TLS, FACT_FLAG, false, EARLY },
    { "outgoing", FILTER_OUTGOING, FACT_FLAG, false, EARLY },
    { "encrypted-archive", FILTER_ENCRYPTED_ARCHIVE, FACT_FLAG, true, ALL },
    { "unreadable-archive", FILTER_UNREADABLE_ARCHIVE, FACT_FLAG, true, ALL },
    { "time", FILTER_TIME, FACT_CLOCK, false, ALL },
    { "date", FILTER_DATE, FACT_CLOCK, false, ALL },
};

static const struct filter_action_word actions[] = {
    { "accept", FILTER_ACCEPT, "", ALL },
    { "stop", FILTER_STOP, "", ALL },
    { "reject", FILTER_REJECT, "?S", ALL },
    { "delete", FILTER_DELETE, "", ALL },
    { "quarantine", FILTER_QUARANTINE, "?S", EARLY },
    { "score", FILTER_ADD_SCORE, "N", ALL },
    { "add-header", FILTER_ADD_HEADER, "SS", ALL },
    { "set-header", FILTER_SET_HEADER, "SS", ALL },
    { "remove-header", FILTER_REMOVE_HEADER, "S", ALL },
    { "tag-subject", FILTER_TAG_SUBJECT, "S", ALL },
    { "priority", FILTER_PRIORITY, "P", EARLY },
    { "forward", FILTER_FORWARD, "S", ALL },
    { "copy", FILTER_COPY, "S", ALL },
    { "move", FILTER_MOVE, "S", ALL },
    { "respond", FILTER_RESPOND, "R", ALL },
    { "milter", FILTER_MILTER, "S", FILTER_SERVER },
    { "command", FILTER_COMMAND, "S", FILTER_SERVER },
    { "deny-sender", FILTER_DENY_SENDER, "", EARLY },
    { "allow-sender", FILTER_ALLOW_SENDER, "", EARLY },
    { "tarpit", FILTER_TARPIT, "T", EARLY },
};

const struct filter_fact_word *filter_find_fact(struct sv word)
{
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        if (sv_ieq(word, sv_c(facts[i].word)))
            return &facts[i];
    return NULL;
}

const char *filter_fact_name(enum filter_fact f)
{
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        if (facts[i].fact == f)
            return facts[i].word;
    return "?";
}

const struct filter_action_word *filter_find_action(struct sv word)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (sv_ieq(word, sv_c(actions[i].word)))
            return &actions[i];
    return NULL;
}

const char *filter_action_name(enum filter_action_kind k)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (actions[i].kind == k)
            return actions[i].word;
    return "?";
}

static int describe_reply(const struct filter_action *a, char *ret, size_t cap)
{
    struct sv text = sv_take(a->text, 80), subject = sv_take(a->name, 80);
    char days[40] = "";
    if (a->number)
        snprintf(days, sizeof(days), " days %" PRId64, a->number);
    return snprintf(ret, cap, "respond '" SV_FMT "'%s" SV_FMT "%s%s", SV_ARG(text),
                    subject.n ? " subject '" : "", SV_ARG(subject), subject.n ? "'" : "", days);
}

static size_t describe(const struct filter_action *a, char *ret, size_t cap)
{
    static const char *const priorities[] = { "high", "normal", "low" };
    const char *word = filter_action_name(a->kind);
    struct sv text = sv_take(a->text, 80);
    int n;
    if (a->kind == FILTER_ADD_SCORE)
        n = snprintf(ret, cap, "%s %.2f", word, (double)a->number / 100.0);
    else if (a->kind == FILTER_TARPIT)
        n = snprintf(ret, cap, "%s %" PRId64, word, a->number);
    else if (a->kind == FILTER_RESPOND)
        n = describe_reply(a, ret, cap);
    else if (a->kind == FILTER_PRIORITY)
        n = snprintf(ret, cap, "%s %s", word, priorities[a->number]);
    else
        n = snprintf(ret, cap, "%s%s" SV_FMT "%s" SV_FMT "%s", word, a->name.n ? " " : "",
                     SV_ARG(a->name), text.n ? " '" : "", SV_ARG(text), text.n ? "'" : "");
    return MIN((size_t)n, cap - 1);
}

void filter_describe(const struct filter_rule *r, char *ret, size_t cap)
{
    size_t n = 0;
    *ret = '\0';
    for (size_t i = 0; i < r->n_actions && n + 8 < cap; i++) {
        n += (size_t)snprintf(ret + n, cap - n, "%s", i ? ", " : "");
        n += describe(&r->actions[i], ret + n, cap - n);
    }
}

static int each_pattern(const struct filter_node *n, int (*fn)(struct sv, void *), void *arg)
{
    int r = 0;
    if (!n)
        return 0;
    if (n->kind != FILTER_TEST) {
        r = each_pattern(n->a, fn, arg);
        return r ? r : each_pattern(n->b, fn, arg);
    }
    for (size_t i = 0; n->patterns && i < n->n && r == 0; i++)
        if (pattern_is_name(n->values[i]))
            r = fn(n->values[i], arg);
    return r;
}

int filter_each_pattern(const struct filter_rule *r, int (*fn)(struct sv name, void *arg),
                        void *arg)
{
    return each_pattern(r->when, fn, arg);
}

static const char *foreign_fact(const struct filter_node *n, unsigned level)
{
    if (!n)
        return NULL;
    if (n->kind != FILTER_TEST) {
        const char *a = foreign_fact(n->a, level);
        return a ? a : foreign_fact(n->b, level);
    }
    const char *word = filter_fact_name(n->fact);
    return filter_find_fact(sv_c(word))->levels & level ? NULL : word;
}

int filter_check_level(const struct filter_rule *r, enum filter_level level, struct errinfo *ei)
{
    const char *word = foreign_fact(r->when, level);
    if (word)
        return err_set(ei, E_CONFLICT,
                       "rule '" SV_FMT "': the condition '%s' is not known any more when mail is "
                       "put into a mailbox; it is for rules of the server and of domains",
                       SV_ARG(r->name), word);
    for (size_t i = 0; i < r->n_actions; i++) {
        word = filter_action_name(r->actions[i].kind);
        unsigned levels = filter_find_action(sv_c(word))->levels;
        if (!(levels & level))
            return err_set(ei, E_CONFLICT,
                           "rule '" SV_FMT "': the action '%s' is for rules of the server%s",
                           SV_ARG(r->name), word, levels == EARLY ? " and of domains" : "");
        if (level == FILTER_ACCOUNT && r->actions[i].kind == FILTER_REJECT &&
            sv_starts(r->actions[i].text, SV("4")))
            return err_set(ei, E_CONFLICT,
                           "rule '" SV_FMT "': the mail of an account was accepted already, and "
                           "cannot be refused for some time (" SV_FMT "); a code begins with 5",
                           SV_ARG(r->name), SV_ARG(sv_take(r->actions[i].text, 3)));
    }
    return 0;
}
