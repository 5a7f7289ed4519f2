/*
 * crash_page.h - which accounts the mail process is working on, in memory it shares with the
 * supervisor, who reads it when the process has died.
 *
 * Contract: docs/formats/ipc.md, "Crash page". One slot a thread; a slot holds an account id or
 * 0. Noting is one store: it is done around every command.
 */
#ifndef ROOST_IPC_CRASH_PAGE_H
#define ROOST_IPC_CRASH_PAGE_H

#include "base/slice.h"

#define CRASH_PAGE_SLOTS 256u /* threads that can be told apart; more share the last slot */

struct crash_page;

/* A new page, all zero; *out_fd is the memfd to hand over, the caller's. */
MUST_CHECK enum rc crash_page_new(struct crash_page **out, int *out_fd, struct err *err);
/* Map one that was handed over. Takes nothing: fd stays the caller's. */
MUST_CHECK enum rc crash_page_open(int fd, struct crash_page **out, struct err *err);
void crash_page_free(struct crash_page *page); /* NULL is allowed */

/* account 0: nothing. page may be NULL (tests): then nothing happens. */
void crash_page_note(struct crash_page *page, size_t slot, uint64_t account);
/* The ids named now, each once; returns how many, at most CRASH_PAGE_SLOTS. */
size_t crash_page_read(const struct crash_page *page, uint64_t out[CRASH_PAGE_SLOTS]);
void crash_page_clear(struct crash_page *page);

#endif
