/*
 * clock.h - what time it is. Tests set it by hand; nothing else in the product calls the
 * system's clock.
 */
#ifndef ROOST_BASE_CLOCK_H
#define ROOST_BASE_CLOCK_H

#include "base/err.h"

/* Microseconds since 1970-01-01 UTC. May jump when an administrator sets the clock. */
int64_t clock_wall_us(void);
int64_t clock_wall_sec(void);
/* Microseconds since some point in the past; never goes back. For durations and time-outs. */
int64_t clock_mono_us(void);

/* Tests: both clocks stand still at this value until set again; 0 gives the system's back. */
void clock_set_for_test(int64_t us);

#endif
