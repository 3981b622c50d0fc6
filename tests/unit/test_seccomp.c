/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seccomp room against libseccomp.
 *
 * Each profile is built twice: by seccomp_compile(), and through libseccomp's own generator with
 * the calls that runc makes. Both programs run in a small interpreter over numbers, architectures
 * and argument edges, and must decide alike; where the ENOSYS rule applies (libseccomp has none)
 * the expectation is computed here. The last tests load a program into the kernel.
 */
#include "base/err.h"
#include "base/fd.h"
#include "base/util.h"
#include "seccomp/seccomp.h"
#include "seccomp_id.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef DATA_DIR
#define DATA_DIR "tests/unit/data"
#endif

#define ENOSYS_ACTION (SECCOMP_RET_ERRNO | ENOSYS)
#define X32_BIT 0x40000000U

/* ---- profiles -------------------------------------------------------------------------------- */

#define NAMES(...)                                                                                 \
    .names = (const char *[]){__VA_ARGS__, NULL},                                                  \
    .names_n = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)
#define ARGS(...)                                                                                  \
    .args = (struct oci_seccomp_arg[]){__VA_ARGS__},                                               \
    .args_n = sizeof((struct oci_seccomp_arg[]){__VA_ARGS__}) / sizeof(struct oci_seccomp_arg)
#define RULES(...)                                                                                 \
    .syscalls = (struct oci_seccomp_rule[]){__VA_ARGS__},                                          \
    .syscalls_n =                                                                                  \
        sizeof((struct oci_seccomp_rule[]){__VA_ARGS__}) / sizeof(struct oci_seccomp_rule)
#define ARCHS(...)                                                                                 \
    .architectures = (uint32_t[]){__VA_ARGS__},                                                    \
    .architectures_n = sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)
#define ERRNO_RET(n) .errno_ret = {true, n}

static uint32_t libseccomp_arch(uint32_t id)
{
    switch (id) {
    case OCI_ARCH_X86:
        return SCMP_ARCH_X86;
    case OCI_ARCH_X86_64:
        return SCMP_ARCH_X86_64;
    case OCI_ARCH_X32:
        return SCMP_ARCH_X32;
    case OCI_ARCH_ARM:
        return SCMP_ARCH_ARM;
    case OCI_ARCH_AARCH64:
        return SCMP_ARCH_AARCH64;
    case OCI_ARCH_MIPSEL:
        return SCMP_ARCH_MIPSEL;
    case OCI_ARCH_MIPSEL64:
        return SCMP_ARCH_MIPSEL64;
    case OCI_ARCH_MIPSEL64N32:
        return SCMP_ARCH_MIPSEL64N32;
    case OCI_ARCH_PPC64LE:
        return SCMP_ARCH_PPC64LE;
    case OCI_ARCH_RISCV64:
        return SCMP_ARCH_RISCV64;
    default:
        return 0;
    }
}

static uint32_t libseccomp_action(enum oci_seccomp_action action, struct oci_opt_u64 ret)
{
    uint32_t data = ret.set ? (uint32_t)ret.value : EPERM;

    switch (action) {
    case OCI_ACT_KILL_PROCESS:
        return SCMP_ACT_KILL_PROCESS;
    case OCI_ACT_TRAP:
        return SCMP_ACT_TRAP;
    case OCI_ACT_ERRNO:
        return SCMP_ACT_ERRNO(data);
    case OCI_ACT_TRACE:
        return SCMP_ACT_TRACE(data);
    case OCI_ACT_ALLOW:
        return SCMP_ACT_ALLOW;
    case OCI_ACT_LOG:
        return SCMP_ACT_LOG;
    default:
        return SCMP_ACT_KILL_THREAD;
    }
}

/* ---- the oracle ------------------------------------------------------------------------------ */

static int oracle_rule(scmp_filter_ctx ctx, const struct oci_seccomp_rule *rule, int number)
{
    uint32_t action = libseccomp_action(rule->action, rule->errno_ret);
    struct scmp_arg_cmp compares[64];
    bool twice = false;
    int result = 0;

    for (size_t i = 0; i < rule->args_n; i++) {
        const struct oci_seccomp_arg *arg = &rule->args[i];

        compares[i] = (struct scmp_arg_cmp){arg->index, (enum scmp_compare)arg->op, arg->value,
                                            arg->value_two};
        for (size_t k = 0; k < i; k++)
            twice |= rule->args[k].index == arg->index;
    }
    if (!twice)
        return seccomp_rule_add_array(ctx, action, number, (unsigned)rule->args_n, compares);
    for (size_t i = 0; i < rule->args_n; i++)
        result |= seccomp_rule_add_array(ctx, action, number, 1, &compares[i]);
    return result;
}

/* Returns false where libseccomp refuses the profile. */
static bool oracle(const struct oci_seccomp *profile, struct seccomp_program *out)
{
    uint32_t normal = libseccomp_action(profile->default_action, profile->default_errno_ret);
    scmp_filter_ctx ctx = seccomp_init(normal);
    bool good = true;
    off_t size;

    assert_non_null(ctx);
    for (size_t i = 0; i < profile->architectures_n; i++) {
        int result = seccomp_arch_add(ctx, libseccomp_arch(profile->architectures[i]));

        assert_true(result == 0 || result == -EEXIST);
    }
    for (size_t i = 0; i < profile->syscalls_n; i++) {
        const struct oci_seccomp_rule *rule = &profile->syscalls[i];

        if (libseccomp_action(rule->action, rule->errno_ret) == normal)
            continue;
        for (size_t k = 0; k < rule->names_n; k++) {
            int number = seccomp_syscall_resolve_name(rule->names[k]);

            if (number != __NR_SCMP_ERROR && oracle_rule(ctx, rule, number) < 0)
                good = false;
        }
    }

    _cleanup_close_ int fd = memfd_create("oracle", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
    seccomp_release(ctx);
    size = lseek(fd, 0, SEEK_CUR);
    out->n = (size_t)size / sizeof(struct sock_filter);
    out->filter = malloc((size_t)size);
    assert_non_null(out->filter);
    assert_int_equal(pread(fd, out->filter, (size_t)size, 0), size);
    return good;
}

/* ---- classic BPF ----------------------------------------------------------------------------- */

static uint32_t run(const struct seccomp_program *program, const struct seccomp_data *data)
{
    uint32_t a = 0;
    size_t pc = 0;

    for (;;) {
        const struct sock_filter *in;

        assert_true(pc < program->n);
        in = &program->filter[pc++];
        switch (in->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(in->k <= sizeof *data - 4 && in->k % 4 == 0);
            memcpy(&a, (const char *)data + in->k, sizeof a);
            break;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= in->k;
            break;
        case BPF_JMP | BPF_JA:
            pc += in->k;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += a == in->k ? in->jt : in->jf;
            break;
        case BPF_JMP | BPF_JGT | BPF_K:
            pc += a > in->k ? in->jt : in->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            pc += a >= in->k ? in->jt : in->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            pc += a & in->k ? in->jt : in->jf;
            break;
        case BPF_RET | BPF_K:
            return in->k;
        default:
            fail_msg("instruction %zu: code %#x", pc - 1, in->code);
        }
    }
}

/* ---- comparison ------------------------------------------------------------------------------ */

struct pair {
    const struct oci_seccomp *profile;
    struct seccomp_program ours, theirs;
    uint64_t values[64]; /* argument values worth trying */
    size_t values_n;
    size_t compared, different;
};

static void value_add(struct pair *pair, uint64_t value)
{
    for (size_t i = 0; i < pair->values_n; i++) {
        if (pair->values[i] == value)
            return;
    }
    if (pair->values_n < ARRAY_SIZE(pair->values))
        pair->values[pair->values_n++] = value;
}

static void values_collect(struct pair *pair)
{
    value_add(pair, 0);
    value_add(pair, UINT64_MAX);
    for (uint64_t i = 1; i <= 20; i++)
        value_add(pair, i); /* the calls behind socketcall */
    for (size_t i = 0; i < pair->profile->syscalls_n; i++) {
        const struct oci_seccomp_rule *rule = &pair->profile->syscalls[i];

        for (size_t k = 0; k < rule->args_n; k++) {
            uint64_t value = rule->args[k].value, two = rule->args[k].value_two;

            value_add(pair, value);
            value_add(pair, value - 1);
            value_add(pair, value + 1);
            value_add(pair, value & UINT32_MAX);
            value_add(pair, value | 1ULL << 40);
            value_add(pair, value ^ 1ULL << 63);
            value_add(pair, ~value);
            value_add(pair, value & -value);
            value_add(pair, two);
            value_add(pair, two | ~value);
            value_add(pair, two ^ (value & -value));
        }
    }
}

/* The number of the newest call that the profile names, and whether there is any. */
static bool newest(const struct oci_seccomp *profile, uint32_t token, uint32_t *number)
{
    bool any = false;

    for (size_t i = 0; i < profile->syscalls_n; i++) {
        for (size_t k = 0; k < profile->syscalls[i].names_n; k++) {
            const char *name = profile->syscalls[i].names[k];
            int n = seccomp_syscall_resolve_name_arch(token, name);
            /* Direct calls besides socketcall and ipc: found through the reverse table. */
            for (int d = 320; n < -100 && n > -300 && d < 410; d++) {
                char *found =
                    token == SCMP_ARCH_X86 ? seccomp_syscall_resolve_num_arch(token, d) : NULL;

                if (found && strcmp(found, name) == 0)
                    n = d;
                free(found);
            }
            if (n < 0 || (token == SCMP_ARCH_ARM && n >= 0xf0000))
                continue;
            if (!any || (uint32_t)n > *number)
                *number = (uint32_t)n;
            any = true;
        }
    }
    return any;
}

/* Whether the ENOSYS rule decides about this call. */
static bool is_newer(const struct oci_seccomp *profile, uint32_t audit, uint32_t nr)
{
    uint32_t last = 0, token = audit;

    if (profile->default_action == OCI_ACT_ALLOW || profile->default_action == OCI_ACT_LOG ||
        profile->default_action == OCI_ACT_TRACE)
        return false;
    if (audit == SCMP_ARCH_X86_64 && nr >= X32_BIT && nr != UINT32_MAX) {
        bool listed = false;

        for (size_t i = 0; i < profile->architectures_n; i++)
            listed |= profile->architectures[i] == OCI_ARCH_X32;
        if (!listed)
            return false;
        token = SCMP_ARCH_X32;
    }
    if (audit == SCMP_ARCH_ARM && nr >= 0xf0000)
        return false;
    return newest(profile, token, &last) && nr > last;
}

static void compare_one(struct pair *pair, const struct seccomp_data *data, bool newer, bool strict)
{
    uint32_t ours = run(&pair->ours, data);
    uint32_t theirs = newer ? ENOSYS_ACTION : run(&pair->theirs, data);

    pair->compared++;
    if (ours == theirs)
        return;
    pair->different++;
    if (strict)
        fail_msg("arch %#x nr %#x args %#llx %#llx %#llx: %#x, libseccomp %#x", data->arch,
                 (unsigned)data->nr, (unsigned long long)data->args[0],
                 (unsigned long long)data->args[1], (unsigned long long)data->args[2], ours,
                 theirs);
}

static void compare_number(struct pair *pair, uint32_t audit, uint32_t nr, bool strict)
{
    struct seccomp_data data = {.arch = audit, .nr = (int)nr};
    bool newer = false;

    for (size_t i = 0; i < pair->profile->architectures_n; i++)
        newer |= libseccomp_arch(pair->profile->architectures[i]) == audit;
    newer = (newer || audit == SCMP_ARCH_X86_64) && is_newer(pair->profile, audit, nr);
    /* Each value in each place, the others cycling, so that pairs of arguments vary, too. */
    for (size_t i = 0; i < pair->values_n; i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            for (size_t k = 0; k < 6; k++)
                data.args[k] = pair->values[(i + k * shift * 7) % pair->values_n];
            compare_one(pair, &data, newer, strict);
        }
    }
}

static bool has_args(const struct oci_seccomp *profile)
{
    for (size_t i = 0; i < profile->syscalls_n; i++) {
        if (profile->syscalls[i].args_n)
            return true;
    }
    return false;
}

static void compare_all(struct pair *pair, bool strict)
{
    static const uint32_t tokens[] = {SCMP_ARCH_X86_64,  SCMP_ARCH_X86,    SCMP_ARCH_ARM,
                                      SCMP_ARCH_AARCH64, SCMP_ARCH_MIPSEL, SCMP_ARCH_PPC64LE,
                                      SCMP_ARCH_RISCV64, SCMP_ARCH_S390X,  0x12345678};

    values_collect(pair);
    if (!has_args(pair->profile))
        pair->values_n = 21;
    for (size_t t = 0; t < ARRAY_SIZE(tokens); t++) {
        uint32_t base = tokens[t] == SCMP_ARCH_MIPSEL ? 4000 : 0;

        for (uint32_t nr = 0; nr <= 600; nr++)
            compare_number(pair, tokens[t], base + nr, strict);
        for (uint32_t nr = 0; nr <= 600 && tokens[t] == SCMP_ARCH_X86_64; nr++)
            compare_number(pair, tokens[t], X32_BIT + nr, strict);
        for (uint32_t nr = 0xf0000; nr < 0xf0010; nr++)
            compare_number(pair, tokens[t], nr, strict);
        compare_number(pair, tokens[t], UINT32_MAX, strict);
        compare_number(pair, tokens[t], UINT32_MAX - 1, strict);
        compare_number(pair, tokens[t], X32_BIT - 1, strict);
    }
}

static void pair_open(struct pair *pair, const struct oci_seccomp *profile)
{
    struct err err = ERR_INIT;

    memset(pair, 0, sizeof *pair);
    pair->profile = profile;
    if (seccomp_compile(profile, false, &pair->ours, &err) < 0)
        fail_msg("%s", err.text);
}

static void check_like_libseccomp(const struct oci_seccomp *profile)
{
    struct pair pair;

    pair_open(&pair, profile);
    assert_true(oracle(profile, &pair.theirs));
    compare_all(&pair, true);
    print_message("%zu decisions alike; %zu instructions, libseccomp's %zu\n", pair.compared,
                  pair.ours.n, pair.theirs.n);
    seccomp_program_clear(&pair.ours);
    free(pair.theirs.filter);
}

static struct oci_arena *default_arena;

static struct oci_seccomp *default_profile(void)
{
    static struct oci_seccomp *profile;
    _cleanup_close_ int fd = -1;
    _cleanup_free_ char *text = NULL;
    struct oci_diag diag;
    struct oci_config config;
    struct err err = ERR_INIT;
    size_t len;

    if (profile)
        return profile;
    fd = open(DATA_DIR "/seccomp-default.json", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fd_read_all(fd, 1 << 20, &text, &len, &err), 0);
    default_arena = oci_arena_new();
    if (oci_decode(&oci_config_table, &config, text, len, default_arena, NULL, NULL, &diag) < 0)
        fail_msg("%s: %s", diag.path, diag.message);
    profile = config.linux_->seccomp;
    return profile;
}

/* ---- equal to libseccomp --------------------------------------------------------------------- */

static void test_default_profile(void **state)
{
    (void)state;
    check_like_libseccomp(default_profile());
}

static void test_default_profile_native_only(void **state)
{
    struct oci_seccomp profile = *default_profile();

    (void)state;
    profile.architectures_n = 0;
    check_like_libseccomp(&profile);
}

static void test_default_profile_foreign(void **state)
{
    struct oci_seccomp profile = *default_profile();
    uint32_t archs[] = {OCI_ARCH_ARM, OCI_ARCH_AARCH64, OCI_ARCH_MIPSEL, OCI_ARCH_PPC64LE,
                        OCI_ARCH_RISCV64};

    (void)state;
    profile.architectures = archs;
    profile.architectures_n = ARRAY_SIZE(archs);
    check_like_libseccomp(&profile);
}

static void test_each_action(void **state)
{
    static const enum oci_seccomp_action actions[] = {
        OCI_ACT_KILL,  OCI_ACT_KILL_PROCESS, OCI_ACT_KILL_THREAD, OCI_ACT_TRAP,
        OCI_ACT_ERRNO, OCI_ACT_TRACE,        OCI_ACT_ALLOW,       OCI_ACT_LOG,
    };

    (void)state;
    for (size_t d = 0; d < ARRAY_SIZE(actions); d++) {
        for (size_t r = 0; r < ARRAY_SIZE(actions); r++) {
            struct oci_seccomp profile = {
                .default_action = actions[d],
                ARCHS(OCI_ARCH_X86, OCI_ARCH_X86_64),
                RULES({NAMES("getcwd", "mkdir", "recv", "no_such_call"), .action = actions[r]},
                      {NAMES("rmdir"), .action = actions[r],
                       .errno_ret = {actions[r] == OCI_ACT_ERRNO || actions[r] == OCI_ACT_TRACE,
                                     38}}),
            };

            check_like_libseccomp(&profile);
        }
    }
}

static void test_each_operator(void **state)
{
    static const uint64_t values[] = {
        0, 1, 40, UINT32_MAX, 1ULL << 32, 0x1234567800000000, 0x7e0200007e020000, UINT64_MAX};

    (void)state;
    for (enum oci_seccomp_op op = OCI_CMP_NE; op <= OCI_CMP_MASKED_EQ; op++) {
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
            if (op == OCI_CMP_MASKED_EQ && values[i] == 0)
                continue; /* see test_mask_of_zero */

            struct oci_seccomp profile = {
                .default_action = OCI_ACT_ERRNO,
                ARCHS(OCI_ARCH_X86, OCI_ARCH_X32),
                RULES({NAMES("personality", "socket", "semget"), .action = OCI_ACT_ALLOW,
                       ARGS({1, values[i], values[(i + 3) % ARRAY_SIZE(values)], op})}),
            };

            check_like_libseccomp(&profile);
        }
    }
}

static void test_several_arguments(void **state)
{
    struct oci_seccomp profile = {
        .default_action = OCI_ACT_ERRNO,
        .default_errno_ret = {true, ENOENT},
        ARCHS(OCI_ARCH_X86_64, OCI_ARCH_X86),
        RULES({NAMES("ioctl"), .action = OCI_ACT_ALLOW,
               ARGS({1, 0x5401, 0, OCI_CMP_EQ}, {0, 2, 0, OCI_CMP_LE}, {2, 5, 0, OCI_CMP_NE})},
              {NAMES("personality", "kill"), .action = OCI_ACT_ALLOW,
               ARGS({0, 8, 0, OCI_CMP_EQ}, {0, 0x20000, 0, OCI_CMP_EQ}, {1, 9, 0, OCI_CMP_GT})},
              {NAMES("prctl"), .action = OCI_ACT_LOG, ARGS({0, 4, 0, OCI_CMP_LT})},
              {NAMES("mmap"), .action = OCI_ACT_LOG, ARGS({2, 6, 4, OCI_CMP_MASKED_EQ})}),
    };

    (void)state;
    check_like_libseccomp(&profile);
}

/* A rule without args beats rules with args, before and after them. */
static void test_unconditional_wins(void **state)
{
    struct oci_seccomp_rule plain = {NAMES("personality"), .action = OCI_ACT_ALLOW};
    struct oci_seccomp_rule narrow = {NAMES("personality"), .action = OCI_ACT_LOG,
                                      ARGS({0, 8, 0, OCI_CMP_EQ})};

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct oci_seccomp_rule rules[] = {turn ? plain : narrow, turn ? narrow : plain};
        struct oci_seccomp profile = {
            .default_action = OCI_ACT_ERRNO, .syscalls = rules, .syscalls_n = 2};
        struct pair pair;

        pair_open(&pair, &profile);
        oracle(&profile, &pair.theirs);
        compare_all(&pair, true);
        seccomp_program_clear(&pair.ours);
        free(pair.theirs.filter);
    }
}

static unsigned random_below(unsigned limit)
{
    static uint64_t seed = 42;

    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(seed >> 33) % limit;
}

/* ---- rules that overlap ---------------------------------------------------------------------- */

static bool holds(const struct oci_seccomp_arg *arg, const uint64_t args[6])
{
    uint64_t value = args[arg->index];

    switch (arg->op) {
    case OCI_CMP_NE:
        return value != arg->value;
    case OCI_CMP_LT:
        return value < arg->value;
    case OCI_CMP_LE:
        return value <= arg->value;
    case OCI_CMP_EQ:
        return value == arg->value;
    case OCI_CMP_GE:
        return value >= arg->value;
    case OCI_CMP_GT:
        return value > arg->value;
    default:
        return (value & arg->value) == (arg->value_two & arg->value);
    }
}

static bool rule_holds(const struct oci_seccomp_rule *rule, const uint64_t args[6])
{
    bool all = true, any = false, twice = false;

    for (size_t i = 0; i < rule->args_n; i++) {
        bool one = holds(&rule->args[i], args);

        all &= one;
        any |= one;
        for (size_t k = 0; k < i; k++)
            twice |= rule->args[k].index == rule->args[i].index;
    }
    return twice ? any : all;
}

/* Rules for one call that all allow: whatever their order, each that holds allows.
 * (libseccomp 2.5.4 is no oracle here: it loses matches when 64-bit orderings share an argument.)
 */
static void test_overlapping_same_action(void **state)
{
    static const uint64_t values[] = {0, 1, 2, 3, 1ULL << 32, UINT32_MAX, 0x100000003};
    static const char *names[] = {"kill", NULL};
    size_t decisions = 0;

    (void)state;
    for (unsigned turn = 0; turn < 500; turn++) {
        struct oci_seccomp_rule rules[3];
        struct oci_seccomp_arg args[3][2];
        struct oci_seccomp profile = {
            .default_action = OCI_ACT_ERRNO, .syscalls = rules, .syscalls_n = 1 + random_below(3)};
        struct pair pair;

        for (size_t i = 0; i < profile.syscalls_n; i++) {
            rules[i] = (struct oci_seccomp_rule){.names = names,
                                                 .names_n = 1,
                                                 .action = OCI_ACT_ALLOW,
                                                 .args = args[i],
                                                 .args_n = 1 + random_below(2)};
            for (size_t k = 0; k < 2; k++)
                args[i][k] = (struct oci_seccomp_arg){
                    (uint32_t)(random_below(2) + k), values[random_below(7)],
                    values[random_below(7)], (enum oci_seccomp_op)(1 + random_below(7))};
        }
        pair_open(&pair, &profile);
        values_collect(&pair);
        for (size_t i = 0; i < pair.values_n * 16; i++) {
            struct seccomp_data data = {.arch = SCMP_ARCH_X86_64, .nr = SYS_kill};
            uint32_t expected = SECCOMP_RET_ERRNO | EPERM;

            for (size_t k = 0; k < 6; k++)
                data.args[k] = pair.values[random_below((unsigned)pair.values_n)];
            for (size_t k = 0; k < profile.syscalls_n; k++) {
                uint64_t given[6];

                for (size_t g = 0; g < 6; g++)
                    given[g] = data.args[g];
                if (rule_holds(&rules[k], given))
                    expected = SECCOMP_RET_ALLOW;
            }
            assert_int_equal(run(&pair.ours, &data), expected);
            decisions++;
        }
        seccomp_program_clear(&pair.ours);
    }
    print_message("%zu decisions\n", decisions);
}

/* Two rules with one comparison each and different actions: libseccomp's precedence. */
static void test_overlapping_two_actions(void **state)
{
    size_t pairs = 0;

    (void)state;
    for (unsigned turn = 0; turn < 1500; turn++) {
        struct oci_seccomp_arg args[2];
        struct oci_seccomp profile = {
            .default_action = OCI_ACT_ERRNO,
            RULES({NAMES("kill"), .action = OCI_ACT_ALLOW, .args = &args[0], .args_n = 1},
                  {NAMES("kill"), .action = OCI_ACT_TRAP, .args = &args[1], .args_n = 1}),
        };
        struct pair pair;

        for (size_t i = 0; i < 2; i++)
            args[i] = (struct oci_seccomp_arg){random_below(3), 1 + random_below(6), 0,
                                               (enum oci_seccomp_op)(1 + random_below(6))};
        /* Two different NE: libseccomp answers one way for small values and the other for large. */
        if (args[0].op == OCI_CMP_NE && args[1].op == OCI_CMP_NE && args[0].index == args[1].index)
            continue;
        pair_open(&pair, &profile);
        if (oracle(&profile, &pair.theirs)) { /* it refuses equal comparisons */
            values_collect(&pair);
            compare_number(&pair, SCMP_ARCH_X86_64, SYS_kill, true);
            pairs++;
        }
        seccomp_program_clear(&pair.ours);
        free(pair.theirs.filter);
    }
    print_message("%zu pairs of rules\n", pairs);
}

/* (argument & 0) == 0 always holds. */
static void test_mask_of_zero(void **state)
{
    struct oci_seccomp profile = {
        .default_action = OCI_ACT_ERRNO,
        RULES({NAMES("kill"), .action = OCI_ACT_ALLOW, ARGS({0, 0, 5, OCI_CMP_MASKED_EQ})})};
    struct seccomp_data data = {.arch = SCMP_ARCH_X86_64, .nr = SYS_kill, .args = {77}};
    struct pair pair;

    (void)state;
    pair_open(&pair, &profile);
    assert_int_equal(run(&pair.ours, &data), SECCOMP_RET_ALLOW);
    data.nr = SYS_kill - 1;
    assert_int_equal(run(&pair.ours, &data), SECCOMP_RET_ERRNO | EPERM);
    seccomp_program_clear(&pair.ours);
}

/* ---- ENOSYS ---------------------------------------------------------------------------------- */

static uint32_t decide(const struct oci_seccomp *profile, uint32_t arch, uint32_t nr)
{
    struct seccomp_data data = {.arch = arch, .nr = (int)nr};
    struct pair pair;
    uint32_t action;

    pair_open(&pair, profile);
    action = run(&pair.ours, &data);
    seccomp_program_clear(&pair.ours);
    return action;
}

static void test_enosys(void **state)
{
    struct oci_seccomp profile = {
        .default_action = OCI_ACT_ERRNO,
        ARCHS(OCI_ARCH_X86, OCI_ARCH_ARM, OCI_ARCH_X32),
        RULES({NAMES("mkdir", "socket", "cacheflush", "futex"), .action = OCI_ACT_ALLOW})};
    static const enum oci_seccomp_action refuse[] = {OCI_ACT_KILL, OCI_ACT_KILL_PROCESS,
                                                     OCI_ACT_TRAP, OCI_ACT_ERRNO};
    static const enum oci_seccomp_action pass[] = {OCI_ACT_LOG, OCI_ACT_TRACE};
    uint32_t eperm = SECCOMP_RET_ERRNO | EPERM;

    (void)state;
    /* x86_64: futex 202; i386: socket 359; ARM: socket 281, private calls are no news; x32: 202 */
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 202), SECCOMP_RET_ALLOW);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 201), eperm);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 203), ENOSYS_ACTION);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, X32_BIT - 1), ENOSYS_ACTION);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, X32_BIT), eperm);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, X32_BIT + 202), SECCOMP_RET_ALLOW);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, X32_BIT + 203), ENOSYS_ACTION);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86, 358), eperm);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86, 359), SECCOMP_RET_ALLOW);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86, 360), ENOSYS_ACTION);
    assert_int_equal(decide(&profile, SCMP_ARCH_ARM, 281), SECCOMP_RET_ALLOW);
    assert_int_equal(decide(&profile, SCMP_ARCH_ARM, 282), ENOSYS_ACTION);
    assert_int_equal(decide(&profile, SCMP_ARCH_ARM, 0xf0001), eperm);
    assert_int_equal(decide(&profile, SCMP_ARCH_ARM, 0xf0002), SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < ARRAY_SIZE(refuse); i++) {
        profile.default_action = refuse[i];
        assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 1000), ENOSYS_ACTION);
    }
    for (size_t i = 0; i < ARRAY_SIZE(pass); i++) {
        profile.default_action = pass[i];
        assert_int_not_equal(decide(&profile, SCMP_ARCH_X86_64, 1000), ENOSYS_ACTION);
    }
    /* A rule that says what the default says counts as knowledge. */
    profile.default_action = OCI_ACT_ERRNO;
    profile.syscalls[0].action = OCI_ACT_ERRNO;
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 202), eperm);
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 203), ENOSYS_ACTION);
    profile.syscalls_n = 0;
    assert_int_equal(decide(&profile, SCMP_ARCH_X86_64, 203), eperm);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static void refused(const struct oci_seccomp *profile, const char *object, const char *text)
{
    struct err err = ERR_INIT;

    assert_int_equal(seccomp_check(profile, &err), -1);
    assert_string_equal(err.object, object);
    assert_non_null(strstr(err.text, text));
}

static void test_check(void **state)
{
    struct oci_seccomp_rule rule = {NAMES("kill"), .action = OCI_ACT_ALLOW};
    struct oci_seccomp profile = {
        .default_action = OCI_ACT_ERRNO, .syscalls = &rule, .syscalls_n = 1};
    struct oci_seccomp_arg arg = {6, 0, 0, OCI_CMP_EQ};
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(seccomp_check(&profile, &err), 0);
    rule.action = OCI_ACT_NOTIFY;
    refused(&profile, "linux.seccomp.syscalls[0].action",
            "not supported yet: linux.seccomp.syscalls[0].action SCMP_ACT_NOTIFY");
    rule.action = OCI_ACT_KILL;
    rule.errno_ret = (struct oci_opt_u64){true, 1};
    refused(&profile, "linux.seccomp.syscalls[0].errnoRet", "SCMP_ACT_KILL takes no errno");
    rule.action = OCI_ACT_TRACE;
    assert_int_equal(seccomp_check(&profile, &err), 0);
    rule.errno_ret.value = 65536;
    refused(&profile, "linux.seccomp.syscalls[0].errnoRet", "65536");
    rule.errno_ret.set = false;
    rule.args = &arg;
    rule.args_n = 1;
    refused(&profile, "linux.seccomp.syscalls[0].args[0].index", "0 to 5");
    profile.syscalls_n = 0;
    profile.listener_metadata = "m";
    refused(&profile, "linux.seccomp.listenerMetadata", "listenerPath");
    profile.listener_path = "/l";
    assert_int_equal(seccomp_check(&profile, &err), 0);
    profile.flags = (struct oci_set){true, 1ULL << 30};
    refused(&profile, "linux.seccomp.flags", "kernel");
    profile.flags = (struct oci_set){true, 0};
    profile.default_action = OCI_ACT_NOTIFY;
    refused(&profile, "linux.seccomp.defaultAction",
            "not supported yet: linux.seccomp.defaultAction SCMP_ACT_NOTIFY");
    profile.default_action = OCI_ACT_ALLOW;
    profile.default_errno_ret = (struct oci_opt_u64){true, 38};
    refused(&profile, "linux.seccomp.defaultErrnoRet", "takes no errno");
}

static void test_flags(void **state)
{
    struct oci_seccomp profile = {.default_action = OCI_ACT_ALLOW};
    struct seccomp_program program;
    struct err err = ERR_INIT;
    uint32_t flags = seccomp_kernel_flags();

    (void)state;
    assert_true(flags & SECCOMP_FILTER_FLAG_TSYNC && flags & SECCOMP_FILTER_FLAG_LOG);
    assert_int_equal(seccomp_compile(&profile, false, &program, &err), 0);
    assert_int_equal(program.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
    seccomp_program_clear(&program);
    profile.flags = (struct oci_set){true, 0};
    assert_int_equal(seccomp_compile(&profile, false, &program, &err), 0);
    assert_int_equal(program.flags, 0);
    seccomp_program_clear(&program);
    profile.flags.bits = 1 << OCI_SECCOMP_LOG | 1 << OCI_SECCOMP_WAIT_KILLABLE_RECV;
    assert_int_equal(seccomp_compile(&profile, false, &program, &err), 0);
    assert_int_equal(program.flags, SECCOMP_FILTER_FLAG_LOG); /* no listener to wait for */
    seccomp_program_clear(&program);
}

static void test_unknown_name(void **state)
{
    struct oci_seccomp profile = {.default_action = OCI_ACT_ERRNO,
                                  RULES({NAMES("read"), .action = OCI_ACT_ALLOW},
                                        {NAMES("mmap2", "raed"), .action = OCI_ACT_ALLOW})};
    struct seccomp_program program;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(seccomp_compile(&profile, false, &program, &err), 0);
    seccomp_program_clear(&program);
    assert_int_equal(seccomp_compile(&profile, true, &program, &err), -1);
    assert_string_equal(err.object, "linux.seccomp.syscalls[1].names[1]");
    assert_non_null(strstr(err.text, "raed"));
}

/* A filter beyond the kernel's 4096 instructions is an error; one that needs long jumps is not. */
static void test_size(void **state)
{
    static const char *names[] = {"read", "kill", NULL};
    struct oci_seccomp_rule rules[1400];
    struct oci_seccomp_arg args[1400];
    struct oci_seccomp profile = {.default_action = OCI_ACT_ERRNO, .syscalls = rules};
    struct seccomp_program program;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        args[i] = (struct oci_seccomp_arg){(uint32_t)(i % 6), i << 30 | i, 0, OCI_CMP_EQ};
        rules[i] = (struct oci_seccomp_rule){
            .names = names, .names_n = 2, .action = OCI_ACT_ALLOW, .args = &args[i], .args_n = 1};
    }
    profile.syscalls_n = 600;
    check_like_libseccomp(&profile);
    profile.syscalls_n = ARRAY_SIZE(rules);
    assert_int_equal(seccomp_compile(&profile, false, &program, &err), -1);
    assert_int_equal(err.errnum, E2BIG);
}

/* ---- cache ----------------------------------------------------------------------------------- */

static int cache_open(char path[64])
{
    int fd;

    snprintf(path, 64, "/tmp/test-seccomp-XXXXXX");
    assert_non_null(mkdtemp(path));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static unsigned entries(const char *path)
{
    char line[128];
    unsigned count = 0;
    FILE *out;

    snprintf(line, sizeof line, "ls -A %s | wc -l", path);
    out = popen(line, "re");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%u", &count), 1);
    pclose(out);
    return count;
}

static void load(const struct oci_seccomp *profile, int cache, struct seccomp_program *out)
{
    struct err err = ERR_INIT;
    uint32_t n = 0;
    _cleanup_close_ int fd = seccomp_load_cached(profile, false, cache, &n, &out->flags, &err);

    if (fd < 0)
        fail_msg("%s", err.text);
    out->n = n;
    out->filter = calloc(n, sizeof *out->filter);
    assert_int_equal(pread(fd, out->filter, n * 8 + 8, 0), n * 8);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
}

static void cache_remove(const char *path)
{
    char line[128];
    FILE *out;

    snprintf(line, sizeof line, "rm -r %s", path);
    out = popen(line, "re");
    assert_non_null(out);
    assert_int_equal(pclose(out), 0);
}

/* Profiles that differ in one field never share an entry. */
static void test_cache_key(void **state)
{
    struct oci_seccomp_rule rule = {NAMES("mkdir"), .action = OCI_ACT_ERRNO};
    struct oci_seccomp profile = {
        .default_action = OCI_ACT_ALLOW, .syscalls = &rule, .syscalls_n = 1};
    struct seccomp_data data = {.arch = SCMP_ARCH_X86_64, .nr = SYS_mkdir};
    char path[64];
    _cleanup_close_ int cache = cache_open(path);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (uint64_t value = 1; value <= 38; value++) {
            struct seccomp_program program;

            rule.errno_ret = (struct oci_opt_u64){true, value};
            load(&profile, cache, &program);
            assert_int_equal(run(&program, &data), SECCOMP_RET_ERRNO | value);
            seccomp_program_clear(&program);
        }
    }
    assert_int_equal(entries(path), 38);
    cache_remove(path);
}

/* What another state of the generator has made has another key. */
static void test_cache_names_its_generator(void **state)
{
    const struct oci_seccomp profile = {.default_action = OCI_ACT_ALLOW};
    struct seccomp_program program;
    char path[64], line[192];
    _cleanup_close_ int cache = cache_open(path);
    FILE *out;

    (void)state;
    load(&profile, cache, &program);
    seccomp_program_clear(&program);
    snprintf(line, sizeof line, "grep -q %s %s/*", SECCOMP_ID, path);
    out = popen(line, "re");
    assert_non_null(out);
    assert_int_equal(pclose(out), 0);
    cache_remove(path);
}

static void test_cache_bounded(void **state)
{
    struct oci_seccomp profile = {.default_action = OCI_ACT_ERRNO};
    char path[64];
    _cleanup_close_ int cache = cache_open(path);

    (void)state;
    for (uint64_t value = 1; value <= 80; value++) {
        struct seccomp_program program;

        profile.default_errno_ret = (struct oci_opt_u64){true, value};
        load(&profile, cache, &program);
        seccomp_program_clear(&program);
    }
    assert_int_equal(entries(path), 64);
    cache_remove(path);
}

/* Each byte of an entry flipped, and each length cut: never another program. */
static void test_cache_damage(void **state)
{
    struct oci_seccomp profile = {.default_action = OCI_ACT_ERRNO,
                                  RULES({NAMES("read"), .action = OCI_ACT_ALLOW})};
    struct seccomp_program good, again;
    char path[64], name[128], text[4096];
    _cleanup_close_ int cache = cache_open(path);
    ssize_t len;
    FILE *out;

    (void)state;
    load(&profile, cache, &good);
    snprintf(name, sizeof name, "ls %s", path);
    out = popen(name, "re");
    assert_int_equal(fscanf(out, "%127s", name), 1);
    pclose(out);
    for (ssize_t at = 0, size = 1; at < size; at++) {
        _cleanup_close_ int fd = openat(cache, name, O_RDWR | O_CLOEXEC);

        len = pread(fd, text, sizeof text, 0);
        size = len;
        assert_true(len > 0 && len < (ssize_t)sizeof text);
        text[at] ^= 0x20;
        if (at % 2)
            assert_int_equal(pwrite(fd, text, (size_t)len, 0), len);
        else
            assert_int_equal(ftruncate(fd, at), 0);
        load(&profile, cache, &again);
        assert_int_equal(again.n, good.n);
        assert_memory_equal(again.filter, good.filter, good.n * sizeof *good.filter);
        seccomp_program_clear(&again);
    }
    seccomp_program_clear(&good);
    cache_remove(path);
}

static void test_cache_directory_not_private(void **state)
{
    struct oci_seccomp profile = {.default_action = OCI_ACT_ERRNO};
    struct seccomp_program program;
    char path[64];
    _cleanup_close_ int cache = cache_open(path);

    (void)state;
    assert_int_equal(fchmod(cache, 0755), 0);
    load(&profile, cache, &program);
    seccomp_program_clear(&program);
    assert_int_equal(entries(path), 0);
    load(&profile, -1, &program);
    seccomp_program_clear(&program);
    cache_remove(path);
}

static void test_cache_concurrent(void **state)
{
    char path[64];
    _cleanup_close_ int cache = cache_open(path);
    pid_t pids[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
        pids[i] = fork();
        for (uint64_t value = 1; pids[i] == 0 && value <= 100; value++) {
            struct oci_seccomp profile = {.default_action = OCI_ACT_ERRNO,
                                          .default_errno_ret = {true, 1 + value % 70}};
            struct seccomp_data data = {.arch = SCMP_ARCH_X86_64, .nr = 1};
            struct seccomp_program program;

            load(&profile, cache, &program);
            if (run(&program, &data) != (SECCOMP_RET_ERRNO | (1 + value % 70)))
                _exit(1);
            seccomp_program_clear(&program);
        }
        if (pids[i] == 0)
            _exit(0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_in_range(entries(path), 1, 64);
    cache_remove(path);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static int confined(const struct seccomp_program *program)
{
    struct sock_fprog fprog = {.len = (unsigned short)program->n, .filter = program->filter};
    char text[64];

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &fprog) < 0)
        return 1;
    if (syscall(SYS_getcwd, text, sizeof text) >= 0 || errno != ENOENT)
        return 2;
    if (syscall(1000) != -1 || errno != ENOSYS)
        return 3;
    if (syscall(SYS_personality, 0xffffffffUL) < 0)
        return 4;
    if (syscall(SYS_personality, 0x0040000UL) != -1 || errno != EPERM)
        return 5;
    if (syscall(SYS_personality, 0x1ffffffffUL) != -1 || errno != EPERM)
        return 6;
    if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
        return 7;
    if (syscall(SYS_socket, 40, 1, 0) != -1 || errno != EPERM)
        return 8;
    if (syscall(SYS_getpid) < 0)
        return 9;
    return 0;
}

static void test_live(void **state)
{
    struct oci_seccomp profile = *default_profile();
    struct oci_seccomp_rule rules[16];
    struct oci_seccomp_rule getcwd_rule = {NAMES("getcwd"), .action = OCI_ACT_ERRNO,
                                           ERRNO_RET(ENOENT)};
    struct seccomp_program program;
    struct err err = ERR_INIT;
    int status;
    pid_t pid;

    (void)state;
    assert_true(profile.syscalls_n < ARRAY_SIZE(rules));
    rules[0] = getcwd_rule; /* the first of two rules without args */
    memcpy(rules + 1, profile.syscalls, profile.syscalls_n * sizeof *rules);
    profile.syscalls = rules;
    profile.syscalls_n++;
    assert_int_equal(seccomp_compile(&profile, false, &program, &err), 0);
    pid = fork();
    if (pid == 0)
        _exit(confined(&program));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    seccomp_program_clear(&program);
}

/* ---- time ------------------------------------------------------------------------------------ */

static double milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void test_time(void **state)
{
    struct seccomp_program program;
    struct pair pair = {.compared = 0};
    char path[64];
    _cleanup_close_ int cache = cache_open(path);
    double start, cold = 1e9, stored, warm = 1e9, library = 1e9;

    (void)state;
    start = milliseconds();
    load(default_profile(), cache, &program);
    stored = milliseconds() - start;
    seccomp_program_clear(&program);
    for (int i = 0; i < 20; i++) {
        start = milliseconds();
        load(default_profile(), -1, &program);
        cold = milliseconds() - start < cold ? milliseconds() - start : cold;
        seccomp_program_clear(&program);
        start = milliseconds();
        load(default_profile(), cache, &program);
        warm = milliseconds() - start < warm ? milliseconds() - start : warm;
        seccomp_program_clear(&program);
        start = milliseconds();
        oracle(default_profile(), &pair.theirs);
        library = milliseconds() - start < library ? milliseconds() - start : library;
        free(pair.theirs.filter);
    }
    print_message(
        "compile %.3f ms, compile and store %.3f ms, cached %.3f ms, libseccomp %.3f ms\n", cold,
        stored, warm, library);
    cache_remove(path);
}

static int arena_free(void **state)
{
    (void)state;
    oci_arena_free(default_arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_profile),
        cmocka_unit_test(test_default_profile_native_only),
        cmocka_unit_test(test_default_profile_foreign),
        cmocka_unit_test(test_each_action),
        cmocka_unit_test(test_each_operator),
        cmocka_unit_test(test_several_arguments),
        cmocka_unit_test(test_unconditional_wins),
        cmocka_unit_test(test_overlapping_same_action),
        cmocka_unit_test(test_overlapping_two_actions),
        cmocka_unit_test(test_mask_of_zero),
        cmocka_unit_test(test_enosys),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_unknown_name),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_cache_key),
        cmocka_unit_test(test_cache_names_its_generator),
        cmocka_unit_test(test_cache_bounded),
        cmocka_unit_test(test_cache_damage),
        cmocka_unit_test(test_cache_directory_not_private),
        cmocka_unit_test(test_cache_concurrent),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, arena_free);
}
