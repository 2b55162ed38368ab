/* A shared segment for each test. */
#pragma once

#include <unistd.h>

#include "stats/shm.h"

static struct shm *seg;
static int seg_fd;

static int setup(void **state)
{
    (void)state;
    if (shm_create(&seg_fd, &seg, NULL) < 0)
        return -1;
    shm_use(seg, MOD_ACCESS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shm_detach(seg);
    close(seg_fd);
    return 0;
}
