#include "mailbox/shelf.h"

#include "mailbox/memory.h"
#include "mailbox/open_account.h"

struct shelf_place {
    struct link age;
    uint32_t mbox_id;
    enum shelf_use use;
    struct shelf_thing *thing;
};

void shelf_unref(struct shelf_thing *thing)
{
    if (thing != NULL && atomic_fetch_sub(&thing->refs, 1) == 1)
        thing->free(thing);
}

/* The lock is held. */
static struct shelf_place *find(const struct shelf *shelf, uint32_t mbox_id, enum shelf_use use)
{
    LIST_FOREACH(it, &shelf->age)
    {
        struct shelf_place *place = LINK_OWNER(it, struct shelf_place, age);

        if (place->mbox_id == mbox_id && place->use == use)
            return place;
    }
    return NULL;
}

struct shelf_thing *shelf_take(struct account *account, uint32_t mbox_id, enum shelf_use use)
{
    struct shelf *shelf = &account->shelf;
    struct shelf_thing *thing = NULL;
    struct shelf_place *place;

    (void) pthread_mutex_lock(&shelf->lock);
    place = find(shelf, mbox_id, use);
    if (place != NULL) {
        list_remove(&place->age);
        list_push_back(&shelf->age, &place->age);
        thing = place->thing;
        (void) atomic_fetch_add(&thing->refs, 1);
    }
    (void) pthread_mutex_unlock(&shelf->lock);
    return thing;
}

/* The lock is held: out of the shelf. What it held is the caller's to let go of, without the
 * lock. */
static struct shelf_thing *take_out(struct shelf *shelf, struct shelf_place *place)
{
    struct shelf_thing *thing = place->thing;

    list_remove(&place->age);
    shelf->n--;
    shelf->bytes -= thing->bytes;
    free(place);
    return thing;
}

void shelf_put(struct account *account, uint32_t mbox_id, enum shelf_use use,
               struct shelf_thing *thing)
{
    struct shelf *shelf = &account->shelf;
    struct shelf_place *place = xcalloc(1, sizeof(*place)), *old;
    struct shelf_thing *gone = NULL;

    (void) atomic_fetch_add(&thing->refs, 1);
    *place = (struct shelf_place){.mbox_id = mbox_id, .use = use, .thing = thing};
    (void) pthread_mutex_lock(&shelf->lock);
    old = find(shelf, mbox_id, use);
    if (old == NULL && shelf->n == SHELF_THINGS_MAX)
        old = LINK_OWNER(shelf->age.head.next, struct shelf_place, age);
    if (old != NULL)
        gone = take_out(shelf, old);
    list_push_back(&shelf->age, &place->age);
    shelf->n++;
    shelf->bytes += thing->bytes;
    (void) pthread_mutex_unlock(&shelf->lock);
    shelf_unref(gone);
    memory_note(account, thing->bytes);
}

size_t shelf_bytes(struct account *account)
{
    size_t bytes;

    (void) pthread_mutex_lock(&account->shelf.lock);
    bytes = account->shelf.bytes;
    (void) pthread_mutex_unlock(&account->shelf.lock);
    return bytes;
}

void shelf_clear(struct account *account)
{
    struct shelf *shelf = &account->shelf;
    struct shelf_thing *gone;

    do {
        gone = NULL;
        (void) pthread_mutex_lock(&shelf->lock);
        if (!list_is_empty(&shelf->age))
            gone = take_out(shelf, LINK_OWNER(shelf->age.head.next, struct shelf_place, age));
        (void) pthread_mutex_unlock(&shelf->lock);
        shelf_unref(gone);
    } while (gone != NULL);
}
