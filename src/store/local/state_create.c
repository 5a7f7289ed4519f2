/*
 * state_create.c - the state's first file.
 *
 * LMDB writes the two pages of a new file without a sync and never syncs its name, so a cut
 * soon after leaves a file that LMDB itself refuses. So the file is made once, with the store,
 * and durable in content and name before the superblock says that there is a store; afterwards
 * LMDB's own order of writes holds, and a missing file is damage.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include "store/local/layout.h"
#include "store/local/state.h"

#define CREATE_PATH_BYTES 4096u
#define CREATE_MAP_BYTES  ((size_t) 1 << 20) /* for as long as the file is empty */

/* What an attempt that was cut has left. */
static int remove_old(int root)
{
    static const char *const names[] = {"state/data.mdb", "state/lock.mdb"};

    for (size_t i = 0; i < COUNT(names); i++) {
        if (unlinkat(root, names[i], 0) != 0 && errno != ENOENT)
            return errno;
    }
    return 0;
}

static int make_file(const char *dir)
{
    MDB_env *env = NULL;
    int code = mdb_env_create(&env);

    if (code == 0)
        code = mdb_env_set_mapsize(env, CREATE_MAP_BYTES);
    if (code == 0)
        code = mdb_env_open(env, dir, MDB_NOTLS, 0600);
    if (code == 0)
        code = mdb_env_sync(env, 1);
    if (env != NULL)
        mdb_env_close(env);
    return code;
}

enum rc state_create(const char *path, int root, struct err *err)
{
    char dir[CREATE_PATH_BYTES];
    AUTO(closep) int fd = -1;
    int code = remove_old(root);

    if (code == 0 && snprintf(dir, sizeof(dir), "%s/state", path) >= (int) sizeof(dir))
        code = ENAMETOOLONG;
    if (code == 0)
        code = make_file(dir);
    if (code != 0)
        return err_set(err, code == ENOSPC || code == EDQUOT ? RC_FULL : RC_IO,
                       "Storage failure", "make the state: %s", mdb_strerror(code));
    fd = openat(root, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return file_error(err, "state");
    return layout_sync_dir(fd, err);
}
