/** Names of expressions and kinds in words, groups of expressions, presets. */

/** "mouthSmileLeft" → "Smile left". */
export function expressionWords(name: string): string {
  const words = name
    .replace(/^(mouth|brow|cheek|nose)(?=[A-Z])/, "")
    .replace(/^eye(?=Look|Blink|Squint|Wide)/, "")
    .replace(/([A-Z])/g, " $1")
    .trim()
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const GROUPS: readonly (readonly [string, RegExp])[] = [
  ["Brows", /^brow/],
  ["Eyes", /^eye(?!Look)/],
  ["Gaze", /^eyeLook/],
  ["Cheeks and nose", /^(cheek|nose)/],
  ["Jaw and tongue", /^(jaw|tongue)/],
  ["Mouth", /^mouth/],
];

/** Return names in groups; what belongs to none comes last. */
export function grouped(names: readonly string[]): [string, string[]][] {
  const groups = GROUPS.map(([title, pattern]): [string, string[]] => [title, names.filter((n) => pattern.test(n))]);
  const rest = names.filter((name) => !GROUPS.some(([, pattern]) => pattern.test(name)));
  return [...groups, ["Others", rest] as [string, string[]]].filter(([, list]) => list.length > 0);
}

const both = (name: string, value: number): Record<string, number> => ({ [`${name}Left`]: value, [`${name}Right`]: value });

export const PRESETS: readonly (readonly [string, Readonly<Record<string, number>>])[] = [
  ["Neutral", {}],
  ["Smile", { ...both("mouthSmile", 0.8), ...both("cheekSquint", 0.5), ...both("eyeSquint", 0.3) }],
  ["Laugh", { ...both("mouthSmile", 0.9), jawOpen: 0.45, ...both("cheekSquint", 0.7), ...both("eyeSquint", 0.6), ...both("mouthUpperUp", 0.4) }],
  ["Surprise", { browInnerUp: 0.9, ...both("browOuterUp", 0.8), ...both("eyeWide", 0.8), jawOpen: 0.5, mouthFunnel: 0.3 }],
  ["Sad", { browInnerUp: 0.8, ...both("mouthFrown", 0.8), mouthShrugLower: 0.5, ...both("eyeLookDown", 0.3) }],
  ["Angry", { ...both("browDown", 0.9), ...both("noseSneer", 0.6), ...both("eyeSquint", 0.4), ...both("mouthPress", 0.6) }],
  ["Kiss", { mouthPucker: 0.9, mouthFunnel: 0.2, ...both("eyeBlink", 0.3) }],
  ["Wink", { eyeBlinkLeft: 1, mouthSmileLeft: 0.7, mouthSmileRight: 0.4, cheekSquintLeft: 0.5 }],
];

const KINDS: Record<string, string> = {
  "2d_sparse": "Landmarks",
  "2d_dense": "Dense points",
  "3d": "Surface",
  depth: "Depth",
  pncc: "PNCC",
  uv_tex: "Texture",
  pose: "Head pose",
  normals: "Normals",
  wireframe: "Wireframe",
  ply: "PLY mesh",
  obj: "OBJ mesh",
  glb: "GLB with blendshapes",
  depth16: "Depth, 16-bit PNG",
  json: "JSON record",
  npz: "NumPy arrays",
  csv: "CSV table",
  jsonl: "JSON lines",
  parquet: "Parquet table",
};

/** Name of a kind of output in words. */
export const kindWords = (name: string): string => KINDS[name] ?? name;

const COLUMNS: Record<string, string> = { yaw_deg: "Yaw", pitch_deg: "Pitch", roll_deg: "Roll" };

/** Name of a column of a timeline in words. */
export const columnWords = (name: string): string =>
  COLUMNS[name] ?? name.replace(/([A-Z])/g, " $1").replace(/^./, (c) => c.toUpperCase()).replace(/ [A-Z]/g, (c) => c.toLowerCase());

/** -12.3 → "−12°". */
export const degrees = (value: number): string => `${Math.round(value) < 0 ? "−" : ""}${Math.abs(value).toFixed(0)}°`;

/** 83.5 → "1:23.5". */
export function clock(seconds: number): string {
  const tenths = Math.round(10 * seconds); // rounded first: 59.96 s are a minute
  return `${Math.floor(tenths / 600)}:${((tenths % 600) / 10).toFixed(1).padStart(4, "0")}`;
}

/** 1, "face" → "1 face"; 2, "face" → "2 faces". */
export const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;

/** 1234567 → "1.2 MB". */
export function size(bytes: number): string {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
