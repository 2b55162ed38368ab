/* Shared libraries that are loaded when something needs them. What is linked costs private memory
 * in each process (relocations), used or not: the clients of PostgreSQL and MariaDB bring GnuTLS,
 * Kerberos and LDAP with them, 2 MB over the four processes of a server that keeps all in SQLite.
 *
 * db/driver_pgsql.c shows how: the functions are listed once, calls are pq.PQexec(...), with the
 * types of the library's own header. */
#pragma once

#include "base/err.h"

struct library_symbol {
    const char *name;
    void **where;
};

#define LIBRARY_POINTER(function) __typeof__(function) *function;

/* Fills in all pointers, the first time; the library stays loaded. Any thread, before the sandbox
 * is entered. E_NOTFOUND: names the library, what is missing and the Debian package that has it. */
int library_load(const char *soname, const char *package, const struct library_symbol *symbols,
                 size_t n, struct errinfo *ei);
