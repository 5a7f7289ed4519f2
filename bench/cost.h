/*
 * cost.h - what a server's processes spend while something is measured, by role.
 *
 * Counted by the kernel (perf_event_open) for every thread of the given process and its
 * descendants, and for what they start later: CPU time, context switches and, where the
 * machine's counters are to be had, instructions in user mode, which neighbours do not change.
 * A process counts for the role its command line names ("--role NAME"), else for its command's
 * name; so other servers can be measured too.
 */
#ifndef ROOST_BENCH_COST_H
#define ROOST_BENCH_COST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define COST_ROLES_MAX  16
#define COST_NAME_BYTES 32

struct cost_row {
    char role[COST_NAME_BYTES];
    uint64_t cpu_ns, switches, instructions;
};

struct cost_rows {
    struct cost_row rows[COST_ROLES_MAX];
    size_t n;
    bool has_instructions;
};

struct cost;

/* Begin to count the process root and all below it. */
MUST_CHECK enum rc cost_start(pid_t root, struct cost **out, struct err *err);

/*
 * Wait until the process root and all below it have rested for quiet_ms: until what they put
 * off is done. At most max_ms, then false.
 */
bool cost_settle(pid_t root, unsigned quiet_ms, unsigned max_ms);

/* Memory of the process root and all below it, what they share counted in parts (PSS). */
uint64_t cost_pss_bytes(pid_t root);

/* Since the start; ends the counting. */
void cost_stop(struct cost *cost, struct cost_rows *out);

#endif
