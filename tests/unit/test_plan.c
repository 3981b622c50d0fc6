/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The namespace plan. Named cases pin the plans that people use; the rules of host/plan.c are then
 * checked over every combination: each of the eight types absent, new or joined, with and without
 * privilege, born in its cgroup or not.
 */
#include "base/sys.h"
#include "base/util.h"
#include "host/plan.h"
#include "libocispec/ocispec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>

#define ALL                                                                                        \
    (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER |     \
     CLONE_NEWCGROUP | CLONE_NEWTIME)

/* Say which combination it was before failing. */
#define CHECK(in, condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            describe(in);                                                                          \
            fail_msg("%s", #condition);                                                            \
        }                                                                                          \
    } while (0)

static void describe(const struct plan_input *in)
{
    static const char kinds[] = {'-', 'N', 'J'};

    print_error("namespaces (- absent, N new, J joined):");
    for (int type = OCI_NS_UNSET + 1; type < OCI_NS_COUNT; type++)
        print_error(" %s=%c", oci_name_of(&oci_namespace_names, type), kinds[in->kind[type]]);
    print_error(" privileged=%d into_cgroup=%d\n", in->privileged, in->into_cgroup);
}

static size_t joins(const struct plan *p)
{
    size_t n = 0;

    while (n < ARRAY_SIZE(p->child.join) && p->child.join[n])
        n++;
    return n;
}

/* The place of a flag in the list of joins, or -1. */
static int join_index(const struct plan *p, uint64_t flag)
{
    for (size_t i = 0; i < joins(p); i++)
        if (p->child.join[i] & flag)
            return (int)i;
    return -1;
}

/* ---- rules ---- */

/* A namespace that is asked for is handled in one place, one that is not in none. */
static void check_each_once(const struct plan_input *in, const struct plan *p)
{
    for (int type = OCI_NS_UNSET + 1; type < OCI_NS_COUNT; type++) {
        uint64_t flag = plan_flag((enum oci_namespace_type)type);
        int made =
            !!(p->clone & flag) + !!(p->child.unshare & flag) + !!(p->child.unshare_late & flag);
        int joined = 0;

        for (size_t i = 0; i < joins(p); i++)
            joined += p->child.join[i] == flag;
        CHECK(in, made == (in->kind[type] == PLAN_NEW));
        CHECK(in, joined == (in->kind[type] == PLAN_JOIN));
    }
    CHECK(in, joins(p) < ARRAY_SIZE(p->child.join)); /* room for the 0 at the end */
    CHECK(in, !((p->clone | p->child.unshare | p->child.unshare_late) & ~(uint64_t)ALL));
}

static void check_user_order(const struct plan_input *in, const struct plan *p)
{
    enum plan_kind user = in->kind[OCI_NS_USER];
    int place = join_index(p, CLONE_NEWUSER);

    CHECK(in, p->child.become_root == (user != PLAN_ABSENT));
    if (user == PLAN_JOIN) {
        /* With privilege over everything below, last; without, it is what gives privilege. */
        CHECK(in, place == (in->privileged ? (int)joins(p) - 1 : 0));
        /* What is new shall belong to it, so it cannot come with the clone. */
        CHECK(in, p->clone == 0);
    }
    if (user == PLAN_NEW && joins(p) > 0)
        CHECK(in, p->clone == 0); /* joined first, while there is privilege outside */
    /* Others that are new are made with it or after it. */
    if (user == PLAN_NEW)
        CHECK(in, (p->clone & CLONE_NEWUSER) || p->clone == 0);
    CHECK(in, p->maps_before_exec == !!(p->clone & CLONE_NEWUSER));
    CHECK(in, p->child.wait_maps == !!(p->child.unshare & CLONE_NEWUSER));
    CHECK(in, (user == PLAN_NEW) == (p->maps_before_exec != p->child.wait_maps));
}

static void check_fork(const struct plan_input *in, const struct plan *p)
{
    bool counts_for_children =
        (p->child.unshare & (CLONE_NEWPID | CLONE_NEWTIME)) || join_index(p, CLONE_NEWPID) >= 0;

    CHECK(in, p->child.fork == counts_for_children);
    /* The first process of a pid namespace may not use CLONE_PARENT. */
    CHECK(in, !p->child.fork || !(p->clone & CLONE_NEWPID));
    /* No flag of clone(2): it is among the bits of the exit signal there. */
    CHECK(in, !(p->clone & CLONE_NEWTIME));
    CHECK(in, p->child.time_offsets == (in->kind[OCI_NS_TIME] == PLAN_NEW));
}

static void check_cgroup(const struct plan_input *in, const struct plan *p)
{
    CHECK(in, !(p->child.unshare_late & ~(uint64_t)CLONE_NEWCGROUP));
    CHECK(in, !(p->child.unshare & CLONE_NEWCGROUP));
    /* Before the process is in its cgroup the namespace would begin too high. */
    CHECK(in, !(p->clone & CLONE_NEWCGROUP) || in->into_cgroup);
    CHECK(in, p->child.wait_cgroup == (p->child.unshare_late != 0));
}

/* The mount namespace changes what paths mean. */
static void check_mount_order(const struct plan_input *in, const struct plan *p)
{
    int mount = join_index(p, CLONE_NEWNS);

    for (size_t i = 0; mount >= 0 && i < joins(p); i++)
        CHECK(in, (int)i <= mount || p->child.join[i] == CLONE_NEWUSER);
}

static void test_every_combination(void **state)
{
    const int types = OCI_NS_COUNT - OCI_NS_UNSET - 1;
    unsigned combinations = 1;

    (void)state;
    assert_int_equal(types, 8);
    for (int i = 0; i < types; i++)
        combinations *= 3;
    for (unsigned n = 0; n < combinations * 4; n++) {
        struct plan_input in = {.privileged = n & 1, .into_cgroup = n & 2};
        unsigned rest = n / 4;
        struct plan p;

        for (int type = OCI_NS_UNSET + 1; type < OCI_NS_COUNT; type++, rest /= 3)
            in.kind[type] = (enum plan_kind)(rest % 3);
        memset(&p, 0xa5, sizeof p); /* whatever was there is replaced */
        plan_make(&in, &p);
        check_each_once(&in, &p);
        check_user_order(&in, &p);
        check_fork(&in, &p);
        check_cgroup(&in, &p);
        check_mount_order(&in, &p);
    }
}

/* ---- named cases ---- */

static const struct {
    const char *name;
    const char *kinds; /* pid network mount ipc uts user cgroup time */
    bool privileged, into_cgroup;
    struct plan want;
} cases[] = {
    {"nothing", "--------", true, false, {0}},
    {"what engines ask for, cgroup v1",
     "NNNNN-N-",
     true,
     false,
     {.clone = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS,
      .child = {.wait_cgroup = true, .unshare_late = CLONE_NEWCGROUP}}},
    {"the same, born in its cgroup",
     "NNNNN-N-",
     true,
     true,
     {.clone = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
               CLONE_NEWCGROUP}},
    {"in a pod: network, ipc and uts joined",
     "NJNJJ---",
     true,
     false,
     {.clone = CLONE_NEWPID | CLONE_NEWNS,
      .child = {.join = {CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS}}}},
    {"new user namespace, all new",
     "NNNNNN--",
     false,
     false,
     {.clone =
          CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER,
      .maps_before_exec = true,
      .child = {.become_root = true}}},
    {"new user namespace, network of the pod: joined before it",
     "NJN--N--",
     true,
     false,
     {.child = {.join = {CLONE_NEWNET},
                .unshare = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER,
                .become_root = true,
                .wait_maps = true,
                .fork = true}}},
    {"user namespace joined with privilege: last",
     "NJN--J--",
     true,
     false,
     {.child = {.join = {CLONE_NEWNET, CLONE_NEWUSER},
                .unshare = CLONE_NEWPID | CLONE_NEWNS,
                .become_root = true,
                .fork = true}}},
    {"user namespace joined without: first",
     "-JN--J--",
     false,
     false,
     {.child = {.join = {CLONE_NEWUSER, CLONE_NEWNET},
                .unshare = CLONE_NEWNS,
                .become_root = true}}},
    {"pid namespace joined: a second process",
     "J-N-----",
     true,
     false,
     {.clone = CLONE_NEWNS, .child = {.join = {CLONE_NEWPID}, .fork = true}}},
    {"new time namespace: the pid namespace is left to init",
     "N-N----N",
     true,
     false,
     {.clone = CLONE_NEWNS,
      .child = {.unshare = CLONE_NEWTIME | CLONE_NEWPID, .time_offsets = true, .fork = true}}},
    {"time namespace joined: no fork, no offsets",
     "N-N----J",
     true,
     false,
     {.clone = CLONE_NEWPID | CLONE_NEWNS, .child = {.join = {CLONE_NEWTIME}}}},
    {"user and cgroup new, born in its cgroup, something joined: late all the same",
     "-J---NN-",
     true,
     true,
     {.child = {.join = {CLONE_NEWNET},
                .unshare = CLONE_NEWUSER,
                .become_root = true,
                .wait_maps = true,
                .wait_cgroup = true,
                .unshare_late = CLONE_NEWCGROUP}}},
    {"everything joined",
     "JJJJJJJJ",
     true,
     false,
     {.child = {.join = {CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP,
                         CLONE_NEWTIME, CLONE_NEWNS, CLONE_NEWUSER},
                .become_root = true,
                .fork = true}}},
};

static void assert_plan(const char *name, const struct plan *got, const struct plan *want)
{
    const struct protocol_plan *g = &got->child, *w = &want->child;

    if (got->clone == want->clone && got->maps_before_exec == want->maps_before_exec &&
        !memcmp(g->join, w->join, sizeof g->join) && g->unshare == w->unshare &&
        g->become_root == w->become_root && g->become_root_late == w->become_root_late &&
        g->wait_maps == w->wait_maps && g->time_offsets == w->time_offsets && g->fork == w->fork &&
        g->wait_cgroup == w->wait_cgroup && g->unshare_late == w->unshare_late)
        return;
    fail_msg(
        "%s: clone %#llx, unshare %#llx, late %#llx, join %#llx %#llx..., root %d, maps %d/%d, "
        "offsets %d, fork %d, cgroup %d",
        name, (unsigned long long)got->clone, (unsigned long long)g->unshare,
        (unsigned long long)g->unshare_late, (unsigned long long)g->join[0],
        (unsigned long long)g->join[1], g->become_root, got->maps_before_exec, g->wait_maps,
        g->time_offsets, g->fork, g->wait_cgroup);
}

static void test_named_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct plan_input in = {.privileged = cases[i].privileged,
                                .into_cgroup = cases[i].into_cgroup};
        struct plan p;

        for (int type = 1; type < OCI_NS_COUNT; type++)
            in.kind[type] = cases[i].kinds[type - 1] == 'N'   ? PLAN_NEW
                            : cases[i].kinds[type - 1] == 'J' ? PLAN_JOIN
                                                              : PLAN_ABSENT;
        plan_make(&in, &p);
        assert_plan(cases[i].name, &p, &cases[i].want);
    }
}

/* ---- exec ---- */

static void test_exec(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256 * 2; n++) {
        bool privileged = n & 256;
        uint64_t mask = 0, seen = 0;
        struct plan p;

        for (int type = 1; type < OCI_NS_COUNT; type++)
            if (n & (1u << (type - 1)))
                mask |= plan_flag((enum oci_namespace_type)type);
        memset(&p, 0xa5, sizeof p);
        plan_exec(mask, privileged, &p);
        for (size_t i = 0; i < joins(&p); i++) {
            assert_true(!(seen & p.child.join[i]));
            seen |= p.child.join[i];
        }
        assert_true(seen == mask);
        /* Nothing is made, and nothing of the container is entered by the runtime's own file. */
        assert_true(p.clone == 0 && p.child.unshare == 0 && p.child.unshare_late == 0);
        assert_false(p.maps_before_exec || p.child.wait_maps || p.child.time_offsets);
        assert_int_equal(p.child.fork, !!(mask & CLONE_NEWPID));
        /* Who moves us into v1 has to have our uid. */
        assert_int_equal(p.child.become_root_late, !!(mask & CLONE_NEWUSER));
        assert_false(p.child.become_root);
        /* With privilege the user namespace goes apart and last: in one call the others would be
         * judged by the rights within it. */
        if (privileged && (mask & CLONE_NEWUSER))
            assert_true(p.child.join[joins(&p) - 1] == CLONE_NEWUSER);
        else
            assert_true(joins(&p) == (mask != 0));
    }
}

static void test_flags(void **state)
{
    uint64_t all = 0;

    (void)state;
    for (int type = 1; type < OCI_NS_COUNT; type++)
        all |= plan_flag((enum oci_namespace_type)type);
    assert_true(all == ALL);
    assert_true(plan_flag(OCI_NS_NETWORK) == CLONE_NEWNET);
    assert_true(plan_flag(OCI_NS_TIME) == CLONE_NEWTIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_named_cases),
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_exec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
