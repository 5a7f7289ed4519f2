/*
 * priority.h - which threads the system runs first when there are more of them than processors.
 *
 * Threads whose every piece of work is small and awaited by somebody (a command's, an answer's)
 * ask for small slices: a scheduler by deadlines (Linux 6.12 and later) then runs them as soon
 * as they wake, and takes nothing from the others' share for it. An older one does not know of
 * slices; what is refused is done without. Threads that compute in whole milliseconds behind
 * those take a lower share, and slices of the system's length. What a thread sets, threads that
 * it starts from then on have too.
 */
#ifndef ROOST_BASE_PRIORITY_H
#define ROOST_BASE_PRIORITY_H

#define PRIORITY_SLICE_US 100 /* the least that Linux takes */

/* The calling thread's work is small and awaited. Its share (nice) stays. */
void priority_prompt(void);

/* The calling thread works behind others, with this nice (1-19). One that has a lower share
 * already stays as it is: to raise it takes a right that no role has. */
void priority_behind(int nice);

#endif
