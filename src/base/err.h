/* Errors: functions return 0 (or a count) or a negative code. Codes above -1000 are errno values,
 * the rest are ours. errinfo carries the sentence for people, filled where the fault is known. */
#pragma once

#include "base/base.h"

enum err {
    E_OK = 0,
    E_PARSE = -1001,    /* input does not follow its grammar */
    E_RANGE = -1002,    /* value outside the allowed range */
    E_NOTFOUND = -1003, /* the named thing does not exist */
    E_EXISTS = -1004,   /* the named thing exists already */
    E_AUTH = -1005,     /* credentials refused */
    E_PERM = -1006,     /* authenticated, but not allowed */
    E_QUOTA = -1007,    /* a quota or size limit is reached */
    E_LIMIT = -1008,    /* a rate or count limit is reached; later may work */
    E_TEMP = -1009,     /* temporary failure of a part we depend on */
    E_TIMEOUT = -1010,  /* a deadline passed */
    E_CLOSED = -1011,   /* the peer or the other end is gone */
    E_CONFLICT = -1012, /* changed by someone else meanwhile, or constraint violated */
    E_CORRUPT = -1013,  /* stored data is damaged */
    E_UNSUPPORTED = -1014,
    E_CANCELLED = -1015,
    E_NXDOMAIN = -1016, /* DNS: the name does not exist */
    E_NODATA = -1017,   /* DNS: the name exists, the type does not */
    E_TLS = -1018,      /* handshake or verification failed */
    E_DB = -1019,       /* the database refused or failed for another reason */
    E_FULL = -1020,     /* a bounded buffer or queue is full */
};

struct errinfo {
    int code;
    char text[220];
};

/* Stores code and text in ei when ei is not NULL. Returns code, so that `return err_set(...)`
 * works. err_set_errno appends strerror of the errno-style code. */
int err_set(struct errinfo *ei, int code, const char *fmt, ...) _printf_(3, 4);
int err_set_errno(struct errinfo *ei, int code, const char *fmt, ...) _printf_(3, 4);

/* A static short text for any code, errno or ours. Thread-safe. */
const char *err_name(int code);
