/* checkpoint_int.h - what saving and finding checkpoints share.
 *
 * state.json: its first line has the XXH64 of all bytes behind that line, so
 * that no change anywhere in it goes unseen; then format, version, step, files
 * (size and XXH64 of each) and the caller's state. */
#ifndef FORMAT_CHECKPOINT_INT_H
#define FORMAT_CHECKPOINT_INT_H

#include <inttypes.h>

#include "base/file.h"

enum {
    CHECKPOINT_PATH = 4096,
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_MAX_STATE = 256 << 20, /* bytes of state.json */
};

#define CHECKPOINT_FORMAT "arcane checkpoint"
#define CHECKPOINT_SEAL "{\"xxh64\":\"%016" PRIx64 "\",\n"
enum { CHECKPOINT_SEAL_SIZE = 29 };

/* The number of a folder called prefix + digits, or -1. */
int64_t checkpoint_number(const char *name, const char *prefix);

/* Size and XXH64 of a file. */
ar_status checkpoint_sum(const char *path, uint64_t *size, uint64_t *sum,
                         ar_error *err);

#endif
