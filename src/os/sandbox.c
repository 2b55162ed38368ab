/* How a module gives its powers away. Called once at module start, by the main thread. Threads that
 * exist already (the log's) are covered: libc switches the ids of all, which takes their
 * capabilities, and the filter is synchronised to all of them together with no_new_privs. The
 * filter is a deny list: libraries (OpenSSL, libunbound, SQLite, the SQL clients) change the calls
 * they use from version to version, and an allow list that is one call short kills a mail server.
 * See capabilities(7), seccomp(2). */
#include "os/sandbox.h"

#include <grp.h>
#include <linux/sched.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

#if UNDER_SANITIZER
/* The leak check at exit traces the threads; the kernel refuses that after a change of ids. */
static void allow_leak_check(void)
{
    if (getuid() == 0 && seteuid(0) < 0)
        panic("seteuid(0): %m");
    if (prctl(PR_SET_DUMPABLE, 1) < 0)
        panic("PR_SET_DUMPABLE: %m");
}

__attribute__((constructor)) static void register_leak_check(void)
{
    atexit(allow_leak_check); /* runs before the check, which was registered earlier */
}
#endif

/* Nobody who serves mail does this: whoever tries has taken the process over. */
static const char *const killed[] = {
    "acct",
    "add_key",
    "adjtimex",
    "bpf",
    "chroot",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "vhangup",
};

/* Refused with an error: a library may try these and do without. */
static const char *const refused[] = {
    "io_uring_enter", "io_uring_register", "io_uring_setup", "personality", "mknod", "mknodat",
};

static int set_ids(const struct passwd *pw, struct errinfo *ei)
{
    if (initgroups(pw->pw_name, pw->pw_gid) < 0)
        return err_set_errno(ei, -errno, "cannot take the groups of user %s", pw->pw_name);
    if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0)
        return err_set_errno(ei, -errno, "cannot switch to the group of user %s", pw->pw_name);
    if (setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
        return err_set_errno(ei, -errno, "cannot switch to user %s", pw->pw_name);
    return 0;
}

static int clear_caps(struct errinfo *ei)
{
    cap_t none = cap_init();
    if (!none)
        return err_set_errno(ei, -errno, "cannot clear the capabilities");
    int r =
        cap_set_proc(none) < 0 ? -errno : 0; /* an empty set: permitted, effective, inheritable */
    cap_free(none);
    if (r == 0 && cap_reset_ambient() < 0)
        r = -errno;
    return r < 0 ? err_set_errno(ei, r, "cannot clear the capabilities") : 0;
}

int os_drop_privileges(const char *user, struct errinfo *ei)
{
    if (geteuid() != 0)
        return 0;
    struct passwd pw, *found = NULL;
    char mem[16 * 1024];
    int e = getpwnam_r(user, &pw, mem, sizeof(mem), &found);
    if (e)
        return err_set_errno(ei, -e, "cannot look up user %s", user);
    if (!found)
        return err_set(ei, E_NOTFOUND,
                       "user '%s' does not exist; create it (useradd --system %s) or name another "
                       "one in system.user",
                       user, user);
    if (pw.pw_uid == 0)
        return err_set(ei, E_PERM, "user '%s' is root; name an unprivileged one in system.user",
                       user);
    /* What is not in the bounding set cannot come back by executing a privileged file. A root that
     * lacks CAP_SETPCAP (container, unit file) cannot do this; no_new_privs says the same later. */
    for (cap_value_t c = 0; c < cap_max_bits(); c++)
        if (cap_drop_bound(c) < 0 && errno != EINVAL && errno != EPERM)
            return err_set_errno(ei, -errno, "cannot reduce the capabilities");
    int r = set_ids(&pw, ei);
    if (r == 0)
        r = clear_caps(ei);
    if (r < 0)
        return r;
    if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || getuid() == 0 || geteuid() == 0)
        panic("privileges are back after switching to user %s", user);
    return 0;
}

static int add_names(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int nr = seccomp_syscall_resolve_name(names[i]);
        if (nr == __NR_SCMP_ERROR)
            continue; /* a call this libseccomp has not heard of */
        if (UNDER_SANITIZER && strcmp(names[i], "ptrace") == 0)
            continue; /* the leak check at exit uses it */
        int r = seccomp_rule_add(f, action, nr, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_exec(scmp_filter_ctx f)
{
    int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(execve), 0);
    return r < 0 ? r : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(execveat), 0);
}

/* A user namespace would give all capabilities inside it. The flags of clone3 are behind a pointer:
 * it is denied as if it did not exist, and libc takes clone. */
static int add_namespaces(scmp_filter_ctx f)
{
    const struct scmp_arg_cmp new_user = { .op = SCMP_CMP_MASKED_EQ,
                                           .datum_a = CLONE_NEWUSER,
                                           .datum_b = CLONE_NEWUSER };
    int r = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &new_user);
    return r < 0 ? r : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int add_sockets(scmp_filter_ctx f)
{
    static const int families[] = { AF_PACKET, AF_KEY, AF_ALG, AF_VSOCK, AF_BLUETOOTH, AF_CAN };
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct scmp_arg_cmp family = { .op = SCMP_CMP_EQ,
                                             .datum_a = (scmp_datum_t)families[i] };
        int r =
            seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, &family);
        if (r < 0)
            return r;
    }
    return 0;
}

int os_sandbox(bool allow_exec, struct errinfo *ei)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set_errno(ei, -errno, "cannot give up new privileges");
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f)
        return err_set_errno(ei, -ENOMEM, "cannot build the system call filter");
    int r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = add_names(f, SCMP_ACT_KILL_PROCESS, killed, ARRAY_LEN(killed));
    if (r == 0)
        r = add_names(f, SCMP_ACT_ERRNO(EPERM), refused, ARRAY_LEN(refused));
    if (r == 0 && !allow_exec)
        r = add_exec(f);
    if (r == 0)
        r = add_namespaces(f);
    if (r == 0)
        r = add_sockets(f);
    if (r == 0)
        r = seccomp_load(f);
    seccomp_release(f);
    return r < 0 ? err_set_errno(ei, r, "cannot load the system call filter") : 0;
}
