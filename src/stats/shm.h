/* What every module shows while it works, in one shared memory segment that the supervisor makes
 * and hands down: counters, live sessions, epochs, interest in mailboxes, failed logins
 * (failures.h). Writers are lock-free and
 * readers never disturb them (sessions are read under a per-slot sequence number).
 * A crashed module's slots are reclaimed by the supervisor (shm_module_reset). */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "base/sv.h"

enum module { MOD_SUPERVISOR, MOD_SMTP, MOD_ACCESS, MOD_CONTROL, MOD_COUNT };
extern const char *const module_names[MOD_COUNT]; /* "supervisor", "smtp", ... */

enum service {
    SVC_SMTP,       /* server sessions on 25 */
    SVC_SUBMISSION, /* 587 and 465 */
    SVC_SMTP_CLIENT,
    SVC_POP3,
    SVC_IMAP,
    SVC_CONTROL,
    SVC_MANAGESIEVE, /* numbers are on disk: new ones at the end */
    SVC_COUNT,
};
extern const char *const service_names[SVC_COUNT]; /* "smtp", "submission", "smtp-client", ... */

/* One row per counter in counters.def: COUNTER(name, help). Values only grow. */
enum counter {
#define COUNTER(name, help) CTR_##name,
#include "stats/counters.def"
#undef COUNTER
    CTR_COUNT
};
extern const char *const counter_names[CTR_COUNT];
extern const char *const counter_helps[CTR_COUNT];

struct shm; /* opaque */

int shm_create(int *ret_fd, struct shm **ret, struct errinfo *ei); /* memfd; supervisor and tests */
int shm_attach(int fd, struct shm **ret, struct errinfo *ei);
void shm_detach(struct shm *s);

/* The process-wide segment and module that the calls below use; set once at module start. Without a
 * segment (unit tests) a private one is made on first use. */
void shm_use(struct shm *s, enum module self);
struct shm *shm_current(void);

void ctr_add(enum counter c, uint64_t n);
static inline void ctr_inc(enum counter c)
{
    ctr_add(c, 1);
}
uint64_t ctr_get(struct shm *s, enum counter c); /* sum over modules */
uint64_t ctr_get_module(struct shm *s, enum module m, enum counter c);

/* Epochs: bumped by whoever changes the database, watched by caches. */
enum epoch { EPOCH_SETTINGS, EPOCH_ACCOUNTS, EPOCH_CERTS, EPOCH_COUNT };
uint64_t epoch_get(enum epoch e);
void epoch_bump(enum epoch e);
/* Which settings a process works by: EPOCH_SETTINGS as it was before they were read, or 0 while the
 * process serves nobody (shm_module_reset makes it that for the dead). A process sets it for itself
 * and, before it begins to serve, looks at the epoch once more: then either it sees a change, or
 * who made the change sees that the process has to be waited for. */
void applied_set(uint64_t epoch);
uint64_t applied_get(enum module m);

/* Sessions. The id is what logs print in brackets: unique per boot, 32 bits. */
#define SHM_MAX_SESSIONS 65536
struct shm_session_info {
    uint32_t id;
    uint8_t module, service;
    bool tls;
    int64_t started_ms, active_ms; /* wall clock */
    uint64_t bytes_in, bytes_out;
    char peer[46];
    char local[46];
    char account[96];
    char state[24]; /* current or last command, upper case, no arguments */
    char about[96]; /* of a web session: the path, without what may be secret; else empty */
};
/* Returns a slot number for the other calls, or -1 when the table is full (the session works all
 * the same, unseen). */
int32_t shm_session_open(enum service svc, uint32_t id, const char *peer, const char *local);
void shm_session_account(int32_t slot, struct sv account);
void shm_session_state(int32_t slot, struct sv state);
void shm_session_request(int32_t slot, struct sv state, struct sv about); /* both */
void shm_session_tls(int32_t slot, bool on);
void shm_session_bytes(int32_t slot, uint64_t in, uint64_t out); /* adds */
void shm_session_close(int32_t slot);
uint32_t shm_session_new_id(void); /* next session id; low 16 bits are what log lines show */
/* The key by which the session is known for ever: second of the server's start, id. */
uint64_t shm_session_key(uint32_t id);
/* What the session has moved so far. */
void shm_session_totals(int32_t slot, uint64_t *ret_in, uint64_t *ret_out);
/* Calls fn for each live session; copies are consistent. */
void shm_session_each(struct shm *s, bool (*fn)(const struct shm_session_info *, void *arg),
                      void *arg);
void shm_module_reset(struct shm *s, enum module m);
uint32_t shm_sessions_open(struct shm *s, enum service svc);
/* Most sessions open at once since somebody took the peak: take begins anew. */
uint32_t shm_sessions_peak(struct shm *s, enum service svc, bool take);
/* Of a service since the server began; peak: most at once. False: it has no sessions of this kind,
 * active apart. */
struct shm_figures {
    uint64_t connections, bytes_in, bytes_out;
    uint32_t active, peak;
};
bool shm_service_figures(struct shm *s, enum service svc, struct shm_figures *ret);
/* Which services are wanted, as the supervisor shows it; and how often the sessions of one were to
 * end. A new segment wants none. */
void service_set(enum service svc, bool on);
bool service_on(enum service svc);
void service_end_sessions(enum service svc);
uint32_t service_ends(enum service svc);
uint64_t shm_started_s(struct shm *s); /* wall clock at which the server was started */

/* Interest: how many sessions wait for news of an account (hashed: false positives happen). Lets
 * delivery skip the hint when nobody listens. */
void interest_add(int64_t account_id);
void interest_drop(int64_t account_id);
bool interest_any(int64_t account_id);
