#include "cli/progress.h"

#include <unistd.h>

#include "base/clock.h"

#define FIRST_US         1000000
#define TERMINAL_STEP_US 200000
#define PLAIN_STEP_US    5000000

void progress_start(struct progress *progress, const char *what, bool silent)
{
    *progress = (struct progress){.what = what,
                                  .began_us = clock_mono_us(),
                                  .terminal = isatty(STDERR_FILENO) == 1,
                                  .silent = silent};
}

static double seconds(int64_t us)
{
    return (double) us / 1000000.0;
}

void progress_tell(struct progress *progress, uint64_t done, uint64_t part, uint64_t whole)
{
    int64_t now = clock_mono_us(), step = progress->terminal ? TERMINAL_STEP_US : PLAIN_STEP_US;
    double spent = seconds(now - progress->began_us), left;

    if (progress->silent || now - progress->began_us < FIRST_US ||
        now - progress->shown_us < step)
        return;
    progress->shown_us = now;
    (void) fprintf(stderr, "%s%llu %s, %.0f/s", progress->terminal ? "\r" : "",
                   (unsigned long long) done, progress->what, (double) done / spent);
    if (whole > 0 && part > 0 && part <= whole) {
        left = spent * (double) (whole - part) / (double) part;
        (void) fprintf(stderr, ", %.0f %%, %.0f s left", 100.0 * (double) part / (double) whole,
                       left);
    }
    (void) fputs(progress->terminal ? "\033[K" : "\n", stderr);
}

double progress_end(struct progress *progress)
{
    if (progress->terminal && progress->shown_us != 0)
        (void) fputs("\r\033[K", stderr);
    return seconds(clock_mono_us() - progress->began_us);
}
