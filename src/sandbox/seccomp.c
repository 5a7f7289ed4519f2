#include "sandbox/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no system call table for this architecture"
#endif

#define X32_BIT         0x40000000u /* x86-64: the other ABI in the same arch */
#define FILTER_MAX      1024u
#define BLOCK_MAX       (SYSCALL_VALUES_MAX + 7u) /* instructions of one row */
#define OFFSET_NR       offsetof(struct seccomp_data, nr)
#define OFFSET_ARCH     offsetof(struct seccomp_data, arch)
#define OFFSET_LOW(arg) /* both architectures are little-endian */                             \
    ((uint32_t) (offsetof(struct seccomp_data, args) + 8u * (arg)))
#define OFFSET_HIGH(arg) (OFFSET_LOW(arg) + 4u)

struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short n;
};

static void emit(struct filter *f, struct sock_filter instruction)
{
    assert(f->n < FILTER_MAX);
    f->code[f->n++] = instruction;
}

static void emit_load(struct filter *f, size_t offset)
{
    emit(f, (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t) offset));
}

static void emit_return(struct filter *f, uint32_t action)
{
    emit(f, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action));
}

/* Jump over `yes` or `no` instructions. */
static void emit_jump(struct filter *f, unsigned op, uint32_t value, size_t yes, size_t no)
{
    assert(yes <= UINT8_MAX && no <= UINT8_MAX);
    emit(f, (struct sock_filter) BPF_JUMP((uint16_t) (BPF_JMP | op | BPF_K), value,
                                          (uint8_t) yes, (uint8_t) no));
}

/*
 * The block that decides about one row's arguments. It ends in a return on every way, since
 * loading an argument forgets the call's number. Returns `hit` if the check holds, else `miss`.
 */
static void emit_check(struct filter *f, const struct syscall_row *row, uint32_t hit,
                       uint32_t miss)
{
    switch (row->check) {
    case CHECK_NONE:
        break;
    case CHECK_EQ:
        emit_load(f, OFFSET_LOW(row->arg));
        for (size_t i = 0; i < row->n_values; i++)
            emit_jump(f, BPF_JEQ, row->values[i], row->n_values - i, 0);
        emit_return(f, miss);
        break;
    case CHECK_EQ_ELSE:
        emit_load(f, OFFSET_LOW(row->arg));
        for (size_t i = 0; i + 2 < row->n_values; i++)
            emit_jump(f, BPF_JEQ, row->values[i], row->n_values - 2u - i, 0);
        emit_return(f, SECCOMP_RET_ERRNO | row->values[row->n_values - 1]);
        emit_load(f, OFFSET_LOW(row->arg + 1u));
        emit_jump(f, BPF_JSET, row->values[row->n_values - 2], 0, 1);
        emit_return(f, SECCOMP_RET_ERRNO | row->values[row->n_values - 1]);
        break;
    case CHECK_EQ_BOTH: /* no way on from a first argument that is none of the values */
        emit_load(f, OFFSET_LOW(row->arg));
        for (size_t i = 0; i + 1 < row->n_values; i++)
            emit_jump(f, BPF_JEQ, row->values[i], row->n_values - 1u - i, 0);
        emit_return(f, miss);
        emit_load(f, OFFSET_LOW(row->arg + 1u));
        emit_jump(f, BPF_JEQ, row->values[row->n_values - 1], 1, 0);
        emit_return(f, miss);
        break;
    case CHECK_HAS:
        emit_load(f, OFFSET_LOW(row->arg));
        emit(f, (struct sock_filter) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, row->values[0]));
        emit_jump(f, BPF_JEQ, row->values[0], 1, 0);
        emit_return(f, miss);
        break;
    case CHECK_HAS_NOT:
        emit_load(f, OFFSET_LOW(row->arg));
        emit_jump(f, BPF_JSET, row->values[0], 0, 1);
        emit_return(f, miss);
        break;
    case CHECK_NULL:
        emit_load(f, OFFSET_LOW(row->arg));
        emit_jump(f, BPF_JEQ, 0, 0, 2);
        emit_load(f, OFFSET_HIGH(row->arg));
        emit_jump(f, BPF_JEQ, 0, 1, 0);
        emit_return(f, miss);
        break;
    case CHECK_ERRNO:
        emit_return(f, SECCOMP_RET_ERRNO | row->values[0]);
        return;
    }
    emit_return(f, hit);
}

static void emit_row(struct filter *f, const struct syscall_row *row, uint32_t hit,
                     uint32_t miss)
{
    struct filter block = {.n = 0};

    emit_check(&block, row, hit, miss);
    assert(block.n <= BLOCK_MAX);
    emit_jump(f, BPF_JEQ, row->number, 0, block.n);
    for (size_t i = 0; i < block.n; i++)
        emit(f, block.code[i]);
}

bool syscall_row_is_for(const struct syscall_row *row, enum sandbox_kind kind)
{
    return strchr(row->kinds, SANDBOX_LETTERS[kind]) != NULL;
}

bool seccomp_available(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

size_t seccomp_count(enum sandbox_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < syscall_table_len; i++)
        n += syscall_row_is_for(&syscall_table[i], kind);
    return n;
}

static void emit_table(struct filter *f, enum sandbox_kind kind)
{
#ifdef ROOST_WIDE_SANDBOX
    for (size_t i = 0; i < syscall_wide_denied_len; i++) {
        if (syscall_row_is_for(&syscall_wide_denied[i], kind))
            emit_row(f, &syscall_wide_denied[i], SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
    }
    emit_return(f, SECCOMP_RET_ALLOW);
#else
    for (size_t i = 0; i < syscall_table_len; i++) {
        if (syscall_row_is_for(&syscall_table[i], kind))
            emit_row(f, &syscall_table[i], SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    }
    emit_return(f, SECCOMP_RET_KILL_PROCESS);
#endif
}

enum rc seccomp_confine(enum sandbox_kind kind, struct err *err)
{
    struct filter filter = {.n = 0};
    struct sock_fprog program;

    emit_load(&filter, OFFSET_ARCH);
    emit_jump(&filter, BPF_JEQ, NATIVE_ARCH, 1, 0);
    emit_return(&filter, SECCOMP_RET_KILL_PROCESS);
    emit_load(&filter, OFFSET_NR);
    emit_jump(&filter, BPF_JGE, X32_BIT, 0, 1);
    emit_return(&filter, SECCOMP_RET_KILL_PROCESS);
    emit_table(&filter, kind);
    program = (struct sock_fprog){.len = filter.n, .filter = filter.code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0)
        return RC_OK;
    if (errno == ENOSYS || errno == EINVAL)
        return err_set(err, RC_UNAVAILABLE, "Internal error", "the kernel has no seccomp: %s",
                       strerror(errno));
    return err_set(err, RC_IO, "Internal error", "seccomp: %s", strerror(errno));
}
