/* Least privilege for modules: user switch, capabilities, no_new_privs, seccomp deny list. */
#pragma once

#include "base/err.h"

/* Switches to user (and its groups) for good when running as root; no-op otherwise. Clears all
 * capabilities. E_NOTFOUND names the missing user and the remedy. */
int os_drop_privileges(const char *user, struct errinfo *ei);
/* no_new_privs and a seccomp filter that kills on system calls a module never needs (ptrace, mount,
 * kexec, bpf, module loading, keyctl, ...). The list is in sandbox.c. exec is denied unless
 * allow_exec. Call after threads that need more have done it. */
int os_sandbox(bool allow_exec, struct errinfo *ei);
