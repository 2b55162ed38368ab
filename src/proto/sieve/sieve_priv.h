/* Shared by the parser's files. */
#pragma once

#include "proto/sieve/sieve.h"

enum sieve_token_kind {
    TOK_END,
    TOK_ERROR, /* told already */
    TOK_WORD,
    TOK_TAG,
    TOK_NUMBER,
    TOK_STRING,
    TOK_PUNCT, /* one of [](){},; */
};

struct sieve_token {
    enum sieve_token_kind kind;
    uint32_t line, col;
    struct sv text; /* word, tag without its colon, string unescaped */
    uint64_t number;
    char punct;
};

struct sieve_parser {
    const char *p, *end, *line_start;
    uint32_t line;
    struct arena *a;
    struct sieve_token t; /* looked at, not yet taken */
    size_t n_nodes, n_strings;
    unsigned depth;
    struct sieve_problems *problems;
    bool failed; /* the grammar or a limit: no sense in going on */
};

void sieve_complain(struct sieve_problems *p, uint32_t line, uint32_t col, const char *fmt, ...)
    _printf_(4, 5);
/* A text of the script in an error: cut, without control characters. */
const char *sieve_quote(struct sv s, char ret[60]);
void sieve_lex(struct sieve_parser *x); /* the next token into x->t */
struct sieve_node *sieve_parse_commands(struct sieve_parser *x);

/* words.c: the tables */
struct sieve_spec {
    const char *name;
    enum sieve_word word;
    bool test;
    enum sieve_ext ext;
    const char *args; /* S string, L list, N number; ? before an optional one */
    enum { TESTS_NONE, TESTS_ONE, TESTS_LIST } tests;
    bool block;
};
const struct sieve_spec *sieve_find_spec(struct sv name);
struct sieve_tag_spec {
    const char *name;
    enum sieve_tag tag;
    char value; /* S, L, N or 0 */
    enum {
        GROUP_NONE,
        GROUP_MATCH,
        GROUP_PART,
        GROUP_SIZE,
        GROUP_BODY,
        GROUP_CASE,
        GROUP_FIRST,
        GROUP_QUOTE,
        GROUP_PERIOD,
        GROUP_ZONE,
        GROUP_ID,
        GROUP_LOCATION
    } group;
    enum sieve_ext ext;
    uint64_t words; /* bit of each command and test that takes it */
};
/* The tag of that word; NULL. *ret_other: some word has a tag of that name. */
const struct sieve_tag_spec *sieve_find_tag(struct sv name, enum sieve_word w, bool *ret_other);
enum sieve_ext sieve_find_ext(struct sv name); /* NONE = unknown */

/* check.c */
void sieve_check(struct sieve_script *s, struct arena *a, struct sieve_problems *problems);
/* literal.c: rules for the values of one command or test */
void sieve_check_values(const struct sieve_script *s, const struct sieve_node *n,
                        struct sieve_problems *problems);
/* Decodes ${hex:} and ${unicode:} (RFC 5228 2.4.2.4). */
bool sieve_decode_characters(struct sieve_str *s, struct arena *a, struct sieve_problems *problems);
