/* ane_chip.h - which Neural Engine, of which chip, under which macOS. */
#ifndef ANE_ANE_CHIP_H
#define ANE_ANE_CHIP_H

#include <stdbool.h>

#include "arcane/status.h"

/* Columns of ANE_FAMILY.  ORDER: ane_chips.def */
typedef struct ane_limits {
    int generation; /* 13 = M1 ... 17 = M5 */
    int max_wh, max_d, max_c, max_n;
    int kernel_w_fp16, kernel_w, kernel_h;
    int arg_axis;
    bool short_syntax, cast, wide_slice, trig, texture;
    bool int8_stream, block_stream;
} ane_limits;

enum ane_ceiling { ANE_CEILING_INF, ANE_CEILING_ZERO };
enum ane_denormals {
    ANE_DENORMALS_UNKNOWN,
    ANE_DENORMALS_FLUSH,
    ANE_DENORMALS_KEEP
};

typedef struct ane_chip {
    const char *name, *soc, *arch; /* "m4-pro", "T6040", "h16g" */
    int generation;
    bool concat_width;
    enum ane_ceiling ceiling;
    enum ane_denormals denormals;
    int dispatch_us, resident_kb;
} ane_chip;

enum { ANE_OS_OLDEST = 1400, ANE_OS_NEWEST = 2699 };

/* What a program is held against. */
typedef struct ane_target {
    const ane_chip *chip; /* NULL: every chip */
    int os;               /* 1504 = macOS 15.4; 0: every version */
    bool strict;          /* folklore counts */
} ane_target;

int ane_n_chips(void);
const ane_chip *ane_get_chip(int i);
const ane_chip *ane_find_chip(const char *name); /* or its engine; or NULL */
/* The least of every limit where chip is NULL. */
ane_limits ane_limits_of(const ane_chip *chip);
bool ane_concat_width(const ane_chip *chip);

/* "m4" and "15.5", each or both NULL.  A chip or macOS that is not known sets
 * strict, and stands for every one.  Errors: AR_USAGE for words that are no
 * chip and no version. */
ar_status ane_target_read(ane_target *out, const char *chip, const char *os,
                          bool strict, ar_error *err);
/* Is the chip one of these words ("m1 m2-max")?  "m2" is all of its family;
 * no words are all; NULL is any. */
bool ane_chip_among(const ane_chip *chip, const char *words);

#endif
