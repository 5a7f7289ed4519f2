/*
 * auth_stage.h - a running auth role between a gate, a mail, a gss and a supervisor that the
 * test plays: it has the other end of each channel, and a control socket as administrators
 * have.
 *
 * There are users u1 and u2 with the password file-secret, of the domain example.org and of
 * Kerberos's realm R. In the
 * end no secret may have stood in the log, and login lines have their keys in order.
 */
#ifndef ROOST_TESTS_AUTH_STAGE_H
#define ROOST_TESTS_AUTH_STAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/config.h"
#include "ipc/control.h"
#include "roles/role.h"

#define STAGE_WAIT_MS 20000 /* never reached by a server that answers */

struct auth_stage {
    char folder[32], users[64], socket[64], rules[64];
    struct config *config;
    struct role_start start;
    struct channel *supervisor, *gate, *mail, *gss;
    struct control *control;
    pthread_t thread;
    int listen_fd;
    /* Log events, secrets seen in them, and login lines whose keys fail2ban would not find. */
    _Atomic int n_ok, n_refused, n_secrets, n_out_of_order;
};

/* A case with a stage of its own, as *state. */
#define ON_STAGE(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
int stage_set_up(void **state);
/* As it is installed: account passwords of the database open no session (those of the file
 * do). */
#define ON_STAGE_AS_INSTALLED(test)                                                            \
    cmocka_unit_test_setup_teardown(test, stage_set_up_without_legacy, stage_tear_down)
int stage_set_up_without_legacy(void **state);
/* The same with rules about logins (auth/policy.h). */
int stage_set_up_with_rules(void **state, const char *rules);
int stage_tear_down(void **state);

/* The next message of the directory, or else the next that is none. */
const struct msg *stage_expect(struct channel *channel, enum msg_type type);
/* The next of the directory, whichever it is. */
const struct msg *stage_next_of_directory(struct channel *channel);
void stage_send(struct channel *channel, const struct msg *msg);

/* A login over TLS from 192.0.2.1; room holds its bytes. */
struct msg stage_login_of(uint64_t conn, const char *user, const char *secret, char room[256]);
void stage_try_login(struct auth_stage *stage, uint64_t conn, const char *user,
                     const char *secret);
/* Mail hears of the grant, the gate of the same nonce. Returns the account. */
uint64_t stage_expect_grant(struct auth_stage *stage, uint64_t conn, uint64_t device);
void stage_expect_fail(struct auth_stage *stage, uint64_t conn, enum auth_code code);

/* How a verb ended, and what its last rows said. */
struct stage_answer {
    enum rc rc;
    size_t n_rows;
    char user[64], device[32], password[64], state[32];
};

struct stage_answer stage_read_answer(struct auth_stage *stage);
struct stage_answer stage_ask(struct auth_stage *stage, const char *verb, const char *key1,
                              const char *value1, const char *key2, const char *value2);
struct stage_answer stage_ask_with_data(struct auth_stage *stage, const char *verb,
                                        const char *data);

/* Mail asks for a recipient. */
enum resolve_code stage_resolve(struct auth_stage *stage, const char *address, char user[64]);

#endif
