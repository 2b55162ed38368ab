/* The mail archive: a copy of each message that was received or sent, one file for all of its
 * recipients, written before the first delivery is tried:
 *
 *   <archive>/2026-11-27/20/20261127T203816-OSA88513-00112233AABBCCDD.eml
 *
 * named by the time of its acceptance (UTC), its id and its key, so that a repetition finds it. The
 * file begins with fields of ours, X-Archive-*, that hold the envelope; the message follows as it
 * was queued. What is written here is durable before the message can be settled (ADR 0024). */
#pragma once

#include "mail/message/message.h"

struct conf;
struct archive;

/* dflt_dir: where the archive is while archive.path is empty. Starts the thread that deletes what
 * archive.keep no longer wants. */
int archive_open(const char *dflt_dir, struct archive **ret, struct errinfo *ei);
void archive_close(struct archive *a);

/* Copies those of the messages that are to be archived and are not there yet; files and names are
 * synced when it returns. ret_wait[i]: the message could not be copied, and must not be delivered
 * now (archive.on_failure). a NULL: there is no archive. Blocks on the disk. Any thread. */
void archive_keep(struct archive *a, struct message *const *m, size_t n, bool *ret_wait);
/* The answer of recipients that wait for it. */
#define ARCHIVE_ANSWER "451 4.3.0 The mail archive cannot be written now"

/* Whether the settings want this message in the archive. Pure. */
bool archive_wants(const struct conf *cf, const struct message *m);
/* archive.path, or the default. */
const char *archive_dir(const struct conf *cf, const char *dflt_dir);
/* Deletes the days that ended before a time (wall clock), and files that were never finished.
 * Returns the number of days deleted. */
unsigned archive_expire(const char *dir, int64_t before_ms);
