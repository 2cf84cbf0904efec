/* What the rasteriser draws, and one pixel of it. */

#ifndef TDDFA_PIXELS_H
#define TDDFA_PIXELS_H

#include "kernel.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

#define SUBPIXEL_BITS 8
#define SUBPIXELS (1 << SUBPIXEL_BITS)

/* Coordinates up to this, and regions within it, keep all that follows in 32 bits, and edge functions in 64. */
#define MAX_COORDINATE (1 << 21)

typedef struct {
    const float *vertices; /* n_vertices x 3 */
    const int32_t *triangles; /* n_triangles x 3, checked */
    Py_ssize_t n_vertices, n_triangles;
    float scale; /* of x and y, before anything else */
    int32_t x0, y0, width, height; /* the part of the image that is filled */
    int cull_back;
    int32_t first_triangle; /* number of this mesh's first triangle among all meshes */
    float *depth; /* height x width */
    int32_t *index; /* height x width, or NULL */
    float *barycentric; /* height x width x 3, or NULL */
    const float *values; /* n_vertices x channels, or NULL */
    int channels;
    float *out; /* height x width x channels, or NULL */
    uint8_t *canvas; /* its pixel at (x0, y0), or NULL */
    const uint8_t *image; /* the same pixel of the image that shines through, or NULL */
    Py_ssize_t stride; /* bytes per row of both */
    int canvas_channels;
    float alpha;
    float under[256]; /* what is left of each level of the image */
    uint8_t opacity;
} Job;

/* A vertex on the grid of the region, and what the pixels beside it tell of a triangle's bounding box. */
typedef struct {
    int32_t x, y;
    float z, unused;
} Corner;

typedef struct {
    float left, top, minus_right, minus_bottom; /* whole numbers: the smallest of three corners is the box */
} Box;

typedef enum { DEPTH, INDEX, VALUES, CANVAS } Target;

/* One pixel that the triangle covers: the depth test and what follows it. `target` and `channels` are
 * constants at every call: the compiler removes what does not apply. */
static ALWAYS_INLINE void draw_pixel(const Job *job, Target target, int channels, int32_t number, int32_t x, int32_t y,
                                     float b1, float b2, float z) {
    const Py_ssize_t pixel = (Py_ssize_t)y * job->width + x;
    if (!(z < job->depth[pixel])) return;
    job->depth[pixel] = z;
    if (target == DEPTH) return;
    if (target == INDEX) {
        job->index[pixel] = job->first_triangle + number;
        job->barycentric[3 * pixel] = (1.0f - b1) - b2;
        job->barycentric[3 * pixel + 1] = b1;
        job->barycentric[3 * pixel + 2] = b2;
        return;
    }
    const int32_t *corner = job->triangles + 3 * (Py_ssize_t)number;
    const float *a0 = job->values + (Py_ssize_t)channels * corner[0];
    const float *a1 = job->values + (Py_ssize_t)channels * corner[1];
    const float *a2 = job->values + (Py_ssize_t)channels * corner[2];
    if (target == VALUES) {
        float *out = job->out + channels * pixel;
        for (int k = 0; k < channels; k++) out[k] = (a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k]);
        return;
    }
    float level[3];
    for (int k = 0; k < 3; k++)
        if (k < channels) level[k] = job->alpha * (clamp01((a0[k] + b1 * (a1[k] - a0[k])) + b2 * (a2[k] - a0[k])) * 255.0f);
    const Py_ssize_t at = y * job->stride + (Py_ssize_t)x * job->canvas_channels;
    uint8_t *out = job->canvas + at;
    if (job->image) {
        const uint8_t *image = job->image + at;
        for (int k = 0; k < 3; k++) out[k] = (uint8_t)lrintf(level[channels == 1 ? 0 : k] + job->under[image[k]]);
    } else {
        for (int k = 0; k < 3; k++) out[k] = (uint8_t)lrintf(level[channels == 1 ? 0 : k]);
        if (job->canvas_channels == 4) out[3] = job->opacity;
    }
}

#endif
