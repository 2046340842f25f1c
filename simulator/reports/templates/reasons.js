// What is found, in words: outcomes, reasons by code, and what to do next, once for each code.

const FACTS = [
  ["feature", "feature"],
  ["place", "where"],
  ["source", "source"],
  ["destination", "destination"],
  ["neededBy", "needed by"],
  ["hiddenBy", "hidden by"],
  ["said", "what it says"],
];

function sign(outcome) {
  return element(`span.sign.${OUTCOMES[outcome]}`, { "aria-hidden": "true" });
}

// Counts as a bar: parts as wide as their shares.
function barOf(counts) {
  const total = sum([...counts]) || 1;
  const parts = OUTCOMES.map((outcome, at) => {
    const part = element(`span.${outcome}`);
    part.style.width = `${(100 * counts[at]) / total}%`;
    return part;
  });
  return element("span.bar", { role: "img", "aria-label": countsWords(counts) }, parts);
}

function byCode(reasons) {
  const alike = new Map();
  for (const reason of reasons) {
    listAt(alike, `${reason.code} ${reason.weight} ${reason.isWaived}`).push(reason);
  }
  return [...alike.values()].sort(([one], [other]) => one.weight - other.weight);
}

// A line for each code that an outcome comes from, with its features.
function because(model, reasons) {
  const lines = byCode(reasons).map((alike) => {
    const features = distinct(alike, "feature").join(", ");
    const hiding = distinct(alike, "hiddenBy").join("; ");
    const { summary } = model.data.codes[alike[0].code];
    return element(
      "li",
      summary,
      features && ": ",
      features && element("b", features),
      hiding && quiet(` (${hiding})`),
    );
  });
  return element("ul.because", lines);
}

function distinct(reasons, key) {
  return [...new Set(reasons.map((reason) => reason[key]))].filter(Boolean);
}

// What to do next about codes; those together that ask for the same.
function remedies(model, codes) {
  const alike = new Map();
  for (const code of new Set(codes)) {
    listAt(alike, model.data.codes[code].next_step).push({ code, ...model.data.codes[code] });
  }
  const why = ({ code, summary, explanation }) =>
    element("p", element("strong", `${summary}. `), explanation, " ", element("code", code));
  const entries = [...alike].map(([next, those]) => {
    const titles = those.map(({ summary }) => element("strong", summary));
    return element("li", titles, element("p.next", next), folded("Why", those.map(why)));
  });
  return element("ul.remedies", entries);
}

// One verdict with all its reasons, what counts and what does not.
function opinionOf(model, title, opinion) {
  const blocks = byCode(model.said(opinion)).map((alike) => reasonBlock(model, alike));
  const kind = `div.${title.toLowerCase()}`;
  return element(kind, element("h4", `${title}: ${VERDICTS[model.verdicts[opinion]]}`), blocks);
}

function reasonBlock(model, alike) {
  const { code, weight, isWaived, counts } = alike[0];
  const remarks = [isWaived && "waived", weight === IS_REMARK && "a remark"].filter(Boolean);
  const kind = counts ? `div.reason.${WEIGHTS[weight]}` : "div.reason";
  const words = remarks.length > 0 && quiet(` (${remarks.join(", ")})`);
  const { summary } = model.data.codes[code];
  return element(kind, element("p", summary, words), factsOf(alike));
}

// What is the same of all of them is said once, the rest is a table; of one, what it is and where.
function factsOf(alike) {
  const known = FACTS.filter(([key]) => alike.some((reason) => reason[key]));
  const isFewer = ([key]) => alike.length > 1 || !["feature", "place"].includes(key);
  const isShared = (fact) => isFewer(fact) && distinct(alike, fact[0]).length === 1;
  const shared = known.filter(isShared).map(([key, title]) => `${title}: ${alike[0][key]}`);
  const others = known.filter((fact) => !isShared(fact));
  const rows = alike.map((reason) => others.map(([key]) => reason[key]));
  return [
    shared.length > 0 && element("p.quiet", shared.join(" · ")),
    others.length > 0 &&
      tableOf(
        "facts",
        others.map(([, title]) => title),
        rows,
      ),
  ];
}
