/* Memory that the process no longer needs goes back to the kernel. glibc keeps what was freed,
 * which for a server means that one busy minute is paid for in memory for ever. */
#pragma once

#include <stddef.h>

/* At the start of a process, before its first thread: few heaps for the many threads, of which few
 * allocate at a time. More heaps would only hold more free memory. */
void os_memory_init(void);

/* To be called about once a second by one thread of the process (always the same): trims the heap
 * when the process has become quiet, and at times while it is busy. Costs at most 2 % of the
 * process's CPU time. */
void os_memory_tick(void);

/* The next tick trims in any case: idle memory was freed, which costs too little CPU time to be
 * noticed. The thread that calls os_memory_tick. */
void os_memory_freed(void);

/* Bytes of this process that are in memory now; 0 = unknown. */
size_t os_memory_resident(void);

/* Bytes of the heap that somebody holds, with the few freed ones that malloc keeps at hand for each
 * thread. What a process has in memory beyond them is code, stacks and gaps of the heap: only this
 * tells a leak from gaps. 0 = unknown (another malloc). Any thread; waits for each heap's lock and
 * walks its free blocks. */
size_t os_memory_allocated(void);

/* The most that ever was in memory; 0 = unknown. */
size_t os_memory_peak(void);

/* Gives back the unused part of the calling thread's stack, which must have been created with
 * stack_bytes. For threads that sleep for long. */
void os_stack_trim(size_t stack_bytes);
