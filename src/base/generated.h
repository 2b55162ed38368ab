/* The end of the host programs that print the generated files of docs/. */
#pragma once

#include "base/buf.h"

/* No arguments: prints text. --check FILE: compares; says on stderr when the file is stale or
 * missing. Exit status: 0, 1, or 2 for other arguments, after `usage` on stderr. */
int generated_main(const struct buf *text, const char *usage, int argc, char **argv);
