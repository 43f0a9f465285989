/* packed.h - the parts of quantised matrices joined to one tensor each. */
#ifndef FORMAT_PACKED_H
#define FORMAT_PACKED_H

#include "format/weights_int.h"

/* With the config.json of the folder, `size` bytes at text: MODULE.weight of
 * its logical shape takes the place of the parts, in w's list and index.
 * Errors: AR_FORMAT, AR_SHAPE, AR_UNSUPPORTED (a method or a kind of it that
 * is not read), AR_NOMEM; the sentence starts with `path`. */
ar_status packed_join(weights *w, const char *path, const char *text,
                      size_t size, ar_error *err);

#endif
