/* Sieve scripts (RFC 5228 and the extensions in words.c): text to a checked tree. Pure. What the
 * tree promises: every word, tag and argument is one that its command knows, in a place where it is
 * allowed, with the extension required; literal regular expressions compile, literal addresses and
 * header names are well formed. Strings with variables in them are checked when the script runs. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SIEVE_MAX_SCRIPT   MiB
#define SIEVE_MAX_NESTING  32 /* of blocks and of tests, together */
#define SIEVE_MAX_NODES    10000
#define SIEVE_MAX_STRINGS  20000
#define SIEVE_MAX_PROBLEMS 10

enum sieve_ext {
    SIEVE_EXT_NONE,
    SIEVE_EXT_FILEINTO,
    SIEVE_EXT_REJECT,
    SIEVE_EXT_EREJECT,
    SIEVE_EXT_ENVELOPE,
    SIEVE_EXT_ENCODED_CHARACTER,
    SIEVE_EXT_BODY,
    SIEVE_EXT_VARIABLES,
    SIEVE_EXT_VACATION,
    SIEVE_EXT_VACATION_SECONDS,
    SIEVE_EXT_IMAP4FLAGS,
    SIEVE_EXT_SUBADDRESS,
    SIEVE_EXT_RELATIONAL,
    SIEVE_EXT_COPY,
    SIEVE_EXT_MAILBOX,
    SIEVE_EXT_EDITHEADER,
    SIEVE_EXT_ENOTIFY,
    SIEVE_EXT_DUPLICATE,
    SIEVE_EXT_REGEX,
    SIEVE_EXT_DATE,
    SIEVE_EXT_INDEX,
    SIEVE_EXT_INCLUDE,
    SIEVE_EXT_NUMERIC,
    SIEVE_EXT_OCTET,
    SIEVE_EXT_CASEMAP,
    SIEVE_EXT_COUNT,
};
/* Name as in require and in ManageSieve's SIEVE capability; NULL for NONE. */
const char *sieve_ext_name(enum sieve_ext e);

enum sieve_word {
    /* commands */
    SIEVE_REQUIRE,
    SIEVE_IF,
    SIEVE_ELSIF,
    SIEVE_ELSE,
    SIEVE_STOP,
    SIEVE_KEEP,
    SIEVE_DISCARD,
    SIEVE_REDIRECT,
    SIEVE_FILEINTO,
    SIEVE_REJECT,
    SIEVE_EREJECT,
    SIEVE_SET,
    SIEVE_VACATION,
    SIEVE_SETFLAG,
    SIEVE_ADDFLAG,
    SIEVE_REMOVEFLAG,
    SIEVE_ADDHEADER,
    SIEVE_DELETEHEADER,
    SIEVE_NOTIFY,
    SIEVE_INCLUDE,
    SIEVE_RETURN,
    SIEVE_GLOBAL,
    /* tests */
    SIEVE_ADDRESS,
    SIEVE_ALLOF,
    SIEVE_ANYOF,
    SIEVE_ENVELOPE,
    SIEVE_EXISTS,
    SIEVE_FALSE,
    SIEVE_HEADER,
    SIEVE_NOT,
    SIEVE_SIZE,
    SIEVE_TRUE,
    SIEVE_BODY,
    SIEVE_STRING,
    SIEVE_HASFLAG,
    SIEVE_MAILBOXEXISTS,
    SIEVE_DATE,
    SIEVE_CURRENTDATE,
    SIEVE_DUPLICATE,
    SIEVE_VALID_NOTIFY_METHOD,
    SIEVE_NOTIFY_METHOD_CAPABILITY,
    SIEVE_WORD_COUNT,
};

enum sieve_tag {
    SIEVE_T_IS,
    SIEVE_T_CONTAINS,
    SIEVE_T_MATCHES,
    SIEVE_T_REGEX,
    SIEVE_T_COUNT,
    SIEVE_T_VALUE,
    SIEVE_T_COMPARATOR,
    SIEVE_T_ALL,
    SIEVE_T_LOCALPART,
    SIEVE_T_DOMAIN,
    SIEVE_T_USER,
    SIEVE_T_DETAIL,
    SIEVE_T_OVER,
    SIEVE_T_UNDER,
    SIEVE_T_RAW,
    SIEVE_T_CONTENT,
    SIEVE_T_TEXT,
    SIEVE_T_COPY,
    SIEVE_T_CREATE,
    SIEVE_T_FLAGS,
    SIEVE_T_DAYS,
    SIEVE_T_SECONDS,
    SIEVE_T_SUBJECT,
    SIEVE_T_FROM,
    SIEVE_T_ADDRESSES,
    SIEVE_T_MIME,
    SIEVE_T_HANDLE,
    SIEVE_T_LOWER,
    SIEVE_T_UPPER,
    SIEVE_T_LOWERFIRST,
    SIEVE_T_UPPERFIRST,
    SIEVE_T_QUOTEWILDCARD,
    SIEVE_T_QUOTEREGEX,
    SIEVE_T_ENCODEURL,
    SIEVE_T_LENGTH,
    SIEVE_T_ZONE,
    SIEVE_T_ORIGINALZONE,
    SIEVE_T_INDEX,
    SIEVE_T_LAST,
    SIEVE_T_IMPORTANCE,
    SIEVE_T_OPTIONS,
    SIEVE_T_MESSAGE,
    SIEVE_T_HEADER,
    SIEVE_T_UNIQUEID,
    SIEVE_T_PERSONAL,
    SIEVE_T_GLOBAL,
    SIEVE_T_ONCE,
    SIEVE_T_OPTIONAL,
};

struct sieve_str {
    struct sv s; /* unescaped, encoded characters decoded; valid UTF-8 without NUL */
    uint32_t line, col;
    bool vars; /* "${" in it, and the script requires variables */
};

struct sieve_list {
    struct sieve_str *v;
    size_t n;
};

/* A tag with its value. */
struct sieve_option {
    enum sieve_tag tag;
    struct sieve_list list;
    uint64_t number;
    struct sieve_option *next;
};

enum sieve_arg_kind { SIEVE_ARG_TAG, SIEVE_ARG_NUMBER, SIEVE_ARG_STRINGS };

/* As written; the parser's result that the checker reads. */
struct sieve_arg {
    enum sieve_arg_kind kind;
    uint32_t line, col;
    struct sv tag; /* without the colon */
    uint64_t number;
    struct sieve_list list;
    bool bracketed;
};

/* A command or a test. */
struct sieve_node {
    struct sv name; /* as written */
    uint32_t line, col;
    struct sieve_arg *args;
    size_t n_args;
    struct sieve_node *tests; /* inside: the test of if and not, those of anyof and allof */
    struct sieve_node *block; /* commands in braces */
    struct sieve_node *next;  /* the next command or test */
    bool test_list, has_block;
    /* filled by the checker */
    enum sieve_word word;
    uint64_t tags; /* bit of each tag that is there */
    struct sieve_option *options;
    struct sieve_list arg[3]; /* strings in their order; an optional first one that is not there has
                                 v == NULL */
    uint64_t number;
};

struct sieve_script {
    struct sieve_node *commands; /* NULL: an empty script */
    uint64_t ext;                /* bit of each extension that it requires */
};

struct sieve_problem {
    uint32_t line, col; /* from 1 */
    char text[260];
};
struct sieve_problems {
    size_t n;
    struct sieve_problem v[SIEVE_MAX_PROBLEMS];
};

/* Memory of a that one script may need; an arena with this cap is enough for any. */
#define SIEVE_ARENA (16 * MiB)

/* 0, or E_PARSE with at least one problem: those of the grammar end the reading, others are
 * collected. E_RANGE: a limit, also told as a problem. ret lives in a and points into text. */
int sieve_parse(struct sv text, struct arena *a, struct sieve_script *ret,
                struct sieve_problems *problems);
/* "line 3, column 7: ...", one a line with CRLF between them. */
void sieve_problems_text(const struct sieve_problems *p, struct buf *out);

static inline bool sieve_has(const struct sieve_node *n, enum sieve_tag t)
{
    return n->tags >> t & 1;
}
const struct sieve_option *sieve_option(const struct sieve_node *n, enum sieve_tag t); /* or NULL */
static inline bool sieve_requires(const struct sieve_script *s, enum sieve_ext e)
{
    return s->ext >> e & 1;
}

/* What the checker asks of literals, and the interpreter of texts with variables. */
bool sieve_is_address(struct sv s); /* local@domain, one, without a name */
bool sieve_is_header_name(struct sv s);
bool sieve_is_address_header(struct sv s); /* one of those that may hold addresses */
bool sieve_is_date_part(struct sv s);
bool sieve_is_zone(struct sv s, int *ret_minutes); /* "+0130" */
bool sieve_is_relation(struct sv s);               /* gt ge lt le eq ne */
/* A variable's name (RFC 5229 3): letters, digits, underscores, not a digit first. */
bool sieve_is_variable(struct sv s);
/* The same behind "global." (RFC 6609 3.4.1). */
bool sieve_is_global(struct sv s);
