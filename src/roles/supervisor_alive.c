/*
 * supervisor_alive.c - a keys that hangs is ended, and so begun anew: while it does not answer
 * nobody comes in by TLS.
 *
 * Of the others the supervisor does not ask: what hangs in them hangs for those who use it, and
 * a long piece of work is not to be told from a loop without end. Keys has no long work.
 */
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "roles/supervisor.h"

#define ASK_EVERY_US ((int64_t) 2 * 1000000)
#define SILENT_US    ((int64_t) 8 * 1000000)

static void ask(struct child *child)
{
    struct msg msg = {.type = MSG_ALIVE};

    msg.alive.number = ++child->last_asked;
    child->asked_us = clock_mono_us();
    child_post(child, &msg, NULL);
}

static void on_time(void *ctx)
{
    struct supervisor *sup = ctx;

    for (size_t i = 0; i < sup->n_children; i++) {
        struct child *child = &sup->children[i];

        if (child->role != ROLE_KEYS || child->state != CHILD_RUNNING)
            continue;
        if (child->asked_us == 0) {
            ask(child);
        } else if (clock_mono_us() - child->asked_us >= SILENT_US) {
            log_event(LEVEL_ERROR, "role.silent", LOG_STR("role", role_name(child->role)),
                      LOG_NUM("index", child->index), LOG_NUM("pid", child->pid));
            (void) kill(child->pid, SIGKILL); /* it is not reaped yet, so the pid is its own */
            child->asked_us = clock_mono_us();
        }
    }
    timer_start(sup->loop, &sup->alive, ASK_EVERY_US, on_time, sup);
}

void supervisor_alive_start(struct supervisor *sup)
{
    timer_start(sup->loop, &sup->alive, ASK_EVERY_US, on_time, sup);
}

void supervisor_alive_heard(struct child *child, uint64_t number)
{
    if (number == child->last_asked)
        child->asked_us = 0;
}
