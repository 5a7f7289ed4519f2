/*
 * supervisor_pam.c - helpers that ask PAM: started for auth, which may start no process, killed
 * when they take too long. Their number is bounded; a service that the configuration does not
 * name is never started, whatever auth says.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config/backends.h"
#include "roles/pam_helper.h"
#include "roles/supervisor.h"

static bool is_service(const struct supervisor *sup, struct slice service)
{
    const struct config_list *list = &sup->config->backends;
    struct backend_chain chain;

    if (backend_chain_read(list->items, list->n, &chain, NULL) != RC_OK)
        return false;
    for (size_t i = 0; i < chain.n; i++)
        if (chain.list[i].kind == BACKEND_PAM &&
            slice_eq(slice_from_str(backend_name(&chain.list[i])), service))
            return true;
    return false;
}

static struct pam_process *free_place(struct supervisor *sup)
{
    for (size_t i = 0; i < PAM_HELPERS_MAX; i++)
        if (sup->pam[i].pid == 0)
            return &sup->pam[i];
    return NULL;
}

/* In the new process, between fork and exec: only calls that are safe there. */
_Noreturn static void run_helper(int fd, char *const argv[])
{
    sigset_t none;

    (void) sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) setsid(); /* whatever a module starts is not the terminal's */
    if (fd == PAM_HELPER_FD ? fcntl(fd, F_SETFD, 0) != 0
                            : dup2(fd, PAM_HELPER_FD) != PAM_HELPER_FD)
        _exit(127);
    (void) execv("/proc/self/exe", argv);
    _exit(127);
}

static void kill_helper(struct pam_process *process)
{
    process->is_killed = true;
    (void) kill(process->pid, SIGKILL); /* not reaped: the pid is its own */
}

static void on_limit(void *ctx)
{
    struct pam_process *process = ctx;

    log_event(LEVEL_WARNING, "pam.timeout", LOG_NUM("pid", process->pid));
    kill_helper(process);
}

static pid_t spawn(struct slice service, int fd)
{
    char self[] = "roost", option[] = "--pam-check", name[MSG_CONFIG_NAME + 1];
    char *const argv[] = {self, option, name, NULL};
    pid_t pid;

    (void) snprintf(name, sizeof(name), "%.*s", SLICE_ARG(service));
    pid = fork();
    if (pid == 0)
        run_helper(fd, argv);
    if (pid < 0)
        log_event(LEVEL_ERROR, "pam.no_helper", LOG_STR("detail", strerror(errno)));
    return pid;
}

static void start_helper(struct child *auth, const struct msg_pam_start *msg, int fd)
{
    struct supervisor *sup = auth->sup;
    struct pam_process *process = free_place(sup);
    pid_t pid;

    if (sup->stopping || process == NULL || !is_service(sup, msg->service)) {
        log_event(LEVEL_WARNING, "pam.refused", LOG_TEXT("service", msg->service));
        return;
    }
    pid = spawn(msg->service, fd);
    if (pid < 0)
        return;
    *process = (struct pam_process){
        .sup = sup, .pid = pid, .instance = auth->instance, .request = msg->request};
    timer_start(sup->loop, &process->limit, PAM_HELPER_US, on_limit, process);
}

/* Without a helper the socket that auth gets is at its end already. */
void supervisor_pam_start(struct child *auth, const struct msg_pam_start *msg)
{
    struct msg answer = {.type = MSG_PAM_HELPER, .pam_helper = {.request = msg->request}};
    struct err err;
    int ends[2];

    if (channel_pair(ends, &err) != RC_OK) {
        log_event(LEVEL_ERROR, "pam.no_helper", LOG_ERR(&err));
        return;
    }
    start_helper(auth, msg, ends[1]);
    (void) close(ends[1]); /* the helper's */
    child_post(auth, &answer, &ends[0]);
    (void) close(ends[0]); /* sent, or duplicated in the queue */
}

void supervisor_pam_stop(struct child *auth, uint64_t request)
{
    for (size_t i = 0; i < PAM_HELPERS_MAX; i++) {
        struct pam_process *process = &auth->sup->pam[i];

        if (process->pid != 0 && process->request == request &&
            process->instance == auth->instance)
            kill_helper(process);
    }
}

/* A module that crashes, for one: nobody else says so. */
static void log_failure(const struct pam_process *process, int status)
{
    if (status != 0 && !process->is_killed)
        log_event(LEVEL_WARNING, "pam.ended", LOG_NUM("pid", process->pid),
                  WIFSIGNALED(status) ? LOG_NUM("signal", WTERMSIG(status))
                                      : LOG_NUM("exit", WEXITSTATUS(status)));
}

bool supervisor_pam_ended(struct supervisor *sup, pid_t pid, int status)
{
    for (size_t i = 0; i < PAM_HELPERS_MAX; i++) {
        struct pam_process *process = &sup->pam[i];

        if (process->pid != pid)
            continue;
        log_failure(process, status);
        timer_stop(sup->loop, &process->limit);
        process->pid = 0;
        return true;
    }
    return false;
}

void supervisor_pam_kill(struct supervisor *sup)
{
    for (size_t i = 0; i < PAM_HELPERS_MAX; i++) {
        pid_t pid = sup->pam[i].pid;

        if (pid == 0)
            continue;
        kill_helper(&sup->pam[i]);
        (void) waitpid(pid, NULL, 0); /* it was killed; there is no more to learn */
        (void) supervisor_pam_ended(sup, pid, 0);
    }
}
