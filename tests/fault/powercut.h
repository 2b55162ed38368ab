/* A simulated disk: beside the directory that a server writes (root) a shadow holds what would be
 * there after a power cut. Shared by the LD_PRELOAD library (powercut.c), which moves things to the
 * shadow when they are synced, and by the tool (powercut_tool.c), which begins a shadow and makes a
 * directory from it.
 *
 *   shadow/root        identity of the root directory
 *   shadow/objs/<id>   content of a file as of its last sync
 *   shadow/dirs/<id>   entries of a directory as of its last sync, a line each:
 *                      type id mode uid gid name
 *
 * An identity is inode number and birth time: an inode that is used again is another file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pc {
    char root[4096], shadow[4096];
    /* A synced file's name is durable too, as with ext4, XFS and Btrfs; false: only what POSIX
     * promises, the directory has to be synced. */
    bool names_follow;
};

#define PC_ID 40

struct pc_entry {
    char type; /* 'f' or 'd' */
    char id[PC_ID];
    unsigned mode, uid, gid;
    char name[256];
};

struct pc_list {
    struct pc_entry *v;
    size_t n, cap;
};

/* Ends the process with a message: a simulation that goes wrong must not pass for a disk. */
__attribute__((noreturn, format(printf, 1, 2))) void pc_die(const char *fmt, ...);

bool pc_inside(const struct pc *p, const char *path);
/* Identity and kind of a path; false: it is not there (any more). */
bool pc_identify(const char *path, struct pc_entry *ret);
void pc_list_live(const char *path, struct pc_list *ret);
bool pc_list_shadow(const struct pc *p, const char *id, struct pc_list *ret);
void pc_list_done(struct pc_list *l);

/* All below hold the shadow's lock (a flock that ends with its process) while they write. */
void pc_sync_fd(const struct pc *p, int fd);
void pc_sync_all(const struct pc *p);
void pc_begin(const struct pc *p); /* empty shadow, then everything is durable */
