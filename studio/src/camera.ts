/** The camera: overlay and avatar side by side, numbers, calibration, recording, receivers. */

import { about, sentence } from "./api";
import { Avatar } from "./avatar";
import { button, chip, choice, h, icon, ICONS, save, status } from "./dom";
import { problem } from "./files";
import { NumbersPanel } from "./panel";
import { FrameSender, type FrameMessage, type LiveFace, type Message } from "./sender";

type Overlay = "points" | "mesh" | "none";

const LINES: readonly (readonly [number, number, boolean])[] = [
  [0, 17, false], [17, 22, false], [22, 27, false], [27, 31, false], [31, 36, false],
  [36, 42, true], [42, 48, true], [48, 60, true], [60, 68, true],
];
const NUMBERS_MS = 250;
const COLORS = ["#7c83ff", "#ff9f5a", "#3ccfa0", "#e29cc6", "#e6b83c", "#b3a6ff"];
const PROTOCOLS: Record<string, string> = {
  vmc: "VMC: VSeeFace, Warudo, VNyan",
  livelink: "Live Link Face: Unreal Engine",
  osf: "OpenSeeFace: VSeeFace, VTube Studio",
  ws: "WebSocket: browsers, Godot",
};

export function cameraView(): { element: HTMLElement; leave(): void; busy(): boolean } {
  const view = new CameraView();
  return { element: view.element, leave: () => view.leave(), busy: () => view.recording };
}

class CameraView {
  readonly element = h("div", { class: "stack" });
  private readonly problems = h("div", { class: "stack" });
  private readonly body = h("div");
  private readonly video = h("video", { muted: true, playsinline: true, "aria-hidden": "true" });
  private readonly canvas = h("canvas", { role: "img", "aria-label": "The camera, with what was found" });
  // Pixels of the processor: where there is no graphics card, each detour to a simulated one is slow.
  private readonly pen = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
  private readonly screen = h("div", { class: "screen" }, this.video, this.canvas);
  private readonly place = h("div", { class: "viewer" });
  private readonly numbers = new NumbersPanel();
  private readonly fps = h("b", {}, "–");
  private readonly latency = h("b", {}, "–");
  private readonly server = h("b", {}, "–");
  private readonly said = status();
  private readonly targets = h("ul", { class: "targets" });
  private sending: string[] = [];
  private avatar: Avatar | undefined;
  private sender: FrameSender | undefined;
  private overlay: Overlay = "points";
  private mirrored = true;
  recording = false;
  private recorder: MediaRecorder | undefined;
  private readonly recordButton = button("Record", () => this.record(), { icon: ICONS.record, kind: "small" });
  /** Name of the video of the newest recording; empty where there is none. */
  private saved = "";
  private lastNumbers = 0;
  private ratio = "";
  private gone = false;

  constructor() {
    this.video.muted = true;
    this.element.append(h("h1", { class: "hidden" }, "Camera"), this.problems, this.body);
    this.empty();
  }

  leave(): void {
    this.gone = true;
    this.stop();
  }

  private empty(): void {
    this.body.replaceChildren(
      h(
        "section",
        { class: "drop" },
        h("div", { class: "emblem" }, icon(ICONS.camera)),
        h("h2", {}, "Move a face with yours"),
        h("p", {}, "The camera is followed on this computer: 68 landmarks, 52 expressions, head and gaze in every frame, and an avatar that does the same."),
        h("div", { class: "row" }, button("Start the camera", () => void this.start(), { icon: ICONS.camera, kind: "main" })),
        h("small", {}, "Nothing is recorded unless you say so, and nothing leaves this computer."),
      ),
    );
  }

  private async start(device?: string): Promise<void> {
    this.problems.replaceChildren();
    this.said.textContent = "Starting the camera …";
    this.body.replaceChildren(this.layout());
    this.sender = new FrameSender(
      this.video,
      (message, image) => this.heed(message, image),
      (data) => void this.avatar?.usePortrait(data).catch((error: unknown) => this.fail(error)),
      (text) => {
        this.stop();
        if (text) this.fail(text);
      },
    );
    (window as unknown as Record<string, unknown>).studioMeters = this.sender.meters;
    try {
      await Promise.all([this.sender.start(device), this.startAvatar()]);
      if (this.gone) return this.stop();
      this.sender.command({ type: "settings", mirrored: this.mirrored });
      // As before the camera was stopped or changed; the list says what the studio has answered.
      const before = this.sending;
      this.sending = [];
      this.targets.replaceChildren();
      if (before.length) this.send(before);
      this.said.textContent = "Look at the camera.";
      void this.devices();
    } catch (error) {
      this.stop();
      const name = error instanceof DOMException ? error.name : "";
      const words: Record<string, string> = {
        NotAllowedError: "The browser may not use the camera. Allow it in the address bar, then start again.",
        NotFoundError: "No camera was found. Plug one in, then start again.",
        NotReadableError: "The camera is in use by another program. Close that, then start again.",
        AbortError: "The camera could not be started. Plug it in again, then start again.",
        OverconstrainedError: "This camera is not there any more. Start again with another one.",
        SecurityError: "The browser gives this page no camera. Open the studio on the computer that it runs on, or over HTTPS.",
      };
      this.fail(words[name] ?? error);
    }
  }

  private async startAvatar(): Promise<void> {
    try {
      this.avatar = await Avatar.start(this.place);
    } catch (error) {
      if (!/WebGL/i.test(String(error))) throw error;
      this.place.replaceChildren(h("p", { class: "empty" }, "This browser shows no 3D."));
    }
  }

  private stop(): void {
    const last = this.recording ? { type: "record", on: false } : undefined; // its table is saved, as its video is
    this.stopRecorder();
    this.sender?.stop(last);
    this.sender = undefined;
    this.avatar?.viewer.dispose();
    this.avatar = undefined;
    if (!this.gone) this.empty();
  }

  private fail(error: unknown): void {
    this.problems.replaceChildren(problem(error instanceof Error ? error.message : String(error)));
  }

  // Layout

  private layout(): HTMLElement {
    this.screen.classList.toggle("mirrored", this.mirrored);
    this.place.replaceChildren();
    const select = h("select", { "aria-label": "Camera", hidden: true, onchange: () => { const { value } = select; this.stop(); void this.start(value); } });
    this.select = select;
    return h(
      "div",
      { class: "camera" },
      h(
        "section",
        { class: "card", "aria-label": "Camera" },
        h("header", {}, h("h2", {}, h("span", { class: "dot on" }), "Camera"), h("div", { class: "row" }, select, button("Stop", () => this.stop(), { kind: "small" }))),
        this.screen,
        h(
          "div",
          { class: "toolbar" },
          h("div", { class: "meters num" }, h("span", {}, this.fps, " fps"), h("span", {}, this.latency, " ms latency"), h("span", {}, this.server, " ms in the studio")),
          h(
            "div",
            { class: "row" },
            choice<Overlay>("Overlay", [["points", "Landmarks"], ["mesh", "Lines"], ["none", "None"]], this.overlay, (value) => (this.overlay = value)),
            chip("Mirror", this.mirrored, (on) => {
              this.mirrored = on;
              this.screen.classList.toggle("mirrored", on);
              this.sender?.command({ type: "settings", mirrored: on });
            }),
          ),
          this.said,
        ),
      ),
      h(
        "section",
        { class: "card", "aria-label": "Avatar" },
        h("header", {}, h("h2", {}, "Avatar"), h("div", { class: "row" }, h("a", { class: "button small", href: "?obs=1", target: "_blank", rel: "noopener" }, "For OBS"))),
        this.place,
        h(
          "div",
          { class: "toolbar" },
          h(
            "div",
            { class: "row" },
            button("Use my face", () => this.sender?.command({ type: "portrait" }), { kind: "small", icon: ICONS.photo }),
            button("Use the clay face", () => void this.avatar?.useModel().catch((error: unknown) => this.fail(error)), { kind: "small" }),
          ),
          h("div", { class: "row" }, button("Calibrate", () => this.calibrate(), { icon: ICONS.target, kind: "small" }), this.recordButton),
        ),
      ),
      h(
        "div",
        { class: "stack" },
        h("section", { class: "card", "aria-label": "Numbers" }, this.numbers.element),
        this.sendTo(),
      ),
    );
  }

  private select: HTMLSelectElement | undefined;

  private async devices(): Promise<void> {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    if (!this.select || cameras.length < 2) return;
    const used = this.sender?.device;
    this.select.replaceChildren(...cameras.map((one, k) => h("option", { value: one.deviceId, selected: one.deviceId === used }, one.label || `Camera ${k + 1}`)));
    this.select.hidden = false;
  }

  private sendTo(): HTMLElement {
    const scheme = h("select", { "aria-label": "Protocol" });
    const host = h("input", { value: "127.0.0.1", "aria-label": "Address of the receiver", spellcheck: "false" });
    void about().then(({ destinations }) => {
      scheme.replaceChildren(...Object.keys(destinations).map((name) => h("option", { value: name }, PROTOCOLS[name] ?? name)));
      scheme.value = "vmc";
    });
    return h(
      "section",
      { class: "card stack", "aria-label": "Send to" },
      h("h2", {}, "Send to"),
      scheme,
      h(
        "div",
        { class: "ask" },
        host,
        button("Send", () => {
          const address = host.value.trim();
          this.send([...this.sending, address.includes("://") ? address : `${scheme.value}://${address}`]);
        }, { icon: ICONS.send, kind: "small" }),
      ),
      this.targets,
    );
  }

  private send(urls: string[]): void {
    this.sender?.command({ type: "send", to: [...new Set(urls)] });
  }

  // What comes back

  private heed(message: Message, image?: ImageBitmap): void {
    if (message.type === "error") return this.fail(sentence(message.error));
    if (message.type === "frame") return this.show(message, image);
    if (message.event === "calibrated") this.said.textContent = "Calibrated: this is your face at rest.";
    if (message.event === "sending") {
      this.sending = message.to ?? [];
      this.targets.replaceChildren(
        ...this.sending.map((url) =>
          h("li", {}, url, button("Stop", () => this.send(this.sending.filter((one) => one !== url)), { kind: "small" })),
        ),
      );
    }
    if (message.event === "recorded" && message.url) {
      h("a", { href: message.url, download: "camera.csv" }).click();
      this.tell(`Saved: camera.csv has a row per frame${this.saved ? `, ${this.saved} is what the avatar did` : ""}.`);
    }
  }

  private show(message: FrameMessage, image?: ImageBitmap): void {
    this.draw(message, image);
    const face = message.avatar.faces[0];
    if (face) this.avatar?.move(face);
    const now = performance.now();
    if (now - this.lastNumbers < NUMBERS_MS) return;
    this.lastNumbers = now;
    const meters = this.sender?.meters;
    if (meters) {
      this.fps.textContent = meters.fps.toFixed(0);
      this.latency.textContent = meters.latency_ms.toFixed(0);
      this.server.textContent = meters.server_ms.toFixed(0);
    }
    const largest = message.faces[0];
    if (largest) this.numbers.show(largest, largest.expression);
    if (!message.faces.length) this.said.textContent = "No face. Come closer, or turn on a light.";
    else if (message.calibrating) this.said.textContent = "Keep your face at rest and look ahead …";
    else if (/^(No face|Look at)/.test(this.said.textContent ?? "")) this.said.textContent = "";
  }

  /** Draw a frame and what was found in it: the overlay is never late. */
  private draw({ width, height, faces }: FrameMessage, image?: ImageBitmap): void {
    const { canvas, pen } = this;
    if (!image) return;
    this.fit(width / height);
    // No more pixels than are seen.
    const scale = Math.min((canvas.clientWidth * devicePixelRatio) / width || 1, 1);
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(image, 0, 0, wide, high);
    pen.setTransform(wide / width, 0, 0, high / height, 0, 0);
    if (this.overlay === "none") return;
    for (const face of faces) this.drawFace(pen, face, width);
  }

  /** Make image and avatar as wide as the camera is; an upright one would be too tall for a screen. */
  private fit(ratio: number): void {
    const text = Math.min(Math.max(ratio, 0.8), 16 / 9).toFixed(3);
    if (text === this.ratio) return;
    this.ratio = text;
    for (const one of [this.screen, this.place]) one.style.aspectRatio = text;
  }

  private drawFace(pen: CanvasRenderingContext2D, face: LiveFace, width: number): void {
    pen.strokeStyle = pen.fillStyle = COLORS[face.id % COLORS.length]!;
    pen.lineWidth = width / 420;
    pen.lineJoin = "round";
    for (const [from, to, closed] of LINES) {
      pen.beginPath();
      for (let k = from; k < to; k += 1) pen.lineTo(face.landmarks[k]![0] + 0.5, face.landmarks[k]![1] + 0.5);
      if (closed) pen.closePath();
      pen.globalAlpha = this.overlay === "mesh" ? 1 : 0.55;
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (this.overlay !== "points") return;
    for (const [x, y] of face.landmarks) {
      pen.beginPath();
      pen.arc(x + 0.5, y + 0.5, width / 300, 0, 7);
      pen.fill();
    }
  }

  // Commands

  private calibrate(): void {
    this.sender?.command({ type: "calibrate" });
  }

  private showRecording(on: boolean): void {
    this.recordButton.setAttribute("aria-pressed", String(on));
    this.recordButton.lastChild!.textContent = on ? "Stop recording" : "Record";
  }

  private record(): void {
    const on = !this.recording;
    this.sender?.command({ type: "record", on });
    if (!on) return this.stopRecorder();
    this.recording = true;
    this.showRecording(true);
    this.saved = "";
    this.said.textContent = "Recording …";
    const canvas = this.avatar?.viewer.canvas;
    // Safari had no WebM for long, and what is no WebM must not be called so.
    const type = typeof MediaRecorder === "undefined" ? undefined : ["video/webm", "video/mp4"].find((one) => MediaRecorder.isTypeSupported(one));
    if (!canvas || !type) return;
    const name = (this.saved = `camera.${type.slice("video/".length)}`);
    const parts: Blob[] = [];
    this.recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: type });
    this.recorder.ondataavailable = (event) => parts.push(event.data);
    this.recorder.onstop = () => save(new Blob(parts, { type }), name);
    this.recorder.start(1000);
  }

  private stopRecorder(): void {
    this.recording = false;
    this.showRecording(false);
    if (this.recorder?.state === "recording") this.recorder.stop();
    this.recorder = undefined;
  }

  /** Say something below the camera; where that has gone, above. */
  private tell(text: string): void {
    if (this.said.isConnected) this.said.textContent = text;
    else this.problems.append(problem(text, "remark"));
  }
}
