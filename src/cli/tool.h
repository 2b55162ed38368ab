/* `posthorn tool ...`: the administrator's command line. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/err.h"

/* argv behind "tool". command: the first word, when it is not among the arguments (`posthorn why`);
 * NULL. The exit status: 0, 1 = refused or failed, 2 = usage, 3 = no right to it, 4 = the server
 * cannot be reached. */
int tool_main(int argc, char **argv, char *command);
void tool_help(void);

/* --- inside the room --- */

struct tool; /* connection to the server, or the operations in this process */

enum tool_print {
    PRINT_OK,
    PRINT_SETTINGS,
    PRINT_SETTING,
    PRINT_VALUE,
    PRINT_DOMAINS,
    PRINT_ACCOUNTS,
    PRINT_ACCOUNT,
    PRINT_SESSIONS,
    PRINT_QUEUE,
    PRINT_MAILBOX,
    PRINT_POSTS,
    PRINT_PATTERNS,
    PRINT_PATTERN_USERS,
    PRINT_MESSAGE,
    PRINT_STATS,
    PRINT_AUDIT,
    PRINT_PASSWORD,
    PRINT_APP_PASSWORDS,
    PRINT_ALIASES,
    PRINT_MEMBERS,
    PRINT_VERIFY,
    PRINT_OPERATIONS,
    PRINT_TOKEN,
    PRINT_TOKENS,
    PRINT_EVENTS,
    PRINT_TRACE,
    PRINT_SCRIPTS,
    PRINT_REMOTES,
    PRINT_ID,
    PRINT_TRANSCRIPT,
    PRINT_SERVICES,
    PRINT_DNS,
    PRINT_DNS_TEST,
    PRINT_STEERED,
    PRINT_PAUSES,
    PRINT_DESTINATIONS,
    PRINT_ROUTES,
    PRINT_TLS_COUNTS,
    PRINT_FILTERS,
    PRINT_FILTER_TEST,
    PRINT_ARCHIVE,
    PRINT_ARCHIVED,
    PRINT_ARCHIVE_SENT,
    PRINT_ARCHIVE_STATUS,
    PRINT_PIECES,
    PRINT_SENDERS,
    PRINT_SMS,
    PRINT_SECURE,
    PRINT_SECURE_ADAPTED,
    PRINT_CERTIFICATE
};

struct tool_cmd {
    const char *words; /* "create account" */
    const char *op;    /* operation of admin/ */
    const char
        *positional; /* names of the positional arguments, optional ones in []: "name [value]" */
    bool pairs;      /* further arguments as key=value */
    enum tool_print print;
    const char *help;
};
extern const struct tool_cmd tool_cmds[]; /* ended by a row without words */

/* cli/dns_test.c: question by question, so that it ends when the tool does. shown: rows are printed
 * as they come. The whole answer, or the error. New reference. */
json_t *tool_dns_test(struct tool *t, json_t *request, bool shown);

/* Turns words into an operation's request. E_PARSE with the usage in ei. *ret_request: new
 * reference. */
int tool_parse(int argc, char *const *argv, const struct tool_cmd **ret_cmd, json_t **ret_request,
               struct errinfo *ei);
/* Splits a batch line into words ("quoted words", # comments). Returns their number; words live in
 * line's memory. E_PARSE. */
int tool_split(char *line, char **words, int max, struct errinfo *ei);
void tool_print(const struct tool_cmd *cmd, json_t *reply);

struct tool_opts {
    const char *data, *dsn, *user;
    const char *server, *token_file, *token, *ca; /* a server elsewhere (remote.h) */
    int timeout_s;
    bool json;
    bool confirm; /* of a server elsewhere: also what shuts out whoever asks */
};
int tool_open(const struct tool_opts *o, struct tool **ret, struct errinfo *ei);
/* An operation of admin/: by the API's /commands, or in this process when no server runs. New
 * reference, never NULL. */
json_t *tool_call(struct tool *t, json_t *request);
struct tool_request;
struct tool_answer;
/* A request for the API. ret is initialised. TOOL_UNREACHABLE, TOOL_REFUSED (no server runs). */
int tool_ask(struct tool *t, const struct tool_request *q, struct tool_answer *ret,
             struct errinfo *ei);
/* `api METHOD PATH [JSON]`: as tool_run. */
int tool_api(struct tool *t, int argc, char *const *argv, unsigned flags, struct errinfo *ei);
void tool_close(struct tool *t);
/* One command, asked and printed. E_PARSE: usage; other errors: refused. ei says why. */
enum { TOOL_JSON = 1, TOOL_BATCH = 2 };
int tool_run(struct tool *t, int argc, char *const *argv, unsigned flags, struct errinfo *ei);
int tool_batch(struct tool *t, FILE *f, const char *name, bool json); /* exit status */
