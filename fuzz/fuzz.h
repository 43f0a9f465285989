/* fuzz.h - what every fuzz target defines.
 *
 * A target reads one input and returns; anything else (a crash, a leak, a
 * report of a sanitizer) is a finding. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
