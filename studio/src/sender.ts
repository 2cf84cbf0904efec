/** Frames of a camera up, faces down: at most two frames are on the way, always the newest. */

import { socket, type Point } from "./api";
import type { AvatarFace } from "./avatar";

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
const WIDTH = 640;
const QUALITY = 0.8;

export class FrameSender {
  private socket: WebSocket | undefined;
  private stream: MediaStream | undefined;
  private readonly canvas = document.createElement("canvas");
  private readonly sent = new Map<number, number>();
  private n = 0;
  private encoding = false;
  private stopped = true;
  private arrivals: number[] = [];
  readonly meters: Meters = { fps: 0, latency_ms: 0, server_ms: 0, n: 0, n_with_face: 0 };

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly onmessage: (message: Message) => void,
    private readonly onportrait: (data: ArrayBuffer) => void,
    private readonly onend: (text: string) => void,
  ) {}

  async start(device?: string): Promise<void> {
    this.stopped = false;
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if (!navigator.mediaDevices) throw new Error("Browsers give cameras only to pages of this computer, or over HTTPS.");
    this.stream = await navigator.mediaDevices.getUserMedia({ video: device ? { ...wanted, deviceId: device } : wanted, audio: false });
    this.video.srcObject = this.stream;
    await this.video.play();
    this.socket = socket("api/camera");
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => this.receive(event.data as string | ArrayBuffer);
    this.socket.onclose = () => {
      if (!this.stopped) this.onend("The connection to the studio was lost.");
    };
    await new Promise<void>((resolve, reject) => {
      this.socket!.onopen = () => resolve();
      this.socket!.onerror = () => reject(new Error("The studio does not answer. Is 'tddfa studio' still running?"));
    });
    this.wait();
  }

  command(command: Record<string, unknown>): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(command));
  }

  stop(): void {
    this.stopped = true;
    this.socket?.close();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
    this.sent.clear();
  }

  private wait(): void {
    if (this.stopped) return;
    this.video.requestVideoFrameCallback(() => {
      this.push();
      this.wait();
    });
  }

  private push(): void {
    const ready = this.socket?.readyState === WebSocket.OPEN;
    if (!ready || this.encoding || this.sent.size >= ON_THE_WAY || !this.video.videoWidth) return;
    const scale = Math.min(WIDTH / this.video.videoWidth, 1);
    const [width, height] = [Math.round(this.video.videoWidth * scale), Math.round(this.video.videoHeight * scale)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.canvas.getContext("2d", { alpha: false, willReadFrequently: true })!.drawImage(this.video, 0, 0, width, height);
    const at = performance.now();
    this.encoding = true;
    this.canvas.toBlob(
      (blob) => {
        this.encoding = false;
        if (!blob || this.stopped) return;
        this.sent.set(this.n++, at);
        this.socket!.send(blob);
      },
      "image/jpeg",
      QUALITY,
    );
  }

  private receive(data: string | ArrayBuffer): void {
    if (typeof data !== "string") return this.onportrait(data);
    const message = JSON.parse(data) as Message;
    if (message.type === "frame") this.measure(message);
    if (message.type === "error") this.sent.clear(); // it may be about a frame
    this.onmessage(message);
  }

  private measure(message: FrameMessage): void {
    const now = performance.now();
    const at = this.sent.get(message.n);
    for (const n of [...this.sent.keys()]) if (n <= message.n) this.sent.delete(n);
    this.arrivals.push(now);
    while (this.arrivals.length > 2 && now - this.arrivals[0]! > 1500) this.arrivals.shift();
    const span = now - this.arrivals[0]!;
    const { meters } = this;
    meters.fps = span > 0 ? (1000 * (this.arrivals.length - 1)) / span : 0;
    if (at !== undefined) meters.latency_ms += (now - at - meters.latency_ms) * (meters.n ? 0.1 : 1);
    meters.server_ms = message.server_ms;
    meters.n += 1;
    meters.n_with_face += Number(message.faces.length > 0);
  }
}
