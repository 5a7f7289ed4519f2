/*
 * make_data.c - a data directory as `roost init` leaves it, for the integration tests:
 *
 *     make_data CONFIG USER      prints USER's app password
 */
#include "auth/admin.h"
#include "config/config.h"
#include "roles/data_dir.h"
#include "roles/role.h"

static enum rc make(const struct config *config, const char *user, struct admin_device *out,
                    struct err *err)
{
    AUTO(auth_db_closep) struct auth_db *db = NULL;
    char folder[4096];
    enum rc rc = data_dir_prepare(config, err);

    (void) snprintf(folder, sizeof(folder), "%s/" ROLE_AUTH_DIR, config->data_dir);
    if (rc == RC_OK)
        rc = data_dir_create_store(config, err);
    if (rc == RC_OK)
        rc = auth_init(err);
    if (rc == RC_OK)
        rc = auth_admin_create(folder, err);
    if (rc == RC_OK)
        rc = auth_db_open(folder, false, &db, err);
    if (rc == RC_OK)
        rc = auth_admin_add_user(db, slice_from_str(user), SLICE("test"), out, err);
    if (rc == RC_OK)
        rc = auth_admin_add_scram(db, out, err);
    if (rc == RC_OK)
        rc = auth_admin_hand_over(folder, err);
    return rc;
}

int main(int argc, char **argv)
{
    AUTO(config_freep) struct config *config = NULL;
    struct config_errors errors = {.n = 0};
    struct admin_device device;
    struct err err;

    if (argc != 3 || config_read(argv[1], &config, &errors)) {
        (void) fprintf(stderr, "make_data: %s\n",
                       errors.n > 0 ? errors.list[0].text : "usage: make_data CONFIG USER");
        return 2;
    }
    if (make(config, argv[2], &device, &err)) {
        (void) fprintf(stderr, "make_data: %s\n", err.detail);
        return 1;
    }
    (void) printf("%s\n", device.password);
    admin_device_wipe(&device);
    return 0;
}
