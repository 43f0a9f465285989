/* emit_products.h - what emitters of products share: rows as whole numbers. */
#ifndef GPU_EMIT_PRODUCTS_H
#define GPU_EMIT_PRODUCTS_H

#include "backend/gpu/emit.h"
#include "quant/levels.h"

/* Whether a product with w is the chain of quant/levels.h. */
bool emit_levels(const struct matmul_attr *m, const gpu_tensor *w,
                 quant_form *form);

/* Scratch: levels [rows, K], then scales [rows, K / ACT_BLOCK]. */
size_t emit_act8_size(int64_t rows, int64_t K);
/* Makes them of x, whose rows along the last dimension are all of them. */
void emit_act8(gpu_list *l, const gpu_tensor *x, gpu_tensor *levels,
               gpu_tensor *scales);

/* No result in double; w may be in blocks. */
bool fits_product(const gpu_call *c);

#endif
