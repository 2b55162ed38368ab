// A chart as a file: the drawing with its title, its legend and the colours of the light theme, as console.md section 11 asks.
import { download } from "../ui/Copy";

/** Values of the tokens in the light theme, whichever is on. */
function lightTokens(): (name: string) => string {
  const root = document.documentElement;
  const theme = root.dataset["theme"] ?? "light";
  root.dataset["theme"] = "light";
  const style = getComputedStyle(root);
  const found = new Map<string, string>();
  for (const name of ["--surface", "--text", "--text-3", "--axis", "--grid", "--brush", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6", "--c7", "--c8"]) found.set(name, style.getPropertyValue(name).trim());
  root.dataset["theme"] = theme;
  return (name) => found.get(name) ?? "#000";
}

const ns = "http://www.w3.org/2000/svg";
function text(x: number, y: number, size: number, content: string, fill: string): SVGTextElement {
  const e = document.createElementNS(ns, "text");
  e.setAttribute("x", String(x));
  e.setAttribute("y", String(y));
  e.setAttribute("font-size", String(size));
  e.setAttribute("fill", fill);
  e.textContent = content;
  return e;
}

export interface Legend {
  label: string;
  color: string;
}

/** The markup of a picture of its own: head of 64 px, then the drawing. */
export function chartMarkup(svg: SVGSVGElement, title: string, legend: readonly Legend[]): { markup: string; width: number; height: number } {
  const width = svg.clientWidth || Number(svg.getAttribute("width"));
  const height = (svg.clientHeight || Number(svg.getAttribute("height"))) + 64;
  const out = document.createElementNS(ns, "svg");
  out.setAttribute("xmlns", ns);
  out.setAttribute("width", String(width));
  out.setAttribute("height", String(height));
  out.setAttribute("viewBox", `0 0 ${width} ${height}`);
  out.setAttribute("font-family", "sans-serif");
  const ground = document.createElementNS(ns, "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", "var(--surface)");
  const drawing = svg.cloneNode(true) as SVGSVGElement;
  drawing.querySelector(".hv")?.remove();
  drawing.setAttribute("y", "64");
  out.append(ground, text(12, 24, 14, title, "var(--text)"));
  let x = 12;
  for (const l of legend) {
    const box = document.createElementNS(ns, "rect");
    for (const [k, v] of Object.entries({ x, y: 38, width: 10, height: 10, fill: `var(${l.color})` })) box.setAttribute(k, String(v));
    out.append(box, text(x + 15, 47, 11, l.label, "var(--axis)"));
    x += 15 + l.label.length * 7 + 16;
  }
  out.append(drawing);
  const token = lightTokens();
  return { markup: new XMLSerializer().serializeToString(out).replace(/var\((--[\w-]+)\)/g, (_, name: string) => token(name)), width, height };
}

export async function saveChart(svg: SVGSVGElement, name: string, title: string, legend: readonly Legend[], kind: "png" | "svg"): Promise<void> {
  const { markup, width, height } = chartMarkup(svg, title, legend);
  if (kind === "svg") {
    download(`${name}.svg`, "image/svg+xml", markup);
    return;
  }
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(markup)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width * 2;
  canvas.height = height * 2;
  canvas.getContext("2d")?.drawImage(image, 0, 0, width * 2, height * 2);
  const blob = await new Promise<Blob | null>((done) => { canvas.toBlob(done, "image/png"); });
  if (!blob) throw new Error("the picture could not be made");
  download(`${name}.png`, "image/png", blob);
}
