/* progress.h - one line on the terminal that says how far long work is.
 *
 * On a terminal the line is redrawn in place; in a pipe nothing is drawn
 * until the end, so that logs stay readable. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>

typedef struct progress {
    const char *what;
    double started, drawn; /* seconds */
    bool terminal;
} progress;

void progress_begin(progress *p, const char *what);
/* done in [0, 1]; `text` (may be NULL) goes behind the bar. */
void progress_show(progress *p, double done, const char *text);
/* The same with the seconds left, where the caller knows them better. */
void progress_show_left(progress *p, double done, double left,
                        const char *text);
void progress_end(progress *p); /* clears the line */

/* "512 B", "1.50 GiB" of bytes; returns out. */
const char *progress_bytes(double bytes, char out[32]);

/* "1:05", "2:03:00" of seconds; returns out. */
const char *progress_clock(double seconds, char out[32]);

#endif
