/* steps.h - what scene.c and steps.c share. */
#ifndef ROOST_TESTS_CRASH_STEPS_H
#define ROOST_TESTS_CRASH_STEPS_H

#include "scene.h"

/* The account comes into being, with the mailboxes of a new one. */
MUST_CHECK enum rc step_found(struct scene *scene, size_t account, struct err *err);

#endif
