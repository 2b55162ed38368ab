/* Shared by the parser's files. */
#pragma once

#include "proto/filter/filter.h"

enum filter_token_kind { FT_END, FT_ERROR, FT_WORD, FT_STRING, FT_NUMBER, FT_PUNCT };

struct filter_token {
    enum filter_token_kind kind;
    struct sv text; /* string: unescaped */
    char punct;     /* ( ) , */
    uint32_t line, col;
};

struct filter_lexer {
    struct sv in;
    size_t at, line_start;
    size_t end; /* of the token before t, with a comment behind it in its line */
    uint32_t line;
    struct filter_token t; /* looked at, not yet taken */
    struct arena *a;       /* for unescaped strings */
    struct errinfo *ei;
    int error;
};
/* The next token into x->t. */
void filter_lex(struct filter_lexer *x);
/* Sets the error, unless there is one, with the place of x->t; returns it. */
int filter_wrong(struct filter_lexer *x, int code, const char *fmt, ...) _printf_(3, 4);
/* A text of the rule for an error: cut, without control characters. */
const char *filter_quote(struct sv s, char ret[60]);

/* words.c: what the words of conditions and actions want */
enum filter_fact_kind { FACT_TEXT, FACT_NUMBER, FACT_FLAG, FACT_CLOCK };
struct filter_fact_word {
    const char *word;
    enum filter_fact fact;
    enum filter_fact_kind kind;
    bool slow;
    unsigned levels;
};
const struct filter_fact_word *filter_find_fact(struct sv word);
const char *filter_fact_name(enum filter_fact f);
struct filter_action_word {
    const char *word;
    enum filter_action_kind kind;
    const char *args; /* S string, ? in front of an optional one, N number, P priority, T seconds, R
                         reply */
    unsigned levels;
};
const struct filter_action_word *filter_find_action(struct sv word);

/* value.c: checks and canonical forms; the text in x->t is what is wrong */
int filter_parse_score(struct filter_lexer *x, struct sv text, int64_t *ret);
int filter_parse_bytes(struct filter_lexer *x, struct sv text, int64_t *ret);
int filter_parse_minutes(struct filter_lexer *x, struct sv text, int64_t *ret);
int filter_parse_date(struct filter_lexer *x, struct sv text, int64_t *ret);
int filter_check_header_name(struct filter_lexer *x, struct sv name);
int filter_check_address(struct filter_lexer *x, struct sv address);
int filter_check_networks(struct filter_lexer *x, struct sv net);
int filter_check_weekday(struct filter_lexer *x, struct sv day);
/* The reply of a reject: with its codes. */
int filter_make_reply(struct filter_lexer *x, struct sv text, struct sv *ret);
