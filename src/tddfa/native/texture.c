/* Textures: texels from an image, and values for the texels that have none. Twins: render/numpy_kernel.
 *
 * Colours lie in planes, not pixel by pixel: rows of one channel become vector instructions.
 */

#include "kernel.h"

typedef struct {
    const float *vertices, *normals; /* n_vertices x 3 */
    Py_ssize_t n_vertices, n_covered, n_texels;
    const int32_t *texel_index; /* of each covered texel in the texture, row by row */
    const int32_t *corner; /* n_covered x 3 */
    const float *weights; /* n_covered x 2: of the second and third corner */
    const uint8_t *image; /* height x width x 3: the image, or a smaller copy of it */
    Py_ssize_t height, width;
    float scale_x, scale_y, shift_x, shift_y; /* from the image frame to this copy */
    float image_width, image_height;
    float edge_on, trusted;
    float cells_per_px, px_per_cell; /* of the view */
    int x0, y0;
    Py_ssize_t columns, rows;
    const float *depth, *edge_distance; /* rows x columns */
    float *colors; /* 3 planes of n_texels */
    float *trust; /* n_texels */
} Texels;

/* Where a coordinate lies between two cells of a row of `count`: the first one, and how far from it. */
static inline Py_ssize_t between(float at, Py_ssize_t count, Py_ssize_t *next, float *part) {
    /* Rows longer than 2^24 have ends that no float is equal to. */
    const float inside = clamp(at, 0.0f, (float)(count - 1));
    const Py_ssize_t first = (Py_ssize_t)inside < count ? (Py_ssize_t)inside : count - 1;
    *next = first + 1 < count ? first + 1 : first;
    *part = inside - (float)first;
    return first;
}

static inline float mix(float a, float b, float part) { return a + part * (b - a); }

/* The nearest cell of a row of `count`. */
static inline Py_ssize_t nearest(float at, Py_ssize_t count) {
    const Py_ssize_t cell = (Py_ssize_t)lrintf(clamp(at, 0.0f, (float)(count - 1)));
    return cell < count ? cell : count - 1;
}

static void take_texels(const Texels *t) {
    for (Py_ssize_t i = 0; i < t->n_covered; i++) {
        const int32_t *corner = t->corner + 3 * i;
        const float b1 = t->weights[2 * i], b2 = t->weights[2 * i + 1];
        const float *n0 = t->normals + 3 * (Py_ssize_t)corner[0], *n1 = t->normals + 3 * (Py_ssize_t)corner[1];
        const float *n2 = t->normals + 3 * (Py_ssize_t)corner[2];
        const float cosine = -((n0[2] + b1 * (n1[2] - n0[2])) + b2 * (n2[2] - n0[2]));
        if (!(cosine > t->edge_on)) continue;
        const float *v0 = t->vertices + 3 * (Py_ssize_t)corner[0], *v1 = t->vertices + 3 * (Py_ssize_t)corner[1];
        const float *v2 = t->vertices + 3 * (Py_ssize_t)corner[2];
        float at[3];
        for (int k = 0; k < 3; k++) at[k] = (v0[k] + b1 * (v1[k] - v0[k])) + b2 * (v2[k] - v0[k]);
        if (at[0] < -0.5f || at[0] > t->image_width - 0.5f || at[1] < -0.5f || at[1] > t->image_height - 0.5f)
            continue;
        const float column = at[0] * t->cells_per_px - (float)t->x0, row = at[1] * t->cells_per_px - (float)t->y0;
        const Py_ssize_t near_column = nearest(column, t->columns), near_row = nearest(row, t->rows);
        /* The surface may rise by its slope within the cell it falls into. */
        const float below = 1.0f - cosine * cosine, slope = sqrtf(below > 0.0f ? below : 0.0f) / cosine;
        const float before = t->depth[near_row * t->columns + near_column];
        if (at[2] > (before + (0.71f * slope) * t->px_per_cell) + 1.0f) continue;
        Py_ssize_t right, down;
        float x, y;
        Py_ssize_t left = between(column, t->columns, &right, &x), up = between(row, t->rows, &down, &y);
        const float *above = t->edge_distance + up * t->columns, *under = t->edge_distance + down * t->columns;
        const float inner = mix(mix(above[left], above[right], x), mix(under[left], under[right], x), y);
        const float trust = clamp((cosine - t->edge_on) / (t->trusted - t->edge_on), 0.0f, 1.0f) * inner;
        if (!(trust > 0.0f)) continue;
        left = between(at[0] * t->scale_x + t->shift_x, t->width, &right, &x);
        up = between(at[1] * t->scale_y + t->shift_y, t->height, &down, &y);
        const uint8_t *a = t->image + 3 * (up * t->width + left), *b = t->image + 3 * (up * t->width + right);
        const uint8_t *c = t->image + 3 * (down * t->width + left), *d = t->image + 3 * (down * t->width + right);
        const Py_ssize_t texel = t->texel_index[i];
        for (int k = 0; k < 3; k++)
            t->colors[k * t->n_texels + texel] =
                mix(mix((float)a[k], (float)b[k], x), mix((float)c[k], (float)d[k], x), y);
        t->trust[texel] = trust;
    }
}

/* texels(n_vertices, vertices, normals, n_covered, n_texels, texel_index, corners, weights,
 *        height, width, image, (scale_x, scale_y, shift_x, shift_y), (image width, height),
 *        (edge_on, trusted), (cells per px, px per cell), (x0, y0, columns, rows), depth, edge_distance, colors,
 *        trust) */
PyObject *texels(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Texels t;
    PyObject *vertices, *normals, *texel_index, *corner, *weights, *image, *depth, *edge_distance, *colors, *trust;
    if (!PyArg_ParseTuple(args, "nOOnnOOOnnO(ffff)(ff)(ff)(ff)(iinn)OOOO", &t.n_vertices, &vertices, &normals,
                          &t.n_covered, &t.n_texels, &texel_index, &corner, &weights, &t.height, &t.width, &image,
                          &t.scale_x, &t.scale_y, &t.shift_x, &t.shift_y, &t.image_width, &t.image_height,
                          &t.edge_on, &t.trusted, &t.cells_per_px, &t.px_per_cell, &t.x0, &t.y0, &t.columns,
                          &t.rows, &depth, &edge_distance, &colors, &trust))
        return NULL;
    if (t.height < 1 || t.width < 1 || t.columns < 1 || t.rows < 1) {
        PyErr_SetString(PyExc_ValueError, "texels are taken from an image of one pixel or more");
        return NULL;
    }
    if (!(t.vertices = elements(&arrays, vertices, 4, 0, SHAPE(t.n_vertices, 3))) ||
        !(t.normals = elements(&arrays, normals, 4, 0, SHAPE(t.n_vertices, 3))) ||
        !(t.texel_index = indices(&arrays, texel_index, t.n_texels, "a texel lies outside the texture",
                                  SHAPE(t.n_covered))) ||
        !(t.corner = indices(&arrays, corner, t.n_vertices, NO_VERTEX, SHAPE(t.n_covered, 3))) ||
        !(t.weights = elements(&arrays, weights, 4, 0, SHAPE(t.n_covered, 2))) ||
        !(t.image = elements(&arrays, image, 1, 0, SHAPE(t.height, t.width, 3))) ||
        !(t.depth = elements(&arrays, depth, 4, 0, SHAPE(t.rows, t.columns))) ||
        !(t.edge_distance = elements(&arrays, edge_distance, 4, 0, SHAPE(t.rows, t.columns))) ||
        !(t.colors = elements(&arrays, colors, 4, 1, SHAPE(3, t.n_texels))) ||
        !(t.trust = elements(&arrays, trust, 4, 1, SHAPE(t.n_texels))))
        return failed(&arrays);
    Py_BEGIN_ALLOW_THREADS
    take_texels(&t);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}

/* Four planes: the sums of three channels and, last, their weight. */
#define PLANES 4

/* The next coarser level of the planes: cells from four cells each. `scale` is room for half a row. */
static ALWAYS_INLINE void push(const float *RESTRICT fine, float *RESTRICT coarse, float *RESTRICT scale, Py_ssize_t side) {
    const Py_ssize_t half = side / 2, cells = side * side;
    for (Py_ssize_t y = 0; y < half; y++) {
        const float *weight = fine + (PLANES - 1) * cells + 2 * y * side;
        for (Py_ssize_t x = 0; x < half; x++) {
            const float sum = (weight[2 * x] + weight[side + 2 * x]) + (weight[2 * x + 1] + weight[side + 2 * x + 1]);
            scale[x] = 1.0f / (sum > 1.0f ? sum : 1.0f);
        }
        for (int k = 0; k < PLANES; k++) {
            const float *a = fine + k * cells + 2 * y * side, *b = a + side;
            float *out = coarse + (k * half + y) * half;
            for (Py_ssize_t x = 0; x < half; x++)
                out[x] = ((a[2 * x] + b[2 * x]) + (a[2 * x + 1] + b[2 * x + 1])) * scale[x];
        }
    }
}

/* One row of a level doubled, linear between the centres of its cells. `row` is room for half of it. */
static ALWAYS_INLINE void double_row(const float *RESTRICT coarse, Py_ssize_t half, Py_ssize_t y, float *RESTRICT row,
                       float *RESTRICT out) {
    Py_ssize_t far = y % 2 ? y / 2 + 1 : y / 2 - 1;
    if (far < 0) far = 0;
    if (far >= half) far = half - 1;
    const float *a = coarse + (y / 2) * half, *b = coarse + far * half;
    for (Py_ssize_t x = 0; x < half; x++) row[x] = 0.75f * a[x] + 0.25f * b[x];
    out[0] = 0.75f * row[0] + 0.25f * row[0];
    for (Py_ssize_t x = 0; x + 1 < half; x++) {
        out[2 * x + 1] = 0.75f * row[x] + 0.25f * row[x + 1];
        out[2 * x + 2] = 0.75f * row[x + 1] + 0.25f * row[x];
    }
    out[2 * half - 1] = 0.75f * row[half - 1] + 0.25f * row[half - 1];
}

/* The next finer level, in place of its sums: the coarse one doubled, under what is known. */
static ALWAYS_INLINE void pull(const float *coarse, float *fine, float *room, Py_ssize_t half, int smooth) {
    const Py_ssize_t side = 2 * half, cells = side * side;
    for (Py_ssize_t y = 0; y < side; y++) {
        const float *known = fine + (PLANES - 1) * cells + y * side;
        for (int k = 0; k < PLANES - 1; k++) {
            float *out = fine + k * cells + y * side, *doubled = smooth ? out : room + half;
            double_row(coarse + k * half * half, half, y, room, doubled);
            if (!smooth)
                for (Py_ssize_t x = 0; x < side; x++) out[x] = out[x] + (1.0f - known[x]) * doubled[x];
        }
    }
}

/* Cells of all levels above one of `side` cells a row, in planes; with room for its rows. */
static Py_ssize_t room_above(Py_ssize_t side) { return PLANES * (side * side / 3 + 1) + 2 * side; }

/* Sums and weight become values everywhere, in place; the `smooth` finest levels add no detail. */
static ALWAYS_INLINE void push_pull_planes(float *planes, float *room, int levels, int smooth) {
    const Py_ssize_t side = (Py_ssize_t)1 << levels;
    float *level[32], *rows = room;
    level[0] = planes;
    room += 2 * side;
    for (int i = 1; i <= levels; i++) {
        level[i] = room;
        push(level[i - 1], room, rows, side >> (i - 1));
        room += PLANES * (side >> i) * (side >> i);
    }
    float *top = level[levels];
    const float least = top[PLANES - 1] > 1.17549435e-38f ? top[PLANES - 1] : 1.17549435e-38f;
    for (int k = 0; k < PLANES - 1; k++) top[k] = top[k] / least;
    for (int i = levels - 1; i >= 0; i--) pull(level[i + 1], level[i], rows, side >> (i + 1), i < smooth);
}

/* Rows of the three colours, and of sums of them. */
typedef struct {
    const float *RESTRICT r, *RESTRICT g, *RESTRICT b;
} Colors;

typedef struct {
    float *RESTRICT r, *RESTRICT g, *RESTRICT b, *RESTRICT known;
} Sums;

static ALWAYS_INLINE Colors colors_at(const float *planes, Py_ssize_t cells, Py_ssize_t at) {
    const Colors row = {planes + at, planes + cells + at, planes + 2 * cells + at};
    return row;
}

static ALWAYS_INLINE Sums sums_at(float *planes, Py_ssize_t cells, Py_ssize_t at) {
    const Sums row = {planes + at, planes + cells + at, planes + 2 * cells + at, planes + 3 * cells + at};
    return row;
}

/* Sums and weights of a row of texels. */
static ALWAYS_INLINE void keep_row(Colors c, const float *RESTRICT trust, Sums s, Py_ssize_t size) {
    for (Py_ssize_t x = 0; x < size; x++) {
        s.known[x] = trust[x];
        s.r[x] = trust[x] * c.r[x], s.g[x] = trust[x] * c.g[x], s.b[x] = trust[x] * c.b[x];
    }
}

/* The same, where hidden texels borrow the colours of the other half of the face. `d` is what light makes
 * between the halves. */
static ALWAYS_INLINE void borrow_row(Colors c, const float *RESTRICT trust, Colors d, Sums s, Py_ssize_t size) {
    for (Py_ssize_t x = 0; x < size; x++) {
        const Py_ssize_t other = size - 1 - x;
        const float part = (1.0f - trust[x]) * trust[other];
        s.known[x] = trust[x] + part;
        s.r[x] = trust[x] * c.r[x] + part * (c.r[other] + d.r[x]);
        s.g[x] = trust[x] * c.g[x] + part * (c.g[other] + d.g[x]);
        s.b[x] = trust[x] * c.b[x] + part * (c.b[other] + d.b[x]);
    }
}

/* How the halves of the face differ in a row: sums and weight. What differs more than light does counts less. */
static ALWAYS_INLINE void compare_row(Colors c, const float *RESTRICT trust, float per_light, Sums s, Py_ssize_t size) {
    for (Py_ssize_t x = 0; x < size; x++) {
        const Py_ssize_t other = size - 1 - x;
        const float r = c.r[x] - c.r[other], g = c.g[x] - c.g[other], b = c.b[x] - c.b[other];
        const float larger = fabsf(r) > fabsf(g) ? fabsf(r) : fabsf(g);
        const float most = (larger > fabsf(b) ? larger : fabsf(b)) * per_light;
        const float rest = 1.0f - most * most, alike = rest > 0.0f ? rest * rest : 0.0f;
        const float weight = (trust[x] < trust[other] ? trust[x] : trust[other]) * alike;
        s.r[x] = r * weight, s.g[x] = g * weight, s.b[x] = b * weight;
        s.known[x] = weight;
    }
}

/* 0 to 255, rounded to even: with 2^23 added, the bits of a float end in the whole number. */
static ALWAYS_INLINE uint32_t byte_of(float v) {
    const float sum = clamp(v, 0.0f, 255.0f) + 8388608.0f;
    uint32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits & 0xFFu;
}

/* A row of colours as bytes. `pixels` is room for them, four bytes each: so far they are vector instructions. */
static ALWAYS_INLINE void write_row(Colors c, Py_ssize_t size, uint32_t *RESTRICT pixels, uint8_t *RESTRICT out) {
    const int red = PY_BIG_ENDIAN ? 24 : 0, green = PY_BIG_ENDIAN ? 16 : 8, blue = PY_BIG_ENDIAN ? 8 : 16;
    for (Py_ssize_t x = 0; x < size; x++)
        pixels[x] = byte_of(c.r[x]) << red | byte_of(c.g[x]) << green | byte_of(c.b[x]) << blue;
    for (Py_ssize_t x = 0; x + 1 < size; x++) memcpy(out + 3 * x, &pixels[x], 4); /* the fourth goes under the next */
    memcpy(out + 3 * (size - 1), &pixels[size - 1], 3);
}

typedef struct {
    Py_ssize_t size, side;
    int levels, symmetric, smooth;
    const float *colors, *trust;
    float per_light;
    float *planes, *difference, *room; /* the difference only where the layout is symmetric */
    uint8_t *out;
} Completion;

static ALWAYS_INLINE void complete_planes(const Completion *job) {
    const Py_ssize_t size = job->size, side = job->side, texels = size * size, cells = side * side;
    if (job->symmetric) {
        for (Py_ssize_t y = 0; y < size; y++)
            compare_row(colors_at(job->colors, texels, y * size), job->trust + y * size, job->per_light,
                        sums_at(job->difference, cells, y * side), size);
        push_pull_planes(job->difference, job->room, job->levels, job->smooth);
    }
    for (Py_ssize_t y = 0; y < size; y++) {
        const Colors row = colors_at(job->colors, texels, y * size);
        const Sums to = sums_at(job->planes, cells, y * side);
        if (job->symmetric)
            borrow_row(row, job->trust + y * size, colors_at(job->difference, cells, y * side), to, size);
        else
            keep_row(row, job->trust + y * size, to, size);
    }
    push_pull_planes(job->planes, job->room, job->levels, 0);
    for (Py_ssize_t y = 0; y < size; y++)
        write_row(colors_at(job->planes, cells, y * side), size, (uint32_t *)job->room, job->out + 3 * y * size);
}

DEFINE_VARIANTS(complete_planes, Completion)

/* complete(size, log2 of the side, colors, trust, symmetric, smooth, per_light, most, out): `most` is the widest
 * vector unit to use, 0 to 2; see numpy_kernel.complete */
PyObject *complete(PyObject *self, PyObject *args) {
    Arrays arrays = {.count = 0};
    Completion job;
    int most;
    PyObject *colors_object, *trust_object, *out_object;
    if (!PyArg_ParseTuple(args, "niOOiifiO", &job.size, &job.levels, &colors_object, &trust_object, &job.symmetric,
                          &job.smooth, &job.per_light, &most, &out_object))
        return NULL;
    if (job.levels < 0 || job.levels > 15 || job.size < 1 || job.size > (Py_ssize_t)1 << job.levels) {
        PyErr_SetString(PyExc_ValueError, "textures have up to 32768 texels a side");
        return NULL;
    }
    const Py_ssize_t size = job.size;
    job.side = (Py_ssize_t)1 << job.levels;
    if (!(job.colors = elements(&arrays, colors_object, 4, 0, SHAPE(3, size, size))) ||
        !(job.trust = elements(&arrays, trust_object, 4, 0, SHAPE(size, size))) ||
        !(job.out = elements(&arrays, out_object, 1, 1, SHAPE(size, size, 3))))
        return failed(&arrays);
    const Py_ssize_t whole = PLANES * job.side * job.side, n_planes = job.symmetric ? 2 : 1;
    job.planes = room_for(&arrays, sizeof(float), SHAPE(n_planes * whole + room_above(job.side)));
    if (!job.planes) return failed(&arrays);
    job.difference = job.planes + whole, job.room = job.planes + n_planes * whole;
    Py_BEGIN_ALLOW_THREADS
    /* Beyond the texture, where it does not fill the square, nothing is known. */
    if (size < job.side) memset(job.planes, 0, sizeof(float) * (size_t)(n_planes * whole));
    complete_planes_variants[vectors(most)](&job);
    Py_END_ALLOW_THREADS
    release(&arrays);
    Py_RETURN_NONE;
}
