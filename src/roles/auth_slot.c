/*
 * auth_slot.c - answers whose time does not tell what they were made of.
 *
 * To find somebody takes some microseconds more than to find nobody, or less: a tree of SQLite
 * is not searched in constant time, and another name is another way through it. So what a
 * stranger hears who has proved nothing yet (a name or a password is wrong; SCRAM's salt)
 * leaves at the end of a slot of AUTH_SLOT_US, counted from when the question was taken up: the
 * work is over long before, and the answer comes at the same moment whatever the work was.
 *
 * That moment has to be exact. The loop's own timers end a wait of whole milliseconds, begun
 * when the work was done: they would hand the difference on. A timer of the kernel's ends when
 * it is told to.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "roles/auth_role.h"

#define US_PER_SEC 1000000
#define NS_PER_US  1000

struct auth_slots {
    struct auth_role *auth;
    int fd;
    struct loop_fd watch;
    struct list waiting; /* struct auth_slot, the first due first */
};

static struct auth_slot *first_of(const struct auth_slots *slots)
{
    if (list_is_empty(&slots->waiting))
        return NULL;
    return LINK_OWNER(slots->waiting.head.next, struct auth_slot, link);
}

static void insert_behind(struct link *before, struct link *link)
{
    link->prev = before;
    link->next = before->next;
    before->next->prev = link;
    before->next = link;
}

static void arm(const struct auth_slots *slots)
{
    const struct auth_slot *first = first_of(slots);
    struct itimerspec when = {0}; /* stops it */

    if (first != NULL) {
        int64_t left_us = MAX(first->due_us - clock_mono_us(), 0);

        when.it_value.tv_sec = left_us / US_PER_SEC;
        when.it_value.tv_nsec = left_us % US_PER_SEC * NS_PER_US + 1; /* 0 would stop it */
    }
    if (timerfd_settime(slots->fd, 0, &when, NULL) != 0)
        die("auth: timerfd_settime: %s", strerror(errno));
}

/* The timer says that the first is due; others may be by now. */
static void on_due(void *ctx, unsigned ready)
{
    struct auth_slots *slots = ctx;
    struct auth_slot *first;
    uint64_t count;

    (void) ready;
    if (read(slots->fd, &count, sizeof(count)) != sizeof(count))
        return; /* it was set anew meanwhile */
    first = first_of(slots);
    while (first != NULL) {
        list_remove(&first->link);
        first->fn(first->ctx);
        first = first_of(slots);
        if (first != NULL && first->due_us > clock_mono_us())
            break;
    }
    arm(slots);
}

enum rc auth_slots_open(struct auth_role *auth, struct err *err)
{
    struct auth_slots *slots = auth->slots = xcalloc(1, sizeof(*slots));

    slots->auth = auth;
    list_init(&slots->waiting);
    slots->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (slots->fd < 0)
        return err_set(err, RC_IO, "Server is not ready", "timerfd_create: %s",
                       strerror(errno));
    return loop_add(auth->loop, &slots->watch, slots->fd, LOOP_IN, on_due, slots, err);
}

void auth_slots_done(struct auth_role *auth)
{
    if (auth->slots == NULL)
        return;
    loop_remove(auth->loop, &auth->slots->watch);
    closep(&auth->slots->fd);
    free(TAKE(auth->slots));
}

void auth_slot_wait(struct auth_role *auth, struct auth_slot *slot, int64_t since_us,
                    loop_call_fn *fn, void *ctx)
{
    struct auth_slots *slots = auth->slots;
    int64_t took_us = MAX(clock_mono_us() - since_us, 0);
    struct link *before = slots->waiting.head.prev;

    slot->auth = auth;
    slot->fn = fn;
    slot->ctx = ctx;
    slot->due_us = since_us + (took_us / AUTH_SLOT_US + 1) * AUTH_SLOT_US;
    /* Nearly always the last one: all began in this order, and few work for longer than a slot.
     */
    while (before != &slots->waiting.head &&
           LINK_OWNER(before, struct auth_slot, link)->due_us > slot->due_us)
        before = before->prev;
    insert_behind(before, &slot->link);
    if (first_of(slots) == slot)
        arm(slots);
}

void auth_slot_forget(struct auth_slot *slot)
{
    bool was_first;

    if (!link_is_listed(&slot->link))
        return;
    was_first = first_of(slot->auth->slots) == slot;
    list_remove(&slot->link);
    if (was_first)
        arm(slot->auth->slots);
}
