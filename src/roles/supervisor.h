/*
 * supervisor.h - the process that starts the others, wires them to each other and starts again
 * what dies. It parses nothing from the network.
 *
 *     DOWN --spawn--> STARTING --READY--> RUNNING
 *       ^                |                   |
 *       +----- exit -----+------ exit -------+
 *
 *   DOWN      no process; a timer may run until the next try
 *   STARTING  everything was sent; peers have its channel ends already, messages wait in them
 *   RUNNING   confined, and said so
 *
 * Every spawn has a new instance number, new channels to each live peer, and a fresh process.
 */
#ifndef ROOST_ROLES_SUPERVISOR_H
#define ROOST_ROLES_SUPERVISOR_H

#include "base/list.h"
#include "config/config.h"
#include "net/loop.h"
#include "roles/cert_files.h"
#include "roles/doors.h"
#include "roles/log_sink.h"
#include "roles/quarantine.h"
#include "roles/role.h"

#define SUPERVISOR_CHILDREN_MAX (ROLE_GATES_MAX + ROLE_COUNT)

#define PAM_HELPERS_MAX 32u                  /* processes that ask PAM at a time */
#define PAM_HELPER_US   ((int64_t) 12000000) /* then it is killed */

enum child_state { CHILD_DOWN, CHILD_STARTING, CHILD_RUNNING };

struct supervisor;

struct child {
    struct supervisor *sup;
    enum role role;
    uint16_t index;
    enum child_state state;
    pid_t pid; /* 0 while DOWN */
    uint32_t instance;
    struct channel *channel; /* NULL while DOWN */
    struct loop_fd watch;
    struct timer retry;
    int64_t started_us, backoff_us;
    int64_t asked_us;    /* when it was asked whether it lives; 0: it has answered */
    uint64_t last_asked; /* the number of that question */
    uint32_t restarts;
    uint32_t reload_asked;      /* the newest RELOAD it has not answered; 0: none */
    char sandbox[MSG_TEXT_MAX]; /* what READY said */
    struct msg_ship_state ship; /* what ship said last; its error is ship_error */
    char ship_error[MSG_TEXT_MAX];
};

/* supervisor_certs.c */
struct certs {
    struct cert_files offered; /* to keys, which has not answered yet */
    struct cert_files used;    /* what handshakes are made with; no keys */
    struct cert_stamps stamps; /* of what was read last */
    uint32_t generation;       /* of offered, or of the last one */
    bool settled;              /* keys has answered once */
    struct timer poll;
};

/* A process that asks PAM about one password; supervisor_pam.c. */
struct pam_process {
    struct supervisor *sup;
    pid_t pid;         /* 0: a free place */
    uint32_t instance; /* of the auth that wanted it */
    uint64_t request;
    bool is_killed; /* by us */
    struct timer limit;
};

struct supervisor {
    const struct config *config; /* as it was at the start: what runs */
    const char *config_path;
    struct config *reread; /* as the last reload found it; NULL: config */
    struct loop *loop;
    struct child children[SUPERVISOR_CHILDREN_MAX];
    size_t n_children;
    struct pam_process pam[PAM_HELPERS_MAX];
    uint32_t n_gates;
    uint32_t last_instance;
    struct doors doors;
    struct log_sink *sink;
    struct quarantine *quarantine;
    struct crash_page *crash_page;
    int crash_page_fd, config_fd, lock_fd, signal_fd;
    uint64_t config_len;
    struct loop_fd signals, control;
    struct list control_conns;
    struct certs certs;
    struct tls_ticket_seed tickets; /* of all gates */
    uint32_t reloads;               /* since the start: the number of the last */
    struct timer stop_timer, alive;
    bool started; /* all were RUNNING once */
    bool stopping, stop_fast;
    size_t stop_stage;
    int64_t started_us;
    int status; /* of `roost serve` */
};

/* `roost serve`: until it is told to stop. The exit status. config was read from config_path.
 */
int supervisor_run(const struct config *config, const char *config_path);

/* ---- between its files ---- */

/* Who gets the certificates. */
static inline bool role_serves_tls(enum role role)
{
    return role == ROLE_GATE || role == ROLE_WEB;
}

/* supervisor_child.c */
MUST_CHECK enum rc child_spawn(struct child *child, struct err *err);
void child_gone(struct child *child); /* the process was reaped */
/* Post to each live child of that role. */
void children_post(struct supervisor *sup, enum role role, const struct msg *msg);
void child_post(struct child *child, const struct msg *msg, const int *fds);
/* The certificates in use, and START: from here on it runs. */
void child_post_start(struct child *child);

/* supervisor_alive.c */
void supervisor_alive_start(struct supervisor *sup);
void supervisor_alive_heard(struct child *child, uint64_t number);

/* supervisor_pam.c */
/* Start a helper and send auth its socket. */
void supervisor_pam_start(struct child *auth, const struct msg_pam_start *msg);
void supervisor_pam_stop(struct child *auth, uint64_t request);
/* True: that process was one of these. status: of waitpid(). */
bool supervisor_pam_ended(struct supervisor *sup, pid_t pid, int status);
void supervisor_pam_kill(struct supervisor *sup);

/* supervisor.c */
void supervisor_child_ready(struct child *child, struct slice sandbox);
void supervisor_child_failed(struct child *child, enum rc rc, struct slice text);
/* Ends a start that cannot become a server: the reason, and rc's exit code. */
void supervisor_child_refused(struct child *child, enum rc rc, struct slice text);
void supervisor_stop(struct supervisor *sup);

/* supervisor_reload.c */
/* Read again what a running server may; every failure is in the log, err has the first. What
 * the roles make of it comes later: supervisor_control_reloaded(). */
enum rc supervisor_reload(struct supervisor *sup, struct err *err);
/* Has some role not said yet what it makes of what was read? */
bool reload_is_under_way(const struct supervisor *sup);
void reload_heard(struct child *child, const struct msg_reloaded *msg);
/* It has ended: it answers no more. */
void reload_lost(struct child *child);
/* What settings say that count without a restart. */
const struct config *reloaded_config(const struct supervisor *sup);
/* Does the setting at this place of the table say something else now, and wait for a restart?
 */
bool reload_waits(const struct supervisor *sup, size_t at);

/* supervisor_certs.c */
bool certs_wanted(const struct config *config);
/* Into `offered`; what was in use stays on failure. */
MUST_CHECK enum rc certs_read(struct supervisor *sup, struct err *err);
/* Read them again and offer them to keys. RC_OK where there are none. */
enum rc certs_reload(struct supervisor *sup, struct err *err);
void certs_watch(struct supervisor *sup);
void certs_done(struct supervisor *sup);
void certs_post_keys(struct child *keys);
void certs_post(struct child *child);
/* START has to wait until keys has said what is served with. */
bool certs_hold_back(const struct child *child);
void certs_heard(struct child *keys, const struct msg_keys_loaded *msg);

/* supervisor_control.c */
MUST_CHECK enum rc supervisor_control_start(struct supervisor *sup, struct err *err);
/* A role has said what it makes of a reload: for those who wait for that. */
void supervisor_control_reloaded(struct supervisor *sup, enum rc rc, struct slice text);
void supervisor_control_stop(struct supervisor *sup);

#endif
