/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What init decides about the program before it runs: environment, home directory, args[0], why a
 * file cannot be executed, and which kernel parameters a container may set.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/sysctl.h"
#include "host/notify.h"
#include "init/elf.h"
#include "init/init.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char root_path[] = "/tmp/ocirun-lookup-XXXXXX";
static struct init in;
static struct oci_process process;

/* ---- a rootfs ---- */

static void put(const char *path, mode_t mode, const char *text, size_t len)
{
    int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    close(root);
}

static void put_text(const char *path, mode_t mode, const char *text)
{
    put(path, mode, text, strlen(text));
}

static void put_elf(const char *path, unsigned machine, const char *loader)
{
    struct {
        Elf64_Ehdr ehdr;
        Elf64_Phdr phdr;
        char loader[64];
    } file;

    memset(&file, 0, sizeof file);
    memcpy(file.ehdr.e_ident, ELFMAG, SELFMAG);
    file.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
    file.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
    file.ehdr.e_machine = (Elf64_Half)machine;
    file.ehdr.e_phoff = sizeof file.ehdr;
    file.ehdr.e_phentsize = sizeof file.phdr;
    file.ehdr.e_phnum = 1;
    file.phdr.p_type = PT_INTERP;
    file.phdr.p_offset = sizeof file.ehdr + sizeof file.phdr;
    file.phdr.p_filesz = strlen(loader) + 1;
    snprintf(file.loader, sizeof file.loader, "%s", loader);
    put(path, 0755, (const char *)&file, sizeof file);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int group_setup(void **state)
{
    static const char *const dirs[] = {"bin", "etc", "sbin", "dev", "opt"};

    (void)state;
    assert_non_null(mkdtemp(root_path));
    in.rootfs = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(in.rootfs >= 0);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        assert_int_equal(mkdirat(in.rootfs, dirs[i], 0755), 0);
    put_text("bin/sh", 0755, "#!/bin/sh\n");
    put_text("sbin/only-here", 0755, "");
    put_text("bin/denied", 0644, "");
    in.arena = oci_arena_new();
    in.process = &process;
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    oci_arena_free(in.arena);
    close(in.rootfs);
    return nftw(root_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- sysctl ---- */

#define IPC (1U << OCI_NS_IPC)
#define NET (1U << OCI_NS_NETWORK)
#define UTS (1U << OCI_NS_UTS)
#define USER (1U << OCI_NS_USER)

static void test_sysctl_allowed(void **state)
{
    static const struct {
        const char *key;
        uint32_t ns;
    } rows[] = {
        {"kernel.msgmax", IPC},
        {"kernel/shm_rmid_forced", IPC},
        {"kernel.sem", IPC},
        {"fs.mqueue.msg_max", IPC},
        {"net.ipv4.ip_forward", NET},
        {"net/ipv4/conf/eth0.100/forwarding", NET},
        {"net.ipv4.conf.eth0/100.x", NET},
        {"kernel.domainname", UTS},
        {"user.max_user_namespaces", USER},
    };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(sysctl_check(rows[i].key, rows[i].ns, &err), 0);
        assert_int_equal(sysctl_check(rows[i].key, ~rows[i].ns, &err), -1);
    }
}

static void test_sysctl_refused(void **state)
{
    static const char *const keys[] = {
        "kernel.hostname",
        "kernel/hostname",
        "kernel.core_pattern",
        "kernel.msgmaximum",
        "kernel.sem.x",
        "vm.swappiness",
        "fs.file-max",
        "net/../kernel/domainname",
        "net.ipv4......sysrq-trigger",
        "net/./x",
        "net//x",
        "/net/ipv4/ip_forward",
        "net.ipv4.ip_forward.",
        "net",
        "",
        ".",
        "net.//.kernel.hostname",
        "network.x",
        "fs.mqueue",
        "user",
    };
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (sysctl_check(keys[i], ~0U, &err) == 0)
            fail_msg("%s is allowed", keys[i]);
}

static void test_sysctl_path(void **state)
{
    static const struct {
        const char *key, *path;
    } rows[] = {
        {"net.ipv4.ip_forward", "net/ipv4/ip_forward"},
        {"net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"},
        {"net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"},
    };
    char path[64];
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(sysctl_path(rows[i].key, path, sizeof path, &err), 0);
        assert_string_equal(path, rows[i].path);
    }
    assert_int_equal(sysctl_path(rows[0].key, path, 19, &err), -1);
}

/* ---- environment ---- */

static void test_home(void **state)
{
    static const char text[] = "root:x:0:0:root:/root:/bin/sh\n"
                               "1000:x:0:0::/evil:/bin/sh\n"
                               "broken\n"
                               "x:x:\n"
                               "u:x:1000:1000::/good:/bin/sh\n"
                               "empty:x:7:7:::/bin/sh\n"
                               "big:x:4294967297:1::/wrapped:\n"
                               "last:x:9:9::/last";
    size_t len = 0;

    (void)state;
#define HOME_OF(uid) lookup_home(text, sizeof text - 1, uid, &len)
    assert_memory_equal(HOME_OF(0), "/root", 5);
    assert_memory_equal(HOME_OF(1000), "/good", 5);
    assert_int_equal(len, 5);
    assert_null(HOME_OF(7));
    assert_null(HOME_OF(1));
    assert_memory_equal(HOME_OF(9), "/last", 5);
    assert_int_equal(len, 5);
    assert_null(lookup_home("", 0, 0, &len));
}

static void check_environment(const char **env, const char *expected)
{
    char text[512] = "";
    struct err err = ERR_INIT;

    process.env = env;
    for (process.env_n = 0; env[process.env_n];)
        process.env_n++;
    assert_int_equal(lookup_environment(&in, &err), 0);
    for (char **e = in.envp; *e; e++) {
        strncat(text, *e, sizeof text - strlen(text) - 1);
        strncat(text, " ", sizeof text - strlen(text) - 1);
    }
    assert_string_equal(text, expected);
}

static void test_environment(void **state)
{
    char expected[128];

    (void)state;
    put_text("etc/passwd", 0644, "u:x:1000:1000::/home/u:/bin/sh\n");
    process.user.uid = 1000;
    check_environment((const char *[]){"A=1", "B=2", "A=3", "AB=4", NULL},
                      "B=2 A=3 AB=4 HOME=/home/u ");
    check_environment((const char *[]){"HOME=", NULL}, "HOME=/home/u ");
    check_environment((const char *[]){"HOME=/x", NULL}, "HOME=/x ");
    process.user.uid = 5;
    process.terminal = true;
    check_environment((const char *[]){NULL}, "HOME=/ TERM=xterm ");
    process.terminal = false;
    in.setup.flags = SETUP_NOTIFY;
    in.setup.listen_fds = 2;
    snprintf(expected, sizeof expected,
             "HOME=/ NOTIFY_SOCKET=" NOTIFY_CONTAINER_SOCKET " LISTEN_FDS=2 LISTEN_PID=%d ",
             (int)getpid());
    check_environment((const char *[]){"LISTEN_PID=1", NULL}, expected);
    in.setup.flags = 0;
    in.setup.listen_fds = 0;
}

/* Comparing each with each would take minutes: the deadline of the tests is the limit here. */
static void test_many_variables(void **state)
{
    enum { NAMES = 100000, TWICE = 50000 };
    const char **env = calloc(NAMES + TWICE + 1, sizeof *env);
    struct err err = ERR_INIT;
    char text[32];

    (void)state;
    for (int i = 0; i < NAMES + TWICE; i++) {
        snprintf(text, sizeof text, "N%d=%d", i % NAMES, i);
        env[i] = strdup(text);
    }
    process = (struct oci_process){.env = env, .env_n = NAMES + TWICE, .user.uid = 1000};
    in.process = &process;
    assert_int_equal(lookup_environment(&in, &err), 0);
    for (int i = 0; i < NAMES; i++) {
        snprintf(text, sizeof text, "N%d=%d", (i + TWICE) % NAMES, i + TWICE);
        assert_string_equal(in.envp[i], text);
    }
    assert_memory_equal(in.envp[NAMES], "HOME=", 5);
    assert_null(in.envp[NAMES + 1]);
    for (int i = 0; i < NAMES + TWICE; i++)
        free((char *)env[i]);
    free(env);
}

static void test_passwd_is_hostile(void **state)
{
    (void)state;
    process.user.uid = 0;
    unlinkat(in.rootfs, "etc/passwd", 0);
    assert_int_equal(mkfifoat(in.rootfs, "etc/passwd", 0644), 0);
    check_environment((const char *[]){NULL}, "HOME=/ "); /* does not block */
    unlinkat(in.rootfs, "etc/passwd", 0);
    assert_int_equal(symlinkat("/proc/self/fd/0", in.rootfs, "etc/passwd"), 0);
    check_environment((const char *[]){NULL}, "HOME=/ ");
    unlinkat(in.rootfs, "etc/passwd", 0);
}

/* ---- args[0] ---- */

/* @text: what the error has to contain; NULL: success with @program */
static void check_lookup(const char *name, const char *path, const char *program, const char *text)
{
    const char *env[] = {path, NULL}, *args[] = {name, NULL};
    struct err err = ERR_INIT;
    int result;

    process.env = env;
    process.env_n = path ? 1 : 0;
    process.args = args;
    process.args_n = 1;
    assert_int_equal(lookup_environment(&in, &err), 0);
    result = lookup_program(&in, &err);
    if (!text) {
        if (result < 0)
            fail_msg("%s: %s", name, err.text);
        assert_string_equal(in.program, program);
        return;
    }
    assert_int_equal(result, -1);
    if (strcmp(err.text, text) != 0)
        fail_msg("\"%s\" instead of \"%s\"", err.text, text);
}

static void test_lookup(void **state)
{
    (void)state;
    check_lookup("sh", NULL, "/bin/sh", NULL);
    check_lookup("/bin/sh", NULL, "/bin/sh", NULL);
    check_lookup("only-here", "PATH=/none:/bin:/sbin", "/sbin/only-here", NULL);
    put_text("opt/denied", 0755, "");
    check_lookup("denied", "PATH=/bin:/opt", "/opt/denied", NULL);
    check_lookup("only-here", "PATH=/bin", NULL,
                 "executable file `only-here` not found in $PATH: No such file or directory");
    check_lookup("", NULL, NULL,
                 "executable file not found in $PATH: cannot find `` in $PATH: "
                 "No such file or directory");
    check_lookup("bin", "PATH=/", NULL,
                 "executable file `bin` not found in $PATH: No such file or directory");
}

static void test_lookup_errors(void **state)
{
    (void)state;
    check_lookup("/no/such", NULL, NULL,
                 "executable file `/no/such` not found: No such file or directory");
    check_lookup("/bin/sh/x", NULL, NULL, "executable file `/bin/sh/x` not found: Not a directory");
    check_lookup("/bin", NULL, NULL,
                 "exec /bin: is a directory: the path `/bin` is not a regular file: "
                 "Operation not permitted");
    unlinkat(in.rootfs, "dev/fifo", 0);
    assert_int_equal(mkfifoat(in.rootfs, "dev/fifo", 0777), 0);
    check_lookup("/dev/fifo", NULL, NULL,
                 "exec /dev/fifo: permission denied: the path `/dev/fifo` is not a regular file: "
                 "Operation not permitted");
    check_lookup("/bin/denied", NULL, NULL,
                 "exec /bin/denied: permission denied (mode 0644 has no execute bit)");
    check_lookup("denied", "PATH=/bin", NULL,
                 "exec /bin/denied: permission denied (mode 0644 has no execute bit)");
    unlinkat(in.rootfs, "bin/exe", 0);
    assert_int_equal(symlinkat("/proc/self/exe", in.rootfs, "bin/exe"), 0);
    check_lookup("/bin/exe", NULL, NULL,
                 "executable file `/bin/exe` not found: No such file or directory");
}

static void test_interpreters(void **state)
{
    (void)state;
    put_text("bin/ok", 0755, "#! /bin/sh -e\necho\n");
    check_lookup("ok", NULL, "/bin/ok", NULL);
    put_text("bin/script", 0755, "#!/usr/bin/perl -w\n");
    check_lookup("script", NULL, NULL,
                 "exec /bin/script: its #! interpreter `/usr/bin/perl` was not found: "
                 "No such file or directory");
    put_text("bin/dos", 0755, "#!/bin/sh\r\necho\r\n");
    check_lookup(
        "dos", NULL, NULL,
        "exec /bin/dos: its #! line ends in CRLF, so that the interpreter `/bin/sh\\r` was "
        "not found: No such file or directory");
#ifdef __x86_64__
    put_elf("bin/dynamic", EM_X86_64, "/lib64/ld-none.so");
    check_lookup("dynamic", NULL, NULL,
                 "exec /bin/dynamic: its ELF loader `/lib64/ld-none.so` was not found: "
                 "No such file or directory");
    put_elf("bin/foreign", EM_AARCH64, "/lib/ld-aarch64.so");
    check_lookup("foreign", NULL, "/bin/foreign", NULL); /* binfmt_misc may know it */
#endif
}

static void check_diagnosis(const char *path, int errnum, const char *text)
{
    struct err err = ERR_INIT;

    assert_int_equal(lookup_diagnose(in.rootfs, path, errnum, &err), -1);
    if (strcmp(err.text, text) != 0)
        fail_msg("\"%s\" instead of \"%s\"", err.text, text);
}

static void test_diagnosis_after_execve(void **state)
{
    (void)state;
#ifdef __x86_64__
    put_elf("bin/foreign", EM_AARCH64, "/lib/ld-aarch64.so");
    check_diagnosis("/bin/foreign", ENOEXEC,
                    "exec /bin/foreign: exec format error (it is for another machine: aarch64, "
                    "this one is x86_64)");
#endif
    put_text("bin/empty", 0755, "");
    check_diagnosis("/bin/empty", ENOEXEC,
                    "exec /bin/empty: exec format error (the file is empty)");
    put_text("bin/text", 0755, "echo\n");
    check_diagnosis("/bin/text", ENOEXEC,
                    "exec /bin/text: exec format error (neither a #! line nor an ELF header)");
    check_diagnosis("/bin/sh", E2BIG, "exec /bin/sh: Argument list too long");
}

static void test_noexec(void **state)
{
    char path[sizeof root_path + 8];

    (void)state;
    snprintf(path, sizeof path, "%s/opt", root_path);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", path, "tmpfs", MS_NOEXEC, NULL) < 0)
        skip();
    close(in.rootfs); /* it shows the mounts of the namespace that it was opened in */
    in.rootfs = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    put_text("opt/tool", 0755, "");
    check_lookup("/opt/tool", NULL, NULL,
                 "exec /opt/tool: permission denied (its mount has the option noexec)");
    umount2(path, MNT_DETACH);
}

static void test_elf_is_hostile(void **state)
{
    char head[256];
    struct elf_facts facts;

    (void)state;
    memset(head, 0xff, sizeof head);
    memcpy(head, ELFMAG, SELFMAG);
    for (size_t len = 0; len < sizeof head; len++)
        elf_look(head, len, &facts);
    head[EI_CLASS] = ELFCLASS64;
    head[EI_DATA] = ELFDATA2LSB;
    head[18] = EM_X86_64;
    head[19] = 0;
    for (size_t len = 0; len < sizeof head; len++) {
        head[54] = 56; /* e_phentsize */
        head[55] = 0;
        elf_look(head, len, &facts);
        assert_int_equal(facts.loader[0], '\0');
    }
    assert_false(elf_look("#!/bin/sh", 9, &facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sysctl_allowed),
        cmocka_unit_test(test_sysctl_refused),
        cmocka_unit_test(test_sysctl_path),
        cmocka_unit_test(test_home),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_many_variables),
        cmocka_unit_test(test_passwd_is_hostile),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_lookup_errors),
        cmocka_unit_test(test_interpreters),
        cmocka_unit_test(test_diagnosis_after_execve),
        cmocka_unit_test(test_elf_is_hostile),
        cmocka_unit_test(test_noexec),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
