// Names of nodes, CPUs and containers, as short as can be read.

const ENDS_A_PART = /[-._:/ ]/;

// Names without what all of them begin and end with, cut where a part of a name ends; where there is
// little room, without what most of them end with, too.
class ShortNames {
  constructor(names, isTight = false) {
    this.start = names.length > 1 ? commonStart(names) : "";
    const rest = names.map((name) => reversed(name.slice(this.start.length)));
    this.end = names.length > 1 ? reversed(commonStart(rest)) : "";
    this.usual = isTight ? usualEnd(names.map((name) => this.of(name))) : "";
  }

  of(name) {
    const short = name.slice(this.start.length, name.length - this.end.length);
    return this.usual && short.endsWith(this.usual) ? short.slice(0, -this.usual.length) : short;
  }

  get words() {
    const cut = [this.start && `“${this.start}” before`, this.end && `“${this.end}” behind`];
    const both = cut.filter(Boolean).join(" and ");
    const usual = this.usual && `“${this.usual}” at their end`;
    const words = [both && `${both} them`, usual].filter(Boolean).join(", and most without ");
    return words ? `${both ? "Names" : "Most names"} are without ${words}.` : "";
  }
}

function commonStart(texts) {
  const [first, ...others] = texts.map((text) => [...text]);
  let length = 0;
  while (length < first.length && others.every((other) => other[length] === first[length])) {
    length += 1;
  }
  length = Math.min(length, Math.min(first.length, ...others.map((other) => other.length)) - 1);
  while (length > 0 && !ENDS_A_PART.test(first[length - 1])) {
    length -= 1;
  }
  return first.slice(0, Math.max(0, length)).join("");
}

// What half of the names or more end in, from the last dot on; nothing where a name would be lost.
function usualEnd(names) {
  const counts = new Map();
  for (const name of names) {
    const end = name.slice(Math.max(0, name.lastIndexOf(".")));
    counts.set(end, (counts.get(end) ?? 0) + 1);
  }
  const [end, most] = [...counts].reduce((one, other) => (other[1] > one[1] ? other : one), ["", 0]);
  const left = names.map((name) => (name.endsWith(end) ? name.slice(0, -end.length) : name));
  const isTold = end.length > 1 && !left.includes("") && new Set(left).size === new Set(names).size;
  return isTold && 2 * most >= names.length && most > 1 ? end : "";
}

function reversed(text) {
  return [...text].reverse().join("");
}

// A CPU's name without what says nothing.
function shortCpu(name) {
  return name
    .replace(/\((R|TM|tm)\)/g, "")
    .replace(/\b(CPU|Processor|Core Processor|Genuine|\d+-Core)\b|@.*$/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

function cpuWords(model, group) {
  const names = new Set(group.nodes.map((node) => shortCpu(node.cpu)).filter(Boolean));
  return [...names].join(", ") || model.classOf(group).vendor;
}

function kernelWords(model, group) {
  const short = ({ release }) => release.replace(/^2\.6\.\d+-(?=\d+stab)/, "");
  const releases = new Set(group.nodes.map(short).filter(Boolean));
  return [...releases].join(", ") || model.classOf(group).generation;
}

// How many more nodes a group has than that by which it is called.
function more(group) {
  return group.nodes.length > 1 ? ` +${group.nodes.length - 1}` : "";
}

function aboutNode(model, group) {
  return element("div.about", `${cpuWords(model, group)} · ${kernelWords(model, group)}`);
}

// Containers by their numbers; those of several nodes by their count.
function containersWords(containers, most = 12) {
  if (containers.every(({ ctid }) => ctid === null)) {
    return "Any container";
  }
  if (new Set(containers.map(({ node }) => node)).size > 1) {
    return count(containers.length, "container");
  }
  const shown = containers.slice(0, most).map(({ ctid }) => ctid);
  const more = containers.length > most ? ` and ${containers.length - most} more` : "";
  return `Container${containers.length > 1 ? "s" : ""} ${shown.join(", ")}${more}`;
}

// What the containers are, as far as the kernel looks at it.
function statesWords(model, containers) {
  const known = containers.filter(({ container }) => container !== null);
  if (!known.length) {
    return "no container is recorded there: the nodes alone are compared";
  }
  return [...new Set(known.map(({ container }) => model.data.containers[container]))].join("; ");
}

// Say counts: one word where all are alike.
function countsWords(counts) {
  const total = sum([...counts]);
  const present = OUTCOMES.map((outcome, at) => [counts[at], outcome]).filter(([one]) => one);
  if (present.length === 1) {
    return present[0][1];
  }
  return present
    .map(([one, outcome]) => `${number(one)} of ${number(total)} ${outcome}`)
    .join(", ");
}
