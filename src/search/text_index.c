/* text_index.c - which segments an account has; they are found once and kept open for a while.
 */
#include "search/text_index.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "search/index_keeper.h"

/* An account whose segments are open. */
struct known {
    uint64_t account;
    struct index_row *row; /* NULL: it has none */
    struct link age;
};

struct text_index {
    struct text_index_options options;
    struct engine *engine;
    struct index_keeper *keeper;
    pthread_mutex_t lock;
    struct map *known; /* lock: account -> struct known */
    struct list age;   /* lock: least recently used first */
    size_t n_open;     /* lock: segments of the known */
    uint64_t changes;  /* lock: of any account's segments */
};

struct text_index *text_index_new(const struct text_index_options *options)
{
    struct text_index *index = xcalloc(1, sizeof(*index));

    index->options = *options;
    if (index->options.min_messages == 0)
        index->options.min_messages = INDEX_MIN_MESSAGES;
    index->engine = mail_store_engine(options->store);
    (void) pthread_mutex_init(&index->lock, NULL);
    index->known = map_new();
    list_init(&index->age);
    index->keeper = index_keeper_new(index, &index->options);
    return index;
}

void text_index_start(struct text_index *index)
{
    index_keeper_start(index->keeper);
}

void text_index_stop(struct text_index *index)
{
    index_keeper_stop(index->keeper);
}

/* With the lock held. */
static struct index_row *forget(struct text_index *index, struct known *known)
{
    struct index_row *row = known->row;

    (void) map_remove(index->known, MAP_KEY(known->account));
    list_remove(&known->age);
    index->n_open -= row != NULL ? row->n : 0;
    free(known);
    return row;
}

void text_index_free(struct text_index *index)
{
    if (index == NULL)
        return;
    index_keeper_free(index->keeper);
    LIST_FOREACH(it, &index->age)
    {
        index_row_unref(forget(index, LINK_OWNER(it, struct known, age)));
    }
    map_free(index->known);
    (void) pthread_mutex_destroy(&index->lock);
    free(index);
}

void index_row_unref(struct index_row *row)
{
    if (row == NULL || atomic_fetch_sub_explicit(&row->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < row->n; i++)
        text_segment_free(row->segments[i]);
    free(row);
}

static struct index_row *ref(struct index_row *row)
{
    if (row != NULL)
        (void) atomic_fetch_add_explicit(&row->refs, 1, memory_order_relaxed);
    return row;
}

/* ---- what there is ---- */

struct names {
    struct derived_name *list;
    size_t n, cap;
};

static bool see_name(void *ctx, const struct derived_name *name)
{
    struct names *names = ctx;

    if (name->kind != SEGMENT_KIND)
        return true;
    if (names->n == names->cap) {
        names->cap = MAX(2 * names->cap, (size_t) 16);
        names->list = xrealloc(names->list, names->cap * sizeof(*names->list));
    }
    names->list[names->n++] = *name;
    return true;
}

/* By their beginning, the longest first. */
static int by_range(const void *a, const void *b)
{
    const struct derived_name *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return (x->to < y->to) - (x->to > y->to);
}

static void remove_segment(struct text_index *index, uint64_t account,
                           const struct derived_name *name, const struct err *why)
{
    struct err err;

    if (why != NULL)
        log_event(why->rc == RC_INVALID ? LEVEL_INFO : LEVEL_WARNING, "search.index_dropped",
                  LOG_ID("account", account), LOG_NUM("from", name->from),
                  LOG_NUM("to", name->to), LOG_ERR(why));
    if (index->engine->ops->derived_remove(index->engine, account, name, &err) != RC_OK)
        log_event(LEVEL_WARNING, "search.index_kept", LOG_ID("account", account),
                  LOG_ERR(&err));
}

/* One that lies within another is what a merge was made of, or a merge that it was not. */
static struct index_row *open_row(struct text_index *index, uint64_t account,
                                  const struct names *names)
{
    struct index_row *row =
        xcalloc(1, sizeof(*row) + (names->n + 1) * sizeof(struct text_segment *));
    uint64_t covered = 0;

    atomic_init(&row->refs, 1);
    for (size_t i = 0; i < names->n; i++) {
        const struct derived_name *name = &names->list[i];
        struct text_segment *segment = NULL;
        struct err err;
        enum rc rc;

        if (name->from < covered) {
            remove_segment(index, account, name, NULL);
            continue;
        }
        rc = text_segment_open(index->engine, account, name, &segment, &err);
        if (rc == RC_OK) {
            row->segments[row->n++] = segment;
            covered = name->to;
        } else if (rc == RC_INVALID || rc == RC_CORRUPT) {
            remove_segment(index, account, name, &err);
        } else if (rc != RC_NOT_FOUND) { /* that one just went */
            log_event(LEVEL_WARNING, "search.index_unread", LOG_ID("account", account),
                      LOG_ERR(&err));
        }
    }
    if (row->n > 0)
        return row;
    index_row_unref(row);
    return NULL;
}

static struct index_row *find_row(struct text_index *index, uint64_t account)
{
    struct names names = {0};
    struct index_row *row = NULL;
    struct err err;

    if (index->engine->ops->derived_list == NULL)
        return NULL;
    if (index->engine->ops->derived_list(index->engine, account, see_name, &names, &err) !=
        RC_OK)
        log_event(LEVEL_WARNING, "search.index_unread", LOG_ID("account", account),
                  LOG_ERR(&err));
    if (names.n > 0) {
        qsort(names.list, names.n, sizeof(*names.list), by_range);
        row = open_row(index, account, &names);
    }
    free(names.list);
    return row;
}

/* ---- what is known ---- */

/* With the lock held: the least recently used go, until there is room. What goes is for the
 * caller to let go of, in *dead. */
static void make_room(struct text_index *index, struct list *dead)
{
    while (index->n_open > INDEX_OPEN_MAX || map_count(index->known) > INDEX_OPEN_MAX) {
        struct known *oldest = LINK_OWNER(index->age.head.next, struct known, age);

        (void) map_remove(index->known, MAP_KEY(oldest->account));
        list_remove(&oldest->age);
        index->n_open -= oldest->row != NULL ? oldest->row->n : 0;
        list_push_back(dead, &oldest->age);
    }
}

static void let_go(struct list *dead)
{
    LIST_FOREACH(it, dead)
    {
        struct known *known = LINK_OWNER(it, struct known, age);

        index_row_unref(known->row);
        free(known);
    }
}

/* Keep what was found, unless something changed meanwhile. */
static void keep(struct text_index *index, uint64_t account, struct index_row *row,
                 uint64_t changes)
{
    struct list dead;

    list_init(&dead);
    (void) pthread_mutex_lock(&index->lock);
    if (changes == index->changes && map_get(index->known, MAP_KEY(account)) == NULL) {
        struct known *known = xcalloc(1, sizeof(*known));

        known->account = account;
        known->row = ref(row);
        (void) map_put(index->known, MAP_KEY(account), known);
        list_push_back(&index->age, &known->age);
        index->n_open += row != NULL ? row->n : 0;
        make_room(index, &dead);
    }
    (void) pthread_mutex_unlock(&index->lock);
    let_go(&dead);
}

struct index_row *text_index_take(struct text_index *index, uint64_t account)
{
    struct index_row *row = NULL;
    struct known *known;
    uint64_t changes;

    (void) pthread_mutex_lock(&index->lock);
    known = map_get(index->known, MAP_KEY(account));
    changes = index->changes;
    if (known != NULL) {
        list_remove(&known->age);
        list_push_back(&index->age, &known->age);
        row = ref(known->row);
    }
    (void) pthread_mutex_unlock(&index->lock);
    if (known != NULL)
        return row;
    row = find_row(index, account);
    keep(index, account, row, changes);
    return row;
}

void text_index_changed(struct text_index *index, uint64_t account)
{
    struct index_row *row = NULL;
    struct known *known;

    (void) pthread_mutex_lock(&index->lock);
    index->changes++;
    known = map_get(index->known, MAP_KEY(account));
    if (known != NULL)
        row = forget(index, known);
    (void) pthread_mutex_unlock(&index->lock);
    index_row_unref(row);
}

void text_index_damaged(struct text_index *index, uint64_t account,
                        const struct derived_name *name)
{
    struct err err;

    err_fill(&err, RC_CORRUPT, "The search index is damaged", "found by a search");
    remove_segment(index, account, name, &err);
    text_index_changed(index, account);
    index_keeper_want(index->keeper, account);
}

void text_index_remove(struct text_index *index, uint64_t account,
                       const struct derived_name *name)
{
    remove_segment(index, account, name, NULL);
    text_index_changed(index, account);
}

void text_index_want(struct text_index *index, uint64_t account)
{
    index_keeper_want(index->keeper, account);
}

enum rc text_index_catch_up(struct text_index *index, struct account *account, struct err *err)
{
    return index_keeper_catch_up(index->keeper, account, err);
}
