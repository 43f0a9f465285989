/* line_edit.h - a line from the person, with editing and history in a
 * terminal. */
#ifndef CLI_LINE_EDIT_H
#define CLI_LINE_EDIT_H

#include <stdbool.h>

#include "base/text.h"

typedef struct line_edit line_edit;

/* NULL on no memory.  Without a terminal lines are read as they are. */
line_edit *line_edit_open(const char *program);
void line_edit_close(line_edit *e);

/* The next line, without its end, into *out; a line that ends in \ goes on in
 * the next one, and a line of three quotes begins a text of many lines that
 * another such line ends.  False at the end of the input.  *stopped: Ctrl-C
 * was typed, *out is empty. */
bool line_edit_read(line_edit *e, const char *prompt, text *out, bool *stopped);

#endif
