/** Frames of a camera up, faces down: at most two frames are on the way, always the newest. */

import { NO_ANSWER, socket, type Point } from "./api";
import type { AvatarFace } from "./avatar";
import type { Encoded, Order } from "./encoder";

export interface LiveFace {
  id: number;
  confidence: number;
  pose: { yaw_deg: number; pitch_deg: number; roll_deg: number };
  expression: Record<string, number>;
  landmarks: Point[];
}

export interface FrameMessage {
  type: "frame";
  n: number;
  width: number;
  height: number;
  dropped: number;
  server_ms: number;
  calibrating: boolean;
  faces: LiveFace[];
  avatar: { faces: AvatarFace[] };
}

export type Message =
  | FrameMessage
  | { type: "event"; event: string; url?: string; to?: string[] }
  | { type: "error"; error: string };

export interface Meters {
  fps: number;
  latency_ms: number;
  server_ms: number;
  n: number;
  n_with_face: number;
}

const ON_THE_WAY = 2;
const LAST_MS = 10_000; // time for the answer to a last command
const TOLD = 1013; // code of a socket that is closed after the reason was sent

/** Where a browser has it (Chromium): the frames of a camera as a stream, which a worker can read. */
declare class MediaStreamTrackProcessor {
  constructor(init: { track: MediaStreamTrack; maxBufferSize?: number });
  readonly readable: ReadableStream<VideoFrame>;
}

interface Sent {
  image: ImageBitmap;
  at: number;
}

export class FrameSender {
  private socket: WebSocket | undefined;
  private stream: MediaStream | undefined;
  private encoder: Worker | undefined;
  private readonly sent = new Map<number, Sent>();
  private n = 0;
  private stopped = true;
  private arrivals: number[] = [];
  readonly meters: Meters = { fps: 0, latency_ms: 0, server_ms: 0, n: 0, n_with_face: 0 };

  /** `onmessage` gets the frame that a message is about, and has to use it at once. */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly onmessage: (message: Message, image?: ImageBitmap) => void,
    private readonly onportrait: (data: ArrayBuffer) => void,
    private readonly onend: (text: string) => void,
  ) {}

  /** The camera that is used. */
  get device(): string | undefined {
    return this.stream?.getVideoTracks()[0]?.getSettings().deviceId;
  }

  async start(device?: string): Promise<void> {
    this.stopped = false;
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if (!navigator.mediaDevices) throw new Error("Browsers give cameras only to pages of this computer, or over HTTPS.");
    this.stream = await navigator.mediaDevices.getUserMedia({ video: device ? { ...wanted, deviceId: device } : wanted, audio: false });
    this.socket = socket("api/camera");
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => this.receive(event.data as string | ArrayBuffer);
    this.socket.onclose = ({ code }) => {
      if (!this.stopped) this.onend(code === TOLD ? "" : "The connection to the studio was lost. Is 'tddfa studio' still running?");
    };
    await new Promise<void>((resolve, reject) => {
      this.socket!.onopen = () => resolve();
      this.socket!.onerror = () => reject(new Error(NO_ANSWER));
    });
    if (this.stopped) return;
    this.encoder = new Worker(new URL("./encoder.js", import.meta.url), { type: "module" });
    this.encoder.onmessage = (event: MessageEvent<Encoded>) => this.send(event.data);
    const track = this.stream.getVideoTracks()[0]!;
    track.onended = () => {
      if (!this.stopped) this.onend("The camera has stopped: it was unplugged, or another program has taken it.");
    };
    await this.feed(track);
    this.order({ allow: ON_THE_WAY });
  }

  command(command: Record<string, unknown>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  /** End. A last command is sent before, and what is said to it is waited for. */
  stop(last?: Record<string, unknown>): void {
    this.stopped = true;
    if (last && this.socket?.readyState === WebSocket.OPEN) {
      this.command(last);
      setTimeout(() => this.socket?.close(), LAST_MS);
    } else this.socket?.close();
    this.encoder?.terminate();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    this.free([...this.sent.keys()]);
  }

  private order(order: Order, transfer: Transferable[] = []): void {
    this.encoder?.postMessage(order, transfer);
  }

  /** Give the frames of the camera to the encoder. */
  private async feed(track: MediaStreamTrack): Promise<void> {
    if ("MediaStreamTrackProcessor" in window) {
      const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 1 });
      return this.order({ frames: readable }, [readable]);
    }
    this.video.srcObject = this.stream!;
    await this.video.play();
    const next = (): void => {
      if (this.stopped) return;
      this.video.requestVideoFrameCallback(() => {
        next();
        if (this.sent.size >= ON_THE_WAY) return;
        void createImageBitmap(this.video).then((frame) => this.order({ frame }, [frame]));
      });
    };
    next();
  }

  private send({ data, image, at }: Encoded): void {
    if (this.stopped || this.socket?.readyState !== WebSocket.OPEN) return image.close();
    this.sent.set(this.n++, { image, at: at - performance.timeOrigin });
    this.socket.send(data);
  }

  /** Forget frames, and let as many further ones be encoded. */
  private free(frames: number[]): void {
    for (const n of frames) {
      this.sent.get(n)?.image.close();
      this.sent.delete(n);
    }
    if (frames.length) this.order({ allow: frames.length });
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data !== "string") return this.stopped ? undefined : this.onportrait(data);
    const message = JSON.parse(data) as Message;
    if (this.stopped) {
      if (message.type === "error") return this.onmessage(message);
      if (message.type !== "event" || message.event !== "recorded") return;
      this.onmessage(message);
      return this.socket?.close();
    }
    if (message.type === "frame") {
      const sent = this.sent.get(message.n);
      this.measure(message, sent);
      this.onmessage(message, sent?.image);
      this.free([...this.sent.keys()].filter((n) => n <= message.n));
      return;
    }
    if (message.type === "error") this.free([...this.sent.keys()]); // it may be about a frame
    this.onmessage(message);
  }

  private measure(message: FrameMessage, sent: Sent | undefined): void {
    const now = performance.now();
    this.arrivals.push(now);
    while (this.arrivals.length > 2 && now - this.arrivals[0]! > 1500) this.arrivals.shift();
    const span = now - this.arrivals[0]!;
    const { meters } = this;
    meters.fps = span > 0 ? (1000 * (this.arrivals.length - 1)) / span : 0;
    if (sent) meters.latency_ms += (now - sent.at - meters.latency_ms) * (meters.n ? 0.1 : 1);
    meters.server_ms = message.server_ms;
    meters.n += 1;
    meters.n_with_face += Number(message.faces.length > 0);
  }
}
