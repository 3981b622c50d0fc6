/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Device rules as a BPF program of type BPF_PROG_TYPE_CGROUP_DEVICE, which the kernel asks before a
 * process of the cgroup opens or makes a device node; 1 is yes (include/uapi/linux/bpf.h, struct
 * bpf_cgroup_dev_ctx).
 *
 * The rules hold in their order, so the last one that speaks of a device and an access decides
 * (config-linux.md#allowed-device-list). A request may ask for several accesses at once (O_RDWR):
 * each has its own last rule. The program goes through the list from its end and keeps the accesses
 * that no rule has decided yet in a register: a rule that allows takes its own out, and when none
 * is left the answer is yes; a rule that denies one of them answers no. A rule for everything ends
 * the program, whatever stands before it. What no rule decides is allowed here: the cgroups above
 * are asked as well, as on v1 the list begins with that of the parent.
 *
 * The entries that every container has are rules behind the list, as on v1.
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#define ACCESS_ALL (OCI_ACCESS_READ | OCI_ACCESS_WRITE | OCI_ACCESS_MKNOD)

/* Registers. */
#define ANSWER BPF_REG_0
#define CONTEXT BPF_REG_1
#define TYPE BPF_REG_2
#define PENDING BPF_REG_3
#define MAJOR BPF_REG_4
#define MINOR BPF_REG_5

/* A rule is at most this long: three comparisons and four instructions of its answer. */
#define RULE_MAX 8
#define FRAME 7 /* five at the beginning, two at the end */

struct program {
    struct bpf_insn *insns;
    size_t n;
    bool ended; /* a rule has answered for all that come to it */
};

static struct bpf_insn *emit(struct program *p, uint8_t code, uint8_t to, int32_t imm)
{
    struct bpf_insn *insn = &p->insns[p->n++];

    *insn = (struct bpf_insn){.code = code, .dst_reg = to & 0xf, .imm = imm};
    return insn;
}

static void load(struct program *p, uint8_t to, size_t offset)
{
    struct bpf_insn *insn = emit(p, BPF_LDX | BPF_MEM | BPF_W, to, 0);

    insn->src_reg = CONTEXT;
    insn->off = (int16_t)offset;
}

static void answer(struct program *p, bool yes)
{
    emit(p, BPF_ALU64 | BPF_MOV | BPF_K, ANSWER, yes);
    emit(p, BPF_JMP | BPF_EXIT, 0, 0);
}

static void begin(struct program *p)
{
    /* access_type is access << 16 | type. */
    load(p, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    load(p, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
    load(p, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
    emit(p, BPF_ALU64 | BPF_MOV | BPF_X, PENDING, 0)->src_reg = TYPE;
    emit(p, BPF_ALU64 | BPF_RSH | BPF_K, PENDING, 16);
    emit(p, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0xffff);
}

static int32_t kernel_access(uint32_t access)
{
    return (access & OCI_ACCESS_READ ? BPF_DEVCG_ACC_READ : 0) |
           (access & OCI_ACCESS_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
           (access & OCI_ACCESS_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static bool any_number(struct oci_opt_i64 number)
{
    return !number.set || number.value == -1;
}

static void emit_rule(struct program *p, const struct oci_device_rule *rule)
{
    uint32_t access = rule->access & ACCESS_ALL ? rule->access & ACCESS_ALL : ACCESS_ALL;
    size_t first = p->n, compares;

    /* Numbers are 32 bits without a sign: the 64-bit comparison would extend one. */
    if (rule->type != OCI_RULE_ALL)
        emit(p, BPF_JMP32 | BPF_JNE | BPF_K, TYPE,
             rule->type == OCI_RULE_CHAR ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
    if (!any_number(rule->major))
        emit(p, BPF_JMP32 | BPF_JNE | BPF_K, MAJOR, (int32_t)(uint32_t)rule->major.value);
    if (!any_number(rule->minor))
        emit(p, BPF_JMP32 | BPF_JNE | BPF_K, MINOR, (int32_t)(uint32_t)rule->minor.value);
    compares = p->n - first;
    if (access != ACCESS_ALL && rule->allow) {
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, PENDING, ~kernel_access(access));
        emit(p, BPF_JMP | BPF_JNE | BPF_K, PENDING, 0)->off = 2;
    } else if (access != ACCESS_ALL) {
        emit(p, BPF_ALU64 | BPF_MOV | BPF_X, ANSWER, 0)->src_reg = PENDING;
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, ANSWER, kernel_access(access));
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, ANSWER, 0)->off = 2;
    }
    answer(p, rule->allow);
    for (size_t i = first; i < first + compares; i++)
        p->insns[i].off = (int16_t)(p->n - i - 1);
    p->ended = compares == 0 && access == ACCESS_ALL;
}

int cgroup_device_program(const struct oci_device_rule *rules, size_t rules_n,
                          struct bpf_insn **insns, size_t *n, struct err *err)
{
    struct program p = {.n = 0};

    p.insns = calloc((rules_n + cgroup_added_rules_n) * RULE_MAX + FRAME + 1, sizeof *p.insns);
    if (!p.insns)
        return err_set(err, ENOMEM, "linux.resources.devices");
    begin(&p);
    if (!cgroup_rules_end_open(rules, rules_n)) {
        for (size_t i = cgroup_added_rules_n; i-- > 0;)
            emit_rule(&p, &cgroup_added_rules[i]);
    }
    for (size_t i = rules_n; i-- > 0 && !p.ended;)
        emit_rule(&p, &rules[i]);
    if (!p.ended)
        answer(&p, true);
    *insns = p.insns;
    *n = p.n;
    return 0;
}
