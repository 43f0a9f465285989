/* bench_mil.c - how fast MIL text is read, checked and printed.
 *
 *   bench_mil [MB]       default: 10
 *
 * Made texts of that size: statements with named constants, as programs have
 * them, and one constant with its numbers in the text.  Fastest of three
 * runs, one thread. */
#include <stdio.h>
#include <stdlib.h>

#include "backend/ane/mil_check.h"
#include "base/clock.h"

static const char *const head =
    "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", "
    "\"3505.4.1\"}})]\n{\n    func main<ios18>(tensor<fp16, [1, 64, 1, 64]> "
    "v0) {\n";

static void statements(text *t, size_t size) {
    int n = 0;
    text_adds(t, head);
    while (t->size < size) {
        text_addf(t,
                  "        tensor<int32, [4]> b%d = const()[name = "
                  "string(\"b%d\"), val = tensor<int32, [4]>([0, 0, 0, 0])];\n"
                  "        tensor<int32, [4]> s%d = const()[name = "
                  "string(\"s%d\"), val = tensor<int32, [4]>([1, 64, 1, "
                  "64])];\n",
                  n, n, n, n);
        text_addf(t,
                  "        tensor<fp16, [1, 64, 1, 64]> c%d = slice_by_size("
                  "begin = b%d, size = s%d, x = v%d)[name = string(\"c%d\")];\n"
                  "        tensor<fp16, [1, 64, 1, 64]> v%d = add(x = c%d, y = "
                  "v%d)[name = string(\"v%d\")];\n",
                  n, n, n, n, n, n + 1, n, n, n + 1);
        n++;
    }
    text_addf(t, "    } -> (v%d);\n}\n", n);
}

static void numbers(text *t, size_t size, const char *format) {
    text all = {0};
    int n = 0;
    while (all.size < size) {
        if (n) text_adds(&all, ", ");
        text_addf(&all, format, (n % 2000 - 1000) / 1024.0);
        n++;
    }
    text_adds(t, head);
    text_addf(t,
              "        tensor<fp16, [%d]> w = const()[val = tensor<fp16, "
              "[%d]>([",
              n, n);
    text_add(t, all.data, all.size);
    text_adds(t, "])];\n    } -> (w);\n}\n");
    text_close(&all);
}

/* Seconds of parsing, checking and printing. */
static bool run(const text *t, double best[3]) {
    mil_program *p;
    ar_error err = {0};
    text out = {0};
    double at[4] = {clock_now(), 0, 0, 0};
    const ar_status s = mil_parse("made", t->data, t->size, &p, &err);
    at[1] = clock_now();
    if (s != AR_OK || mil_check("made", p, &err) != AR_OK) {
        printf("%s\n", err.message);
        mil_close(p);
        return false;
    }
    at[2] = clock_now();
    mil_print(p, &out);
    at[3] = clock_now();
    for (int i = 0; i < 3; i++)
        if (at[i + 1] - at[i] < best[i]) best[i] = at[i + 1] - at[i];
    mil_close(p);
    text_close(&out);
    return true;
}

int main(int argc, char **argv) {
    const double mb = argc > 1 ? strtod(argv[1], NULL) : 10;
    const size_t size = (size_t)(mb * 1e6);
    static const char *const names[] = {"statements", "decimal numbers",
                                        "hexadecimal numbers"};
    printf("%-20s %8s %9s %9s %9s\n", "ms", "MB", "parse", "check", "print");
    for (int i = 0; i < 3; i++) {
        text t = {0};
        double best[3] = {1e9, 1e9, 1e9};
        if (i == 0)
            statements(&t, size);
        else
            numbers(&t, size, i == 1 ? "%.6g" : "%a");
        for (int k = 0; k < 3; k++)
            if (!run(&t, best)) return 1;
        printf("%-20s %8.1f %9.1f %9.1f %9.1f\n", names[i],
               (double)t.size / 1e6, best[0] * 1e3, best[1] * 1e3,
               best[2] * 1e3);
        text_close(&t);
    }
    return 0;
}
