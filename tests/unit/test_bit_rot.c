/*
 * test_bit_rot.c - one bit of a sealed store is flipped, whichever file it lies in: what the
 * store then says is the truth, or that it is damaged. Never other bytes, never an account that
 * looks new or a mailbox that looks empty, never a crash, and never a word against an account
 * whose bytes are sound.
 *
 * Each case runs in a child of its own: opens the store, reads everything, and tells one line.
 * ROOST_LARGE=1 flips 10,000 bits; ROOST_SEED and ROOST_CASES choose others.
 */
// links: mailbox store_memory store_local
// lib: mail_world
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/random.h"
#include "lib/mail_world.h"
#include "lib/test.h"
#include "mailbox/message.h"
#include "store/local/dict.h"
#include "store/local/state.h"

#define ACCOUNTS          6u
#define MESSAGES          70u
#define FILES_MAX         256u
#define CASES             300u
#define CASES_LARGE       10000u
#define STATE_PAGE_BYTES  4096u
#define STATE_META_BYTES  152u
#define STATE_HEAD_BYTES  96u
#define STATE_COUNT_AT    12u
#define STATE_COUNT_BYTES 4u
#define CHILD_SEC         60u
#define SEGMENT_BYTES     ((uint64_t) 256 << 10)
#define SAMPLES           2000u
#define SAMPLE_BYTES      400u
#define LONG_BYTES        ((size_t) 200 << 10) /* a body of several blocks */
#define SPILLED_BYTES     ((size_t) 5 << 20)   /* beyond what a group keeps inline */

struct file {
    char name[512]; /* below the store */
    uint64_t bytes;
};

struct scene {
    struct mail_world world;
    char sealed[80]; /* a copy of the closed store */
    struct file files[FILES_MAX];
    size_t n_files;
    uint64_t truth[ACCOUNTS];
};

/* What a child found; in memory that it shares. */
struct outcome {
    bool opened, damage_told, scrubbed, done;
    uint64_t found; /* by the scrubber */
    bool loads[ACCOUNTS], same[ACCOUNTS];
    bool refused[ACCOUNTS]; /* of an account that loads: something of it is refused */
    char detail[200];
};

static struct outcome *shared;

/* ---- a store with everything in it ---- */

static char *text_of(uint64_t seed, size_t len)
{
    char *text = xmalloc(len + 1);
    size_t at = (size_t) snprintf(text, len, "Subject: message %llu\r\n\r\n",
                                  (unsigned long long) seed);

    for (uint64_t x = seed * 2 + 1; at < len; at++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        text[at] = at % 78 == 77 ? '\n' : (char) ('a' + (x >> 40) % 26);
    }
    text[len] = '\0';
    return text;
}

static void add_messages(struct mail_world *world, uint64_t id, unsigned from, unsigned n)
{
    struct account *account = world_account(world, id);
    uint64_t position = 0;

    for (unsigned i = from; i < from + n; i++) {
        AUTO(freep) char *text = text_of(id * 1000 + i, 300 + (size_t) (i * 97 % 5000));

        (void) world_append(account, i % 3 == 0 ? "Sent" : "INBOX", text, &position);
    }
    account_wait_durable(account, position);
    account_close(account);
}

/* A dictionary for the packs that are to come, of what the messages begin with. */
static void train(struct mail_world *world)
{
    AUTO(freep) char *samples = xmalloc((size_t) SAMPLES * SAMPLE_BYTES);
    AUTO(freep) size_t *lens = xcalloc(SAMPLES, sizeof(*lens));
    struct dicts *dicts = local_of(world->engine)->dicts;
    const struct dict *dict;
    struct err err;

    for (unsigned i = 0; i < SAMPLES; i++) {
        AUTO(freep) char *text = text_of(i % 64, SAMPLE_BYTES);

        lens[i] = SAMPLE_BYTES;
        memcpy(samples + (size_t) i * SAMPLE_BYTES, text, SAMPLE_BYTES);
    }
    if (dicts_train(dicts, samples, lens, SAMPLES, &dict, &err) != RC_OK)
        fail_msg("%s", err.detail);
    dicts_unpin(dicts, dict);
}

static bool has_dictionary(const struct scene *scene)
{
    for (size_t i = 0; i < scene->n_files; i++) {
        if (strstr(scene->files[i].name, ".dict") != NULL)
            return true;
    }
    return false;
}

static void add_long(struct mail_world *world, uint64_t id, size_t len)
{
    struct account *account = world_account(world, id);
    AUTO(freep) char *text = text_of(id, len);
    uint64_t position;

    (void) world_append(account, "Archive", text, &position);
    account_wait_durable(account, position);
    account_close(account);
}

static void change_flags(struct mail_world *world, uint64_t id)
{
    struct account *account = world_account(world, id);
    uint32_t inbox = world_mailbox_id(account, "INBOX", 0);
    uint64_t position = 0;

    for (uint32_t uid = 1; uid < 20; uid += 3)
        position = world_flag(account, inbox, uid, FLAG_OP_ADD, FLAG_SEEN);
    (void) world_expunge(account, inbox, 5, 6);
    account_wait_durable(account, position);
    account_close(account);
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char name[1024];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            remove_tree(name);
    }
    if (dir != NULL)
        (void) closedir(dir);
    (void) rmdir(path);
}

static void copy_file(const char *from, const char *to, uint64_t len)
{
    AUTO(closep) int in = open(from, O_RDONLY | O_CLOEXEC);
    AUTO(closep) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(in >= 0 && out >= 0);
    while (len > 0) {
        ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t) len, 0);

        assert_true(n > 0);
        len -= (uint64_t) n;
    }
}

/* Hold nothing: zeros to be written to, and what LMDB makes at each start. */
static bool is_dead_file(const char *name)
{
    return strcmp(name, "ballast") == 0 || strcmp(name, "lock.mdb") == 0 ||
           strstr(name, ".spare") != NULL;
}

/* Copies the tree, and notes its files when scene is given. */
static void copy_tree(const char *from, const char *to, const char *below, struct scene *scene)
{
    char path[1024], target[1024], name[512];
    const struct dirent *entry;
    DIR *dir;

    (void) snprintf(path, sizeof(path), "%s/%s", from, below);
    (void) snprintf(target, sizeof(target), "%s/%s", to, below);
    (void) mkdir(target, 0700);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void) snprintf(name, sizeof(name), "%s%s%s", below, below[0] != '\0' ? "/" : "",
                        entry->d_name);
        (void) snprintf(path, sizeof(path), "%s/%s", from, name);
        (void) snprintf(target, sizeof(target), "%s/%s", to, name);
        assert_int_equal(lstat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            copy_tree(from, to, name, scene);
            continue;
        }
        if (is_dead_file(entry->d_name))
            continue;
        copy_file(path, target, (uint64_t) st.st_size);
        if (scene != NULL && st.st_size > 0) {
            struct file *file = &scene->files[scene->n_files++];

            assert_true(scene->n_files < FILES_MAX);
            (void) snprintf(file->name, sizeof(file->name), "%s", name);
            file->bytes = (uint64_t) st.st_size;
        }
    }
    (void) closedir(dir);
}

static struct local_options small(void)
{
    return (struct local_options){.segment_bytes = SEGMENT_BYTES,
                                  .first_segment_bytes = SEGMENT_BYTES};
}

/* ---- reading everything ---- */

static enum rc hash_message(struct account *account, const struct msg_cold *cold,
                            XXH3_state_t *hash, struct err *err)
{
    AUTO(message_closep)
    struct message *message = message_open(account, cold->body_id, cold->size);
    AUTO(buf_done) struct buf bytes = {.max = SPILLED_BYTES * 2};
    enum rc rc = message_read(message, 0, cold->size, &bytes, err);

    if (!rc)
        (void) XXH3_64bits_update(hash, bytes.ptr, bytes.len);
    return rc;
}

static enum rc hash_mailbox(struct account *account, uint32_t mbox_id, XXH3_state_t *hash,
                            struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = NULL;
    const struct mbox *mbox;
    enum rc rc = account_read_mailbox(account, 0, mbox_id, &state, err);
    enum rc first = RC_OK;

    if (rc)
        return rc;
    mbox = acct_mailbox_by_id(state, mbox_id);
    if (mbox_counts(mbox)->messages > 0)
        rc = account_need_rows(account, state, mbox, 0, mbox_counts(mbox)->messages - 1, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < mbox_counts(mbox)->messages; i++) {
        const struct msg_cold *cold = mbox_cold(mbox, i);
        uint64_t row[6] = {mbox_uid(mbox, i),    mbox_flags(mbox, i),
                           mbox_modseq(mbox, i), (uint64_t) cold->internaldate,
                           cold->size,           cold->body_id};

        (void) XXH3_64bits_update(hash, row, sizeof(row));
        rc = hash_message(account, cold, hash, err);
        if (rc && !first)
            first = rc;
    }
    return first;
}

/* Everything a client can see of the account. RC_CORRUPT: some of it is refused. */
static enum rc hash_account(struct account *account, uint64_t *out, struct err *err)
{
    AUTO(acct_unrefp) struct acct_state *state = account_read(account, 0);
    XXH3_state_t *hash = XXH3_createState();
    enum rc first = RC_OK;

    (void) XXH3_64bits_reset(hash);
    for (size_t i = 0; i < acct_mailbox_count(state); i++) {
        const struct mbox *mbox = acct_mailbox_at(state, i);
        const struct mbox_info *info = mbox_info(mbox);
        uint64_t row[4] = {info->id, info->uidvalidity, mbox_counts(mbox)->messages,
                           mbox_counts(mbox)->highestmodseq};
        enum rc rc;

        (void) XXH3_64bits_update(hash, row, sizeof(row));
        (void) XXH3_64bits_update(hash, info->name.ptr, info->name.len);
        rc = hash_mailbox(account, info->id, hash, err);
        if (rc && !first)
            first = rc;
    }
    *out = XXH3_64bits_digest(hash);
    (void) XXH3_freeState(hash);
    return first;
}

/* ---- a case ---- */

static void on_event(void *ctx, enum log_level level, const char *event,
                     const struct log_field *fields, size_t n)
{
    (void) ctx;
    (void) fields;
    (void) n;
    if (level == LEVEL_ERROR && strncmp(event, "store.", 6) == 0)
        shared->damage_told = true;
}

static void read_accounts(const struct scene *scene, struct mail_world *world)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct account *account = NULL;
        uint64_t hash = 0;
        struct err err;
        enum rc rc = account_open(world->store, i + 1, true, &account, &err);

        shared->loads[i] = rc == RC_OK;
        if (rc == RC_OK) {
            rc = hash_account(account, &hash, &err);
            shared->refused[i] = rc != RC_OK;
            shared->same[i] = hash == scene->truth[i];
            account_close(account);
        }
        if (rc && shared->detail[0] == '\0')
            (void) snprintf(shared->detail, sizeof(shared->detail), "%u: %s", i + 1,
                            err.detail);
    }
}

static bool goes_on(void *ctx, uint64_t bytes)
{
    (void) ctx;
    (void) bytes;
    return true;
}

/* The child: never returns. */
static void run_child(const struct scene *scene)
{
    struct mail_world world = {0};
    struct local_options options = small();
    struct engine *engine;
    uint64_t bytes;
    struct err err;

    (void) alarm(CHILD_SEC);
    log_set_sink(on_event, NULL);
    options.path = scene->world.path;
    options.map_bytes = (uint64_t) 256 << 20;
    if (local_engine_open(&options, &engine, &err) != RC_OK) {
        (void) snprintf(shared->detail, sizeof(shared->detail), "%s", err.detail);
        shared->done = true;
        _exit(0);
    }
    shared->opened = true;
    world_adopt(&world, engine);
    read_accounts(scene, &world);
    if (engine->ops->scrub(engine, &(struct scrub_watch){NULL, goes_on, NULL}, &bytes,
                           &shared->found, &err) != RC_OK)
        (void) snprintf(shared->detail, sizeof(shared->detail), "scrub: %s", err.detail);
    else
        shared->scrubbed = true;
    shared->done = true;
    world_close(&world);
    _exit(0);
}

static void flip(const struct scene *scene, const struct file *file, uint64_t bit)
{
    char path[1024];
    unsigned char byte = 0;
    int fd;

    (void) snprintf(path, sizeof(path), "%s/%s", scene->world.path, file->name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && pread(fd, &byte, 1, (off_t) (bit / 8)) == 1);
    byte ^= (unsigned char) (1u << (bit % 8));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t) (bit / 8)), 1);
    (void) close(fd);
}

struct tally {
    unsigned cases, told, harmless, accounts_out, messages_out;
};

static void judge(const struct file *file, uint64_t bit, int status, struct tally *tally)
{
    const struct outcome *out = shared;
    unsigned touched = 0;

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s bit %llu: the process ended with %d after \"%s\"", file->name,
                 (unsigned long long) bit, status, out->detail);
    if (out->opened && !out->scrubbed)
        fail_msg("%s bit %llu: %s", file->name, (unsigned long long) bit, out->detail);
    if (!out->opened)
        fail_msg("%s bit %llu: the store does not open: %s", file->name,
                 (unsigned long long) bit, out->detail);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        if (out->loads[i] && !out->refused[i] && !out->same[i])
            fail_msg("%s bit %llu: account %u says what is not so", file->name,
                     (unsigned long long) bit, i + 1);
        touched += !out->loads[i] || out->refused[i];
        tally->accounts_out += !out->loads[i];
        tally->messages_out += out->loads[i] && out->refused[i];
    }
    if (touched > 1)
        fail_msg("%s bit %llu: %u accounts are concerned: %s", file->name,
                 (unsigned long long) bit, touched, out->detail);
    tally->cases++;
    tally->told += touched > 0 || (out->damage_told || out->found > 0);
    tally->harmless += touched == 0 && !out->damage_told && out->found == 0;
    if (touched == 0 && !out->damage_told && out->found == 0 && getenv("ROOST_VERBOSE") != NULL)
        print_message("dead space: %s byte %llu of %llu\n", file->name,
                      (unsigned long long) bit / 8, (unsigned long long) file->bytes);
}

static void run_case(const struct scene *scene, const struct file *file, uint64_t bit,
                     struct tally *tally)
{
    int status = 0;
    pid_t child;

    remove_tree(scene->world.path);
    copy_tree(scene->sealed, scene->world.path, "", NULL);
    flip(scene, file, bit);
    memset(shared, 0, sizeof(*shared));
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_child(scene);
    assert_int_equal(waitpid(child, &status, 0), child);
    judge(file, bit, status, tally);
}

/* ---- the scene ---- */

/* In memory where that is: a case is some thousand writes and nothing of them must last. */
static void make_folder(char *path, size_t len)
{
    struct err err;

    (void) snprintf(path, len, "/dev/shm/roost-rot-XXXXXX");
    if (mkdtemp(path) == NULL) {
        (void) snprintf(path, len, "/tmp/roost-rot-XXXXXX");
        assert_non_null(mkdtemp(path));
    }
    if (local_store_create(path, &err) != RC_OK)
        fail_msg("%s", err.detail);
}

static void make_scene(struct scene *scene)
{
    struct local_options options = small();

    memset(scene, 0, sizeof(*scene));
    make_folder(scene->world.path, sizeof(scene->world.path));
    world_open_local(&scene->world, &options);
    train(&scene->world);
    for (uint64_t id = 1; id <= ACCOUNTS; id++)
        add_messages(&scene->world, id, 0, MESSAGES);
    for (uint64_t id = 1; id <= ACCOUNTS; id++)
        change_flags(&scene->world, id);
    add_long(&scene->world, 1, LONG_BYTES);
    world_close(&scene->world);
    world_open_local(&scene->world, &options);
    for (uint64_t id = 1; id <= ACCOUNTS; id++)
        add_messages(&scene->world, id, MESSAGES, MESSAGES / 4);
    add_long(&scene->world, 2, SPILLED_BYTES);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct account *account = world_account(&scene->world, i + 1);
        struct err err;

        if (hash_account(account, &scene->truth[i], &err) != RC_OK)
            fail_msg("%s", err.detail);
        account_close(account);
    }
    world_close(&scene->world);
    (void) snprintf(scene->sealed, sizeof(scene->sealed), "%s.sealed", scene->world.path);
    copy_tree(scene->world.path, scene->sealed, "", scene);
    assert_true(has_dictionary(scene));
}

static void scene_done(struct scene *scene)
{
    remove_tree(scene->world.path);
    remove_tree(scene->sealed);
}

static unsigned env_number(const char *name, unsigned fallback)
{
    const char *text = getenv(name);

    return text != NULL && text[0] != '\0' ? (unsigned) strtoul(text, NULL, 10) : fallback;
}

/*
 * Every other bit lies in the state, half of those where a page says what it is; the rest in
 * the other files in turn, so that a small one is met as often as a large one.
 */
static const struct file *choose(const struct scene *scene, unsigned i, uint64_t x,
                                 uint64_t *out_bit)
{
    const struct file *file = &scene->files[i / 2 % scene->n_files];

    for (size_t k = 0; i % 2 == 0 && k < scene->n_files; k++) {
        if (strcmp(scene->files[k].name, "state/data.mdb") == 0)
            file = &scene->files[k];
    }
    *out_bit = x % (file->bytes * 8);
    if (i % 4 == 0)
        *out_bit = x % (file->bytes / STATE_PAGE_BYTES) * STATE_PAGE_BYTES * 8 +
                   (x >> 32) % (STATE_HEAD_BYTES * 8);
    if (i % 16 == 8) /* what a page says of itself: how many nodes, or pages behind it */
        *out_bit = x % (file->bytes / STATE_PAGE_BYTES) * STATE_PAGE_BYTES * 8 +
                   (STATE_COUNT_AT + (x >> 32) % STATE_COUNT_BYTES) * 8 + (x >> 40) % 8;
    if (i % 16 == 4) /* a meta page */
        *out_bit = x % 2 * STATE_PAGE_BYTES * 8 + (x >> 32) % (STATE_META_BYTES * 8);
    return file;
}

/* The name of each table, wherever the state has it: a row says itself which table it is of. */
static void flip_names(const struct scene *scene, const struct file *file, struct tally *tally)
{
    AUTO(freep) char *bytes = xcalloc(1, (size_t) file->bytes);
    char path[1024];
    AUTO(closep) int fd = -1;

    (void) snprintf(path, sizeof(path), "%s/%s", scene->sealed, file->name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, bytes, (size_t) file->bytes) == (ssize_t) file->bytes);
    for (unsigned i = 0; i < STATE_TABLES; i++) {
        struct slice name = slice_from_str(state_table_name((enum state_table) i));
        struct slice rest = slice_of(bytes, (size_t) file->bytes);

        for (;;) {
            size_t at = slice_search(rest, name);

            if (at >= rest.len)
                break;
            rest = slice_from(rest, at + 1);
            run_case(scene, file, (uint64_t) (rest.ptr - bytes) * 8, tally);
        }
    }
}

static void a_flipped_bit_is_told_or_does_nothing(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    unsigned n = env_number("ROOST_CASES", getenv("ROOST_LARGE") != NULL ? CASES_LARGE : CASES);
    uint64_t x = env_number("ROOST_SEED", 1) * 0x9e3779b97f4a7c15u;
    struct tally tally = {0};

    (void) state;
    shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    make_scene(scene);
    for (unsigned i = 0; i < n; i++) {
        const struct file *file;
        uint64_t bit;

        x = x * 6364136223846793005u + 1442695040888963407u;
        file = choose(scene, i, x >> 12, &bit);
        run_case(scene, file, bit, &tally);
    }
    for (size_t i = 0; i < scene->n_files; i++)
        if (strcmp(scene->files[i].name, "state/data.mdb") == 0)
            flip_names(scene, &scene->files[i], &tally);
    print_message("%u flips in %zu files: %u told, %u in dead space; %u accounts, %u with "
                  "messages refused; 0 crashes, 0 wrong bytes\n",
                  tally.cases, scene->n_files, tally.told, tally.harmless, tally.accounts_out,
                  tally.messages_out);
    scene_done(scene);
    free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_is_told_or_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
