/* Numbers as text; the twin is in export/text.py. */

#include "kernel.h"

#define MOST_PLACES 9
#define MOST_DIGITS 18 /* of a number without its point: all such whole numbers fit in 64 bits */

/* Writes a number with decimals, rounded half to even, and returns where it ends; NULL where it has too many digits. */
static ALWAYS_INLINE char *write_decimal(char *to, double value, double per_unit, int places) {
    const double scaled = rint(fabs(value) * per_unit);
    if (!(scaled < 1e18)) return NULL;
    char digits[MOST_DIGITS + MOST_PLACES];
    int n = 0;
    for (uint64_t rest = (uint64_t)scaled; rest > 0 || n <= places; rest /= 10) digits[n++] = (char)('0' + rest % 10);
    if (signbit(value)) *to++ = '-';
    while (n > 0) {
        if (n == places) *to++ = '.';
        *to++ = digits[--n];
    }
    return to;
}

/* decimal_lines(start, n, columns, values, places, room, out): a line for each of n rows: the start, then the numbers
 * with spaces between them; returns how many of the `room` bytes are written, or -1 where a number has too many digits
 * or the room ends */
PyObject *decimal_lines(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n, columns, room, n_start;
    int places;
    const char *start;
    PyObject *values_object, *out_object;
    if (!PyArg_ParseTuple(args, "y#nnOinO", &start, &n_start, &n, &columns, &values_object, &places, &room,
                          &out_object))
        return NULL;
    const double *values;
    char *out;
    if (!(values = elements(&arrays, values_object, 8, 0, SHAPE(n, columns))) ||
        !(out = elements(&arrays, out_object, 1, 1, SHAPE(room))))
        return failed(&arrays);
    if (places < 1 || places > MOST_PLACES) {
        PyErr_Format(PyExc_ValueError, "numbers have 1 to %d decimals", MOST_PLACES);
        return failed(&arrays);
    }
    double per_unit = 1;
    for (int k = 0; k < places; k++) per_unit *= 10;
    Py_ssize_t written = 0;
    const Py_ssize_t most = MOST_DIGITS + MOST_PLACES + 3; /* with sign, point and separator */
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n && written >= 0; i++) {
        if (room - written < n_start) {
            written = -1;
            break;
        }
        memcpy(out + written, start, (size_t)n_start);
        written += n_start;
        for (Py_ssize_t k = 0; k < columns; k++) {
            char text[MOST_DIGITS + MOST_PLACES + 3];
            char *end = room - written >= most ? out + written : text, *const begin = end;
            if (!(end = write_decimal(begin, values[i * columns + k], per_unit, places))) {
                written = -1;
                break;
            }
            *end++ = k + 1 < columns ? ' ' : '\n';
            const Py_ssize_t length = end - begin;
            if (length > room - written) {
                written = -1;
                break;
            }
            if (begin == text) memcpy(out + written, text, (size_t)length);
            written += length;
        }
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    return PyLong_FromSsize_t(written);
}
