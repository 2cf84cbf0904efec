/** Numbers of a face: pose, gaze, confidence, and its strongest expressions as bars. */

import { h } from "./dom";
import { expressionWords } from "./words";

const SHOWN = 8;

export interface Numbers {
  pose: { yaw_deg: number; pitch_deg: number; roll_deg: number };
  gaze?: { yaw_deg: number; pitch_deg: number } | null;
  confidence?: number | null;
  score?: number;
}

const degrees = (value: number): string => `${value < -0.5 ? "−" : ""}${Math.abs(value).toFixed(0)}°`;

export class NumbersPanel {
  private readonly list = h("dl", { class: "numbers" });
  private readonly bars = h("ul", { class: "bars num", "aria-label": "Strongest expressions" });
  readonly element = h("div", { class: "stack" }, this.list, h("h3", {}, "Expressions"), this.bars);

  show(numbers: Numbers, expression: Record<string, number>): void {
    const items: [string, string][] = [
      ["Yaw", degrees(numbers.pose.yaw_deg)],
      ["Pitch", degrees(numbers.pose.pitch_deg)],
      ["Roll", degrees(numbers.pose.roll_deg)],
    ];
    if (numbers.gaze) items.push(["Gaze yaw", degrees(numbers.gaze.yaw_deg)], ["Gaze pitch", degrees(numbers.gaze.pitch_deg)]);
    const trust = numbers.confidence ?? numbers.score;
    if (trust !== undefined) items.push(["Confidence", `${(100 * trust).toFixed(0)} %`]);
    this.list.replaceChildren(...items.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    const top = Object.entries(expression)
      .sort(([, a], [, b]) => b - a)
      .slice(0, SHOWN);
    this.bars.replaceChildren(
      ...top.map(([name, value]) =>
        h(
          "li",
          {},
          h("span", {}, expressionWords(name)),
          h("span", { class: "bar" }, h("i", { style: { width: `${Math.round(100 * Math.min(Math.max(value, 0), 1))}%` } })),
          h("span", { class: "num" }, value.toFixed(2)),
        ),
      ),
    );
  }
}
