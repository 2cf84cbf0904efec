/* Triangles of a few pixels: the pixels that they may cover are collected, and tested in batches. */

#ifndef TDDFA_FRAGMENT_BATCH_H
#define TDDFA_FRAGMENT_BATCH_H

#include "pixels.h"

#define BATCH 256 /* fragments that are tested together */

/* Fragments: pixels that small triangles may cover, with the triangles' corners as seen from there. */
typedef struct {
    int count;
    int32_t number[BATCH], pixel[BATCH][2]; /* triangle, column and row */
    int32_t x[3][BATCH], y[3][BATCH];
    float z[3][BATCH];
    float b1[BATCH], b2[BATCH], depth[BATCH];
    int32_t inside[BATCH];
} FragmentBatch;

/* Column and row of the pixels of a small box, by its width. */
static const int32_t STEPS_OF[5][16][2] = {
    {{0}},
    {{0, 0}, {0, 1}, {0, 2}, {0, 3}},
    {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}, {0, 3}, {1, 3}},
    {{0, 0}, {1, 0}, {2, 0}, {0, 1}, {1, 1}, {2, 1}, {0, 2}, {1, 2}, {2, 2}, {0, 3}, {1, 3}, {2, 3}},
    {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {0, 1}, {1, 1}, {2, 1}, {3, 1},
     {0, 2}, {1, 2}, {2, 2}, {3, 2}, {0, 3}, {1, 3}, {2, 3}, {3, 3}},
};

static ALWAYS_INLINE void add_four(FragmentBatch *batch, int at, int32_t number, const int32_t *box,
                                   const int32_t (*steps)[2]) {
    for (int j = 0; j < 4; j++) batch->number[at + j] = number;
    for (int j = 0; j < 4; j++)
        for (int k = 0; k < 2; k++) batch->pixel[at + j][k] = box[k] + steps[j][k];
}

/* Four at a time, though most triangles have fewer: a loop would be a branch that no processor can predict. */
static ALWAYS_INLINE void add_small(FragmentBatch *batch, int32_t number, const int32_t *box) {
    const int across = 1 - box[0] - box[2], all = across * (1 - box[1] - box[3]), at = batch->count;
    const int32_t (*steps)[2] = STEPS_OF[across];
    add_four(batch, at, number, box, steps);
    for (int j = 4; j < all; j += 4) add_four(batch, at + j, number, box, steps + j);
    batch->count = at + all;
}

static ALWAYS_INLINE void gather(const Job *job, const Corner *corners, FragmentBatch *batch) {
#if defined(__SSE2__) || defined(_M_X64)
    for (int i = 0; i < batch->count; i += 4) {
        const int32_t *corner[4];
        __m128i from[4];
        for (int j = 0; j < 4; j++) {
            corner[j] = job->triangles + 3 * (Py_ssize_t)batch->number[i + j];
            from[j] = _mm_slli_epi32(_mm_loadl_epi64((const __m128i *)batch->pixel[i + j]), SUBPIXEL_BITS);
        }
        for (int k = 0; k < 3; k++) {
            __m128i v[4];
            for (int j = 0; j < 4; j++)
                v[j] = _mm_sub_epi32(_mm_loadu_si128((const __m128i *)&corners[corner[j][k]]), from[j]);
            const __m128i xy01 = _mm_unpacklo_epi32(v[0], v[1]), xy23 = _mm_unpacklo_epi32(v[2], v[3]);
            const __m128i z01 = _mm_unpackhi_epi32(v[0], v[1]), z23 = _mm_unpackhi_epi32(v[2], v[3]);
            _mm_storeu_si128((__m128i *)&batch->x[k][i], _mm_unpacklo_epi64(xy01, xy23));
            _mm_storeu_si128((__m128i *)&batch->y[k][i], _mm_unpackhi_epi64(xy01, xy23));
            _mm_storeu_si128((__m128i *)&batch->z[k][i], _mm_unpacklo_epi64(z01, z23));
        }
    }
#else
    for (int i = 0; i < batch->count; i++) {
        const int32_t *corner = job->triangles + 3 * (Py_ssize_t)batch->number[i];
        const int32_t x = batch->pixel[i][0] * SUBPIXELS, y = batch->pixel[i][1] * SUBPIXELS;
        for (int k = 0; k < 3; k++) {
            const Corner *c = &corners[corner[k]];
            batch->x[k][i] = c->x - x, batch->y[k][i] = c->y - y, batch->z[k][i] = c->z;
        }
    }
#endif
}

/* Numbers are whole and small: products of floats are exact. */
static ALWAYS_INLINE void cover(FragmentBatch *batch, float most_area) {
    const int n = (batch->count + 7) & ~7;
    for (int i = 0; i < n; i++) {
        const float xa = (float)batch->x[0][i], xb = (float)batch->x[1][i], xc = (float)batch->x[2][i];
        const float ya = (float)batch->y[0][i], yb = (float)batch->y[1][i], yc = (float)batch->y[2][i];
        const float e0 = xb * yc - yb * xc, e1 = xc * ya - yc * xa, e2 = xa * yb - ya * xb;
        const float area = (e0 + e1) + e2, sign = area > 0 ? 1.0f : -1.0f;
        /* Below 0 on edges that are top or left; its size is less than 2^24. */
        const float t0 = (yc - yb) * 4096.0f - (xc - xb), t1 = (ya - yc) * 4096.0f - (xa - xc);
        const float t2 = (yb - ya) * 4096.0f - (xb - xa);
        const float f0 = (e0 * 16777216.0f - t0) * sign, f1 = (e1 * 16777216.0f - t1) * sign;
        const float f2 = (e2 * 16777216.0f - t2) * sign;
        batch->inside[i] = (f0 > 0) & (f1 > 0) & (f2 > 0) & (area != 0) & (area < most_area);
        const float per_area = 1.0f / (area * sign);
        const float b1 = (e1 * sign + 0.0f) * per_area, b2 = (e2 * sign + 0.0f) * per_area;
        batch->b1[i] = b1, batch->b2[i] = b2;
        batch->depth[i] = (batch->z[0][i] + b1 * (batch->z[1][i] - batch->z[0][i])) + b2 * (batch->z[2][i] - batch->z[0][i]);
    }
}

/* Draws the fragments of the batch, in order. */
static ALWAYS_INLINE void draw_batch(const Job *job, const Corner *corners, FragmentBatch *batch, Target target,
                                     int channels) {
    int32_t hits[BATCH];
    int n_hits = 0;
    gather(job, corners, batch);
    cover(batch, job->cull_back ? 0.0f : INFINITY);
    for (int i = 0; i < batch->count; i++) {
        hits[n_hits] = i;
        n_hits += batch->inside[i];
    }
    for (int k = 0; k < n_hits; k++) {
        const int i = hits[k];
        draw_pixel(job, target, channels, batch->number[i], batch->pixel[i][0], batch->pixel[i][1], batch->b1[i],
                   batch->b2[i], batch->depth[i]);
    }
    batch->count = 0;
}

#endif
