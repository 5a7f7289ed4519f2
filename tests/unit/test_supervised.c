/*
 * test_supervised.c - what the supervisor hears from a process that somebody else has got hold
 * of: it neither ends the server nor keeps the others waiting.
 *
 * The supervisor starts a role by its own executable, so this program is the role as well: a
 * gate that says that it is ready, then that it cannot start, and then talks without end.
 */
// links: roles
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "lib/test.h"
#include "roles/supervisor.h"

#define WAIT_MS  10000
#define LOOKS_US 20000 /* between looks at what was heard */
#define LOOKS    25u   /* so many once it is ready */

static const struct msg ready = {.type = MSG_READY,
                                 .ready = {.sandbox = {"wide open", sizeof("wide open") - 1}}};
static const struct msg failed = {
    .type = MSG_FAILED, .failed = {.rc = RC_CORRUPT, .text = {"no", sizeof("no") - 1}}
};

static int be_the_gate(void)
{
    AUTO(channel_freep)
    struct channel *to = channel_new(ROLE_SUPERVISOR_FD, ROLE_GATE, ROLE_SUPERVISOR);

    if (channel_send(to, &ready, NULL, WAIT_MS, NULL) ||
        channel_send(to, &failed, NULL, WAIT_MS, NULL))
        return 1;
    while (channel_send(to, &ready, NULL, WAIT_MS, NULL) == RC_OK)
        continue;
    return 0;
}

struct watched {
    struct supervisor sup;
    struct timer look;
    unsigned n_looks;
};

static void look(void *ctx)
{
    struct watched *watched = ctx;

    if (watched->sup.children[0].state == CHILD_RUNNING && ++watched->n_looks == LOOKS)
        loop_stop(watched->sup.loop);
    else
        timer_start(watched->sup.loop, &watched->look, LOOKS_US, look, watched);
}

static void a_gate_that_talks_ends_nothing(void **state)
{
    struct watched *watched = xcalloc(1, sizeof(*watched));
    struct supervisor *sup = &watched->sup;
    struct child *gate = &sup->children[0];
    struct config config = {.log_level = "error"};
    struct err err;

    (void) state;
    sup->config = &config;
    sup->started = true;
    sup->n_children = 1;
    *gate = (struct child){.sup = sup, .role = ROLE_GATE, .state = CHILD_DOWN};
    sup->config_fd = dup(STDERR_FILENO); /* it is not read */
    assert_int_equal(loop_new(&sup->loop, &err), RC_OK);
    assert_int_equal(child_spawn(gate, &err), RC_OK);
    look(watched);
    assert_int_equal(loop_run(sup->loop, &err), RC_OK);
    assert_false(sup->stopping);
    assert_int_equal(sup->status, 0);
    assert_int_equal(gate->state, CHILD_RUNNING);
    assert_int_equal(kill(gate->pid, SIGKILL), 0);
    assert_int_equal(waitpid(gate->pid, NULL, 0), gate->pid);
    child_gone(gate);
    timer_stop(sup->loop, &watched->look);
    loop_free(sup->loop);
    closep(&sup->config_fd);
    free(watched);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gate_that_talks_ends_nothing),
    };

    if (argc > 1 && strcmp(argv[1], "--role") == 0)
        return be_the_gate();
    log_set_level(LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
