// What is wrong with the page as it stands, in words: too wide, too faint. Everything that folds is opened first.
// Called with [smallest contrast].
const least = arguments[0];
for (const fold of document.querySelectorAll("details")) { fold.open = true; }
const problems = [];
const said = (node) => `${node.tagName.toLowerCase()}.${node.className.baseVal ?? node.className} "${node.textContent.trim().slice(0, 40)}"`;
const width = document.documentElement.clientWidth;

if (document.documentElement.scrollWidth > width) {
  problems.push(`the page is ${document.documentElement.scrollWidth} wide on a screen of ${width}`);
}
for (const node of document.body.querySelectorAll("*")) {
  if (node.closest("svg") !== null && node.tagName !== "svg") { continue; }
  const place = node.getBoundingClientRect();
  if (place.width === 0 || place.right < 0) { continue; }
  if (place.right > width + 0.5) { problems.push(`${said(node)} ends at ${place.right} of ${width}`); }
  if (node.tagName !== "svg" && getComputedStyle(node).display !== "inline" && node.scrollWidth > node.clientWidth + 1
      && !["SELECT", "INPUT", "OPTION"].includes(node.tagName)) {
    problems.push(`${said(node)} holds ${node.scrollWidth} in ${node.clientWidth}`);
  }
}

function parts(color) {
  const found = color.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
  if (found === null) { problems.push(`a colour that nobody here can read: ${color}`); return [0, 0, 0, 1]; }
  return [Number(found[1]), Number(found[2]), Number(found[3]), found[4] === undefined ? 1 : Number(found[4])];
}
function light([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(node) {
  for (let at = node; at !== null; at = at.parentElement) {
    const color = parts(getComputedStyle(at).backgroundColor);
    if (color[3] === 1) { return color; }
    if (color[3] !== 0) { problems.push(`${said(at)} lets something shine through`); }
  }
  problems.push(`nothing is behind ${said(node)}`);
  return [255, 255, 255, 1];
}
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let texts = 0;
let worst = 21;
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (walker.currentNode.data.trim() === "" || ["TITLE", "DESC", "SCRIPT", "STYLE", "title", "desc"].includes(node.tagName)) { continue; }
  const range = document.createRange();
  range.selectNodeContents(walker.currentNode);
  if (range.getClientRects().length === 0) { continue; }
  const style = getComputedStyle(node);
  const ink = parts(node.closest("svg") === null ? style.color : style.fill);
  const pair = [light(ink), light(behind(node))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  texts += 1;
  worst = Math.min(worst, contrast);
  if (contrast < least || ink[3] !== 1) { problems.push(`${said(node)} has a contrast of ${contrast.toFixed(2)}`); }
  if (Number(style.opacity) !== 1) { problems.push(`${said(node)} is seen through`); }
}
return { problems: [...new Set(problems)].slice(0, 1000), texts, worst };
