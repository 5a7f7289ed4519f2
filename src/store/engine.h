/*
 * engine.h - what a storage engine promises [contract]; the argument is in
 * docs/formats/engine.md.
 *
 * An engine keeps, for each account: a journal of record groups, checkpoint pages, and bodies.
 * It knows nothing of mailboxes and messages: records and pages are bytes to it.
 *
 * Positions. Each committed group gets a position: a number of that account that grows; 0 is
 * before the first. A group is durable when the engine has called `durable` with its position
 * or a greater one. A crash leaves exactly a prefix of the account's groups, never part of one,
 * never one without those before it; every group reported durable is in it. Groups of one
 * commit() stand or fall together.
 *
 * Bodies. A body is staged, then belongs to a group: it is durable with the group, and gone if
 * the group is not committed. Its id is the account's (the state gives it); the engine alone
 * maps id to place and may move it. An open body is pinned: its bytes stay readable until it is
 * closed, whatever is packed or removed meanwhile.
 *
 * Threads. All calls may come from any thread. Calls for one account's commit() come in the
 * order of its lock. Callbacks come from the engine's threads or from push(), with no engine
 * lock held, in order for each account.
 *
 * Failure. RC_IO from a write or sync is final: the engine ends the process after that rather
 * than acknowledge anything (recovery makes the truth). RC_FULL: no space; nothing was done.
 * RC_CONFLICT: the account moved on elsewhere; nothing was done, load what is new and run again
 * (never from an engine with ENGINE_NO_CONFLICT).
 */
#ifndef ROOST_STORE_ENGINE_H
#define ROOST_STORE_ENGINE_H

#include "account/pages.h"
#include "base/arena.h"

enum engine_capability {
    ENGINE_MULTI_ACCT = 1u << 0, /* commit() takes groups of several accounts */
    ENGINE_NO_CONFLICT =
        1u << 1, /* commit() never answers RC_CONFLICT: running ahead is allowed */
};

#define COMMIT_GROUPS_MAX 64u
#define BODY_MAX_BYTES                                                                         \
    ((uint64_t) 1 << 32) /* a limit of formats; configuration sets a lower one */

struct engine;
struct body_stage; /* bytes on their way in; each engine has its own */
struct body;       /* an open, pinned body */

struct staged_body {
    uint64_t body_id;
    struct body_stage *stage; /* finished; taken over by a commit() that answers RC_OK */
    /* What lets packs alone rebuild a mailbox. */
    uint32_t mbox, uid;
    uint8_t flags;
    int64_t internaldate;
};

struct commit_group {
    uint64_t account;
    uint64_t base; /* position of the version the records were made on */
    struct slice
        records; /* a whole encoded group, <= GROUP_RECORDS_MAX_BYTES; the engine copies it */
    const struct staged_body *bodies;
    size_t n_bodies;
    bool is_deferred; /* the caller promises a push(), and nobody is woken for it before */
};

struct tail_group {
    uint64_t position;
    uint64_t base; /* as in its commit_group: the account's group before, if none is missing */
    struct slice records;
};

/* Groups that are lost, of accounts nobody knows any more: a place of the journal that is
 * damaged and held the only copy of them. */
struct lost_groups {
    uint64_t segment, offset, bytes; /* where */
    uint64_t first, last;            /* positions; last < first: bodies only */
    int64_t after_us, before_us;     /* clocks of what is next to it; 0: not known */
};

/* What an account is made of when it is opened. Lives in the arena given to load(). */
struct account_image {
    struct slice root;             /* empty: no checkpoint yet */
    uint64_t root_position;        /* the version the pages show */
    const struct tail_group *tail; /* groups after it, in order */
    size_t n_tail;
};

/* Derived data of a body, of a version that the caller knows. */
struct digest_bytes {
    uint32_t version;
    struct slice core; /* read often, and for many bodies in a row; not empty */
    struct slice text; /* what follows the core: read by searches; may be empty */
};

enum digest_wanted { DIGEST_GET_CORE, DIGEST_GET_WHOLE, DIGEST_GET_TEXT, DIGEST_GET_LEAD };
#define DIGEST_LEAD_BYTES 1024u /* of the text, if it has as many */

/* A part of a body that may be found in others of its account too (an attachment), as it stands
 * there. */
struct body_range {
    uint64_t offset, length;
};
#define BODY_SHARE_MIN_BYTES ((uint64_t) 16 << 10) /* shorter ones are not worth a hint */

/*
 * A blob that somebody made of the bodies of an account with ids from..to - 1, for a purpose of
 * their own. May be lost at any time; while it is there it is what was written: each byte is
 * verified whenever it is read.
 */
struct derived_name {
    uint32_t kind;
    uint64_t from, to; /* from < to */
};
struct derived_writer; /* one on its way in; each engine has its own */
struct derived;        /* an open one */

struct engine_events {
    /* Groups of this account up to position are durable. */
    void (*durable)(void *ctx, uint64_t account, uint64_t position);
    /* The account was changed by somebody else: load again. Only without ENGINE_NO_CONFLICT. */
    void (*changed)(void *ctx, uint64_t account);
    /* The engine wants a checkpoint of this account soon (its journal is held by it). Asked
     * again as long as it matters. Not answered from within the callback; and write_pages()
     * must not need a lock that is held across commit(), which may be waiting for it. */
    void (*checkpoint_wanted)(void *ctx, uint64_t account);
    /* The engine wants to know which bodies of this account live (keep_bodies): it was not told
     * for long. Asked again as long as it matters; not answered from within the callback. */
    void (*live_wanted)(void *ctx, uint64_t account);
    /* The disk is full: what may go (undelete's oldest first) should. Called every half second
     * or so while it lasts (engine_status.state is "full" then), by a thread that space is
     * waited for: it may call the engine, but not wait for a commit with bodies. NULL: nobody
     * has anything to give. */
    void (*space_wanted)(void *ctx);
    void *ctx;
};

/* What is told of a body beside its bytes: as it was when it came in. */
struct body_info {
    uint64_t body_id, length;
    uint32_t mbox, uid;
    uint8_t flags;
    int64_t internaldate;
};

/* Something at rest that fails its check. */
struct scrub_finding {
    const char *file; /* below the store's folder */
    const char *what; /* static */
    uint64_t offset;  /* in the file */
    uint64_t account; /* whose; 0: nobody's, or it cannot be told */
    bool is_derived;  /* made again by itself; nothing is lost */
};

struct scrub_watch {
    void (*found)(void *ctx, const struct scrub_finding *finding); /* may be NULL */
    /* Called often, with the bytes read so far; false ends the pass. May sleep. */
    bool (*goes_on)(void *ctx, uint64_t bytes);
    void *ctx;
};

struct engine_status {
    uint64_t journal_bytes, unpacked_bytes, pack_bytes, checkpoint_bytes;
    uint64_t raw_bytes;  /* of all bodies that live, as they came */
    uint64_t dead_bytes; /* of the packs: what compaction takes back */
    uint64_t packs;
    uint64_t commits, batches, bodies;
    /* The last pass over everything, by itself or asked for: when it ended (unix seconds; 0:
     * never), what it read and found; and what the one that runs has read, 0 if none does. */
    int64_t scrub_ended;
    uint64_t scrub_bytes, scrub_findings, scrub_running;
    const char *state; /* static: "ok", "full", ... */
};

/* What the bodies of one account take. */
struct account_space {
    uint64_t bodies;
    uint64_t raw_bytes;    /* as they came */
    uint64_t stored_bytes; /* what they take: packed, or as they came while they are not */
};

/* Which digests a scan is about, and who hears of them. */
struct digest_scan {
    uint64_t account;
    uint32_t version;
    enum digest_wanted wanted;
    const uint64_t *ids; /* cheapest when they ascend */
    size_t n;
    /* What is wanted of ids[at]: the core, with the text behind it if that is wanted and there;
     * or the text alone, if it is there. The bytes are valid during the call. No lock is held.
     */
    void (*seen)(void *ctx, size_t at, struct slice digest);
    void *ctx;
};

struct engine_ops {
    const char *name;
    unsigned capabilities; /* enum engine_capability */

    /* Starts calling back. Called once, before anything else but load() and list(). */
    void (*start)(struct engine *engine, const struct engine_events *events);
    /* A clean stop: everything handed in is made durable and sealed; frees the engine. */
    void (*close)(struct engine *engine);

    /* Every account that has a group or a page, in no order, until fn answers false. */
    enum rc (*list)(struct engine *engine, bool (*fn)(void *ctx, uint64_t account), void *ctx,
                    struct err *err);
    /* RC_NOT_FOUND: nothing of it is stored. RC_CORRUPT: damaged; other accounts are not
     * concerned. */
    enum rc (*load)(struct engine *engine, uint64_t account, struct arena *arena,
                    struct account_image *out, struct err *err);
    page_read_fn *(*page_reader)(struct engine *engine, uint64_t account, void **out_ctx);

    /*
     * Take n groups (1..COMMIT_GROUPS_MAX; more than one account only with ENGINE_MULTI_ACCT)
     * as one. RC_OK decides the order and gives each its position; durable comes later by
     * callback (an engine without ENGINE_NO_CONFLICT has made it durable and called back before
     * it returns). May block for back-pressure.
     */
    enum rc (*commit)(struct engine *engine, const struct commit_group *groups, size_t n,
                      uint64_t *out_positions, struct err *err);
    /*
     * Begin to write what was committed as deferred. An engine that is not writing yet may do
     * it in the calling thread and call back from it, so the caller holds no lock that its
     * callbacks take, and waits for one write at most. NULL: the engine defers nothing.
     */
    void (*push)(struct engine *engine);

    /* size_hint: expected bytes, 0 if not known. Large bodies go to a spool as they come. */
    enum rc (*stage)(struct engine *engine, uint64_t account, uint64_t size_hint,
                     struct body_stage **out, struct err *err);
    enum rc (*stage_write)(struct body_stage *stage, struct slice bytes, struct err *err);
    uint64_t (*stage_length)(const struct body_stage *stage);
    /* Bytes staged so far, for a digest before the commit. At most len; RC_IO. */
    enum rc (*stage_read)(const struct body_stage *stage, uint64_t offset, char *out,
                          size_t len, struct err *err);
    /*
     * No more bytes: n stages that will go into one commit(). What is too long for the journal
     * becomes durable here, so that commit() need not wait for a disk with the account's lock
     * held; commit() does what was not done here. May be called again. RC_FULL, RC_IO: nothing
     * refers to the stages yet, they can only be freed.
     */
    enum rc (*stage_finish)(struct engine *engine, struct body_stage *const *stages, size_t n,
                            struct err *err);
    void (*stage_free)(struct body_stage *stage); /* NULL is allowed */

    /* A body of a group that commit() has taken, durable or not. RC_NOT_FOUND, RC_CORRUPT,
     * RC_IO. */
    enum rc (*body_open)(struct engine *engine, uint64_t account, uint64_t body_id,
                         struct body **out, struct err *err);
    uint64_t (*body_length)(const struct body *body);
    /* Exactly len bytes; offset + len <= length. Checksums of what is read are verified. */
    enum rc (*body_read)(const struct body *body, uint64_t offset, char *out, size_t len,
                         struct err *err);
    void (*body_close)(struct body *body); /* NULL is allowed */

    /* Derived data of a body; may be lost at any time. leaves: hints, in the order of the
     * body, not overlapping; an engine may store such a part once. get answers the core, with
     * the text behind it if that is wanted and there, or the text alone (empty: there is none),
     * or how the text begins; RC_NOT_FOUND: none of that version. */
    void (*digest_put)(struct engine *engine, uint64_t account, uint64_t body_id,
                       const struct digest_bytes *digest, const struct body_range *leaves,
                       size_t n_leaves);
    enum rc (*digest_get)(struct engine *engine, uint64_t account, uint64_t body_id,
                          uint32_t version, enum digest_wanted wanted, struct arena *arena,
                          struct slice *out);
    /* digest_get of many: what lies side by side is read side by side. Those that are kept are
     * told, in no order; about the others nothing is said. */
    void (*digest_scan)(struct engine *engine, const struct digest_scan *scan);
    /*
     * Bodies whose digests this start has most likely lost, since they were kept in memory for
     * a later pack: told once, by the first call for the account, as they came. fn may call the
     * engine. NULL: a start loses none.
     */
    void (*digests_lost)(struct engine *engine, uint64_t account,
                         void (*fn)(void *ctx, const struct body_info *body), void *ctx);

    /*
     * Derived blobs of an account, by name; one writer an account at a time. A blob appears
     * whole with derived_finish(), in place of one of the same name, or not at all; finish
     * frees the writer whatever it answers, drop gives it up (NULL is allowed). RC_FULL,
     * RC_UNAVAILABLE (this store keeps none now) and RC_IO harm nothing else. NULL, all of
     * them: the engine keeps nothing of the kind.
     */
    enum rc (*derived_begin)(struct engine *engine, uint64_t account,
                             const struct derived_name *name, struct derived_writer **out,
                             struct err *err);
    enum rc (*derived_write)(struct derived_writer *writer, struct slice bytes,
                             struct err *err);
    enum rc (*derived_finish)(struct derived_writer *writer, struct err *err);
    void (*derived_drop)(struct derived_writer *writer);
    /* Every blob of the account, in no order, until fn answers false. */
    enum rc (*derived_list)(struct engine *engine, uint64_t account,
                            bool (*fn)(void *ctx, const struct derived_name *name), void *ctx,
                            struct err *err);
    /* An open blob stays readable when it is replaced or removed. RC_NOT_FOUND, RC_CORRUPT,
     * RC_IO. Any number of threads may read from one. */
    enum rc (*derived_open)(struct engine *engine, uint64_t account,
                            const struct derived_name *name, struct derived **out,
                            struct err *err);
    uint64_t (*derived_length)(const struct derived *derived);
    /* Exactly len bytes; offset + len <= length. RC_CORRUPT, RC_IO. */
    enum rc (*derived_read)(const struct derived *derived, uint64_t offset, char *out,
                            size_t len, struct err *err);
    void (*derived_close)(struct derived *derived); /* NULL is allowed */
    /* One that is not there is removed already. */
    enum rc (*derived_remove)(struct engine *engine, uint64_t account,
                              const struct derived_name *name, struct err *err);

    /* The pages of a durable version and its position, durable as one when it returns. */
    enum rc (*write_pages)(struct engine *engine, uint64_t account, uint64_t position,
                           const struct page_batch *batch, struct err *err);

    /*
     * Which bodies live: those that the account's durable version names, n ids, ascending. Any
     * other body with an id below `below` (that version's next body id) is dead: its place and
     * its digest go, its bytes in time; one that is open stays readable. *out_missing: ids that
     * live and are nowhere, which is damage (each is logged). RC_NOT_FOUND: nothing of the
     * account is stored. May take long: holds no lock that a commit or a reader waits for.
     */
    enum rc (*keep_bodies)(struct engine *engine, uint64_t account, const uint64_t *ids,
                           size_t n, uint64_t below, uint64_t *out_missing, struct err *err);
    /* In proportion to the account's bodies. */
    enum rc (*account_space)(struct engine *engine, uint64_t account, struct account_space *out,
                             struct err *err);

    /* n UIDVALIDITY values never given before by this store, *out_first and up, at least now.
     * Durable. */
    enum rc (*uidvalidity)(struct engine *engine, uint32_t n, uint32_t *out_first,
                           struct err *err);

    /* Everything of the account goes: pages, bodies, journal memory. Its id is never used
     * again. */
    enum rc (*remove)(struct engine *engine, uint64_t account, struct err *err);

    /*
     * Every body of the account with this id or a greater one that can be found, in no order,
     * until fn answers false; dead ones that have not gone yet among them. A body that is on
     * its way from one place to another may be told twice. For the repair of an account. NULL:
     * the engine keeps nothing of the kind.
     */
    enum rc (*bodies)(struct engine *engine, uint64_t account, uint64_t from,
                      bool (*fn)(void *ctx, const struct body_info *body), void *ctx,
                      struct err *err);
    /* The position of the last group committed, of any account: write_pages() of an account
     * that is made anew covers everything up to there. */
    uint64_t (*newest)(struct engine *engine);

    /*
     * Read everything at rest and verify it, at the speed that watch->goes_on() allows. Each
     * finding is logged as well. RC_MORE: ended by goes_on(); RC_UNAVAILABLE: somebody else's
     * pass runs; RC_IO. NULL: nothing of this engine is at rest.
     */
    enum rc (*scrub)(struct engine *engine, const struct scrub_watch *watch,
                     uint64_t *out_bytes, uint64_t *out_findings, struct err *err);

    void (*status)(struct engine *engine, struct engine_status *out);
};

/* Each engine's own struct begins with this. */
struct engine {
    const struct engine_ops *ops;
};

#endif
