/* test_plot.c - pictures that are well formed. */
#include <stdlib.h>
#include <zlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/train/train_case.h"
#include "train/plot_canvas.h"

enum { N = 4000 };

static uint32_t get32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* Chunks, checksums, the size of the unpacked rows; not all white. */
static void check_png(const char *path) {
    char *data;
    size_t size, at = 8;
    assert_ok(file_read(path, 1 << 24, &data, &size, err));
    const unsigned char *p = (unsigned char *)data;
    assert_memory_equal(p, "\x89PNG\r\n\x1a\n", 8);
    const size_t n_rows = PLOT_HEIGHT * (1 + 3 * PLOT_WIDTH);
    unsigned char *rows = mem_alloc(n_rows);
    int chunks = 0, dark = 0;
    while (at < size) {
        const uint32_t n = get32(p + at);
        assert_true(at + 12 + n <= size);
        assert_int_equal(get32(p + at + 8 + n),
                         crc32(0, p + at + 4, (uInt)n + 4));
        if (memcmp(p + at + 4, "IDAT", 4) == 0) {
            uLongf m = n_rows;
            assert_int_equal(uncompress(rows, &m, p + at + 8, n), Z_OK);
            assert_int_equal(m, n_rows);
        }
        chunks++;
        at += 12 + n;
    }
    assert_int_equal(chunks, 3);
    for (size_t i = 0; i < n_rows; i++) dark += rows[i] > 0 && rows[i] < 128;
    assert_true(dark > 1000);
    mem_free(rows);
    mem_free(data);
}

/* Every tag that opens closes. */
static void check_svg(const char *path) {
    char *data;
    size_t size;
    assert_ok(file_read(path, 1 << 24, &data, &size, err));
    int open = 0, tags = 0;
    for (const char *p = data; (p = strchr(p, '<')); p++) {
        const char *end = strchr(p, '>');
        assert_non_null(end);
        tags++;
        if (p[1] == '/')
            open--;
        else if (end[-1] != '/')
            open++;
        assert_true(open >= 0);
    }
    assert_int_equal(open, 0);
    assert_true(tags > 20);
    assert_true(strncmp(data, "<svg", 4) == 0);
    assert_null(strstr(data, "nan"));
    mem_free(data);
}

void test_plot_files(void **state) {
    (void)state;
    static double x[N], y[N], z[N];
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = 2 + 6 * exp(-i / 400.0) + 0.1 * sin(i * 12.9898);
        z[i] = 2.1 + 6 * exp(-i / 400.0);
    }
    y[7] = NAN;
    plot p = {.title = "runs/<a> & \"b\": loss 2.001",
              .x_label = "step",
              .y_label = "loss, nats a token",
              .n_curves = 2};
    p.curve[0] = (plot_curve){"training", 0x2563eb, 1, false, x, y, N};
    p.curve[1] = (plot_curve){"held out", 0xdc5a1e, 2, true, x, z, 20};
    char path[400];
    const char *folder = test_folder();
    snprintf(path, sizeof path, "%s/a.svg", folder);
    assert_ok(plot_svg(&p, path, err));
    check_svg(path);
    snprintf(path, sizeof path, "%s/a.png", folder);
    assert_ok(plot_png(&p, path, err));
    check_png(path);
    p.curve[0].n = 1; /* one point still makes a picture */
    p.n_curves = 1;
    assert_ok(plot_png(&p, path, err));
    p.curve[0].n = 0;
    assert_fails(AR_RANGE, "no point", plot_svg(&p, path, err));
    assert_fails(AR_IO, "nowhere", plot_run("nowhere", NULL, err));
}

void test_plot_run(void **state) {
    (void)state;
    static const char log[] = "{\"step\":0,\"loss\":5.5,\"lr\":[1]}\n"
                              "{\"step\":1,\"loss\":null,\"lr\":[1]}\n"
                              "{\"step\":2,\"loss\":4.5,\"lr\":[1]}\n"
                              "{\"step\":3,\"val_loss\":4.25}\n"
                              "{\"step\":3,\"loss\":4.";
    char run[400], path[450];
    snprintf(run, sizeof run, "%s", test_folder());
    snprintf(path, sizeof path, "%s/log.jsonl", run);
    assert_ok(file_replace(path, log, sizeof log - 1, err));
    assert_ok(plot_run(run, NULL, err));
    snprintf(path, sizeof path, "%s/loss.svg", run);
    check_svg(path);
    snprintf(path, sizeof path, "%s/loss.png", run);
    check_png(path);
    assert_fails(AR_USAGE, "gif", plot_run(run, "a.gif", err));
    snprintf(path, sizeof path, "%s/log.jsonl", run);
    assert_ok(file_replace(path, "{}\nnot json\n", 12, err));
    assert_fails(AR_FORMAT, "line 2", plot_run(run, NULL, err));
}
