/** The photo: faces, overlays, numbers, the face in 3D, files. */

import { about, ask, outputs, Refusal, type FaceRecord, type PhotoRecord } from "./api";
import { arrows, button, check, chip, choice, h, ICONS, s, slider, status } from "./dom";
import { dropZone, named, picker, problem, stemOf, unfit } from "./files";
import { NumbersPanel } from "./panel";
import type { Surface, Viewer } from "./viewer";
import { columnWords, expressionWords, grouped, kindWords, PRESETS } from "./words";

type View = { element: HTMLElement; leave(): void; take(file: File, aside?: string): void };

const AGAIN_MS = 60_000; // a photo that was read again and is gone sooner would be gone once more

/** `route` takes a file that was picked to its view. */
export function photoView(route: (file: File) => void): View {
  const element = h("div", { class: "stack" });
  const told = status();
  const problems = h("div", { class: "stack" });
  const body = h("div");
  element.append(h("h1", { class: "hidden" }, "Photo"), problems, body);
  let shown: PhotoCard | undefined;
  let last: { file: File } | undefined;
  let readAgain = -Infinity;

  const take = async (file: File, aside?: string): Promise<void> => {
    const mine = (last = { file });
    problems.replaceChildren(...(aside ? [problem(aside, "remark")] : []));
    shown?.leave();
    shown = undefined;
    told.replaceChildren(h("span", { class: "spinner" }), "  Looking for faces …");
    body.replaceChildren(h("section", { class: "drop" }, told));
    try {
      const wrong = unfit(file, (await about()).limits.image_bytes);
      if (wrong) throw new Error(wrong);
      const response = await ask("api/photos", { method: "POST", body: file });
      const record = (await response.json()) as PhotoRecord;
      if (mine !== last) return forget(record.id);
      const card = (shown = new PhotoCard(record, stemOf(file.name, "photo"), open, fail));
      body.replaceChildren(card.element);
      await card.start();
    } catch (error) {
      if (mine !== last) return;
      fail(error instanceof Error ? new Error(named(file, error.message)) : error);
      if (!shown) body.replaceChildren(empty);
    }
  };
  const fail = (error: unknown): void => {
    if (error instanceof DOMException && error.name === "AbortError") return;
    const gone = error instanceof Refusal && error.status === 404;
    if (gone && last && performance.now() - readAgain > AGAIN_MS) {
      readAgain = performance.now();
      return void take(last.file, "The studio had forgotten this photo, and has read it again.");
    }
    problems.replaceChildren(problem(error instanceof Error ? error.message : String(error)));
  };
  const open = picker(element, "image/*,.heic,.heif,.avif,.tif,.tiff,.jp2", route);
  const empty = dropZone({
    icon: "photo",
    title: "Drop a photo",
    text: "See every face in it: landmarks, depth, gaze, expression, and a head in 3D that you can turn and move.",
    pick: "Choose a photo",
    small: "Or paste one. JPEG, PNG, WebP, HEIC, AVIF, TIFF. Photos stay on this computer.",
    onpick: open,
  });
  body.replaceChildren(empty);
  return {
    element,
    take: (file, aside) => void take(file, aside),
    leave() {
      last = undefined;
      shown?.leave();
    },
  };
}

/** Have the studio forget a photo. */
const forget = (id: string): void => void fetch(`api/photos/${id}`, { method: "DELETE" }).catch(() => undefined);

class PhotoCard {
  readonly element = h("div", { class: "photo" });
  private readonly over = h("img", { class: "over", alt: "" });
  private readonly image: HTMLImageElement;
  private readonly outlines: SVGSVGElement;
  private readonly busy = h("span", { class: "spinner busy", hidden: true });
  private readonly numbers = new NumbersPanel();
  private readonly people = h("div", { class: "people", role: "radiogroup", "aria-label": "Faces" });
  private readonly place = h("div", { class: "viewer" });
  private readonly sliders = h("div", { class: "sliders" });
  private readonly rows = new Map<string, ReturnType<typeof slider>>();
  private readonly downloads = h("div", { class: "downloads" });
  private readonly said = status();
  private viewer: Viewer | undefined;
  private aborting = new AbortController();
  private loading = new AbortController();
  private kind = "2d_sparse";
  private face = 0;
  private opacity = 1;

  constructor(
    private readonly record: PhotoRecord,
    private readonly name: string,
    private readonly open: () => void,
    private readonly fail: (error: unknown) => void,
  ) {
    this.image = h("img", { src: `api/photos/${record.id}/image`, alt: "The photo", width: record.width, height: record.height });
    this.outlines = s("svg", {
      class: "faces",
      viewBox: `-0.5 -0.5 ${record.width} ${record.height}`,
      preserveAspectRatio: "none",
      role: "radiogroup",
      "aria-label": "Faces in the photo",
    });
  }

  async start(): Promise<void> {
    const { kinds } = await about();
    const overlays = kinds.filter((kind) => kind.overlay).map((kind) => [kind.name, kindWords(kind.name)] as const);
    const n = this.record.faces.length;
    const stage = h(
      "section",
      { class: "card", "aria-label": "Photo" },
      h(
        "header",
        {},
        h("h2", {}, n === 1 ? "1 face" : `${n || "No"} faces`),
        h("div", { class: "row" }, button("Another photo", this.open, { icon: ICONS.photo, kind: "small" })),
      ),
      h("div", { class: "stage" }, h("div", { class: "sheet" }, this.image, this.over, this.outlines), this.busy),
    );
    this.element.append(h("div", { class: "stack left" }, stage, n ? this.files(kinds.map((kind) => kind.name)) : null));
    if (!n) {
      this.element.classList.add("alone");
      const text = this.record.hint ?? "no face was found";
      stage.append(h("div", { class: "toolbar" }, h("p", { class: "note" }, `${text.charAt(0).toUpperCase()}${text.slice(1)}.`)));
      return;
    }
    stage.append(
      h(
        "div",
        { class: "toolbar" },
        choice("Overlay", [["none", "Photo"], ...overlays], this.kind, (kind) => void this.draw(kind)),
        slider("Opacity", 1, (value) => this.fade(value)),
        this.said,
      ),
    );
    this.outline();
    this.element.append(this.head(), this.side());
    await Promise.all([this.draw(this.kind), this.select(0), this.thumbnails()]);
  }

  leave(): void {
    this.aborting.abort();
    this.loading.abort();
    this.viewer?.dispose();
    forget(this.record.id);
  }

  // Overlays

  private outline(): void {
    this.record.faces.forEach((face, k) => {
      const brows = face.landmarks.slice(17, 27).reverse();
      const points = [...face.landmarks.slice(0, 17), ...brows];
      const path = s("path", { d: `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z` });
      const group = s("g", { role: "radio", "aria-label": this.label(face, k), "data-face": k }, path);
      group.addEventListener("click", () => void this.select(k));
      group.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          void this.select(k);
        }
      });
      this.outlines.append(group);
    });
    check(this.outlines, this.face);
    arrows(this.outlines, (k) => void this.select(k));
  }

  private label(face: FaceRecord, k: number): string {
    return `Face ${k + 1}, turned ${face.pose.yaw_deg.toFixed(0)} degrees`;
  }

  private async draw(kind: string): Promise<void> {
    this.kind = kind;
    this.aborting.abort();
    this.aborting = new AbortController();
    if (kind === "none") {
      this.over.removeAttribute("src");
      this.over.hidden = true;
      this.image.style.visibility = "";
      return;
    }
    this.busy.hidden = false;
    const flat = kind === "uv_tex"; // lies beside the photo, not on it
    const options = flat ? {} : { format: "png", background: "transparent" };
    try {
      const { signal } = this.aborting;
      const blob = await (await ask(outputs(this.record.id, kind, options as Record<string, string>), { signal })).blob();
      URL.revokeObjectURL(this.over.src);
      this.over.src = URL.createObjectURL(blob);
      this.over.alt = `${kindWords(kind)} of the faces`;
      await this.over.decode();
      this.over.hidden = false;
      this.over.dataset.kind = kind;
      this.over.style.objectFit = flat ? "contain" : "fill";
      this.image.style.visibility = flat ? "hidden" : "";
      this.fade(this.opacity);
      this.said.textContent = "";
    } catch (error) {
      this.fail(error);
    } finally {
      if (this.kind === kind) this.busy.hidden = true;
    }
  }

  private fade(value: number): void {
    this.opacity = value;
    this.over.style.opacity = String(value);
  }

  // Faces

  private async thumbnails(): Promise<void> {
    arrows(this.people, (k) => void this.select(k));
    await this.image.decode();
    this.record.faces.forEach((face, k) => {
      const canvas = h("canvas", { width: 108, height: 108, "aria-hidden": "true" });
      const xs = face.landmarks.map((p) => p[0]);
      const ys = face.landmarks.map((p) => p[1]);
      const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      const side = 1.5 * Math.max(x1 - x0, y1 - y0);
      const [x, y] = [(x0 + x1 - side) / 2, (y0 + y1 - side) / 2 - 0.06 * side];
      canvas.getContext("2d")!.drawImage(this.image, x, y, side, side, 0, 0, 108, 108);
      this.people.append(
        h(
          "button",
          { type: "button", role: "radio", "aria-label": this.label(face, k), onclick: () => void this.select(k) },
          canvas,
        ),
      );
    });
    check(this.people, this.face);
  }

  private async select(k: number): Promise<void> {
    this.face = k;
    const face = this.record.faces[k]!;
    check(this.outlines, k);
    check(this.people, k);
    this.numbers.show(face, face.expression);
    await this.show3d(true);
  }

  /** Load the chosen face; its expressions stay as they are unless it is `another` one. */
  private async show3d(another = false): Promise<void> {
    const { crop, face: k } = this;
    const weights = another ? undefined : this.viewer?.weights;
    this.loading.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.place.classList.add("waiting");
    try {
      const [data, { Viewer }] = await Promise.all([
        ask(outputs(this.record.id, "glb", { crop }, k), { signal }).then((response) => response.arrayBuffer()),
        import("./viewer"),
      ]);
      if (signal.aborted) return;
      this.viewer ??= new Viewer(this.place, "The face in 3D");
      (window as unknown as Record<string, unknown>).studioViewer = this.viewer;
      const names = await this.viewer.load(data);
      this.place.querySelector(".empty")?.remove();
      this.viewer.setFrontal(this.frontal);
      if (weights) this.viewer.setWeights(weights);
      this.list(names);
    } catch (error) {
      if (error instanceof Error && /WebGL/i.test(error.message)) {
        this.place.replaceChildren(h("p", { class: "empty" }, "This browser shows no 3D (WebGL is off). The GLB file can still be downloaded."));
      } else if (!signal.aborted) {
        this.place.querySelector(".empty")?.replaceChildren("The face in 3D could not be made.");
        this.fail(error);
      }
    } finally {
      if (!signal.aborted) this.place.classList.remove("waiting");
    }
  }

  // The face in 3D

  private frontal = true;
  private crop: "face" | "head" = "face";

  private head(): HTMLElement {
    this.place.append(h("p", { class: "empty" }, h("span", { class: "spinner" })));
    const surfaces: readonly (readonly [Surface, string])[] = [
      ["texture", "Photo"],
      ["clay", "Clay"],
      ["normals", "Normals"],
      ["wireframe", "Wireframe"],
    ];
    const presets = PRESETS.map(([name, weights]) =>
      button(name, () => this.apply(weights), { kind: "small" }),
    );
    return h(
      "section",
      { class: "card", "aria-label": "The face in 3D" },
      h(
        "header",
        {},
        h("h2", {}, "In 3D"),
        h(
          "div",
          { class: "row" },
          chip("Frontal", true, (on) => {
            this.frontal = on;
            this.viewer?.setFrontal(on);
          }),
          chip("Whole head", false, (on) => {
            this.crop = on ? "head" : "face";
            void this.show3d();
          }),
          button("Reset view", () => this.viewer?.reset(), { kind: "small" }),
        ),
      ),
      this.place,
      h(
        "div",
        { class: "toolbar" },
        choice("Surface", surfaces, "texture", (surface) => this.viewer?.setSurface(surface)),
        h(
          "div",
          { class: "row", role: "group", "aria-label": "Presets" },
          button("As in the photo", () => this.apply(this.record.faces[this.face]!.expression), { kind: "small" }),
          ...presets,
        ),
        h("details", {}, h("summary", {}, "All expressions"), this.sliders),
      ),
    );
  }

  private list(names: string[]): void {
    if (this.rows.size !== names.length) {
      this.rows.clear();
      this.sliders.replaceChildren(
        ...grouped(names).flatMap(([title, group]) => [
          h("h3", {}, title),
          ...group.map((name) => {
            const row = slider(expressionWords(name), 0, (value) => this.viewer?.setWeights({ [name]: value }, false));
            const input = row.querySelector("input")!;
            input.dataset.expression = name;
            input.setAttribute("aria-label", columnWords(name));
            this.rows.set(name, row);
            return row;
          }),
        ]),
      );
    }
    this.follow();
  }

  private apply(weights: Readonly<Record<string, number>>): void {
    this.viewer?.setWeights(weights);
    this.follow();
  }

  private follow(): void {
    for (const [name, value] of Object.entries(this.viewer?.weights ?? {})) this.rows.get(name)?.put(value);
  }

  // Numbers and files

  private side(): HTMLElement {
    return h(
      "div",
      { class: "stack" },
      h("section", { class: "card stack", "aria-label": "Numbers" }, h("h2", {}, "Faces"), this.people, this.numbers.element),
    );
  }

  private files(kinds: string[]): HTMLElement {
    const { id } = this.record;
    const stem = this.name;
    const special = ["obj", "glb"];
    const link = (kind: string): HTMLAnchorElement =>
      h("a", { href: outputs(id, kind, kind === "obj" ? { stem, texture: "true" } : { stem }), download: "", "data-kind": kind }, kindWords(kind));
    this.downloads.append(
      h("a", { class: "all", href: outputs(id, "all", { stem }), download: "", "data-kind": "all" }, "Everything as ZIP"),
      ...[...kinds].sort((a, b) => Number(special.includes(b)) - Number(special.includes(a))).map(link),
    );
    return h(
      "section",
      { class: "card downloads-card", "aria-label": "Downloads" },
      h("header", {}, h("h2", {}, "Downloads")),
      this.downloads,
    );
  }
}
