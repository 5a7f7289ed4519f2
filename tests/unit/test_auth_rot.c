/*
 * test_auth_rot.c - one bit of the credentials' files is flipped: the start or a check tells
 * it, nobody gets in who should not, and nobody is said not to exist.
 *
 * ROOST_LARGE=1 flips 20,000 bits; ROOST_SEED and ROOST_CASES choose
 * others.
 */
// links: auth
// lib: old_auth_db
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/admin.h"
#include "auth/db.h"
#include "lib/old_auth_db.h"
#include "lib/test.h"

#define USERS       120u
#define CASES       400u
#define CASES_LARGE 20000u
#define FILE_BYTES  ((size_t) 1 << 20)
#define PATH_BYTES  128u

struct user {
    char name[32], alias[32], domain[32];
    uint64_t id, device;
    struct app_verifier verifier;
};

struct scene {
    char folder[40];
    struct auth_db *db;
    struct arena *arena;
    struct user users[USERS];
    unsigned char *sealed; /* auth.db as a clean stop leaves it */
    size_t len;
};

static void path_of(const struct scene *scene, const char *name, char out[PATH_BYTES])
{
    (void) snprintf(out, PATH_BYTES, "%s/%s", scene->folder, name);
}

static size_t read_file(const struct scene *scene, const char *name, unsigned char *out)
{
    char path[PATH_BYTES];
    AUTO(closep) int fd = -1;
    ssize_t n;

    path_of(scene, name, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, out, FILE_BYTES);
    assert_true(fd >= 0 && n > 0 && n < (ssize_t) FILE_BYTES);
    return (size_t) n;
}

static void write_file(const struct scene *scene, const char *name, const unsigned char *bytes,
                       size_t len)
{
    char path[PATH_BYTES];
    AUTO(closep) int fd = -1;

    path_of(scene, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, len) == (ssize_t) len);
}

/* ---- the scene ---- */

static void add_user(struct scene *scene, unsigned number)
{
    struct user *user = &scene->users[number];
    struct auth_device device = {
        .name = SLICE("phone"), .scope = SCOPE_IMAP, .access = ACCESS_FULL};

    (void) snprintf(user->name, sizeof(user->name), "user%u@example.org", number);
    (void) snprintf(user->alias, sizeof(user->alias), "alias%u", number);
    (void) snprintf(user->domain, sizeof(user->domain), "d%u.example.net", number);
    memset(user->verifier.bytes, (int) number + 1, sizeof(user->verifier.bytes));
    assert_int_equal(auth_db_add_account(scene->db, slice_from_str(user->name), ACCOUNT_OWN,
                                         &user->id, NULL),
                     RC_OK);
    device.account_id = user->id;
    assert_int_equal(
        auth_db_add_device(scene->db, &device, &user->verifier, &user->device, NULL), RC_OK);
    assert_int_equal(auth_db_add_alias(scene->db, slice_from_str(user->alias), user->id, NULL),
                     RC_OK);
    assert_int_equal(
        auth_db_set_domain(scene->db, slice_from_str(user->domain), user->id, NULL), RC_OK);
}

static int make_scene(void **state)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));

    if (auth_init(NULL) != RC_OK)
        return -1;
    (void) snprintf(scene->folder, sizeof(scene->folder), "/dev/shm/roost-auth-rot-XXXXXX");
    if (mkdtemp(scene->folder) == NULL) {
        (void) snprintf(scene->folder, sizeof(scene->folder), "/tmp/roost-auth-rot-XXXXXX");
        assert_non_null(mkdtemp(scene->folder));
    }
    scene->arena = arena_new(ARENA_TEST_BYTES);
    scene->sealed = xmalloc(FILE_BYTES);
    assert_int_equal(auth_db_open(scene->folder, true, &scene->db, NULL), RC_OK);
    assert_int_equal(auth_db_begin(scene->db, NULL), RC_OK);
    for (unsigned i = 0; i < USERS; i++)
        add_user(scene, i);
    assert_int_equal(auth_db_commit(scene->db, NULL), RC_OK);
    auth_db_close(TAKE(scene->db));
    scene->len = read_file(scene, "auth.db", scene->sealed);
    *state = scene;
    return 0;
}

static int drop_scene(void **state)
{
    struct scene *scene = *state;
    const struct dirent *entry;
    DIR *dir;

    auth_db_close(scene->db);
    dir = opendir(scene->folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(rmdir(scene->folder), 0);
    arena_free(scene->arena);
    free(scene->sealed);
    free(scene);
    return 0;
}

/* ---- what a database says ---- */

struct said {
    unsigned right, refused;
};

/* The truth, or that it cannot be told. */
static bool note(struct said *said, enum rc rc, bool is_right)
{
    said->right += rc == RC_OK && is_right;
    said->refused += rc == RC_CORRUPT;
    return rc == RC_CORRUPT || (rc == RC_OK && is_right);
}

static bool ask_user(struct scene *scene, const struct user *user, struct said *said)
{
    struct app_verifier wrong = user->verifier;
    struct auth_account account = {0};
    struct auth_device device = {0};
    uint64_t alias = 0, domain = 0;
    enum rc rc;
    bool ok;

    arena_reset(scene->arena);
    rc = auth_db_find_account(scene->db, slice_from_str(user->name), scene->arena, &account,
                              NULL);
    ok = note(said, rc,
              account.id == user->id && account.state == ACCOUNT_ENABLED &&
                  account.password.len == 0);
    rc = auth_db_find_device(scene->db, user->id, &user->verifier, scene->arena, &device, NULL);
    ok = note(said, rc, device.id == user->device && device.revoked == 0) && ok;
    wrong.bytes[7] ^= 1;
    rc = auth_db_find_device(scene->db, user->id, &wrong, scene->arena, &device, NULL);
    ok = (rc == RC_NOT_FOUND || rc == RC_CORRUPT) && ok;
    rc = auth_db_find_alias(scene->db, slice_from_str(user->alias), &alias, NULL);
    ok = note(said, rc, alias == user->id) && ok;
    rc = auth_db_find_domain(scene->db, slice_from_str(user->domain), &domain, NULL);
    return note(said, rc, domain == user->id) && ok;
}

static bool count_account(void *ctx, const struct auth_account *account)
{
    unsigned *n = ctx;

    (void) account;
    ++*n;
    return true;
}

static void ask_everything(struct scene *scene, const char *what, struct said *said)
{
    unsigned listed = 0;
    enum rc rc;

    for (unsigned i = 0; i < USERS; i++) {
        if (!ask_user(scene, &scene->users[i], said))
            fail_msg("%s: of user %u it says what is not so", what, i);
    }
    rc = auth_db_each_account(scene->db, SLICE(""), count_account, &listed, NULL);
    if (rc == RC_OK ? listed != USERS : rc != RC_CORRUPT)
        fail_msg("%s: a list of %u accounts, rc %d", what, listed, (int) rc);
}

static void remove_log(const struct scene *scene)
{
    char path[PATH_BYTES];

    path_of(scene, "auth.db-wal", path);
    (void) unlink(path); /* seldom there */
}

/* ---- the cases ---- */

struct tally {
    unsigned flips, not_opened, found, refusals;
};

static void flip_one(struct scene *scene, uint64_t bit, struct tally *tally)
{
    struct db_damage damage = {0};
    struct said said = {0};
    char what[64];
    enum rc rc;

    (void) snprintf(what, sizeof(what), "auth.db bit %llu", (unsigned long long) bit);
    scene->sealed[bit / 8] ^= (unsigned char) (1u << (bit % 8));
    remove_log(scene);
    write_file(scene, "auth.db", scene->sealed, scene->len);
    scene->sealed[bit / 8] ^= (unsigned char) (1u << (bit % 8));
    tally->flips++;
    rc = auth_db_open(scene->folder, false, &scene->db, NULL);
    if (rc) {
        if (rc != RC_CORRUPT && rc != RC_INVALID)
            fail_msg("%s: the open answers %d", what, (int) rc);
        tally->not_opened++;
        return;
    }
    ask_everything(scene, what, &said);
    tally->refusals += said.refused;
    if (auth_db_check(scene->db, &damage, NULL) != RC_OK || damage.damaged != 1 ||
        damage.first != bit / 8 / AUTH_PAGE_BYTES + 1)
        fail_msg("%s: %llu of %llu pages are told, the first is %u", what,
                 (unsigned long long) damage.damaged, (unsigned long long) damage.pages,
                 damage.first);
    tally->found++;
    auth_db_close(TAKE(scene->db));
}

static unsigned env_number(const char *name, unsigned fallback)
{
    const char *text = getenv(name);

    return text != NULL && text[0] != '\0' ? (unsigned) strtoul(text, NULL, 10) : fallback;
}

static void a_flipped_bit_of_the_database_is_told(void **state)
{
    struct scene *scene = *state;
    unsigned n = env_number("ROOST_CASES", getenv("ROOST_LARGE") != NULL ? CASES_LARGE : CASES);
    uint64_t x = env_number("ROOST_SEED", 1) * 0x9e3779b97f4a7c15u;
    struct tally tally = {0};

    for (unsigned i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        /* every eighth in what SQLite reads first */
        flip_one(scene, (x >> 12) % ((i % 8 == 0 ? 128 : scene->len) * 8), &tally);
    }
    print_message("%u flips in %zu pages: %u refused at the start, %u found by the check; %u "
                  "questions not answered; 0 wrong answers\n",
                  tally.flips, scene->len / AUTH_PAGE_BYTES, tally.not_opened, tally.found,
                  tally.refusals);
    write_file(scene, "auth.db", scene->sealed, scene->len);
}

static void a_page_in_anothers_place_is_told(void **state)
{
    struct scene *scene = *state;
    unsigned char *swapped = xmalloc(scene->len);
    size_t a = scene->len / AUTH_PAGE_BYTES / 2 * AUTH_PAGE_BYTES, b = a + AUTH_PAGE_BYTES;
    struct db_damage damage = {0};
    struct said said = {0};

    memcpy(swapped, scene->sealed, scene->len);
    memcpy(swapped + a, scene->sealed + b, AUTH_PAGE_BYTES);
    memcpy(swapped + b, scene->sealed + a, AUTH_PAGE_BYTES);
    write_file(scene, "auth.db", swapped, scene->len);
    free(swapped);
    assert_int_equal(auth_db_open(scene->folder, false, &scene->db, NULL), RC_OK);
    ask_everything(scene, "two pages swapped", &said);
    assert_int_equal(auth_db_check(scene->db, &damage, NULL), RC_OK);
    assert_int_equal(damage.damaged, 2);
    auth_db_close(TAKE(scene->db));
    write_file(scene, "auth.db", scene->sealed, scene->len);
}

static void each_flipped_bit_of_the_pepper_is_told(void **state)
{
    struct scene *scene = *state;
    unsigned char *pepper = xmalloc(FILE_BYTES);
    size_t len = read_file(scene, "pepper.key", pepper);

    for (size_t bit = 0; bit < len * 8; bit++) {
        pepper[bit / 8] ^= (unsigned char) (1u << (bit % 8));
        write_file(scene, "pepper.key", pepper, len);
        assert_int_equal(auth_db_open(scene->folder, false, &scene->db, NULL), RC_CORRUPT);
        pepper[bit / 8] ^= (unsigned char) (1u << (bit % 8));
    }
    write_file(scene, "pepper.key", pepper, len);
    free(pepper);
    assert_int_equal(auth_db_open(scene->folder, false, &scene->db, NULL), RC_OK);
    auth_db_close(TAKE(scene->db));
}

static void expect_all_sound(struct scene *scene)
{
    struct db_damage damage = {0};
    struct said said = {0};

    ask_everything(scene, "a sound database", &said);
    assert_int_equal(said.right, 4 * USERS);
    assert_int_equal(auth_db_check(scene->db, &damage, NULL), RC_OK);
    assert_int_equal(damage.damaged, 0);
    assert_true(damage.pages >= scene->len / AUTH_PAGE_BYTES - 1);
}

/* Pages that were changed and never written since have no checksum of their own yet. */
static void a_copy_is_sound_before_the_log_is_taken_over(void **state)
{
    struct scene *scene = *state;
    char copy[PATH_BYTES], path[PATH_BYTES];

    assert_int_equal(auth_db_open(scene->folder, false, &scene->db, NULL), RC_OK);
    assert_int_equal(auth_db_set_domain(scene->db, SLICE("new.example.org"), 0, NULL), RC_OK);
    assert_int_equal(auth_db_copy(scene->db, NULL), RC_OK);
    auth_db_close(TAKE(scene->db));
    path_of(scene, AUTH_COPY_NAME, copy);
    path_of(scene, "auth.db", path);
    assert_int_equal(rename(copy, path), 0);
    assert_int_equal(auth_db_open(scene->folder, false, &scene->db, NULL), RC_OK);
    expect_all_sound(scene);
    auth_db_close(TAKE(scene->db));
}

static void an_older_database_gets_checksums(void **state)
{
    struct scene *scene = *state;
    char path[PATH_BYTES];
    struct db_head head;

    old_auth_db_make(scene->folder, 2, "DELETE FROM migrations WHERE version > 2");
    path_of(scene, "auth.db", path);
    assert_int_equal(db_head_read(path, &head, NULL), RC_OK);
    assert_int_equal(head.reserved, 0);
    assert_int_equal(auth_db_open(scene->folder, false, &scene->db, NULL), RC_OK);
    expect_all_sound(scene);
    auth_db_close(TAKE(scene->db));
    assert_int_equal(db_head_read(path, &head, NULL), RC_OK);
    assert_int_equal(head.reserved, AUTH_SUM_BYTES);
    assert_int_equal(head.version, AUTH_DB_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_of_the_database_is_told),
        cmocka_unit_test(a_page_in_anothers_place_is_told),
        cmocka_unit_test(each_flipped_bit_of_the_pepper_is_told),
        cmocka_unit_test(a_copy_is_sound_before_the_log_is_taken_over),
        cmocka_unit_test(an_older_database_gets_checksums),
    };

    return cmocka_run_group_tests(tests, make_scene, drop_scene);
}
