/* Beside a module that starts: counts the mailboxes of domains with a quota again, as far as a
 * crash or a boot has left them in question. */
#pragma once

struct accounts;
struct counting_thread;
struct mailstore;

struct counting_thread *counting_start(struct accounts *a, struct mailstore *s);
void counting_stop(struct counting_thread *t); /* soon, done or not; NULL is fine */
