/*
 * gate_handshake.c - handshakes are computed in a thread of their own, of lower priority.
 *
 * A step of a handshake computes for half a millisecond, a part of which it waits for `keys`.
 * In the loop's thread everybody who is logged in would wait for it, and a flood of strangers
 * is mostly handshakes. So the loop hands each step over and goes on; the thread gets what
 * processor time those inside leave (GATE_HANDSHAKE_NICE). Where only the client's Finished is
 * awaited, the way there and back would cost more than the step, and the loop takes it.
 *
 * Who has a connection: its step is in the queue (the loop may take it back), or the thread
 * has it (and its conn, which nobody else touches), or it is over and waits to be told of in
 * the loop. At most GATE_HANDSHAKES_MAX steps wait: each is one of a connection in HANDSHAKE.
 */
#include <malloc.h>
#include <pthread.h>

#include "base/list.h"
#include "base/priority.h"
#include "roles/gate_state.h"

struct gate_step {
    struct link link; /* handshakes->queue while it waits */
    struct gate_conn *c;
    enum rc rc;
    struct err err;
    struct loop_call over;
};

struct gate_handshakes {
    struct gate *gate;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work; /* with lock */
    struct list queue;   /* lock; struct gate_step */
    bool is_stopping;    /* lock */
};

static void step_over(void *ctx)
{
    struct gate_step *step = ctx;
    struct gate_conn *c = step->c;

    c->step = NULL;
    gate_conn_stepped(c, step->rc, &step->err);
    free(step);
}

/* NULL: it is time to end. */
static struct gate_step *next_step(struct gate_handshakes *handshakes)
{
    struct link *link = NULL;

    (void) pthread_mutex_lock(&handshakes->lock);
    while (list_is_empty(&handshakes->queue) && !handshakes->is_stopping)
        (void) pthread_cond_wait(&handshakes->work, &handshakes->lock);
    if (!handshakes->is_stopping)
        link = list_pop_front(&handshakes->queue);
    (void) pthread_mutex_unlock(&handshakes->lock);
    return link != NULL ? LINK_OWNER(link, struct gate_step, link) : NULL;
}

static void *compute(void *ctx)
{
    struct gate_handshakes *handshakes = ctx;
    struct gate_step *step;

    priority_behind(GATE_HANDSHAKE_NICE);
    while ((step = next_step(handshakes)) != NULL) {
        step->rc = conn_handshake(&step->c->conn, &step->err);
        loop_post(handshakes->gate->loop, &step->over, step_over, step);
    }
    return NULL;
}

enum rc gate_handshakes_open(struct gate *gate, struct err *err)
{
    struct gate_handshakes *handshakes = xcalloc(1, sizeof(*handshakes));
    int error;

    (void) mallopt(M_ARENA_MAX, 1); /* what one thread takes, the other gives back */
    handshakes->gate = gate;
    list_init(&handshakes->queue);
    (void) pthread_mutex_init(&handshakes->lock, NULL);
    (void) pthread_cond_init(&handshakes->work, NULL);
    error = pthread_create(&handshakes->thread, NULL, compute, handshakes);
    if (error != 0) {
        free(handshakes);
        return err_set(err, RC_UNAVAILABLE, "Temporarily unavailable", "pthread_create: %s",
                       strerror(error));
    }
    gate->handshakes = handshakes;
    return RC_OK;
}

static void forget_steps(struct gate *gate, enum gate_state state)
{
    LIST_FOREACH(link, &gate->lists[state])
    {
        struct gate_conn *c = LINK_OWNER(link, struct gate_conn, link);

        if (c->step == NULL)
            continue;
        loop_cancel(gate->loop, &c->step->over);
        conn_done(&c->conn);
        free(TAKE(c->step));
    }
}

void gate_handshakes_done(struct gate *gate)
{
    struct gate_handshakes *handshakes = TAKE(gate->handshakes);

    if (handshakes == NULL)
        return;
    (void) pthread_mutex_lock(&handshakes->lock);
    handshakes->is_stopping = true;
    (void) pthread_cond_signal(&handshakes->work);
    (void) pthread_mutex_unlock(&handshakes->lock);
    (void) pthread_join(handshakes->thread, NULL);
    forget_steps(gate, GATE_DEAD);
    (void) pthread_mutex_destroy(&handshakes->lock);
    (void) pthread_cond_destroy(&handshakes->work);
    free(handshakes);
}

void gate_handshake_step(struct gate_conn *c)
{
    struct gate_handshakes *handshakes = c->gate->handshakes;
    struct gate_step *step = xcalloc(1, sizeof(*step));

    step->c = c;
    c->step = step;
    (void) pthread_mutex_lock(&handshakes->lock);
    list_push_back(&handshakes->queue, &step->link);
    (void) pthread_cond_signal(&handshakes->work);
    (void) pthread_mutex_unlock(&handshakes->lock);
}

bool gate_handshake_forget(struct gate_conn *c)
{
    struct gate_handshakes *handshakes = c->gate->handshakes;
    bool waited;

    if (c->step == NULL)
        return true;
    (void) pthread_mutex_lock(&handshakes->lock);
    waited = link_is_listed(&c->step->link);
    if (waited)
        list_remove(&c->step->link);
    (void) pthread_mutex_unlock(&handshakes->lock);
    if (waited)
        free(TAKE(c->step));
    return waited;
}
