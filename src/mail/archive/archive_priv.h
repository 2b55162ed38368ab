/* Inside of the room. */
#pragma once

#include <pthread.h>

#include "mail/archive/archive.h"
#include "mail/archive/entry.h"

struct archive {
    char *dflt_dir;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t changed;
    bool stop;
};

/* Files that are being written, below the archive. */
#define NEW_FOLDER ".new"

/* upkeep.c */
int upkeep_begin(struct archive *a, struct errinfo *ei);
void upkeep_end(struct archive *a);
