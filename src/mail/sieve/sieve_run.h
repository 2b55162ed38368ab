/* Runs a checked script over a message: facts in, a list of actions out. Touches nothing: who
 * delivers carries the actions out. A script never loses mail: an error, a limit that is reached or
 * two actions that exclude each other leave one action, the implicit keep (RFC 5228 2.10.6). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/mime.h"
#include "proto/sieve/sieve.h"

#define SIEVE_RUN_MEMORY   (16 * MiB)   /* of one run beside the message */
#define SIEVE_MAX_STEPS    (256u << 20) /* bytes looked at, about */
#define SIEVE_MAX_BODY     (8 * MiB)    /* decoded text of one part that the body test looks at */
#define SIEVE_MAX_VALUE    4096         /* bytes of a variable; longer ones are cut (RFC 5229 3) */
#define SIEVE_MAX_VARS     255
#define SIEVE_MAX_DEPTH    10  /* of scripts in scripts */
#define SIEVE_MAX_INCLUDES 100 /* in one run */

enum sieve_action_kind {
    SIEVE_DO_KEEP, /* into INBOX */
    SIEVE_DO_FILE,
    SIEVE_DO_REDIRECT,
    SIEVE_DO_REJECT,
    SIEVE_DO_VACATION,
    SIEVE_DO_NOTIFY,
};

struct sieve_action {
    enum sieve_action_kind kind;
    uint32_t line;    /* of the command; 0 = the implicit keep */
    unsigned script;  /* which of those that were run, from 0 */
    struct sv target; /* folder, address or method */
    struct sv text;   /* reason, reply or notice */
    struct sv header; /* p != NULL: stands in place of the message's header block */
    struct sv *flags; /* keep and file */
    size_t n_flags;
    bool create;        /* the folder when it does not exist */
    bool ereject, mime; /* mime: text is a MIME entity */
    struct sv subject, from, handle, importance;
    struct sv *addresses; /* vacation: further ones of the user */
    size_t n_addresses;
    int64_t seconds; /* vacation: no second reply to one sender for so long; -1 = the default */
};

/* What a duplicate test asks to remember once everything is done. */
struct sieve_mark {
    struct sv id;
    int64_t seconds;
};

struct sieve_env {
    struct sv message;    /* complete, in wire form */
    struct sv sender;     /* reverse path, "" = null */
    struct sv rcpt;       /* the address as it was given in RCPT */
    struct sv auth;       /* who had logged in, "" */
    struct sv delimiters; /* each may separate user and detail: "+" */
    int64_t now_s;
    size_t max_actions, max_redirects;
    int64_t max_cpu_us; /* of the calling thread; 0 = no limit */
    /* Any may be NULL: no folder exists, nothing was seen. < 0: cannot tell now, which ends the run
     * (E_TEMP) without any action: the delivery is tried again. */
    int (*mailbox_exists)(void *arg, struct sv folder);
    int (*seen)(void *arg, struct sv id, int64_t seconds, bool refresh);
    /* A script of the user's, or of the server's (global), for RFC 6609; it stays until the run is
     * over. E_NOTFOUND; other errors: it cannot be read. NULL: there are none. */
    int (*include)(void *arg, bool global, struct sv name, const struct sieve_script **ret);
    void *arg;
};

struct sieve_result {
    struct arena arena;           /* holds everything below, and the message's structure */
    const struct mime_part *root; /* NULL: not looked at */
    struct sieve_action *v;
    size_t n;              /* 0: the message is discarded */
    uint32_t discard_line; /* of the command that said so; 0 = none */
    unsigned discard_script;
    struct sieve_mark *marks;
    size_t n_marks;
    int error; /* < 0: why only the implicit keep is left */
    struct errinfo ei;
    uint32_t error_line;
    unsigned error_script;
};

/* 0; E_TEMP (try again; ret->ei says why, no action). ret is filled always: sieve_result_done. */
int sieve_run(const struct sieve_script *s, const struct sieve_env *e, struct sieve_result *ret);
/* Several, one after the other, each with variables of its own. The next one runs when the one
 * before leaves the message to be kept, implicitly or by `keep`, which then counts no more; what
 * else it has asked for is done. Headers stay as they were edited. */
int sieve_run_all(const struct sieve_script *const *s, size_t n, const struct sieve_env *e,
                  struct sieve_result *ret);
void sieve_result_done(struct sieve_result *r);

/* The message as the action wants it: its header block, and what follows. */
void sieve_content(const struct sieve_env *e, const struct sieve_result *r,
                   const struct sieve_action *a, struct sv *ret_header, struct sv *ret_body);
