/* Shared by the files of the room. */
#pragma once

#include "base/buf.h"
#include "mail/milter/milter.h"

/* Changes of one milter to one message. */
enum { PENDING_MAX = 4 * 1024 * 1024, CHANGES_MAX = 10000 };

struct milter {
    struct conf_milter conf;
    struct client *c; /* NULL: not connected */
    bool told_connect, told_helo;
    bool done;       /* has accepted the session: is not asked any more */
    bool in_message; /* knows of MAIL */
    bool told_data;
    bool passed;    /* accepted this message, or is not asked about it */
    bool lost;      /* failed in this transaction: what conf.failure says holds until its end */
    bool cancelled; /* by us, so it is nobody's consent */
    bool abort_due; /* the transaction that it knows of is over */
    uint32_t actions, protocol;
    char *wishes[MILTER_STEPS]; /* macros that it asked for; NULL = the usual ones */
    struct buf in, out;
    int64_t total_deadline_ms, started_ms; /* monotonic; of what runs */
    size_t n_changes;
    struct buf pending; /* changes: length and packet each */
    int new_body;       /* -1 = none */
    uint64_t new_body_size;
};

struct milters {
    struct milters_opts o;
    char *list;
    char *helo; /* NULL: none yet */
    bool discard;
    size_t n;
    struct milter m[];
};

/* --- link.c: one milter's connection --- */
void link_begin(struct milter *m); /* time starts to run, for all that follows */
/* Connects and negotiates. */
int link_open(struct milters *ms, struct milter *m, struct errinfo *ei);
void link_close(struct milters *ms, struct milter *m, bool good_bye);
/* Sends m->out, and takes it away. */
int link_send(struct milters *ms, struct milter *m, struct errinfo *ei);
/* The next answer, progress left out. Valid until the next call. */
int link_receive(struct milters *ms, struct milter *m, struct milter_answer *ret,
                 struct errinfo *ei);
/* A milter that did not answer in time is not tried again for some seconds, in any session: others
 * would wait for it in vain. */
void link_rest(const struct milter *m);

/* --- session.c --- */
/* Appends the macros of a step to m->out. */
void milter_add_macros(struct milters *ms, struct milter *m, enum milter_step s);
/* Sends m->out and takes the answer when one is due. */
int milter_ask(struct milters *ms, struct milter *m, enum milter_step s, struct milter_answer *ret,
               struct errinfo *ei);
/* What an answer means for the session and the milter. */
enum milter_verdict milter_judge(struct milters *ms, struct milter *m, enum milter_step s,
                                 const struct milter_answer *a, struct milter_result *ret);
/* The milter does not work: it is told of in the log, and its failure= says what becomes of the
 * mail. */
enum milter_verdict milter_fail(struct milters *ms, struct milter *m, enum milter_step s,
                                const struct errinfo *ei, struct milter_result *ret);
/* True when it is asked about the message; otherwise *ret is what holds in place of an answer. */
bool milter_takes_part(struct milters *ms, struct milter *m, enum milter_verdict *ret,
                       struct milter_result *res);
int64_t milter_took_ms(const struct milter *m);
/* Tells DATA, once in a message. */
enum milter_verdict milter_tell_data(struct milters *ms, struct milter *m,
                                     struct milter_result *ret);
