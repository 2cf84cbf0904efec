/** Numbers of a face: pose, gaze, confidence, and its strongest expressions as bars. */

import { h } from "./dom";
import { columnWords, degrees } from "./words";

const SHOWN = 8;
const PROFILE_DEG = 80; // yaw from which on pitch and roll turn about almost the same axis

export interface Numbers {
  pose: { yaw_deg: number; pitch_deg: number; roll_deg: number };
  gaze?: { yaw_deg: number; pitch_deg: number } | null;
  confidence?: number | null;
  score?: number;
}

interface Row {
  element: HTMLElement;
  name: HTMLElement;
  value: HTMLElement;
  bar?: HTMLElement;
}

/** Set a text where it differs: what is as it was is not painted again. */
function put(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export class NumbersPanel {
  private readonly list = h("dl", { class: "numbers" });
  private readonly bars = h("ul", { class: "bars num", "aria-label": "Strongest expressions" });
  private readonly items: Row[] = [];
  private readonly rows: Row[] = [];
  private readonly note = h("p", { class: "hint", hidden: true }, "In full profile, pitch and roll cannot be told apart.");
  readonly element = h("div", { class: "stack" }, this.list, this.note, h("h3", {}, "Expressions"), this.bars);

  show(numbers: Numbers, expression: Record<string, number>): void {
    const { yaw_deg, pitch_deg, roll_deg } = numbers.pose;
    const isProfile = Math.abs(yaw_deg) > PROFILE_DEG;
    const items: [string, string][] = [
      ["Yaw", degrees(yaw_deg)],
      ["Pitch", isProfile ? "–" : degrees(pitch_deg)],
      ["Roll", isProfile ? "–" : degrees(roll_deg)],
    ];
    if (this.note.hidden === isProfile) this.note.hidden = !isProfile;
    if (numbers.gaze) items.push(["Gaze yaw", degrees(numbers.gaze.yaw_deg)], ["Gaze pitch", degrees(numbers.gaze.pitch_deg)]);
    const trust = numbers.confidence ?? numbers.score;
    if (trust !== undefined) items.push(["Confidence", `${(100 * trust).toFixed(0)} %`]);
    fit(this.list, this.items, items.length, itemRow);
    items.forEach(([name, value], k) => {
      put(this.items[k]!.name, name);
      put(this.items[k]!.value, value);
    });
    const top = Object.entries(expression)
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN);
    fit(this.bars, this.rows, top.length, barRow);
    top.forEach(([name, value], k) => {
      const row = this.rows[k]!;
      put(row.name, columnWords(name)); // here no group says what is down or left
      put(row.value, value.toFixed(2));
      row.bar!.style.width = `${Math.round(100 * Math.min(Math.max(value, 0), 1))}%`;
    });
  }
}

/** Add or remove rows. */
function fit(place: HTMLElement, rows: Row[], n: number, make: () => Row): void {
  while (rows.length > n) rows.pop()!.element.remove();
  while (rows.length < n) {
    rows.push(make());
    place.append(rows.at(-1)!.element);
  }
}

function itemRow(): Row {
  const [name, value] = [h("dt"), h("dd")];
  return { element: h("div", {}, name, value), name, value };
}

function barRow(): Row {
  const [name, bar, value] = [h("span"), h("i"), h("span", { class: "num" })];
  return { element: h("li", {}, name, h("span", { class: "bar" }, bar), value), name, bar, value };
}
