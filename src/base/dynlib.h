/* dynlib.h - libraries found at run time, so that arcane starts without them.
 */
#ifndef BASE_DYNLIB_H
#define BASE_DYNLIB_H

typedef struct dynlib dynlib;

/* The first of `names` (NULL-terminated) that loads, or NULL.  Loaded
 * libraries stay loaded: many run threads of their own. */
dynlib *dynlib_open(const char *const *names);

/* The address of a symbol, or NULL. */
void *dynlib_symbol(dynlib *lib, const char *name);

#endif
