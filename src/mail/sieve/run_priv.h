/* A run in progress, shared by the interpreter's files. */
#pragma once

#include "mail/sieve/sieve_run.h"
#include "proto/sieve/glob.h"
#include "proto/sieve/regex.h"

#define MAX_CAPTURES 32

struct field {
    struct sv name, value, raw; /* raw: the whole field with its line end */
};

struct variable {
    struct sv name, value;
    unsigned scope;
};

struct included;

struct run {
    const struct sieve_script *script;
    unsigned index; /* of the script in the sequence */
    const struct sieve_env *e;
    struct sieve_result *r;
    struct arena *a; /* of the result */
    uint32_t line;   /* of the command or test that runs */
    uint64_t steps;
    int64_t cpu_start_us;
    uint64_t steps_at_check;
    bool stopped, keep_cancelled;
    bool returned;   /* from the script that runs */
    unsigned scope;  /* of its variables */
    unsigned scopes; /* given out */
    unsigned depth;
    struct included *included; /* in order, the latest first */
    size_t n_includes;
    struct variable *globals; /* names that a scope takes from the shared ones */
    size_t n_globals;
    bool told_where;      /* the error names the script */
    struct field *fields; /* as edited so far */
    size_t n_fields, cap_fields;
    bool edited, snapshot_old;
    struct sv snapshot; /* header block as edited */
    struct variable *vars;
    size_t n_vars;
    struct sv captures[MAX_CAPTURES];
    size_t n_captures;
    struct sv flags; /* the internal variable of imap4flags */
    size_t n_redirects;
};

/* Counts effort; E_LIMIT when there was too much. */
int run_charge(struct run *x, uint64_t bytes);
int run_fail(struct run *x, int code, const char *fmt, ...) _printf_(3, 4);
/* Memory of the run; NULL after run_fail. */
void *run_alloc(struct run *x, size_t n);
/* A copy of b's text; E_LIMIT. */
int run_keep(struct run *x, const struct buf *b, struct sv *ret);

/* variable.c */
int expand(struct run *x, const struct sieve_str *s, struct sv *ret);
/* All of a list; *ret has l->n entries. */
int expand_list(struct run *x, const struct sieve_list *l, struct sv **ret);
int expand_option(struct run *x, const struct sieve_node *n, enum sieve_tag t, struct sv *ret);
int variable_set(struct run *x, struct sv name, struct sv value);
struct sv variable_get(struct run *x, struct sv name);
int do_set(struct run *x, const struct sieve_node *n);

/* include.c: RFC 6609 */
enum { SCOPE_GLOBAL = UINT32_MAX };
int do_include(struct run *x, const struct sieve_node *n);
int do_global(struct run *x, const struct sieve_node *n);
/* Whose variable a name means; takes the namespace off. */
unsigned scope_of(const struct run *x, struct sv *name);
/* run.c */
int run_block(struct run *x, const struct sieve_node *first);

/* match.c */
enum match_type { MATCH_IS, MATCH_CONTAINS, MATCH_MATCHES, MATCH_REGEX, MATCH_COUNT, MATCH_VALUE };
enum comparator { CMP_CASEMAP, CMP_OCTET, CMP_NUMERIC };
struct matcher {
    struct run *x;
    enum match_type type;
    enum comparator cmp;
    struct sv relation;
    struct sv *keys;
    size_t n_keys;
    struct sieve_regex **re;
    uint64_t count;
    bool capture; /* sets the match variables */
};
int matcher_begin(struct matcher *m, struct run *x, const struct sieve_node *n,
                  const struct sieve_list *keys);
/* 1 = the value fits, 0 = not (or it was counted), < 0. */
int matcher_try(struct matcher *m, struct sv value);
/* r: of the last matcher_try. Compares the count; frees. */
int matcher_end(struct matcher *m, int r);

/* header.c */
int headers_load(struct run *x);
const struct field *header_find(const struct run *x, struct sv name, size_t from);
int header_text(struct run *x, const struct field *f, struct sv *ret); /* decoded, trimmed */
/* Occurrences of a name, with :index and :last. Returns the field or NULL; *pos: 0 at the start. */
const struct field *header_next(const struct run *x, const struct sieve_node *n, struct sv name,
                                size_t *pos);
int do_addheader(struct run *x, const struct sieve_node *n);
int do_deleteheader(struct run *x, const struct sieve_node *n);
int header_snapshot(struct run *x, struct sv *ret);

/* address.c, body.c, date.c, flag.c, test.c: 1, 0 or an error */
int test_address(struct run *x, const struct sieve_node *n);
int test_envelope(struct run *x, const struct sieve_node *n);
int test_body(struct run *x, const struct sieve_node *n);
int test_date(struct run *x, const struct sieve_node *n);
int test_hasflag(struct run *x, const struct sieve_node *n);
int do_flags(struct run *x, const struct sieve_node *n);
/* Flags of keep and fileinto into the action. */
int flags_of(struct run *x, const struct sieve_node *n, struct sieve_action *a);
int run_test(struct run *x, const struct sieve_node *n);

/* action.c */
int do_action(struct run *x, const struct sieve_node *n);
void add_implicit_keep(struct run *x);
