/** The video: upload, progress, timeline with scrubbing, files. */

import { about, ask, NO_ANSWER, Refusal, sentence, socket, type VideoState } from "./api";
import { button, choice, chip, h, ICONS, status } from "./dom";
import { dropZone, named, picker, problem, stemOf, unfit } from "./files";
import { TimelineView, type TimelineRecord } from "./timeline";
import { clock, count, kindWords, size } from "./words";

const RETRY_MS = 2_000;
const RETRIES = 30;
const STAY_MS = 600_000; // well below the hour after which the studio forgets a video that nobody asks about

/** `route` takes a file that was picked to its view. */
export function videoView(route: (file: File) => void): { element: HTMLElement; leave(): void; busy(): boolean; take(file: File, aside?: string): void } {
  const view = new VideoView(route);
  return { element: view.element, leave: () => view.leave(), busy: () => view.busy, take: (file, aside) => void view.take(file, aside).catch((error: unknown) => view.fail(error)) };
}

class VideoView {
  readonly element = h("div", { class: "stack" });
  private readonly problems = h("div", { class: "stack" });
  private readonly body = h("div", { class: "stack" });
  private readonly open: () => void;
  private readonly chosen = new Set(["2d_sparse", "3d"]);
  private request: XMLHttpRequest | undefined;
  private events: WebSocket | undefined;
  private id: string | undefined;
  /** The video that is sent or followed now. */
  private current: string | undefined;
  private timer: number | undefined;

  constructor(route: (file: File) => void) {
    this.element.append(h("h1", { class: "hidden" }, "Video"), this.problems, this.body);
    this.open = picker(this.element, "video/*,.mkv,.avi,.mov,.ts,.webm,.y4m", route);
    void this.empty();
  }

  leave(): void {
    this.forget();
  }

  get busy(): boolean {
    return this.current !== undefined;
  }

  async take(file: File, aside?: string): Promise<void> {
    if (this.current !== undefined && !confirm(`“${this.current}” is not finished. Stop it, and begin with “${file.name}”?`)) return;
    this.forget();
    this.problems.replaceChildren(...(aside ? [problem(aside, "remark")] : []));
    const wrong = unfit(file, (await about()).limits.video_bytes);
    if (wrong) {
      await this.empty();
      return this.fail(wrong);
    }
    this.current = file.name;
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Upload" });
    const told = status();
    told.textContent = `Sending ${file.name} (${size(file.size)}) …`;
    this.body.replaceChildren(
      h("section", { class: "card progress" }, h("h2", {}, "Sending"), bar, told, button("Cancel", () => this.cancel())),
    );
    const query = new URLSearchParams({ overlay: [...this.chosen].join(",") || "2d_sparse", title: file.name });
    const request = (this.request = new XMLHttpRequest());
    request.open("POST", `api/videos?${query}`);
    request.upload.onprogress = (event) => (bar.value = event.loaded / event.total);
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status === 202) return this.watch(answer as VideoState);
      this.current = undefined;
      void this.empty();
      this.fail(named(file, sentence(answer.error ?? `${request.status} ${request.statusText}`)));
    };
    request.onerror = () => {
      this.current = undefined;
      void this.empty();
      this.fail("The upload was cut off. Is 'tddfa studio' still running?");
    };
    request.send(file);
  }

  private watch(first: VideoState): void {
    this.id = first.id;
    const preview = h("img", { alt: "The newest frame with its faces", hidden: true });
    const bar = h("progress", { "aria-label": "Frames done" });
    const told = status();
    const title = h("h2", {}, first.title);
    this.body.replaceChildren(
      h("section", { class: "card progress" }, title, preview, bar, told, button("Cancel", () => this.cancel())),
    );
    const since = performance.now();
    const show = (state: VideoState): void => {
      if (state.state === "queued") {
        told.textContent = state.position ? `Waiting: ${state.position} before this one.` : "Waiting …";
        return;
      }
      if (state.preview) {
        preview.src = state.preview;
        preview.hidden = false;
      }
      if (state.total) {
        bar.max = state.total;
        bar.value = Math.min(state.done, state.total);
        const left = ((performance.now() - since) / Math.max(state.done, 1)) * (state.total - state.done);
        told.textContent = `${state.done} of ${state.total} frames${state.done > 20 ? `, about ${clock(left / 1000)} left` : ""}`;
      } else told.textContent = `${state.done} frames`;
    };
    show(first);
    let missed = 0;
    const end = (text: string): void => {
      this.forget();
      void this.empty();
      this.fail(text);
    };
    const listen = (): void => {
      const events = (this.events = socket(`api/videos/${first.id}/events`));
      // A phone that slept, or a proxy that lost patience, cuts the connection; the studio works on.
      events.onclose = () => {
        if ((missed += 1) > RETRIES) return end(NO_ANSWER);
        told.textContent = "The connection was lost. Trying again …";
        this.timer = window.setTimeout(listen, RETRY_MS);
      };
      events.onmessage = (event) => {
        const state = JSON.parse(event.data as string) as VideoState | { state: undefined; error?: string };
        missed = 0;
        if (!["queued", "running"].includes(state.state ?? "")) events.onclose = null; // closed by what it said
        if (state.state === undefined) return end(sentence(state.error ?? NO_ANSWER));
        if (state.state === "done") return void this.result(state).catch((error: unknown) => end(error instanceof Error ? error.message : String(error)));
        if (state.state === "failed" || state.state === "cancelled") {
          this.current = undefined;
          void this.empty();
          if (state.error) this.fail(ofVideo(state));
          return;
        }
        show(state);
      };
    };
    listen();
  }

  /** Keep the files of a video that is shown, and tell when they are gone all the same. */
  private stay(id: string): void {
    this.timer = window.setInterval(() => {
      ask(`api/videos/${id}`).catch((error: unknown) => {
        if (!(error instanceof Refusal && error.status === 404)) return;
        window.clearInterval(this.timer);
        this.fail("The studio keeps the files of this video no more. Send it again to save them.");
      });
    }, STAY_MS);
  }

  private async result(state: VideoState): Promise<void> {
    this.current = undefined;
    this.stay(state.id);
    const timeline = (await (await ask(`api/videos/${state.id}/timeline`)).json()) as TimelineRecord;
    const file = (name: string): string => `api/videos/${state.id}/files/${encodeURIComponent(name)}`;
    const video = h("video", { src: file(`${state.overlays[0]}.mp4`), controls: true, playsinline: true, preload: "auto", "aria-label": "The video with its faces" });
    const view = new TimelineView(timeline, (time) => {
      video.pause();
      video.currentTime = time;
    });
    const follow = (): void => {
      if (!video.paused) {
        view.seek(video.currentTime);
        requestAnimationFrame(follow);
      }
    };
    video.addEventListener("play", follow);
    video.addEventListener("seeked", () => view.seek(video.currentTime));
    const screen = h("div", { class: "screen" }, video);
    // As tall as the video needs: an upright one would be tiny in a wide frame on a phone.
    video.addEventListener("loadedmetadata", () => {
      if (video.videoWidth) screen.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
    });
    const change = (kind: string): void => {
      const at = video.currentTime;
      video.src = file(`${kind}.mp4`);
      video.addEventListener("loadedmetadata", () => (video.currentTime = at), { once: true });
    };
    const n = timeline.people.length;
    const facts = `${count(n, "face")}, ${count(timeline.n_frames, "frame")}, ${clock(timeline.duration_s)}`;
    const stem = stemOf(state.title, "video");
    if (state.error) this.fail(`${ofVideo(state)} The rest of it is here.`);
    if (state.remark) this.problems.append(problem(sentence(state.remark), "remark"));
    this.body.replaceChildren(
      h(
        "div",
        { class: "video" },
        h(
          "section",
          { class: "card", "aria-label": "Video" },
          h("header", {}, h("h2", {}, timeline.title), h("span", { class: "hint num" }, facts)),
          screen,
          h(
            "div",
            { class: "toolbar" },
            state.overlays.length > 1
              ? choice("Overlay", state.overlays.map((kind) => [kind, kindWords(kind)] as const), state.overlays[0]!, change)
              : null,
          ),
        ),
        h(
          "section",
          { class: "card", "aria-label": "Downloads" },
          h("header", {}, h("h2", {}, "Downloads"), button("Another video", () => void this.again(), { icon: ICONS.video, kind: "small" })),
          h(
            "div",
            { class: "downloads list" },
            h("a", { class: "all", href: file("all.zip"), download: `${stem}.zip` }, "Everything as ZIP"),
            ...state.files.map(({ name, bytes }) => h("a", { href: file(name), download: `${stem}_${name}` }, name, h("span", { class: "num" }, size(bytes)))),
          ),
        ),
        h("section", { class: "card wide", "aria-label": "Timeline" }, h("header", {}, h("h2", {}, "Timeline")), view.element),
      ),
    );
  }

  private async again(): Promise<void> {
    this.forget();
    await this.empty();
    this.open();
  }

  private cancel(): void {
    this.forget();
    void this.empty();
  }

  private forget(): void {
    this.current = undefined;
    window.clearTimeout(this.timer); // of an interval, too
    this.request?.abort();
    this.request = undefined;
    if (this.events) this.events.onmessage = this.events.onclose = null;
    this.events?.close();
    if (this.id) void fetch(`api/videos/${this.id}`, { method: "DELETE" }).catch(() => undefined);
    this.id = undefined;
  }

  private async empty(): Promise<void> {
    const zone = dropZone({
      icon: "video",
      title: "Drop a video",
      text: "Follow every face through it: who is there when, cuts, blinks, and curves of head and expression, with tables and animated 3D faces to keep.",
      pick: "Choose a video",
      small: "MP4, MOV, MKV, WebM, AVI. Videos stay on this computer and are forgotten when you close this page.",
      onpick: this.open,
    });
    this.body.replaceChildren(zone);
    const { video_overlays } = await about();
    const chips = video_overlays.map((kind) =>
      chip(kindWords(kind), this.chosen.has(kind), (on) => {
        if (on) this.chosen.add(kind);
        else this.chosen.delete(kind);
      }),
    );
    zone.append(h("div", { class: "row", role: "group", "aria-label": "Overlays to draw" }, ...chips));
  }

  fail(error: unknown): void {
    this.problems.replaceChildren(problem(error instanceof Error ? error.message : String(error)));
  }
}

/** What went wrong, with the name of the video as it is written. */
const ofVideo = (state: VideoState): string => sentence((state.error ?? "").replace(state.title, `“${state.title}”`));

/** Return an answer as a record; an empty one where it is none, as of a proxy. */
function parsed(text: string): Partial<VideoState> {
  try {
    return JSON.parse(text) as Partial<VideoState>;
  } catch {
    return {};
  }
}
