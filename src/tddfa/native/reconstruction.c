/* Meshes of large morphable models: basis in 16 bits, mean and sums in 32, the camera in the same pass.
 * The twin, and why this is exact enough, is in morphable/compact.py.
 *
 * Blocks of 64 vertices lie one after the other, so that memory is read once and in order. In a block are first
 * all x, then all y, then all z; a row of it is one coefficient. Two coordinates share a word: the first half of
 * the row in the low bits, the second half in the high ones.
 */

#include "kernel.h"

#define BLOCK 64
#define NUMBERS (3 * BLOCK)
#define WORDS (NUMBERS / 2)

typedef struct {
    Py_ssize_t n_vertices, n_rows;
    const float *mean; /* blocks x NUMBERS */
    const uint32_t *words; /* blocks x n_rows x WORDS */
    const float *scales; /* blocks x n_rows */
    const float *coefficients; /* n_rows */
    const float *camera; /* 3 x 4 */
    float *out; /* n_vertices x 3 */
} Reconstruction;

/* How many blocks hold so many vertices; the size of an array, which is checked. */
static Py_ssize_t blocks_of(Py_ssize_t n_vertices) { return n_vertices / BLOCK + (n_vertices % BLOCK > 0); }

/* The low numbers of a word, and the high ones, both times 2^16: the scales know. */
static ALWAYS_INLINE float low(uint32_t word) { return (float)(int32_t)(word << 16); }
static ALWAYS_INLINE float high(uint32_t word) { return (float)(int32_t)(word & 0xFFFF0000u); }

static ALWAYS_INLINE void reconstruct_blocks(const Reconstruction *job) {
    const float *RESTRICT c = job->camera;
    for (Py_ssize_t start = 0, block = 0; start < job->n_vertices; start += BLOCK, block++) {
        float sums[NUMBERS] = {0}, moved[NUMBERS];
        const uint32_t *RESTRICT words = job->words + block * job->n_rows * WORDS;
        const float *RESTRICT scales = job->scales + block * job->n_rows;
        Py_ssize_t row = 0;
        for (; row + 4 <= job->n_rows; row += 4, words += 4 * WORDS) {
            const float *RESTRICT given = job->coefficients + row;
            const float w0 = given[0] * scales[row], w1 = given[1] * scales[row + 1];
            const float w2 = given[2] * scales[row + 2], w3 = given[3] * scales[row + 3];
            for (int i = 0; i < WORDS; i++) {
                const uint32_t a = words[i], b = words[WORDS + i], d = words[2 * WORDS + i], e = words[3 * WORDS + i];
                sums[i] = (((sums[i] + w0 * low(a)) + w1 * low(b)) + w2 * low(d)) + w3 * low(e);
                sums[WORDS + i] = (((sums[WORDS + i] + w0 * high(a)) + w1 * high(b)) + w2 * high(d)) + w3 * high(e);
            }
        }
        for (; row < job->n_rows; row++, words += WORDS) {
            const float w = job->coefficients[row] * scales[row];
            for (int i = 0; i < WORDS; i++) {
                sums[i] = sums[i] + w * low(words[i]);
                sums[WORDS + i] = sums[WORDS + i] + w * high(words[i]);
            }
        }
        /* The mean comes last: sums of small numbers lose less. */
        const float *RESTRICT mean = job->mean + block * NUMBERS;
        for (int i = 0; i < NUMBERS; i++) sums[i] = mean[i] + sums[i];
        const float *x = sums, *y = sums + BLOCK, *z = sums + 2 * BLOCK;
        const Py_ssize_t n = job->n_vertices - start < BLOCK ? job->n_vertices - start : BLOCK;
        for (int i = 0; i < BLOCK; i++)
            for (int k = 0; k < 3; k++)
                moved[3 * i + k] = ((c[4 * k] * x[i] + c[4 * k + 1] * y[i]) + c[4 * k + 2] * z[i]) + c[4 * k + 3];
        memcpy(job->out + 3 * start, moved, sizeof(float) * 3 * (size_t)n);
    }
}

DEFINE_VARIANTS(reconstruct_blocks, Reconstruction)

/* reconstruct(n_vertices, n_rows, mean, words, scales, coefficients, camera, most, out): `most` is the widest
 * vector unit to use, 0 to 2 */
PyObject *reconstruct(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Reconstruction job;
    int most;
    PyObject *mean, *words, *scales, *coefficients, *camera, *out;
    if (!PyArg_ParseTuple(args, "nnOOOOOiO", &job.n_vertices, &job.n_rows, &mean, &words, &scales, &coefficients,
                          &camera, &most, &out))
        return NULL;
    const Py_ssize_t blocks = blocks_of(job.n_vertices);
    if (!(job.mean = elements(&arrays, mean, 4, 0, SHAPE(blocks, NUMBERS))) ||
        !(job.words = elements(&arrays, words, 4, 0, SHAPE(blocks, job.n_rows, WORDS))) ||
        !(job.scales = elements(&arrays, scales, 4, 0, SHAPE(blocks, job.n_rows))) ||
        !(job.coefficients = elements(&arrays, coefficients, 4, 0, SHAPE(job.n_rows))) ||
        !(job.camera = elements(&arrays, camera, 4, 0, SHAPE(3, 4))) ||
        !(job.out = elements(&arrays, out, 4, 1, SHAPE(job.n_vertices, 3))))
        return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    reconstruct_blocks_variants[vectors(most)](&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

/* quantize(n_vertices, n_coefficients, first_row, n_rows, detailed, first_detail, basis, words, scales): the rows
 * of a basis (n_vertices x 3 x n_coefficients) in 16 bits, from `first_row` on; and of its first `detailed`
 * coefficients what rounding leaves, from `first_detail` on */
PyObject *quantize(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_vertices, n_coefficients, first_row, n_rows, detailed, first_detail;
    PyObject *basis_object, *words_object, *scales_object;
    if (!PyArg_ParseTuple(args, "nnnnnnOOO", &n_vertices, &n_coefficients, &first_row, &n_rows, &detailed,
                          &first_detail, &basis_object, &words_object, &scales_object))
        return NULL;
    if (n_coefficients < 0 || n_rows < 0 || first_row < 0 || first_row > n_rows - n_coefficients || detailed < 0 ||
        detailed > n_coefficients || first_detail < 0 || first_detail > n_rows - detailed) {
        PyErr_SetString(PyExc_ValueError, "the rows do not fit");
        return NULL;
    }
    const Py_ssize_t blocks = blocks_of(n_vertices);
    const float *basis;
    uint32_t *words;
    float *scales;
    if (!(basis = elements(&arrays, basis_object, 4, 0, SHAPE(n_vertices, 3, n_coefficients))) ||
        !(words = elements(&arrays, words_object, 4, 1, SHAPE(blocks, n_rows, WORDS))) ||
        !(scales = elements(&arrays, scales_object, 4, 1, SHAPE(blocks, n_rows))))
        return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t block = 0; block < blocks; block++) {
        const Py_ssize_t start = block * BLOCK;
        for (Py_ssize_t j = 0; j < n_coefficients; j++) {
            float values[NUMBERS], most = 0;
            for (int i = 0; i < NUMBERS; i++) {
                const Py_ssize_t vertex = start + i % BLOCK;
                values[i] = vertex < n_vertices ? basis[(3 * vertex + i / BLOCK) * n_coefficients + j] : 0.0f;
                most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
            }
            float scale = most / 32767.0f;
            for (int detail = 0; detail < (j < detailed ? 2 : 1); detail++) {
                const Py_ssize_t row = block * n_rows + (detail ? first_detail : first_row) + j;
                for (int i = 0; i < WORDS; i++) {
                    uint32_t half[2];
                    for (int k = 0; k < 2; k++) {
                        float *value = &values[k * WORDS + i];
                        const float steps = scale > 0 ? *value / scale : 0.0f;
                        /* What is not a number becomes the smallest one. */
                        const float inside = steps > -32767.0f ? (steps < 32767.0f ? steps : 32767.0f) : -32767.0f;
                        const float whole = (float)lrintf(inside);
                        half[k] = (uint32_t)(int32_t)whole & 0xFFFFu;
                        *value = *value - whole * scale;
                    }
                    words[row * WORDS + i] = half[1] << 16 | half[0];
                }
                scales[row] = scale / 65536.0f;
                scale = scales[row];
            }
        }
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}
