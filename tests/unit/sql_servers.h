/* The SQL servers that tests of the system database run on besides SQLite: tools/db-servers.sh
 * starts them and names them in the environment. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

struct sql_server {
    const char *label, *variable;
};

static const struct sql_server sql_servers[] = {
    { "postgresql", "POSTHORN_TEST_PGSQL" },
    { "mysql", "POSTHORN_TEST_MYSQL" },
};

/* Its DSN. NULL: it is not there, which is a failure where POSTHORN_TEST_SERVERS says that they
 * were started (tools/test.sh). */
static inline const char *sql_server_dsn(const struct sql_server *s, const char *name, int *failed)
{
    const char *dsn = getenv(s->variable), *wanted = getenv("POSTHORN_TEST_SERVERS");
    if (dsn && *dsn)
        return dsn;
    printf("[  %s ] %s on %s: %s is not set, see tools/db-servers.sh\n",
           wanted ? "FAILED " : "SKIPPED", name, s->label, s->variable);
    *failed += wanted != NULL;
    return NULL;
}
