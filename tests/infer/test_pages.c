/* test_pages.c - pages are taken, shared and given back. */
#include "infer/pages.h"
#include "tests/test.h"

void test_pages(void **state) {
    (void)state;
    page_pool p;
    assert_ok(pages_open(&p, 3, err));
    assert_int_equal(pages_take(&p), 0);
    assert_int_equal(pages_take(&p), 1);
    pages_share(&p, 0);
    pages_release(&p, 0);
    assert_int_equal(p.n_free, 1);
    assert_int_equal(pages_take(&p), 2);
    assert_int_equal(pages_take(&p), -1);
    pages_release(&p, 0);
    assert_int_equal(pages_take(&p), 0);
    pages_close(&p);
}
