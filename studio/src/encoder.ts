/** A worker that makes JPEGs of the frames of a camera, so that the page has its hands free.
 *
 * It gets frames from a stream of them or one by one, and encodes as many as it was allowed: always the newest.
 */

export interface Encoded {
  /** Bytes of the JPEG. */
  data: ArrayBuffer;
  /** The same frame, to be shown when its faces are there. */
  image: ImageBitmap;
  /** When the frame came, ms since 1970. */
  at: number;
}

export type Order =
  | { frames: ReadableStream<VideoFrame> }
  | { frame: ImageBitmap }
  | { allow: number };

const WIDTH = 640;
const QUALITY = 0.8;

const canvas = new OffscreenCanvas(WIDTH, 480);
// Drawn on by the processor: a graphics card would have to hand every frame back.
const pen = canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
let allowed = 0;
let busy = false;

async function encode(frame: VideoFrame | ImageBitmap): Promise<void> {
  const [wide, high] = frame instanceof ImageBitmap ? [frame.width, frame.height] : [frame.displayWidth, frame.displayHeight];
  if (busy || allowed <= 0 || !wide) return frame.close();
  busy = true;
  allowed -= 1;
  const at = performance.timeOrigin + performance.now();
  const scale = Math.min(WIDTH / wide, 1);
  const [width, height] = [Math.round(wide * scale), Math.round(high * scale)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  pen.drawImage(frame, 0, 0, width, height);
  frame.close();
  try {
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    const encoded: Encoded = { data: await blob.arrayBuffer(), image: canvas.transferToImageBitmap(), at };
    postMessage(encoded, { transfer: [encoded.data, encoded.image] });
  } finally {
    busy = false;
  }
}

async function readAll(frames: ReadableStream<VideoFrame>): Promise<void> {
  const reader = frames.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    void encode(value);
  }
}

onmessage = (event: MessageEvent<Order>) => {
  const order = event.data;
  if ("allow" in order) allowed += order.allow;
  else if ("frame" in order) void encode(order.frame);
  else void readAll(order.frames);
};
