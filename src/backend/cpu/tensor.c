/* tensor.c - looking at one operand of a step. */
#include "backend/cpu/cpu.h"

bool tensor_contiguous(const tensor *t) {
    int64_t step = 1;
    if (tensor_count(t) == 0) return true;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != step) return false;
        step *= t->dim[i];
    }
    return true;
}
