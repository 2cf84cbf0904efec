/** The service of the studio. */

export interface Kind {
  name: string;
  overlay: boolean;
  video: boolean;
  options: string[];
}

export interface About {
  version: string;
  kinds: Kind[];
  video_overlays: string[];
  expressions: string[];
  destinations: Record<string, number>;
  limits: { image_bytes: number; video_bytes: number; video_s: number };
}

export type Point = [number, number, number];

export interface FaceRecord {
  box: [number, number, number, number];
  score: number;
  confidence: number | null;
  landmarks: Point[];
  pose: { yaw_deg: number; pitch_deg: number; roll_deg: number };
  expression: Record<string, number>;
  gaze: { yaw_deg: number; pitch_deg: number } | null;
}

export interface PhotoRecord {
  id: string;
  hint: string | null;
  width: number;
  height: number;
  faces: FaceRecord[];
}

export interface VideoState {
  id: string;
  title: string;
  state: "queued" | "running" | "done" | "failed" | "cancelled";
  position: number;
  done: number;
  total: number | null;
  error: string | null;
  remark: string | null;
  overlays: string[];
  preview?: string;
  files: { name: string; bytes: number }[];
}

/** What the service does not do, and why. */
export class Refusal extends Error {
  constructor(
    text: string,
    readonly status: number,
  ) {
    super(sentence(text));
  }
}

/** "a line" → "A line." */
export const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");

export const NO_ANSWER = "The studio does not answer. Is 'tddfa studio' still running?";

/** Return a response, or throw what the server says is wrong. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Error(NO_ANSWER);
  }
  if (response.ok) return response;
  let text = `${response.status} ${response.statusText}`;
  try {
    text = ((await response.json()) as { error: string }).error;
  } catch {
    // no JSON: the status has to do
  }
  throw new Refusal(text, response.status);
}

let known: Promise<About> | undefined;

/** What this installation can do. */
export function about(): Promise<About> {
  known ??= ask("api/about").then((response) => response.json() as Promise<About>);
  known.catch(() => (known = undefined));
  return known;
}

/** The address of outputs of a photo, or of one of its faces. */
export function outputs(photo: string, kind: string, options: Record<string, string> = {}, face?: number): string {
  const query = new URLSearchParams({ kind, ...options });
  const of = face === undefined ? "" : `/faces/${face}`;
  return `api/photos/${photo}${of}/outputs?${query}`;
}

/** A WebSocket of the service. */
export function socket(path: string): WebSocket {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  return new WebSocket(url);
}
