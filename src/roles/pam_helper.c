#include "roles/pam_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/library.h"
#include "ipc/channel.h"

#define QUESTION_WAIT_MS 10000
#define FDS_CLOSED_TO    1024 /* what the supervisor left open would be all close-on-exec */

/* What of libpam is called. */
#define EACH_CALL(X)                                                                           \
    X(pam_start)                                                                               \
    X(pam_end)                                                                                 \
    X(pam_authenticate)                                                                        \
    X(pam_acct_mgmt)                                                                           \
    X(pam_get_item)                                                                            \
    X(pam_strerror)

struct pam_calls {
    EACH_CALL(LIBRARY_MEMBER)
};

/* What the conversation may tell a module. */
struct question {
    char user[PAM_NAME_MAX_BYTES + 1];
    char secret[PAM_SECRET_MAX_BYTES + 1];
    unsigned n_asked; /* prompts for a password so far */
};

static char *answer_prompt(struct question *question, int style, bool *failed)
{
    switch (style) {
    case PAM_PROMPT_ECHO_OFF:
        *failed = question->n_asked++ > 0; /* a second secret is one that nobody gave us */
        return *failed ? NULL : strdup(question->secret);
    case PAM_PROMPT_ECHO_ON:
        return strdup(question->user);
    case PAM_ERROR_MSG:
    case PAM_TEXT_INFO:
        return NULL; /* nobody reads it */
    default:
        *failed = true;
        return NULL;
    }
}

static void free_answers(struct pam_response *answers, int n)
{
    for (int i = 0; i < n; i++) {
        if (answers[i].resp != NULL)
            sodium_memzero(answers[i].resp, strlen(answers[i].resp));
        free(answers[i].resp);
    }
    free(answers);
}

/* A struct pam_conv function. */
static int converse(int n, const struct pam_message **messages, struct pam_response **out,
                    void *ctx)
{
    struct question *question = ctx;
    struct pam_response *answers;
    bool failed = false;

    if (n <= 0 || n > PAM_MAX_NUM_MSG)
        return PAM_CONV_ERR;
    answers = calloc((size_t) n, sizeof(*answers));
    if (answers == NULL)
        return PAM_BUF_ERR;
    for (int i = 0; i < n && !failed; i++)
        answers[i].resp = answer_prompt(question, messages[i]->msg_style, &failed);
    if (failed) {
        free_answers(answers, n);
        return PAM_CONV_ERR;
    }
    *out = answers;
    return PAM_SUCCESS;
}

static enum pam_result of_authenticate(int code)
{
    switch (code) {
    case PAM_SUCCESS:
        return PAM_RESULT_RIGHT;
    case PAM_USER_UNKNOWN:
        return PAM_RESULT_UNKNOWN;
    case PAM_AUTH_ERR:
    case PAM_MAXTRIES:
    case PAM_PERM_DENIED:
        return PAM_RESULT_WRONG;
    default:
        return PAM_RESULT_UNAVAILABLE;
    }
}

static enum pam_result of_account(int code)
{
    switch (code) {
    case PAM_SUCCESS:
        return PAM_RESULT_RIGHT;
    case PAM_ACCT_EXPIRED:
    case PAM_AUTH_ERR:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_PERM_DENIED:
    case PAM_USER_UNKNOWN:
        return PAM_RESULT_DISABLED;
    default:
        return PAM_RESULT_UNAVAILABLE;
    }
}

static void say_why(const struct pam_calls *pam, pam_handle_t *handle, const char *call,
                    int code, struct buf *out)
{
    const char *text = pam->pam_strerror(handle, code);

    buf_printf(out, "%s: %.200s", call, text != NULL ? text : "unknown error");
}

/* Authentication, then the account's own rules. */
static enum pam_result check(const struct pam_calls *pam, pam_handle_t *handle, int *code,
                             struct buf *out)
{
    const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
    const char *call = "pam_authenticate";
    enum pam_result result;

    *code = pam->pam_authenticate(handle, flags);
    result = of_authenticate(*code);
    if (result == PAM_RESULT_RIGHT) {
        call = "pam_acct_mgmt";
        *code = pam->pam_acct_mgmt(handle, flags);
        result = of_account(*code);
    }
    if (result == PAM_RESULT_UNAVAILABLE)
        say_why(pam, handle, call, *code, out);
    return result;
}

/* The name that the modules settled on. */
static enum pam_result name_user(const struct pam_calls *pam, pam_handle_t *handle,
                                 struct buf *out)
{
    const void *user = NULL;

    if (pam->pam_get_item(handle, PAM_USER, &user) == PAM_SUCCESS && user != NULL)
        buf_str(out, user);
    if (out->len > 0 && !out->overflow)
        return PAM_RESULT_RIGHT;
    buf_reset(out);
    buf_str(out, "the modules name no user, or one whose name is too long");
    return PAM_RESULT_UNAVAILABLE;
}

/* out: as pam_answer_write() has it. */
static enum pam_result ask(const struct pam_calls *pam, const char *service,
                           struct question *question, struct buf *out)
{
    const struct pam_conv conversation = {.conv = converse, .appdata_ptr = question};
    pam_handle_t *handle = NULL;
    int code = pam->pam_start(service, question->user, &conversation, &handle);
    enum pam_result result;

    if (code != PAM_SUCCESS) {
        say_why(pam, handle, "pam_start", code, out);
        return PAM_RESULT_UNAVAILABLE;
    }
    result = check(pam, handle, &code, out);
    if (result == PAM_RESULT_RIGHT)
        result = name_user(pam, handle, out);
    (void) pam->pam_end(handle, code); /* it is over either way */
    return result;
}

/* Modules take libpam's names from whoever loaded them. */
static enum rc load_calls(struct pam_calls *calls, struct err *err)
{
    const struct library library = {
        .files = {"libpam.so.0"},
        .wanted = "PAM needs the package libpam0g",
        .names = (const char *const[]){EACH_CALL(LIBRARY_NAME) NULL},
        .is_global = true,
    };

    return library_load(&library, calls, err);
}

/* No core with the password in it, no terminal, no descriptor that a module could use. */
static void prepare(void)
{
    const struct rlimit none = {0, 0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void) setrlimit(RLIMIT_CORE, &none); /* prctl() below says it again */
    (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void) signal(SIGPIPE, SIG_IGN); /* cannot fail for SIGPIPE */
    for (int fd = 0; fd < PAM_HELPER_FD && null >= 0; fd++)
        (void) dup2(null, fd); /* else it stays the supervisor's */
    for (int fd = PAM_HELPER_FD + 1; fd < FDS_CLOSED_TO; fd++)
        (void) close(fd); /* most are none */
    (void) fcntl(PAM_HELPER_FD, F_SETFD,
                 FD_CLOEXEC); /* a module's own children do not get it */
}

static bool read_question(struct question *out)
{
    struct pollfd readable = {.fd = PAM_HELPER_FD, .events = POLLIN};
    char packet[PAM_PACKET_MAX_BYTES];
    int fds[MSG_FDS_MAX];
    struct slice user, secret;
    size_t len, n_fds;
    bool good;

    if (poll(&readable, 1, QUESTION_WAIT_MS) != 1 ||
        packet_receive(PAM_HELPER_FD, packet, sizeof(packet), &len, fds, &n_fds, NULL) != RC_OK)
        return false;
    for (size_t i = 0; i < n_fds; i++)
        (void) close(fds[i]); /* nobody sends any */
    good = pam_question_read(slice_of(packet, len), &user, &secret) == RC_OK;
    if (good) {
        memcpy(out->user, user.ptr, user.len);
        memcpy(out->secret, secret.ptr, secret.len);
    }
    sodium_memzero(packet, sizeof(packet));
    return good;
}

int pam_helper_main(const char *service)
{
    AUTO(buf_done) struct buf text = {.max = PAM_NAME_MAX_BYTES};
    AUTO(buf_done) struct buf answer = {.max = PAM_PACKET_MAX_BYTES};
    struct question question = {.n_asked = 0};
    enum pam_result result;
    struct pam_calls pam;
    struct err err;
    enum rc rc;

    if (fcntl(PAM_HELPER_FD, F_GETFD) < 0) {
        (void) fprintf(stderr, "roost --pam-check is for the supervisor\n");
        return 2;
    }
    if (load_calls(&pam, &err) != RC_OK) {
        (void) fprintf(stderr, "roost: %s\n", err.detail);
        return 1;
    }
    prepare();
    if (!read_question(&question))
        return 1;
    result = ask(&pam, service, &question, &text);
    sodium_memzero(&question, sizeof(question));
    pam_answer_write(result, buf_slice(&text), &answer);
    rc = packet_send(PAM_HELPER_FD, buf_slice(&answer), NULL, 0, NULL);
    return rc == RC_OK ? 0 : 1;
}
