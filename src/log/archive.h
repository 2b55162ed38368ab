/* The ZIP archive that old logs are added to before they are deleted (logcfg.archive). */
#pragma once

#include <stdatomic.h>

#include "base/err.h"

/* Adds files (paths below dir, which are the names in the archive too) to the ZIP file. After 0 the
 * archive with all of them is durable; on errors the old archive is as it was. It is written beside
 * the old one, synced and renamed. A file that is in it already with this content is not added
 * again, one of the same name with another content gets a number behind its name.
 * Blocks, for seconds per gigabyte; *cancel ends it early with E_CANCELLED. Reads the whole old
 * archive. Errors name setting, value and remedy. */
int log_archive_add(const char *archive, const char *dir, char *const *names, size_t n,
                    const atomic_bool *cancel, struct errinfo *ei);
