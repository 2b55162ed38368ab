/* What an archived message is called, and the envelope at the front of its file. Pure. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

enum {
    ENTRY_NAME = 48,     /* "20261127T203816-OSA88513-00112233AABBCCDD" and its NUL */
    ENTRY_STAMP = 15,    /* "20261127T203816" */
    ENTRY_FOLDER = 16,   /* "2026-11-27/20" */
    ENTRY_FIRST = 128,   /* the first line has fewer bytes */
    ENTRY_MAX = 64 << 20 /* an envelope has fewer bytes */
};

/* id: of the message, letters and digits. */
void entry_name(int64_t received_ms, const char *id, uint64_t key, char ret[ENTRY_NAME]);
/* False: it is no name of an entry. ret_s: the time in it; may be NULL. */
bool entry_name_parse(struct sv name, int64_t *ret_s, struct sv *ret_id);
/* The folder of a name that entry_name_parse takes. */
void entry_folder(const char *name, char ret[ENTRY_FOLDER]);

struct entry_rcpt {
    struct sv address, original; /* original: before aliases; "" = the same */
    bool local;
};
struct entry {
    struct sv id, sender, login, peer, parent; /* "" = none. parent: id that it was made from */
    int64_t received_s;
    struct entry_rcpt *rcpts;
    size_t n_rcpts;
    size_t length; /* of the envelope; the message stands behind it */
};
/* Adds the envelope. */
int entry_write(const struct entry *e, struct buf *out);
/* Length of the envelope by the file's first line; 0: it has none. */
size_t entry_length(struct sv first);
/* Reads an envelope (all of it); texts point into it, recipients are in a. E_CORRUPT. */
int entry_read(struct sv text, struct arena *a, struct entry *ret, struct errinfo *ei);
