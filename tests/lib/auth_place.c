/* auth_place.c - see auth_place.h. */
#include "lib/auth_place.h"

#include <dirent.h>
#include <unistd.h>

#include "auth/admin.h"
#include "lib/test.h"

int place_start(void **state)
{
    (void) state;
    return auth_init(NULL) == RC_OK ? 0 : -1;
}

int place_make(void **state)
{
    struct place *place = xcalloc(1, sizeof(*place));

    (void) snprintf(place->folder, sizeof(place->folder), "/tmp/roost-test-auth-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    assert_int_equal(auth_db_open(place->folder, true, &place->db, NULL), RC_OK);
    place->arena = arena_new(ARENA_TEST_BYTES);
    *state = place;
    return 0;
}

int place_drop(void **state)
{
    struct place *place = *state;
    DIR *dir;
    const struct dirent *entry;

    auth_db_close(place->db);
    arena_free(place->arena);
    dir = opendir(place->folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(rmdir(place->folder), 0);
    free(place);
    return 0;
}

uint64_t place_add(struct place *place, const char *name)
{
    uint64_t id = 0;

    assert_int_equal(
        auth_db_add_account(place->db, slice_from_str(name), ACCOUNT_OWN, &id, NULL), RC_OK);
    assert_int_not_equal(id, 0);
    return id;
}

void plain_claim(struct sasl *sasl, const char *authzid, const char *user, const char *secret)
{
    AUTO(buf_done) struct buf message = {.max = 4096}, out = {.max = 16};
    struct slice bytes;

    buf_str(&message, authzid);
    buf_byte(&message, '\0');
    buf_str(&message, user);
    buf_byte(&message, '\0');
    buf_str(&message, secret);
    bytes = buf_slice(&message);
    assert_int_equal(sasl_init(sasl, SLICE("PLAIN"), NULL), RC_OK);
    assert_int_equal(sasl_start(sasl, &bytes, &out, NULL), RC_OK);
}
