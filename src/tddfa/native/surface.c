/* What is measured at vertices: bounds, normals, light, values inside triangles.
 *
 * Each has a twin in render/numpy_kernel with the same operations in the same order.
 */

#include "kernel.h"

#define SPAN 48 /* coordinates compared together: loops of this length become vector instructions */

static ALWAYS_INLINE void widen(const float *RESTRICT v, float *RESTRICT low, float *RESTRICT high,
                                float *RESTRICT finite) {
    for (int j = 0; j < SPAN; j++) {
        low[j] = v[j] < low[j] ? v[j] : low[j];
        high[j] = v[j] > high[j] ? v[j] : high[j];
        finite[j] += 0.0f * v[j]; /* 0 times a number is 0, times infinity or NaN it is NaN */
    }
}

/* bounds(n, points, out): smallest and largest x, y, z of n points; NaN where one is not finite */
PyObject *bounds(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n;
    PyObject *points_object, *out_object;
    if (!PyArg_ParseTuple(args, "nOO", &n, &points_object, &out_object)) return NULL;
    const float *points;
    float *out;
    if (!(points = elements(&arrays, points_object, 4, 0, SHAPE(n, 3))) ||
        !(out = elements(&arrays, out_object, 4, 1, SHAPE(2, 3))))
        return failed(&arrays);
    float low[SPAN], high[SPAN], finite[SPAN];
    for (int j = 0; j < SPAN; j++) low[j] = INFINITY, high[j] = -INFINITY, finite[j] = 0;
    Py_ssize_t i = 0;
    for (; i + SPAN <= 3 * n; i += SPAN) widen(points + i, low, high, finite);
    if (i < 3 * n) { /* the last ones, and then the first of them again */
        float last[SPAN];
        for (int j = 0; j < SPAN; j++) last[j] = points[i + j < 3 * n ? i + j : i + j % 3];
        widen(last, low, high, finite);
    }
    for (int k = 0; k < 3; k++) {
        for (int j = k + 3; j < SPAN; j += 3) {
            low[k] = low[j] < low[k] ? low[j] : low[k];
            high[k] = high[j] > high[k] ? high[j] : high[k];
            finite[k] += finite[j];
        }
        out[k] = finite[k] == 0 ? low[k] : NAN;
        out[3 + k] = finite[k] == 0 ? high[k] : NAN;
    }
    release(&arrays);
    Py_RETURN_NONE;
}

/* weighted(n_values, channels, values, n, corners, barycentric, out): values inside triangles */
PyObject *weighted(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_values, n;
    int channels;
    PyObject *values_object, *corners_object, *barycentric_object, *out_object;
    if (!PyArg_ParseTuple(args, "niOnOOO", &n_values, &channels, &values_object, &n, &corners_object,
                          &barycentric_object, &out_object))
        return NULL;
    const float *values, *barycentric;
    const int32_t *corners;
    float *out;
    if (!(values = elements(&arrays, values_object, 4, 0, SHAPE(n_values, channels))) ||
        !(corners = indices(&arrays, corners_object, n_values, NO_VERTEX, SHAPE(n, 3))) ||
        !(barycentric = elements(&arrays, barycentric_object, 4, 0, SHAPE(n, 3))) ||
        !(out = elements(&arrays, out_object, 4, 1, SHAPE(n, channels))))
        return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        const int32_t *corner = corners + 3 * i;
        const float *a0 = values + (Py_ssize_t)channels * corner[0];
        const float *a1 = values + (Py_ssize_t)channels * corner[1];
        const float *a2 = values + (Py_ssize_t)channels * corner[2];
        const float b1 = barycentric[3 * i + 1], b2 = barycentric[3 * i + 2];
        for (int k = 0; k < channels; k++)
            out[channels * i + k] = (a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k]);
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

#define FARTHEST_CELL (1 << 22) /* of a z-buffer: floats up to this, and sums of two, are exact */

/* visible(n_vertices, vertices, n, chosen or None, width, height, (x0, y0, columns, rows), scale, depth, tolerance,
 *         out): whether each chosen vertex lies in the image, and no deeper than the nearest cell of a z-buffer and the
 *         tolerance; see numpy_kernel.visible */
PyObject *visible(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_vertices, n;
    int width, height, x0, y0, columns, rows, missing = 0;
    float scale, tolerance;
    PyObject *vertices_object, *chosen_object, *depth_object, *out_object;
    if (!PyArg_ParseTuple(args, "nOnOii(iiii)fOfO", &n_vertices, &vertices_object, &n, &chosen_object, &width, &height,
                          &x0, &y0, &columns, &rows, &scale, &depth_object, &tolerance, &out_object))
        return NULL;
    const float *vertices, *depth;
    const int64_t *chosen = NULL;
    uint8_t *out;
    if (!(vertices = elements(&arrays, vertices_object, 4, 0, SHAPE(n_vertices, 3))) ||
        (chosen_object != Py_None && !(chosen = elements(&arrays, chosen_object, 8, 0, SHAPE(n)))) ||
        !(depth = elements(&arrays, depth_object, 4, 0, SHAPE(rows, columns))) ||
        !(out = elements(&arrays, out_object, 1, 1, SHAPE(n))))
        return failed(&arrays);
    if (!chosen && n != n_vertices) {
        PyErr_SetString(PyExc_ValueError, "all vertices are as many as there are");
        return failed(&arrays);
    }
    if (x0 < -FARTHEST_CELL || x0 > FARTHEST_CELL || y0 < -FARTHEST_CELL || y0 > FARTHEST_CELL ||
        columns > FARTHEST_CELL || rows > FARTHEST_CELL) {
        PyErr_SetString(PyExc_ValueError, "the z-buffer reaches too far");
        return failed(&arrays);
    }
    const int empty = columns == 0 || rows == 0;
    const float right = (float)(width - 0.5), bottom = (float)(height - 0.5);
    const float left_cell = (float)x0, top_cell = (float)y0;
    const float right_cell = (float)(x0 + columns - 1), bottom_cell = (float)(y0 + rows - 1);
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < n; i++) {
        const int64_t at = chosen ? chosen[i] : i;
        if (at < 0 || at >= n_vertices) {
            missing = 1;
            break;
        }
        const float x = vertices[3 * at], y = vertices[3 * at + 1], z = vertices[3 * at + 2];
        float nearest = INFINITY;
        if (!empty) {
            const int column = (int)lrintf(clamp(x * scale, left_cell, right_cell)) - x0;
            const int row = (int)lrintf(clamp(y * scale, top_cell, bottom_cell)) - y0;
            nearest = depth[(Py_ssize_t)row * columns + column];
        }
        out[i] = (x > -0.5f) & (x < right) & (y > -0.5f) & (y < bottom) & (z <= nearest + tolerance);
    }
    Py_END_ALLOW_THREADS
    if (missing) PyErr_SetString(PyExc_IndexError, "a chosen vertex is not there");
    if (missing) return failed(&arrays);
    release(&arrays);
    Py_RETURN_NONE;
}

/* Sums of the normals of the triangles around each vertex, then unit length; 0 where there is no area. */
static void normals_of(const float *vertices, Py_ssize_t n_vertices, const int32_t *triangles,
                       Py_ssize_t n_triangles, double *sums, float *out) {
    memset(sums, 0, sizeof(double) * 3 * (size_t)n_vertices);
    for (Py_ssize_t i = 0; i < n_triangles; i++) {
        const int32_t *corner = triangles + 3 * i;
        const float *a = vertices + 3 * (Py_ssize_t)corner[0];
        const float *b = vertices + 3 * (Py_ssize_t)corner[1];
        const float *c = vertices + 3 * (Py_ssize_t)corner[2];
        const float ux = b[0] - a[0], uy = b[1] - a[1], uz = b[2] - a[2];
        const float vx = c[0] - a[0], vy = c[1] - a[1], vz = c[2] - a[2];
        const float nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
        for (int k = 0; k < 3; k++) {
            double *sum = sums + 3 * (Py_ssize_t)corner[k];
            sum[0] += nx, sum[1] += ny, sum[2] += nz;
        }
    }
    for (Py_ssize_t i = 0; i < n_vertices; i++) {
        const double *sum = sums + 3 * i;
        const double length = sqrt((sum[0] * sum[0] + sum[1] * sum[1]) + sum[2] * sum[2]);
        for (int k = 0; k < 3; k++) out[3 * i + k] = length > 0 ? (float)(sum[k] / length) : 0.0f;
    }
}

/* vertex_normals(n_vertices, n_triangles, vertices, triangles, out) */
PyObject *vertex_normals(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n_vertices, n_triangles;
    PyObject *vertices_object, *triangles_object, *out_object;
    if (!PyArg_ParseTuple(args, "nnOOO", &n_vertices, &n_triangles, &vertices_object, &triangles_object,
                          &out_object))
        return NULL;
    const float *vertices;
    const int32_t *triangles;
    float *out;
    if (!(vertices = elements(&arrays, vertices_object, 4, 0, SHAPE(n_vertices, 3))) ||
        !(triangles = indices(&arrays, triangles_object, n_vertices, NO_VERTEX, SHAPE(n_triangles, 3))) ||
        !(out = elements(&arrays, out_object, 4, 1, SHAPE(n_vertices, 3))))
        return failed(&arrays);
    double *sums = room_for(&arrays, sizeof(double), SHAPE(n_vertices, 3));
    if (!sums) return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    normals_of(vertices, n_vertices, triangles, n_triangles, sums, out);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

#define MAX_EXPONENT 1024 /* of a highlight: a multiplication each */
#define LANES 64 /* vertices lit at once: loops of this length become vector instructions */

typedef struct {
    float low[3], half[3], scale; /* of the unit cube */
    float ambient, directional, specular, lamp[3];
    int exponent;
} Light;

static ALWAYS_INLINE void light_block(const Light *light, const float *vertices, const float *normals, float *out) {
    float to_lamp[3][LANES], normal[3][LANES], per_length[LANES], cosine[LANES], highlight[LANES];
    for (int j = 0; j < LANES; j++) {
        for (int k = 0; k < 3; k++) {
            const float towards = k == 2 ? -1.0f : 1.0f; /* z to the viewer */
            to_lamp[k][j] = towards * vertices[3 * j + k];
            normal[k][j] = towards * normals[3 * j + k];
        }
    }
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < LANES; j++)
            to_lamp[k][j] = light->lamp[k] - ((to_lamp[k][j] - light->low[k]) * light->scale - light->half[k]);
    for (int j = 0; j < LANES; j++)
        per_length[j] = 1.0f / sqrtf((to_lamp[0][j] * to_lamp[0][j] + to_lamp[1][j] * to_lamp[1][j]) +
                                     to_lamp[2][j] * to_lamp[2][j]);
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < LANES; j++) to_lamp[k][j] = to_lamp[k][j] * per_length[j];
    for (int j = 0; j < LANES; j++)
        cosine[j] = (normal[0][j] * to_lamp[0][j] + normal[1][j] * to_lamp[1][j]) + normal[2][j] * to_lamp[2][j];
    for (int k = 0; k < 3; k++) {
        float base[LANES], product[LANES];
        for (int j = 0; j < LANES; j++)
            product[j] = base[j] = to_lamp[k][j] * ((2.0f * cosine[j]) * normal[k][j] - to_lamp[k][j]);
        for (int e = 1; e < light->exponent; e++)
            for (int j = 0; j < LANES; j++) product[j] = product[j] * base[j];
        for (int j = 0; j < LANES; j++) highlight[j] = k == 0 ? product[j] : highlight[j] + product[j];
    }
    for (int j = 0; j < LANES; j++) {
        const float mirrored = cosine[j] != 0.0f ? clamp01(highlight[j]) : 0.0f;
        out[j] = clamp01((light->ambient + light->directional * clamp01(cosine[j])) + light->specular * mirrored);
    }
}

typedef struct {
    Py_ssize_t n; /* a whole number of LANES */
    const Light *light;
    const float *vertices, *normals;
    float *out;
} Lighting;

static ALWAYS_INLINE void light_blocks(const Lighting *job) {
    for (Py_ssize_t i = 0; i < job->n; i += LANES)
        light_block(job->light, job->vertices + 3 * i, job->normals + 3 * i, job->out + i);
}

DEFINE_VARIANTS(light_blocks, Lighting)

/* phong(n_vertices, vertices, normals, low (3), side, light (ambient, directional, specular, x, y, z),
 *       exponent, most, out): vertices and normals in the image frame; `most` is the widest vector unit to use, 0
 *       to 2; see lighting.py */
PyObject *phong(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Py_ssize_t n;
    PyObject *vertices_object, *normals_object, *out_object;
    Light light;
    int most;
    if (!PyArg_ParseTuple(args, "nOO(fff)(fff)f(ffffff)iiO", &n, &vertices_object, &normals_object, &light.low[0],
                          &light.low[1], &light.low[2], &light.half[0], &light.half[1], &light.half[2], &light.scale,
                          &light.ambient, &light.directional, &light.specular, &light.lamp[0], &light.lamp[1],
                          &light.lamp[2], &light.exponent, &most, &out_object))
        return NULL;
    if (light.exponent < 1 || light.exponent > MAX_EXPONENT) {
        PyErr_Format(PyExc_ValueError, "the exponent of a light is from 1 to %d", MAX_EXPONENT);
        return NULL;
    }
    const float *vertices, *normals;
    float *out;
    if (!(vertices = elements(&arrays, vertices_object, 4, 0, SHAPE(n, 3))) ||
        !(normals = elements(&arrays, normals_object, 4, 0, SHAPE(n, 3))) ||
        !(out = elements(&arrays, out_object, 4, 1, SHAPE(n))))
        return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    const Py_ssize_t whole = n / LANES * LANES;
    const Lighting job = {whole, &light, vertices, normals, out};
    light_blocks_variants[vectors(most)](&job);
    if (whole < n) {
        float last_vertices[3 * LANES] = {0}, last_normals[3 * LANES] = {0}, last_out[LANES];
        memcpy(last_vertices, vertices + 3 * whole, sizeof(float) * 3 * (size_t)(n - whole));
        memcpy(last_normals, normals + 3 * whole, sizeof(float) * 3 * (size_t)(n - whole));
        const Lighting rest = {LANES, &light, last_vertices, last_normals, last_out};
        light_blocks_variants[vectors(most)](&rest);
        memcpy(out + whole, last_out, sizeof(float) * (size_t)(n - whole));
    }
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

