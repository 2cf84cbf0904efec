/** A video at a glance: a lane per person, and curves of any column. Studio and reports share it. */

import { chip, h, s } from "./dom";
import { clock, columnWords, count, degrees } from "./words";

export interface Person {
  id: number;
  thumbnail: string;
  share: number;
  present: [number, number][];
  blinks: number[];
  curves: Record<string, (number | null)[]>;
}

export interface TimelineRecord {
  title: string;
  n_frames: number;
  duration_s: number;
  times: number[];
  cuts: number[];
  columns: string[];
  people: Person[];
}

/** Time of the first frame, s: later than 0 where a part of a video was followed. */
export function startOf(data: TimelineRecord): number {
  return data.times[0] ?? 0;
}

const WIDTH = 1000;
const LANE = 52;
const CHART = 210;
const FIRST = ["yaw_deg", "jawOpen", "eyeBlinkLeft"];
const DASHES = ["", "7 4", "2 4", "10 3 2 3"];
const BORDERS = ["solid", "dashed", "dotted", "double"];
const ANGLE = /_deg$/;

/** The parts of the page that follow a timeline. */
export class TimelineView {
  readonly element = h("div", { class: "timeline" });
  private readonly columns = new Set<string>();
  private readonly playheads: SVGLineElement[] = [];
  private readonly chart = h("div", { class: "chart" });
  private readonly scale = h("div", { class: "scale num", "aria-hidden": "true" });
  private readonly legend = h("div", { class: "legend num" });
  private readonly slide = h("input", { type: "range", class: "seek", min: 0, step: 0.01, value: 0, "aria-label": "Time in the video, seconds" });
  private time = 0;

  constructor(
    private readonly data: TimelineRecord,
    private readonly onseek: (time: number) => void = () => {},
  ) {
    for (const name of FIRST) if (data.columns.includes(name)) this.columns.add(name);
    const lanes = data.people.map((person) => this.lane(person));
    this.element.append(
      data.people.length
        ? h("div", { class: "lanes", role: "list", "aria-label": "People in the video" }, ...lanes)
        : h("p", { class: "hint" }, "Nobody was seen in this video. Faces have to be about a thirtieth of the frame wide."),
    );
    if (!data.people.length) return;
    this.element.append(
      h("div", { class: "chart-row" }, this.scale, this.chart),
      this.ticks(),
      this.legend,
      this.picker(),
    );
    this.draw();
  }

  /** Move the playhead. */
  seek(time: number): void {
    this.time = Math.min(Math.max(time, startOf(this.data)), this.data.duration_s);
    const at = this.x(this.time);
    const x = String(at);
    for (const line of this.playheads) {
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    this.slide.value = String(this.time);
    this.slide.style.setProperty("--at", `${(100 * at) / WIDTH}%`);
    this.tell();
  }

  private get length(): number {
    return this.data.duration_s - startOf(this.data);
  }

  private x(time: number): number {
    return (WIDTH * (time - startOf(this.data))) / Math.max(this.length, 1e-9);
  }

  private lane(person: Person): HTMLElement {
    const y0 = 12;
    const height = LANE - y0;
    const spans = person.present.map(([a, b]) =>
      s("rect", { class: "span", x: this.x(a), y: y0, width: Math.max(this.x(b) - this.x(a), 1), height, rx: 3 }),
    );
    const blinks = person.blinks.map((t) =>
      s("line", { class: "blink", x1: this.x(t), x2: this.x(t), y1: 1, y2: y0 - 3 }),
    );
    const parts = [
      s("rect", { class: "track", x: 0, y: y0, width: WIDTH, height, rx: 3 }),
      ...spans,
      s("path", { class: "mouth", d: this.area(person.curves["jawOpen"] ?? [], y0, height) }),
      ...blinks,
      ...this.cuts(LANE),
      this.playhead(LANE),
    ];
    const n = person.blinks.length;
    const seen = `seen ${Math.round(100 * person.share)} %`;
    const blinked = count(n, "blink");
    const told = `Face ${person.id}, ${seen} of the time, ${blinked}`;
    const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${LANE}`, preserveAspectRatio: "none", role: "img", "aria-label": told }, ...parts);
    this.follow(svg);
    return h(
      "div",
      { class: "lane", role: "listitem", style: { "--lane": `var(--lane-${person.id % 6})` } },
      h(
        "div",
        { class: "who" },
        h("img", { src: person.thumbnail, alt: "", width: 46, height: 46 }),
        h("div", {}, h("b", {}, `Face ${person.id}`), h("span", { class: "num" }, seen), n ? h("span", { class: "num" }, blinked) : null),
      ),
      svg,
    );
  }

  /** Return an area from the bottom of a lane: how far the mouth is open. */
  private area(curve: (number | null)[], y0: number, height: number): string {
    let path = "";
    let open = false;
    const bottom = y0 + height;
    curve.forEach((value, k) => {
      const x = this.x(this.data.times[k]!).toFixed(1);
      if (value === null) {
        if (open) path += `V${bottom}Z`;
        open = false;
        return;
      }
      const y = (bottom - height * Math.min(Math.max(value, 0), 1)).toFixed(1);
      path += open ? `L${x} ${y}` : `M${x} ${bottom}V${y}`;
      open = true;
    });
    return open ? `${path}V${bottom}Z` : path;
  }

  private cuts(height: number): SVGElement[] {
    return this.data.cuts.map((t) => s("line", { class: "cut", x1: this.x(t), x2: this.x(t), y1: 0, y2: height }));
  }

  private playhead(height: number): SVGLineElement {
    const line = s("line", { class: "playhead", x1: 0, x2: 0, y1: 0, y2: height });
    this.playheads.push(line);
    return line;
  }

  private follow(svg: SVGSVGElement): void {
    const seek = (event: PointerEvent): void => {
      const box = svg.getBoundingClientRect();
      const time = startOf(this.data) + ((event.clientX - box.left) / box.width) * this.length;
      this.seek(time);
      this.onseek(this.time);
    };
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      seek(event);
    });
    svg.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) seek(event);
    });
  }

  private ticks(): HTMLElement {
    const n = 5;
    const labels = Array.from({ length: n + 1 }, (_, k) => h("span", {}, clock(startOf(this.data) + (this.length * k) / n)));
    return h("div", { class: "ticks num", "aria-hidden": "true" }, ...labels);
  }

  private picker(): HTMLElement {
    const chips = this.data.columns.map((name) =>
      chip(columnWords(name), this.columns.has(name), (on) => {
        if (on) this.columns.add(name);
        else this.columns.delete(name);
        this.draw();
      }),
    );
    this.slide.min = String(startOf(this.data));
    this.slide.max = String(this.data.duration_s);
    this.slide.addEventListener("input", () => {
      this.seek(this.slide.valueAsNumber);
      this.onseek(this.time);
    });
    return h(
      "div",
      { class: "timeline" },
      h("div", { class: "chart-row" }, h("span"), this.slide),
      h("details", { class: "columns", open: this.data.columns.length < 8 }, h("summary", {}, "Curves"), h("div", { class: "pick" }, ...chips)),
    );
  }

  private draw(): void {
    const angles = [...this.columns].some((name) => ANGLE.test(name));
    const shares = [...this.columns].some((name) => !ANGLE.test(name));
    let most = 30;
    for (const person of this.data.people) {
      for (const name of this.columns) {
        if (ANGLE.test(name)) for (const v of person.curves[name] ?? []) most = Math.max(most, Math.abs(v ?? 0));
      }
    }
    most = Math.ceil(most / 15) * 15;
    const lines = [0, 0.25, 0.5, 0.75, 1].map((part) =>
      s("line", { class: "grid", x1: 0, x2: WIDTH, y1: CHART * part, y2: CHART * part }),
    );
    const paths: SVGElement[] = [];
    [...this.columns].forEach((name, k) => {
      for (const person of this.data.people) {
        const y = ANGLE.test(name)
          ? (v: number) => CHART * (0.5 - v / (2 * most))
          : (v: number) => CHART * (1 - Math.min(Math.max(v, 0), 1));
        paths.push(
          s("path", {
            d: this.curve(person.curves[name] ?? [], y),
            stroke: `var(--lane-${person.id % 6})`,
            "stroke-dasharray": DASHES[k % DASHES.length],
          }),
        );
      }
    });
    this.playheads.splice(this.data.people.length);
    const svg = s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${CHART}`, preserveAspectRatio: "none", role: "img", "aria-label": "Curves over time" },
      ...lines,
      ...paths,
      ...this.cuts(CHART),
      this.playhead(CHART),
    );
    this.follow(svg);
    this.chart.replaceChildren(svg);
    const label = (part: number): string => {
      const texts = [];
      if (angles) texts.push(degrees(most * (1 - 2 * part)));
      if (shares) texts.push((1 - part).toFixed(2));
      return texts.join("  ");
    };
    this.scale.replaceChildren(...[0, 0.5, 1].map((part) => h("span", {}, label(part))));
    this.seek(this.time);
  }

  private curve(values: (number | null)[], y: (value: number) => number): string {
    let path = "";
    let down = false;
    values.forEach((value, k) => {
      if (value === null) {
        down = false;
        return;
      }
      path += `${down ? "L" : "M"}${this.x(this.data.times[k]!).toFixed(1)} ${y(value).toFixed(1)}`;
      down = true;
    });
    return path;
  }

  /** Say the values at the playhead. */
  private tell(): void {
    const at = this.data.times.findLastIndex((t) => t <= this.time + 1e-6);
    const items = this.data.people.map((person) => {
      const values = [...this.columns].map((name, k) => {
        const value = person.curves[name]?.[at];
        const text = value === null || value === undefined ? "–" : ANGLE.test(name) ? degrees(value) : value.toFixed(2);
        const mark = h("i", { style: { "border-top": `3px ${BORDERS[k % BORDERS.length]} var(--lane-${person.id % 6})` } });
        return h("span", {}, mark, `${columnWords(name)} `, h("b", { class: "num" }, text));
      });
      return h("div", { class: "of" }, this.data.people.length > 1 ? h("b", { class: "whose" }, `Face ${person.id}`) : null, ...values);
    });
    this.legend.replaceChildren(h("b", {}, clock(this.time)), ...items);
  }
}
